"""What is attached to a PDF: licence data and receipts (docs/architecture.md), read and not believed; all are named."""

from __future__ import annotations

import io
import json
import unicodedata
from typing import TYPE_CHECKING

import pikepdf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE_NAME = "licence-metadata.json"
RECEIPT_FILE = "receipt.jws"
MAXIMUM_BYTES = 65_536
NAMED, NAME_CHARS, DEPTH = 20, 120, 60


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


def embedded_files(objects: Iterable[pikepdf.Object]) -> tuple[str, ...]:
    """Return name, type and stored size of every embedded file among a document's own objects."""
    found: dict[tuple[int, int], str] = {}
    for item in objects:
        if isinstance(item, pikepdf.Stream) and item.get("/Type") == "/EmbeddedFile":
            found.setdefault(item.objgen, _described(item, ""))
        _specified(item.stream_dict if isinstance(item, pikepdf.Stream) else item, found, DEPTH)
    listed = sorted(found.values())
    return tuple(listed[:NAMED]) + (("…",) if len(listed) > NAMED else ())


def _specified(value: pikepdf.Object, found: dict[tuple[int, int], str], depth: int) -> None:
    """Take the streams of every file specification within an object of the file."""
    if not isinstance(value, (pikepdf.Dictionary, pikepdf.Array)):
        return
    if isinstance(value, pikepdf.Dictionary):
        files = value.get("/EF")
        for stream in files.values() if isinstance(files, pikepdf.Dictionary) else ():
            if isinstance(stream, pikepdf.Stream):
                names = dict.fromkeys(_shown(value[key]) for key in ("/UF", "/F") if key in value)
                found[stream.objgen] = _described(stream, " / ".join(names))
    inner = value.values() if isinstance(value, pikepdf.Dictionary) else value
    for entry in inner:
        if depth and isinstance(entry, pikepdf.Object) and not entry.is_indirect:
            _specified(entry, found, depth - 1)


def _described(stream: pikepdf.Stream, name: str) -> str:
    return f"“{name}” ({_shown(stream.get('/Subtype', '')) or '?'}, {len(stream.get_raw_stream_buffer())} B)"


def _shown(value: object) -> str:
    """Return a file's own word for a person to read: nothing in it breaks a line or turns its direction."""
    text = str(value).removeprefix("/")[:NAME_CHARS] if isinstance(value, (pikepdf.String, pikepdf.Name)) else ""
    return "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
