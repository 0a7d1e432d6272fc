"""The PDF side of a seal: field, pictures, signature dictionary, and the hole for the CMS.

Everything here is a pure function of the document, the seal and the moment. `prepare`
writes the incremental update with an empty /Contents; `finish` puts the CMS in.
ISO 32000-1 section 12.8, EN 319 142-1 clauses 5 and 6.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.errors import BadPlacement, BrokenPdf, CertifiedAgainstChange
from signing.pdf_file import DAMAGE
from signing.pdf_update import PdfUpdate, array_with, dictionary_with, reference, text_string
from signing.pictures import Pictures, append_annotations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from signing.marks import Mark
    from signing.pdf_file import PdfFile

PRINTED_AND_LOCKED = 4 | 128
PRINTED_READ_ONLY_AND_LOCKED = 4 | 64 | 128
SIGNATURES_EXIST_AND_APPEND_ONLY = 3
BYTE_RANGE_WIDTH = 44
NO_CHANGES, FORM_FILLING, ANNOTATIONS = 1, 2, 3
"""What a DocMDP certification permits (ISO 32000-1, table 254)."""


@dataclass(frozen=True, slots=True)
class SealFace:
    """What a seal shows: its name in the signature dictionary, its picture on the page."""

    name: str
    form: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready but for its CMS; `contents_at` counts from the start of the file."""

    source_length: int
    source_sha256: bytes
    update: bytes = field(repr=False)
    contents_at: int
    """Where the `<` of /Contents stands."""
    contents_size: int
    """How many bytes the CMS may have."""
    signed_bytes_digest: bytes
    field_name: str
    pages: tuple[int, ...]


def prepare(
    file: PdfFile, face: SealFace, marks: Sequence[Mark], *, contents_size: int, at: datetime, certify: bool = False
) -> Prepared:
    """Write a seal's incremental update, with room for a CMS of `contents_size` bytes.

    Args:
        file: the document, open.
        face: the seal.
        marks: the pictures, the signature's own first; none for an invisible seal.
        contents_size: the greatest CMS to come.
        at: aware UTC, the claimed signing time.
        certify: make it the certification, DocMDP level 2.

    Raises: BadPlacement, BrokenPdf, CertifiedAgainstChange.
    """
    try:
        _check_earlier_signatures(file, marks, certify=certify)
        update = PdfUpdate(file)
        name = _free_field_name(file)
        signature = update.reserve()
        widget = _add_annotations(file, update, face, marks, common=_field_entries(name, signature))
        head, body = _signature_dictionary(face.name, contents_size, at=at, certify=certify)
        update.put(signature, body)
        _rewrite_catalog(file, update, widget, signature if certify else None)
        rendered, bodies = update.render()
    except (*DAMAGE, AttributeError, IndexError) as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error
    file.require_sound()
    pages = tuple(sorted({mark.page for mark in marks}))
    return _with_byte_range(file.data, rendered, bodies[signature] + head, contents_size, name, pages)


def finish(source: bytes | memoryview, prepared: Prepared, cms: bytes) -> bytes:
    """Return the sealed document: the source, the update, the CMS in its place."""
    if len(cms) > prepared.contents_size:
        message = f"the CMS has {len(cms)} bytes, and {prepared.contents_size} were reserved"
        raise ValueError(message)
    start = prepared.contents_at + 1 - prepared.source_length
    digits = cms.hex().encode("ascii")
    return b"".join((source, prepared.update[:start], digits, prepared.update[start + len(digits) :]))


def permission(signature: Any) -> int:  # noqa: ANN401 - pikepdf objects carry no useful static type
    """Return what a signature's DocMDP transform permits later; 3 when it has none."""
    references = signature.get("/Reference")
    if isinstance(references, pikepdf.Array):
        for entry in references:
            if entry.get("/TransformMethod") == pikepdf.Name.DocMDP:
                return int(entry.get("/TransformParams", pikepdf.Dictionary()).get("/P", FORM_FILLING))
    return ANNOTATIONS


def _check_earlier_signatures(file: PdfFile, marks: Sequence[Mark], *, certify: bool) -> None:
    signatures = file.signature_dictionaries()
    if signatures and certify:
        raise CertifiedAgainstChange("Only a document's first signature can certify it.", field="certify")
    if signatures and len(marks) > 1:
        # The further pictures are annotations of their own, which a signed document must not gain.
        raise BadPlacement("A seal in several places goes on before the first signature.", field="placement")
    if any(permission(signature) == NO_CHANGES for signature in signatures):
        raise CertifiedAgainstChange("The document is certified against any change.", field="document")


def _free_field_name(file: PdfFile) -> str:
    taken = file.field_names()
    number = 1
    while f"Seal{number}" in taken:
        number += 1
    return f"Seal{number}"


def _field_entries(name: str, signature: int) -> bytes:
    return b"/Subtype/Widget/FT/Sig/T%s/V %s/F %d" % (text_string(name), reference(signature), PRINTED_AND_LOCKED)


def _add_annotations(file: PdfFile, update: PdfUpdate, face: SealFace, marks: Sequence[Mark], *, common: bytes) -> int:
    """Write the field's widget and a stamp for every further picture; return the widget's number."""
    if not marks:
        page = reference(*file.page(1).objgen)
        widget = update.add(b"<</Type/Annot%s/P %s/Rect[0 0 0 0]>>" % (common, page))
        append_annotations(file, update, {1: [widget]})
        return widget
    pictures = Pictures(file, update, face.form)
    stamp = b"/Subtype/Stamp/Contents%s/F %d" % (text_string(face.name), PRINTED_READ_ONLY_AND_LOCKED)
    on_pages: dict[int, list[int]] = {}
    numbers: list[int] = []
    for mark in marks:
        entries = stamp if numbers else common
        numbers.append(update.add(b"<</Type/Annot%s%s>>" % (entries, pictures.place(mark))))
        on_pages.setdefault(mark.page, []).append(numbers[-1])
    append_annotations(file, update, on_pages)
    return numbers[0]


def _signature_dictionary(name: str, contents_size: int, *, at: datetime, certify: bool) -> tuple[int, bytes]:
    """Return the dictionary with its two holes, and where in it the hole for the byte range begins."""
    head = b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/ByteRange["
    parts = [
        head,
        b" " * BYTE_RANGE_WIDTH,
        b"]/Contents<",
        b"0" * (2 * contents_size),
        b">/M(D:%s)/Name%s" % (at.strftime("%Y%m%d%H%M%SZ").encode(), text_string(name)),
    ]
    if certify:
        parts.append(
            b"/Reference[<</Type/SigRef/TransformMethod/DocMDP"
            b"/TransformParams<</Type/TransformParams/P %d/V/1.2>>>>]" % FORM_FILLING
        )
    parts.append(b">>")
    return len(head), b"".join(parts)


def _rewrite_catalog(file: PdfFile, update: PdfUpdate, widget: int, certification: int | None) -> None:
    """List the field in the form, and the certification in /Perms; touch the catalog only if need be."""
    changes: dict[str, bytes | None] = {}
    form = file.root.get("/AcroForm")
    if isinstance(form, pikepdf.Dictionary):
        fields = form.get("/Fields")
        entries: dict[str, bytes | None] = {"/SigFlags": b"%d" % SIGNATURES_EXIST_AND_APPEND_ONLY}
        array = array_with(fields, [reference(widget)])
        if isinstance(fields, pikepdf.Array) and fields.is_indirect:
            update.put(fields.objgen[0], array, fields.objgen[1])
        else:
            entries["/Fields"] = array
        if form.is_indirect:
            update.replace(form, entries)
        else:
            changes["/AcroForm"] = dictionary_with(form, entries)
    else:
        changes["/AcroForm"] = b"<</Fields[%s]/SigFlags %d>>" % (reference(widget), SIGNATURES_EXIST_AND_APPEND_ONLY)
    if certification is not None:
        changes["/Perms"] = b"<</DocMDP %s>>" % reference(certification)
    if changes:
        update.replace(file.root, changes)


def _with_byte_range(
    source: bytes, rendered: bytes, hole: int, contents_size: int, name: str, pages: tuple[int, ...]
) -> Prepared:
    """Fill the byte range in and hash what it covers."""
    length = len(source)
    contents_at = length + hole + BYTE_RANGE_WIDTH + len(b"]/Contents")
    after = contents_at + 2 * contents_size + 2
    total = length + len(rendered)
    byte_range = b"0 %d %d %d" % (contents_at, after, total - after)
    update = rendered[:hole] + byte_range.ljust(BYTE_RANGE_WIDTH) + rendered[hole + BYTE_RANGE_WIDTH :]
    digest = hashlib.sha256(source)
    source_sha256 = digest.digest()
    view = memoryview(update)
    digest.update(view[: contents_at - length])
    digest.update(view[after - length :])
    return Prepared(length, source_sha256, update, contents_at, contents_size, digest.digest(), name, pages)
