"""What seals and document timestamps share: a field, a value with a hole, and a byte range around it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.pdf_update import append_annotations, array_with, dictionary_with, reference, text_string

if TYPE_CHECKING:
    from signing.pdf_file import PdfFile
    from signing.pdf_update import PdfUpdate

PRINTED_AND_LOCKED = 4 | 128
SIGNATURES_EXIST_AND_APPEND_ONLY = 3
BYTE_RANGE_WIDTH = 44
AFTER_BYTE_RANGE = b"]/Contents"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready but for its signature; `contents_at` counts from the start of the file."""

    source_length: int
    source_sha256: bytes
    update: bytes = field(repr=False)
    contents_at: int
    """Where the `<` of /Contents stands."""
    contents_size: int
    """How many bytes the signature may have."""
    signed_bytes_digest: bytes
    field_name: str
    pages: tuple[int, ...] = ()


def finish(source: bytes | memoryview, prepared: Prepared, contents: bytes) -> bytes:
    """Return the whole document: the source, the update, the signature in its place."""
    if len(contents) > prepared.contents_size:
        message = f"the signature has {len(contents)} bytes, and {prepared.contents_size} were reserved"
        raise ValueError(message)
    start = prepared.contents_at + 1 - prepared.source_length
    digits = contents.hex().encode("ascii")
    return b"".join((source, prepared.update[:start], digits, prepared.update[start + len(digits) :]))


def free_field_name(file: PdfFile, prefix: str) -> str:
    """Return the first of prefix1, prefix2 … that no field has."""
    taken = file.field_names()
    number = 1
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def field_entries(name: str, value: int) -> bytes:
    """Return what makes a widget a signature field with a value."""
    return b"/Subtype/Widget/FT/Sig/T%s/V %s/F %d" % (text_string(name), reference(value), PRINTED_AND_LOCKED)


def add_unseen_widget(file: PdfFile, update: PdfUpdate, entries: bytes) -> int:
    """Add a field that shows nothing to the first page; return its number.

    PDF/A-1 wants an appearance of every field, also of one that shows nothing (ISO 19005-1, 6.9).
    """
    nothing = reference(update.add_stream(b"/Type/XObject/Subtype/Form/BBox[0 0 0 0]/Resources<<>>", b""))
    page = reference(*file.page(1).objgen)
    widget = update.add(b"<</Type/Annot%s/P %s/Rect[0 0 0 0]/AP<</N %s>>>>" % (entries, page, nothing))
    append_annotations(file, update, {1: [widget]})
    return widget


def value_with_hole(kind: bytes, contents_size: int, more: bytes = b"") -> tuple[int, bytes]:
    """Return a signature value with room for byte range and contents, and where in it the byte range's room is."""
    head = b"<<%s/ByteRange[" % kind
    hole = b" " * BYTE_RANGE_WIDTH + AFTER_BYTE_RANGE + b"<" + b"0" * (2 * contents_size) + b">"
    return len(head), b"".join((head, hole, more, b">>"))


def list_field(file: PdfFile, update: PdfUpdate, widget: int) -> dict[str, bytes | None]:
    """List a field in the form; return what that changes in the catalog, if anything."""
    form = file.root.get("/AcroForm")
    if not isinstance(form, pikepdf.Dictionary):
        new = b"<</Fields[%s]/SigFlags %d>>" % (reference(widget), SIGNATURES_EXIST_AND_APPEND_ONLY)
        return {"/AcroForm": new}
    fields = form.get("/Fields")
    entries: dict[str, bytes | None] = {"/SigFlags": b"%d" % SIGNATURES_EXIST_AND_APPEND_ONLY}
    array = array_with(fields, [reference(widget)])
    if isinstance(fields, pikepdf.Array) and fields.is_indirect:
        update.put(fields.objgen[0], array, fields.objgen[1])
    else:
        entries["/Fields"] = array
    if not form.is_indirect:
        return {"/AcroForm": dictionary_with(form, entries)}
    if len(entries) > 1 or _sig_flags(form) != SIGNATURES_EXIST_AND_APPEND_ONLY:
        update.replace(form, entries)
    return {}


def with_byte_range(
    source: bytes, rendered: bytes, hole: int, contents_size: int, field_name: str, pages: tuple[int, ...] = ()
) -> Prepared:
    """Fill the byte range in, `hole` bytes into the update, and hash what it covers."""
    length = len(source)
    contents_at = length + hole + BYTE_RANGE_WIDTH + len(AFTER_BYTE_RANGE)
    after = contents_at + 2 * contents_size + 2
    total = length + len(rendered)
    byte_range = b"0 %d %d %d" % (contents_at, after, total - after)
    update = rendered[:hole] + byte_range.ljust(BYTE_RANGE_WIDTH) + rendered[hole + BYTE_RANGE_WIDTH :]
    digest = hashlib.sha256(source)
    source_sha256 = digest.digest()
    view = memoryview(update)
    digest.update(view[: contents_at - length])
    digest.update(view[after - length :])
    return Prepared(length, source_sha256, update, contents_at, contents_size, digest.digest(), field_name, pages)


def _sig_flags(form: Any) -> int:  # noqa: ANN401 - pikepdf objects carry no useful static type
    return int(form.get("/SigFlags", 0))
