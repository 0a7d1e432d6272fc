from __future__ import annotations

from typing import TYPE_CHECKING

from tests.verification.hostile import all_hostile
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


async def test_hostile_files_are_refused_or_judged_and_harm_nobody(pki: Pki, material: TrustMaterial) -> None:
    sandbox = Sandbox(workers=1)
    try:
        for name, document in all_hostile(pki):
            try:
                report = await sandbox.validate(document, material, at=NOW)
            except REFUSED:
                continue
            if name not in HARMLESS:
                assert report.verdict is not Verdict.VALID, name
        assert (await sandbox.validate(seal(blank(), pki), material, at=NOW)).verdict is Verdict.VALID
    finally:
        await sandbox.close()


def test_fifty_seals_are_judged(pki: Pki, material: TrustMaterial) -> None:
    document = blank()
    for number in range(50):
        document = seal(document, pki, field=f"Seal{number}", timestamp=False)
    report = validate_pdf(document, material, at=NOW)
    assert (report.verdict, report.reason, len(report.seals)) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED, 50)
