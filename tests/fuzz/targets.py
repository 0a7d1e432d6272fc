"""What is fuzzed: each entry point that reads a stranger's bytes, and what may come out of it.

A target takes bytes and returns nothing. It raises `Broken` when an exception escapes that the entry point does not
name, or when something is called valid that nobody signed.
"""

from __future__ import annotations

import base64
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from joserfc.jwk import ECKey

from foundation.errors import InvalidInput, LimitExceeded
from tests.verification.pki import NOW, Pki
from tests.verification.presentation.support import Party
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal
from tests.verification.test_qr import CLAIMS, TRUSTED, code_text
from verification.batches.rows import CSV, JSON, NDJSON, read_rows
from verification.cbor import BadCbor, decode
from verification.codes import CodeRejected, open_code
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound, NotAPdf
from verification.etsi_report import etsi_report
from verification.identifier import read_identifier
from verification.model import Verdict
from verification.pdf import validate_pdf
from verification.receipts import ReceiptRefused, read_receipt
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "https://hufu.example/v#HF1"


class Broken(Exception):
    """An entry point let something out that it must not."""


def qr(data: bytes) -> None:
    """Read bytes as the text of a code; only codes somebody signed may open."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        code, _ = open_code(text, TRUSTED)
    except CodeRejected:
        return
    if code.contents != GOOD_CONTENTS:
        raise Broken("A code that nobody signed opens.")


def cose(data: bytes) -> None:
    """Wrap bytes as the message of a code, so that mutations reach CBOR and COSE behind base32 and zlib."""
    with suppress(BadCbor):
        decode(data)
    qr((PREFIX + base64.b32encode(zlib.compress(data)).decode().rstrip("=")).encode())


def identifier(data: bytes) -> None:
    """Read bytes as an identifier; whatever is accepted reads the same once more."""
    reading = read_identifier(data.decode("utf-8", "replace"))
    if reading.parts is not None and read_identifier(reading.parts.text).parts != reading.parts:
        raise Broken("An identifier does not read as itself.")


def pdf(data: bytes) -> None:
    """Judge bytes as a PDF; only the seeds themselves, and what merely follows them, may pass."""
    try:
        report = validate_pdf(data, MATERIAL, at=NOW)
    except (NotAPdf, NoSealFound, DocumentEncrypted, DocumentOverLimit):
        return
    etsi_report(report)
    if report.verdict is Verdict.VALID and not any(same_sealed(data, seed) for seed in PDF_SEEDS):
        raise Broken("A document that nobody sealed is valid.")


def receipt(data: bytes) -> None:
    """Read bytes as a receipt; the key has signed nothing, so nothing may open."""
    try:
        read_receipt(data.decode("utf-8", "replace"), RECEIPT_KEYS)
    except ReceiptRefused:
        return
    raise Broken("A receipt that nobody signed is genuine.")


def rows(data: bytes) -> None:
    """Read bytes as the rows of a batch in each form."""
    for media_type in (CSV, NDJSON, JSON):
        try:
            read_rows(data, media_type)
        except (InvalidInput, LimitExceeded):
            continue


def presentation(data: bytes) -> None:
    """Read bytes as what a wallet presents; only what the holder signed may be without fault."""
    text = data.decode("latin-1")
    if PARTY.judge(text).reason is None and text != PRESENTED:
        raise Broken("A presentation that nobody signed is good.")


def same_sealed(data: bytes, seed: bytes) -> bool:
    """Tell whether a document differs from a seed outside what is sealed: in the bytes of signature values alone.

    Spare certificates and the case of digits in a value are signed by nobody and change nothing that is shown; a
    document timestamp covers the values before it, and its own the same way.
    """
    unsigned = data[: len(seed)]
    for value in VALUE.finditer(seed):
        unsigned = unsigned[: value.start()] + value[0] + unsigned[value.end() :]
    return data.startswith(seed) or (unsigned == seed and not data[len(seed) :].strip(b"\r\n \t\f\0"))


VALUE = re.compile(rb"(?<=/Contents <)[0-9A-Fa-f]*(?=>)")
RECEIPT_KEYS = {"keys": [ECKey.generate_key("P-256", private=False).as_dict()]}
PKI = Pki()
MATERIAL = TrustMaterial((PKI.root.der,), (PKI.issuing.der,), crls_der=PKI.crls())
_SEALED = seal(blank(), PKI, timestamp=False)
PDF_SEEDS = (_SEALED, add_document_timestamp(add_dss(seal(blank(), PKI), PKI), PKI))
_CODE = code_text(CLAIMS)
GOOD_CONTENTS = open_code(_CODE, TRUSTED)[0].contents
_BODY = _CODE.removeprefix(PREFIX)
_MESSAGE = zlib.decompress(base64.b32decode(_BODY + "=" * (-len(_BODY) % 8)))
PARTY = Party()
PRESENTED = PARTY.present()
_IDENTIFIER = CLAIMS[-65537][1].encode()
TARGETS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "qr": (qr, (_CODE.encode(), b"HF1", PREFIX.encode())),
    "cose": (cose, (_MESSAGE,)),
    "identifier": (identifier, (_IDENTIFIER, _IDENTIFIER.lower(), b"11100000000013338W011.V3.00")),
    "pdf": (pdf, PDF_SEEDS),
    "receipt": (receipt, (b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA",)),
    "presentation": (presentation, (PRESENTED.encode(), PRESENTED.split("~")[0].encode() + b"~")),
    "rows": (rows, (b"identifier,ref\na,b\n", b'{"rows":[{"qr":"HF1"}]}', b'{"identifier":"a"}\n')),
}
