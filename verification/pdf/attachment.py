"""The licence data or receipt attached to a PDF (docs/architecture.md): read, never believed."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pikepdf

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME = "licence-metadata.json"
RECEIPT_FILE = "receipt.jws"
MAXIMUM_BYTES = 65_536


def attached_licence(pdf: pikepdf.Pdf) -> Mapping[str, str] | None:
    """Return the attached short names and texts, or None when there are none in the right form."""
    data = _attached(pdf, FILE_NAME)
    return None if data is None else _texts(data)


def attached_receipt(pdf: pikepdf.Pdf) -> str | None:
    """Return the text of an attached receipt, or None."""
    data = _attached(pdf, RECEIPT_FILE)
    return None if data is None else data.decode("ascii", "replace")


def _attached(pdf: pikepdf.Pdf, wanted: str) -> bytes | None:
    """Return the content of an associated file, None when there is none or it is too long."""
    associated = pdf.Root.get("/AF")
    if not isinstance(associated, pikepdf.Array):
        return None
    for specification in associated:
        name = specification.get("/UF", specification.get("/F"))
        if name is None or str(name) != wanted:
            continue
        stream = specification.EF.get("/F")
        if not isinstance(stream, pikepdf.Stream) or len(stream.read_raw_bytes()) > MAXIMUM_BYTES:
            return None
        return bytes(stream.read_bytes()[: MAXIMUM_BYTES * 4])
    return None


def attached_to(own_document: bytes) -> Mapping[str, str] | None:
    """Return the attached licence data of a document whose bytes are known to be our own."""
    with pikepdf.open(io.BytesIO(own_document)) as pdf:
        return attached_licence(pdf)


def _texts(data: bytes) -> Mapping[str, str] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return None
    return value
