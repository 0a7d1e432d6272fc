"""Other people's tools judging our output."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a peer; its absence is a failure, not a reason to skip."""
    found = shutil.which(command[0])
    assert found is not None, f"{command[0]} is not installed"
    return subprocess.run([found, *command[1:]], capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands


def qpdf_is_content(path: Path) -> bool:
    """Tell whether qpdf finds neither error nor warning."""
    return run("qpdf", "--check", str(path)).returncode == 0


def pdfsig_verdicts(path: Path) -> list[tuple[bool, bool]]:
    """Return for each signature whether pdfsig finds it valid, and whether it covers the whole file."""
    output = run("pdfsig", "-nocert", str(path)).stdout
    blocks = re.split(r"^Signature #\d+:$", output, flags=re.MULTILINE)[1:]
    return [
        ("Signature is Valid." in block, re.search(r"^\s+- Total document signed$", block, re.MULTILINE) is not None)
        for block in blocks
    ]


async def pyhanko_statuses(document: bytes, roots: list[bytes], at: datetime) -> list[Any]:
    """Return pyHanko's status of each signature, in the order of the file."""
    reader = PdfFileReader(io.BytesIO(document))
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(root) for root in roots], moment=at, allow_fetching=False
    )
    return [
        await async_validate_pdf_signature(signature, context, ts_validation_context=context)
        for signature in reader.embedded_signatures
    ]


def timestamp_of(document: bytes) -> tuple[bytes, bytes]:
    """Return the last signature's timestamp token and the signature it is over."""
    signature = PdfFileReader(io.BytesIO(document)).embedded_signatures[-1]
    signer_info = signature.signer_info
    for attribute in signer_info["unsigned_attrs"]:
        if attribute["type"].native == "signature_time_stamp_token":
            return attribute["values"][0].dump(), signer_info["signature"].native
    message = "the signature has no timestamp"
    raise AssertionError(message)
