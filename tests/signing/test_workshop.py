"""The processes in which uploads are read: nothing to lose, nothing to reach."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from foundation.confinement import UNPRIVILEGED_ID
from signing.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    workshop = Workshop(workers=1, functions=[what_it_may])
    yield workshop
    await workshop.close()


def what_it_may() -> dict[str, str]:
    """Try what a parser taken over would; runs in the worker process."""
    tried: dict[str, str] = {"environment": str(dict(os.environ))}
    for name, act in (
        ("read", lambda: Path("/etc/hostname").read_bytes()),
        ("write", lambda: Path("/tmp/taken-over").write_bytes(b"x")),  # noqa: S108 - nothing is to be written there
        ("fork", os.fork),
        ("connect", lambda: socket.create_connection(("127.0.0.1", 5432), timeout=1)),
    ):
        try:
            act()
        except OSError as error:
            tried[name] = type(error).__name__
        else:
            tried[name] = "done"
    return tried


async def test_a_process_taken_over_reads_and_writes_no_file_starts_nothing_and_reaches_nobody(
    workshop: Workshop,
) -> None:
    tried = await workshop.run(what_it_may)
    assert tried.pop("environment") == "{}"
    assert set(tried) == {"read", "write", "fork", "connect"}
    assert "done" not in tried.values()


async def test_a_process_is_nobody_and_stays_so(workshop: Workshop) -> None:
    examine_process(Path(f"/proc/{await workshop.run(os.getpid)}"))


def examine_process(process: Path) -> None:
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(UNPRIVILEGED_ID)}
        assert (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
