from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from tests.verification.hostile import all_hostile, hybrid
from tests.verification.pki import NOW, Pki
from tests.verification.samples import blank, seal
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound
from verification.model import Reason, Verdict
from verification.pdf import validate_pdf
from verification.sandbox import Sandbox

if TYPE_CHECKING:
    from verification.trust import TrustMaterial

REFUSED = (DocumentOverLimit, NoSealFound, DocumentEncrypted)
# Sealed soundly, however wasteful: the seal is good and says so.
HARMLESS = {"bomb_200_mb", "bomb_layers", "huge_page"}


STOPPED = {"pattern_storm"}
CPU_SECONDS = 2.0


async def test_hostile_files_are_refused_or_judged_each_within_two_seconds_and_harm_nobody(
    pki: Pki, material: TrustMaterial
) -> None:
    sandbox = Sandbox(workers=1)
    await sandbox.start()
    (worker,) = (psutil.Process(number) for number in sandbox.process_ids())
    try:
        for name, document in all_hostile(pki):
            before = worker.cpu_times()
            try:
                report = await sandbox.validate(document, material, at=NOW)
            except REFUSED:
                report = None
            after = worker.cpu_times()
            # The child that read the file has ended, so its time stands in the worker's account.
            spent = (after.children_user + after.children_system) - (before.children_user + before.children_system)
            # Nothing short of drawing it tells how much a file has to draw: its limits end that one.
            assert spent < CPU_SECONDS or name in STOPPED, (name, spent)
            if report is not None and name not in HARMLESS:
                assert report.verdict is not Verdict.VALID, name
        assert (await sandbox.validate(seal(blank(), pki), material, at=NOW)).verdict is Verdict.VALID
    finally:
        await sandbox.close()


def test_fifty_seals_are_judged(pki: Pki, material: TrustMaterial) -> None:
    document = blank()
    for number in range(50):
        document = seal(document, pki, field=f"Seal{number}", timestamp=False)
    begun = time.process_time()
    report = validate_pdf(document, material, at=NOW)
    assert time.process_time() - begun < CPU_SECONDS
    assert (report.verdict, report.reason, len(report.seals)) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED, 50)


def test_a_hybrid_file_is_judged_by_what_every_reader_sees(pki: Pki, material: TrustMaterial) -> None:
    same = validate_pdf(seal(hybrid(), pki, timestamp=False, strict=False), material, at=NOW)
    two_faced = validate_pdf(seal(hybrid(differing=True), pki, timestamp=False, strict=False), material, at=NOW)
    assert same.verdict is Verdict.VALID
    assert two_faced.verdict is not Verdict.VALID
