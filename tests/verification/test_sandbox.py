from __future__ import annotations

import asyncio
import io
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pikepdf
import pytest

from foundation.confinement import UNPRIVILEGED_ID
from tests.verification.pki import NOW, Pki
from tests.verification.samples import blank, seal
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound, NotAPdf
from verification.limits import PdfLimits
from verification.model import Verdict
from verification.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from verification.trust import TrustMaterial


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=1)
    yield sandbox
    await sandbox.close()


async def test_the_worker_gives_the_same_report_as_the_gate(
    sandbox: Sandbox, pki: Pki, material: TrustMaterial
) -> None:
    report = await sandbox.validate(seal(blank(), pki), material, at=NOW)
    assert (report.verdict, report.seals[0].level, report.seals[0].signer) == (
        Verdict.VALID,
        "B-T",
        "演示市市场监督管理局",
    )
    later = await sandbox.validate(seal(blank(), pki), material, at=NOW + timedelta(days=60))
    assert later.verdict is Verdict.UNDETERMINED


async def test_errors_cross_the_border_by_name(sandbox: Sandbox, material: TrustMaterial) -> None:
    with pytest.raises(NotAPdf):
        await sandbox.validate(b"PK\x03\x04 a zip", material, at=NOW)
    with pytest.raises(NoSealFound):
        await sandbox.validate(blank(), material, at=NOW)
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(DocumentEncrypted):
        await sandbox.validate(out.getvalue(), material, at=NOW)


async def test_a_worker_has_no_environment_no_privilege_and_no_network(sandbox: Sandbox) -> None:
    await sandbox.start()
    worker = sandbox._idle._queue[0]  # type: ignore[attr-defined]
    examine_process(Path(f"/proc/{worker._process.pid}"))


def examine_process(process: Path) -> None:
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == {str(UNPRIVILEGED_ID)}
        assert set(status["Gid"].split()) == {str(UNPRIVILEGED_ID)}
        assert (process / "environ").read_bytes() == b""
        assert (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        interfaces = [line.split(":")[0].strip() for line in (process / "net/dev").read_text().splitlines()[2:]]
        assert interfaces == ["lo"]


async def test_a_file_that_takes_too_long_is_refused_and_the_next_one_is_judged(
    pki: Pki, material: TrustMaterial
) -> None:
    slow = Sandbox(workers=1, limits=PdfLimits(seconds=0.01))
    try:
        with pytest.raises(DocumentOverLimit):
            await slow.validate(seal(blank(pages=300), pki), material, at=NOW)
    finally:
        await slow.close()


@pytest.mark.parametrize(
    ("size", "pages", "seals", "seconds"),
    [
        (10_000, 0, 0, 1.703),
        (10_000, 1, 1, 1.813),
        (340_000, 1, 50, 4.362),
        (9_000_000, 100, 1, 10.0),
        (10_000, 2_000, 1, 10.0),
    ],
    ids=["unread", "letter", "fifty seals", "a hundred scans", "many pages"],
)
def test_a_verdict_may_cost_what_honest_files_of_its_kind_do(size: int, pages: int, seals: int, seconds: float) -> None:
    assert PdfLimits().cpu_budget(size, pages=pages, seals=seals) == pytest.approx(seconds)


async def test_a_file_over_its_processor_time_is_refused_long_before_the_clock_runs_out(
    pki: Pki, material: TrustMaterial
) -> None:
    thrifty = Sandbox(workers=1, limits=PdfLimits(cpu_seconds=0.02, cpu_seconds_each_page=0.0))
    try:
        with pytest.raises(DocumentOverLimit):
            await thrifty.validate(seal(blank(pages=300), pki), material, at=NOW)
    finally:
        await thrifty.close()


async def test_a_worker_that_dies_is_replaced(sandbox: Sandbox, pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki)
    await sandbox.validate(document, material, at=NOW)
    worker = sandbox._idle._queue[0]  # type: ignore[attr-defined]
    worker._process.kill()
    await worker._process.wait()
    assert (await sandbox.validate(document, material, at=NOW)).verdict is Verdict.VALID


async def test_documents_wait_for_a_free_worker(sandbox: Sandbox, pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki)
    reports = await asyncio.gather(*(sandbox.validate(document, material, at=NOW) for _ in range(6)))
    assert {report.verdict for report in reports} == {Verdict.VALID}
