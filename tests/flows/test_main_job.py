"""The main job on the whole service, and what unrelated programs say of its results."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader

if TYPE_CHECKING:
    from pathlib import Path

    from asn1crypto import cms

    from hufu.stack import Stack

pytestmark = pytest.mark.timeout(600)
DOCUMENTS = ("approval-sealed.pdf", "licence.pdf")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - fixed programs, files of the test's own


def test_every_step_is_right_and_leaves_its_results(results: Path) -> None:
    assert {path.name for path in results.iterdir()} == {
        "approval-sealed.pdf",
        "jwks.json",
        "licence-qr.png",
        "licence.json",
        "licence.pdf",
        "openapi.json",
        "receipt.jws",
        "trust-anchors.pem",
    }
    assert json.loads((results / "licence.json").read_text("utf-8"))["state"] == "valid"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_pdfsig_accepts_the_seal(results: Path, name: str) -> None:
    said = run("pdfsig", "-nocert", results / name).stdout
    assert "Signature Validation: Signature is Valid." in said
    assert "Total document signed" in said


@pytest.mark.parametrize("name", DOCUMENTS)
def test_qpdf_finds_no_fault(results: Path, name: str) -> None:
    said = run("qpdf", "--check", results / name)
    assert said.returncode == 0, said.stderr
    assert "No syntax or stream encoding errors found" in said.stdout


@pytest.mark.parametrize("name", DOCUMENTS)
def test_openssl_accepts_the_timestamp(results: Path, tmp_path: Path, name: str) -> None:
    seal = PdfFileReader(BytesIO((results / name).read_bytes())).embedded_signatures[0]
    signer = seal.signed_data["signer_infos"][0]
    token = next(
        attribute["values"][0]
        for attribute in signer["unsigned_attrs"]
        if attribute["type"].native == "signature_time_stamp_token"
    )
    (tmp_path / "token.der").write_bytes(token.dump())
    digest = hashlib.sha256(signer["signature"].native).hexdigest()
    said = run(
        "openssl", "ts", "-verify", "-digest", digest, "-in", tmp_path / "token.der", "-token_in",
        "-CAfile", results / "trust-anchors.pem", "-untrusted", _embedded(token, tmp_path),
    )  # fmt: skip
    assert "Verification: OK" in said.stdout + said.stderr


def _embedded(token: cms.ContentInfo, folder: Path) -> Path:
    """Write the certificates a timestamp token carries."""
    path = folder / "embedded.pem"
    chosen = token["content"]["certificates"]
    path.write_bytes(
        b"".join(x509.load_der_x509_certificate(each.dump()).public_bytes(Encoding.PEM) for each in chosen)
    )
    return path


def test_an_independent_reader_reads_the_code(results: Path) -> None:
    said = run("zbarimg", "--quiet", "--raw", results / "licence-qr.png")
    assert said.stdout.strip() == json.loads((results / "licence.json").read_text("utf-8"))["qr_text"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_command_verifies_without_the_service(results: Path, name: str) -> None:
    said = run(
        sys.executable, "-m", "hufu", "verify", results / name, "--anchors", results / "trust-anchors.pem", "--json"
    )
    assert said.returncode == 0, said.stdout + said.stderr
    answer = json.loads(said.stdout)
    assert answer["verdict"] == "VALID"
    assert answer["indication"] == "TOTAL-PASSED"


def test_the_command_refuses_a_changed_file(results: Path, tmp_path: Path) -> None:
    changed = bytearray((results / "licence.pdf").read_bytes())
    changed[len(changed) // 3] ^= 1
    (tmp_path / "changed.pdf").write_bytes(changed)
    said = run(
        sys.executable, "-m", "hufu", "verify", tmp_path / "changed.pdf", "--anchors", results / "trust-anchors.pem"
    )
    assert said.returncode == 1, said.stdout + said.stderr


def test_no_log_of_the_service_names_anybody(service: Stack, results: Path) -> None:
    licence = json.loads((results / "licence.json").read_text("utf-8"))
    secret = [licence["holders"][0]["name"], licence["holders"][0]["code"], "6222020000000000224", "13900000022"]
    for log in (service.settings.data_directory / "logs").iterdir():
        text = log.read_text("utf-8")
        assert not [value for value in secret if value in text], log.name
