"""Files of four other writers, every flavour of PDF/A they know: sealed, they stay sound, valid and what they claim."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from signing.errors import ActiveContent
from signing.model import ActiveContentPolicy
from signing.placement import Rectangle
from tests.signing.pdf_a import claim, sealed
from tests.signing.pdf_a_writers import written
from tests.signing.test_pdf_a import seal_and_look

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Rectangle(1, 20, 20, 60, 60)
FLAVOURS = {"1A", "1B", "2A", "2B", "2U", "3A", "3B", "3U", "4", "4E", "4F", "4U"}
LONGEST_SECONDS = 0.1


def test_sealed_files_of_other_writers_stay_pdf_a(tmp_path: Path) -> None:
    wrong: dict[str, list[str]] = {}
    flavours: dict[str, int] = {}
    for name, document in written():
        flavour, _ = claim(document)
        flavours[flavour] = flavours.get(flavour, 0) + 1
        policy = ActiveContentPolicy.REFUSE
        if name.startswith("PDFKit"):
            # It leaves an empty object that nothing names: refused by the one policy, left out by the other.
            with pytest.raises(ActiveContent, match="unreferenced object"):
                sealed(document, PLACE, policy)
            policy = ActiveContentPolicy.FLATTEN
        begun = time.process_time()
        _, result = sealed(document, PLACE, policy)
        found = [] if time.process_time() - begun < LONGEST_SECONDS else ["slow"]
        found += [] if claim(result)[0] == flavour else ["another flavour"]
        found += seal_and_look(document, PLACE, policy, tmp_path)
        if found:
            wrong[name] = found
    assert not wrong
    assert set(flavours) == FLAVOURS
    assert sum(flavours.values()) >= 40
