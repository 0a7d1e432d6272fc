"""A large document takes a bounded multiple of its size."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HUNDRED_MEGABYTES = 100_000_000


async def test_a_document_of_100_mb_is_sealed_within_three_times_its_size(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.signing.peak_memory", str(tmp_path / "large.pdf"), str(HUNDRED_MEGABYTES),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    taken, size = map(int, output.split())
    assert size > HUNDRED_MEGABYTES
    assert taken <= 3 * size, f"{taken / size:.2f} times"
