"""A PDF/A stays one: sealed, it is sound to qpdf, valid to Poppler, and claims what it claimed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from signing.errors import ActiveContent, BadPlacement, CertifiedAgainstChange, UnsealablePdf
from signing.model import ActiveContentPolicy
from signing.placement import Invisible, Placement, Rectangle
from tests.signing.pdf_a import DIRECTORY, claim, faults, samples, sealed
from tests.signing.peers import pdfsig_verdicts, qpdf_is_content

if TYPE_CHECKING:
    from pathlib import Path

REFUSE, FLATTEN = ActiveContentPolicy.REFUSE, ActiveContentPolicy.FLATTEN


def seal_and_look(document: bytes, placement: Placement, policy: ActiveContentPolicy, directory: Path) -> list[str]:
    """Seal a document and return what is wrong with the outcome; raises as `make_ready`."""
    source, result = sealed(document, placement, policy)
    before, after = directory / "before.pdf", directory / "after.pdf"
    before.write_bytes(source)
    after.write_bytes(result)
    wrong = faults(result)
    if not result.startswith(source):
        wrong.append("the document's own bytes changed")
    if qpdf_is_content(before) and not qpdf_is_content(after):
        wrong.append("qpdf complains")
    if (True, True) not in pdfsig_verdicts(after):
        wrong.append("pdfsig does not find it valid")
    if claim(result) != claim(source):
        wrong.append("its metadata changed")
    return wrong


@pytest.mark.parametrize("placement", [Rectangle(1, 100, 100, 60, 60), Invisible()], ids=["picture", "invisible"])
def test_a_sealed_pdf_a_stays_one(placement: Placement, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    wrong: dict[str, list[str]] = {}
    for name, document in samples():
        try:
            found = seal_and_look(document, placement, REFUSE, tmp_path)
            outcome = "sealed"
        except (ActiveContent, BadPlacement, CertifiedAgainstChange, UnsealablePdf) as error:
            outcome, found = f"{type(error).__name__}: {error}", []
            if not DIRECTORY:
                found = [outcome]
        outcomes[outcome] += 1
        if found:
            wrong[name] = found
    assert not wrong
    assert outcomes["sealed"] > 25, outcomes


def test_the_claim_is_read() -> None:
    for name, document in samples():
        status, metadata = claim(document)
        assert status, name
        assert metadata, name
