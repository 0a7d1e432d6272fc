"""A page replaced after the seal is found by each of three looks, so that no gap in one lets it through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.verification.attacks import replace_page_content
from tests.verification.pki import NOW
from tests.verification.samples import blank, seal, update
from verification.model import Reason, Verdict
from verification.pdf import changes, validate_pdf

if TYPE_CHECKING:
    from tests.verification.pki import Pki
    from verification.trust import TrustMaterial

LOOKS = ("_allowed_by_the_library", "is_long_term_update", "same_pictures")


@pytest.mark.parametrize("alone", [*LOOKS, None])
def test_each_look_finds_a_replaced_page_by_itself(
    alone: str | None, pki: Pki, material: TrustMaterial, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = update(seal(blank(), pki, timestamp=False), replace_page_content)
    for name in LOOKS:
        if name != alone:
            monkeypatch.setattr(changes, name, lambda *_: True)
    report = validate_pdf(changed, material, at=NOW)
    # With none of them left the page passes: it is they that find it, and nothing else.
    expected = (Verdict.INVALID, Reason.DOCUMENT_CHANGED) if alone else (Verdict.VALID, Reason.ALL_CHECKS_PASSED)
    assert (report.verdict, report.reason) == expected
