"""Long-term parts of a PAdES document: validation data and document timestamps.

Both come in one incremental update. The security store (DSS) holds certificates, OCSP
responses and CRLs, each once; a document timestamp over everything before it makes the
level B-LTA, and another one, with the validation data of the last, renews it
(EN 319 142-1 clause 5.4, ISO 32000-2 sections 12.8.4.3 and 12.8.5).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.errors import BrokenPdf
from signing.pdf_file import DAMAGE
from signing.pdf_update import PdfUpdate, array_with, dictionary_with, reference
from signing.signature_field import (
    add_unseen_widget,
    field_entries,
    free_field_name,
    list_field,
    value_with_hole,
    with_byte_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from signing.pdf_file import PdfFile
    from signing.signature_field import Prepared

TIMESTAMP_VALUE = b"/Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter/ETSI.RFC3161"
EXTENSION = b"<</ESIC<</BaseVersion/1.7/ExtensionLevel 5>>>>"
"""Says that a PDF 1.7 file uses the security store (EN 319 142-1, annex A)."""


@dataclass(frozen=True, slots=True)
class ValidationData:
    """What a later validation will need, as DER."""

    certificates: tuple[bytes, ...]
    ocsp_responses: tuple[bytes, ...]
    crls: tuple[bytes, ...]


def add_validation_data(file: PdfFile, data: ValidationData) -> bytes:
    """Return the document with validation data added: a B-T becomes a B-LT. Raises BrokenPdf."""
    try:
        update = PdfUpdate(file)
        update.replace(file.root, _store(file, update, data))
        rendered, _ = update.render()
    except (*DAMAGE, AttributeError) as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error
    return file.data + rendered


def prepare_document_timestamp(file: PdfFile, data: ValidationData, *, contents_size: int) -> Prepared:
    """Write an update with validation data and room for a timestamp token over everything before it.

    Raises: BrokenPdf.
    """
    try:
        update = PdfUpdate(file)
        changes = _store(file, update, data)
        name = free_field_name(file, "Timestamp")
        head, body = value_with_hole(TIMESTAMP_VALUE, contents_size)
        value = update.add(body)
        widget = add_unseen_widget(file, update, field_entries(name, value))
        changes.update(list_field(file, update, widget))
        update.replace(file.root, changes)
        rendered, bodies = update.render()
    except (*DAMAGE, AttributeError) as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error
    return with_byte_range(file.data, rendered, bodies[value] + head, contents_size, name)


def _store(file: PdfFile, update: PdfUpdate, data: ValidationData) -> dict[str, bytes | None]:
    """Write what the store does not hold yet; return what changes in the catalog."""
    store = file.root.get("/DSS")
    if not isinstance(store, pikepdf.Dictionary):
        store = pikepdf.Dictionary()
    entries: dict[str, bytes | None] = {"/Type": b"/DSS"}
    for key, values in (("/Certs", data.certificates), ("/OCSPs", data.ocsp_responses), ("/CRLs", data.crls)):
        existing = store.get(key)
        known = _contents(existing)
        new = [
            reference(update.add_stream(b"/Filter/FlateDecode", zlib.compress(value)))
            for value in dict.fromkeys(values)
            if value not in known
        ]
        if new:
            entries[key] = array_with(existing, new)
    changes: dict[str, bytes | None] = {}
    if store.is_indirect:
        update.replace(store, entries)
    else:
        changes["/DSS"] = reference(update.add(dictionary_with(store, entries)))
    if "/Extensions" not in file.root:
        changes["/Extensions"] = EXTENSION
    return changes


def _contents(array: Any) -> set[bytes]:  # noqa: ANN401 - pikepdf objects carry no useful static type
    streams: Iterable[Any] = array if isinstance(array, pikepdf.Array) else ()
    return {bytes(stream.read_bytes()) for stream in streams if isinstance(stream, pikepdf.Stream)}
