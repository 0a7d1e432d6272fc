"""The PDF side of a seal: field, pictures, signature dictionary, and the hole for the CMS.

Everything here is a pure function of the document, the seal and the moment. `prepare`
writes the incremental update with an empty /Contents, which `signature_field.finish` fills.
ISO 32000-1 section 12.8, EN 319 142-1 clauses 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.captions import Caption
from signing.errors import BadPlacement, BrokenPdf, CertifiedAgainstChange
from signing.pdf_file import DAMAGE
from signing.pdf_update import PdfUpdate, append_annotations, reference, text_string
from signing.pictures import Pictures
from signing.signature_field import (
    add_unseen_widget,
    field_entries,
    free_field_name,
    list_field,
    value_with_hole,
    with_byte_range,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from signing.marks import Mark
    from signing.pdf_file import PdfFile
    from signing.signature_field import Prepared

SEAL_VALUE = b"/Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached"
PRINTED_READ_ONLY_AND_LOCKED = 4 | 64 | 128
NO_CHANGES, FORM_FILLING, ANNOTATIONS = 1, 2, 3
"""What a DocMDP certification permits (ISO 32000-1, table 254)."""


@dataclass(frozen=True, slots=True)
class SealFace:
    """What a seal shows: its name in the signature dictionary, its picture on the page."""

    name: str
    form: bytes = field(repr=False)
    caption: Caption = field(default_factory=Caption)


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
        name = free_field_name(file, "Seal")
        value = update.reserve()
        widget = _add_annotations(file, update, face, marks, common=field_entries(name, value))
        head, body = value_with_hole(SEAL_VALUE, contents_size, _signature_entries(face.name, at=at, certify=certify))
        update.put(value, body)
        changes = list_field(file, update, widget)
        if certify:
            changes["/Perms"] = b"<</DocMDP %s>>" % reference(value)
        if changes:
            update.replace(file.root, changes)
        rendered, bodies = update.render()
    except (*DAMAGE, AttributeError, IndexError) as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error
    file.require_sound()
    pages = tuple(sorted({mark.page for mark in marks}))
    return with_byte_range(file.data, rendered, bodies[value] + head, contents_size, name, pages)


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
    permitted = min(map(permission, signatures), default=ANNOTATIONS)
    if permitted == NO_CHANGES:
        raise CertifiedAgainstChange("The document is certified against any change.", field="document")
    if permitted == FORM_FILLING and marks:
        # Readers disagree on whether a new visible field is form filling; a strict one would drop the certification.
        raise CertifiedAgainstChange(
            "A certified document takes further seals without a picture only.", field="placement"
        )


def _add_annotations(file: PdfFile, update: PdfUpdate, face: SealFace, marks: Sequence[Mark], *, common: bytes) -> int:
    """Write the field's widget and a stamp for every further picture; return the widget's number."""
    if not marks:
        return add_unseen_widget(file, update, common)
    pictures = Pictures(file, update, face.form, face.caption)
    stamp = b"/Subtype/Stamp/Contents%s/F %d" % (text_string(face.name), PRINTED_READ_ONLY_AND_LOCKED)
    on_pages: dict[int, list[int]] = {}
    numbers: list[int] = []
    for mark in marks:
        entries = stamp if numbers else common
        numbers.append(update.add(b"<</Type/Annot%s%s>>" % (entries, pictures.place(mark))))
        on_pages.setdefault(mark.page, []).append(numbers[-1])
    append_annotations(file, update, on_pages)
    return numbers[0]


def _signature_entries(name: str, *, at: datetime, certify: bool) -> bytes:
    entries = b"/M(D:%s)/Name%s" % (at.strftime("%Y%m%d%H%M%SZ").encode(), text_string(name))
    if not certify:
        return entries
    return entries + (
        b"/Reference[<</Type/SigRef/TransformMethod/DocMDP"
        b"/TransformParams<</Type/TransformParams/P %d/V/1.2>>>>]" % FORM_FILLING
    )
