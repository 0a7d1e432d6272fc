"""Poppler's pdfsig, an implementation that shares nothing with ours, on the same files."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.verification.attacks import byte_range_of
from tests.verification.pki import NOW, Pki
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal
from verification.model import Verdict
from verification.pdf import validate_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from verification.trust import TrustMaterial


def verdicts(path: Path, document: bytes) -> list[bool]:
    path.write_bytes(document)
    run = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, check=False)  # noqa: S603, S607 - the peer as installed
    lines = [line for line in run.stdout.decode("utf-8", "replace").splitlines() if "Signature Validation:" in line]
    return [line.endswith("Signature is Valid.") for line in lines]


def test_both_pass_the_same_files(tmp_path: Path, material: TrustMaterial) -> None:
    for kind in ("ec", "rsa"):
        pki = Pki(key_kind=kind)
        own = type(material)((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
        untimed, timed = seal(blank(), pki, timestamp=False), seal(blank(), pki)
        documents = (untimed, timed, seal(timed, pki, field="Seal2"), add_dss(timed, pki))
        for document in documents:
            assert validate_pdf(document, own, at=NOW).verdict is Verdict.VALID
            assert all(verdicts(tmp_path / "good.pdf", document))
        archived = add_document_timestamp(add_dss(timed, pki), pki)
        assert verdicts(tmp_path / "archived.pdf", archived)[0]


def test_both_refuse_what_was_changed(tmp_path: Path, pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki, timestamp=False)
    _, (_, _, second, _) = byte_range_of(document)
    for place in (90, 400, second + 30):
        changed = bytearray(document)
        changed[place] ^= 1
        assert verdicts(tmp_path / "changed.pdf", bytes(changed)) != [True]
        assert validate_pdf(bytes(changed), material, at=NOW).verdict is not Verdict.VALID
