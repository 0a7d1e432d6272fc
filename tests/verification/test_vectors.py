"""The committed vectors, as anybody else would judge them: by the files alone."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.verification.attack_classes import CLASSES, HOSTILE
from tests.verification.test_attacks import passes
from tests.verification.test_hostile import CPU_SECONDS, cpu_seconds
from tests.verification.test_pdfsig import verdicts
from verification.model import Verdict
from verification.sandbox import Sandbox
from verification.shown_licences import judge_shown
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
    assert set(listed) == {"good", *HOSTILE, *(kind.replace(" ", "-") for kind in CLASSES)}
    assert min(listed.values()) >= 4
    assert listed["good"] == 18
    assert {item["file"] for item in VECTORS} == {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.pdf")}


@pytest.mark.parametrize("authority", ["ec", "rsa"])
def test_the_good_pass_and_no_attack_does(authority: str) -> None:
    trusted, at = material(authority), datetime.fromisoformat(INDEX["at"])
    wrong = [
        item["file"]
        for item in VECTORS
        if item["authority"] == authority
        and item["class"] not in HOSTILE
        and passes((HERE / item["file"]).read_bytes(), trusted, at) != item["valid"]
    ]
    assert wrong == []


@pytest.mark.parametrize("kind", HOSTILE)
async def test_sealed_hostile_files_crash_nothing_and_get_the_right_verdict_in_time(kind: str) -> None:
    """In the sandbox, where a parser that breaks down is told from a verdict."""
    trusted, at = material("ec"), datetime.fromisoformat(INDEX["at"])
    sandbox = Sandbox(workers=1)
    await sandbox.start()
    wrong, slow = [], []
    try:
        for item in (item for item in VECTORS if item["class"] == kind):
            judging = sandbox.validate((HERE / item["file"]).read_bytes(), trusted, at=at)
            report, spent = await cpu_seconds(sandbox, judging)
            if report is None or (judge_shown(report).verdict is Verdict.VALID) != item["valid"]:
                wrong.append(item["file"])
            if spent > CPU_SECONDS:
                slow.append(item["file"])
    finally:
        await sandbox.close()
    assert (wrong, slow) == ([], [])


def test_pdfsig_passes_the_seals_of_the_good_ones(tmp_path: Path) -> None:
    refused = []
    for item in VECTORS:
        if item["class"] == "good":
            seal, *_ = verdicts(tmp_path / "good.pdf", (HERE / item["file"]).read_bytes())
            if not seal:
                refused.append(item["file"])
    assert refused == []
