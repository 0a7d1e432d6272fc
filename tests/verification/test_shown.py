"""Whose seal vouches for a licence that a paper shows, and what is read of one on a page."""

from __future__ import annotations

from dataclasses import replace

import pypdfium2 as pdfium
import pytest

from tests.api.test_resealed import letter
from tests.verification.records import IDENTIFIER, Record
from tests.verification.test_offline import INDEX, opened
from tests.verification.test_own_documents import sealed_by
from tests.verification.test_qr import CLAIMS, NOW, code_text
from verification.model import Reason, Report, Verdict
from verification.offline import judge_document_offline
from verification.pdf.pictures import PAGES_SEARCHED
from verification.pdf.shown import ShownLicence, identifiers_in
from verification.shown_licences import judge_shown

ISSUER, OTHER = f"NTRCN-{Record().issuer_code}", "NTRCN-11500000009275829L"
CODE = code_text(CLAIMS)


def paper(sealer: str, *, code: str | None = None, named: tuple[str, ...] = ()) -> Report:
    return replace(sealed_by(sealer), attached=None, code_text=code, named_licences=named)


@pytest.mark.parametrize(
    ("report", "value", "verdict", "reason"),
    [
        (paper(OTHER), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(ISSUER, code=CODE), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(ISSUER, code=CODE), 1, Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR),
        (paper(ISSUER, code=CODE[:-9] + "A" * 9), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(OTHER, code=CODE), 0, Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR),
        (paper(OTHER, code="https://a.example/HF1"), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(ISSUER, named=(IDENTIFIER,)), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(OTHER, named=(IDENTIFIER,)), 0, Verdict.VALID, Reason.LICENCE_ONLY_NAMED),
    ],
    ids=[
        "paper",
        "its issuer",
        "withdrawn since",
        "no code",
        "another",
        "another kind of code",
        "issuer's letter",
        "letter",
    ],
)
def test_the_seal_of_its_issuer_vouches_for_what_is_shown(
    report: Report, value: int, verdict: Verdict, reason: Reason
) -> None:
    judged = judge_document_offline(report, report.code_text, opened({INDEX: value}), at=NOW)
    assert (judged.verdict, judged.reason) == (verdict, reason)


def test_a_bad_seal_stays_bad_whatever_is_shown() -> None:
    forged = replace(paper(OTHER, code=CODE), verdict=Verdict.INVALID, reason=Reason.SEAL_FORGED)
    judged = judge_shown(forged)
    assert (judged.verdict, judged.reason) == (Verdict.INVALID, Reason.SEAL_FORGED)
    assert judged.checks[-1].name == "licence.shown"


def test_identifiers_are_read_as_they_stand_on_pages() -> None:
    broken = f"{IDENTIFIER[:30]}\u200b{IDENTIFIER[30:44]}\n {IDENTIFIER[44:]}，"
    assert identifiers_in(f"证照标识：{broken} 之后") == (IDENTIFIER,)
    wrong = IDENTIFIER[:-1] + ("A" if IDENTIFIER[-1] != "A" else "B")
    assert identifiers_in(f"{wrong} 1.2.156.3005.2.1") == ()
    with pdfium.PdfDocument(letter(IDENTIFIER)) as document:
        for number, found in ((0, (IDENTIFIER,)), (PAGES_SEARCHED, ())):
            shown = ShownLicence(is_licence=False)
            shown.look(number, document[0])
            assert (shown.identifiers, shown.code_text) == (found, None)
