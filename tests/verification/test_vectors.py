"""The committed vectors, as anybody else would judge them: by the files alone."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.verification.attack_classes import CLASSES
from tests.verification.test_attacks import passes
from tests.verification.test_pdfsig import verdicts
from verification.trust import TrustMaterial

HERE = Path(__file__).parents[1] / "vectors"
INDEX = json.loads((HERE / "vectors.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = INDEX["vectors"]


def material(authority: str) -> TrustMaterial:
    folder = HERE / f"authority-{authority}"
    root, issuing, *lists = (
        (folder / name).read_bytes() for name in ("root.cer", "issuing.cer", "root.crl", "issuing.crl")
    )
    return TrustMaterial((root,), (issuing,), crls_der=tuple(lists))


def test_every_class_has_samples_and_every_file_is_listed() -> None:
    listed = Counter(item["class"] for item in VECTORS)
    assert set(listed) == {"good", *(kind.replace(" ", "-") for kind in CLASSES)}
    assert min(listed.values()) >= 4
    assert listed["good"] == 18
    assert {item["file"] for item in VECTORS} == {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.pdf")}


@pytest.mark.parametrize("authority", ["ec", "rsa"])
def test_the_good_pass_and_no_attack_does(authority: str) -> None:
    trusted, at = material(authority), datetime.fromisoformat(INDEX["at"])
    wrong = [
        item["file"]
        for item in VECTORS
        if item["authority"] == authority and passes((HERE / item["file"]).read_bytes(), trusted, at) != item["valid"]
    ]
    assert wrong == []


def test_pdfsig_passes_the_seals_of_the_good_ones(tmp_path: Path) -> None:
    refused = []
    for item in VECTORS:
        if item["valid"]:
            seal, *_ = verdicts(tmp_path / "good.pdf", (HERE / item["file"]).read_bytes())
            if not seal:
                refused.append(item["file"])
    assert refused == []
