"""Looking, before a seal goes on, for what could change a document's meaning afterwards.

Structure is examined here, what readers draw differently in `reader_dependent`, what the pages
paint in `page_content`. A seal covers bytes; these are the parts of them that a reader, a script or
the next person's click can make look different: scripts and actions, fields and annotations, layers,
and objects nothing refers to, which a later update can bring to light (the shadow attacks of 2021).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pikepdf

from signing.attachments import Attachments
from signing.errors import BrokenPdf
from signing.model import Finding
from signing.pdf_file import DAMAGE
from signing.reader_dependent import examine_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signing.model import Attachment
    from signing.pdf_file import PdfFile

HARMLESS_ACTIONS = frozenset({"/GoTo", "/URI"})
"""Moving within the document and opening a web page leave the document as it is."""
HIDDEN_FLAGS = 1 | 2 | 32
"""Invisible, Hidden, NoView (ISO 32000-1, table 165)."""
READ_ONLY_AND_LOCKED = 64 | 128
CONTAINERS = frozenset({"/ObjStm", "/XRef"})
LINEARISED_HEAD = 1024
HINTS = re.compile(rb"/H\s*\[\s*((?:\d{1,12}\s+){1,3}\d{1,12})\s*\]")
OBJECT = re.compile(rb"\s*(\d{1,10})\s+(\d{1,5})\s+obj\b")
HINT_KEYS = frozenset(f"/{key}" for key in ("Filter", "DecodeParms", "Length", *"SPTOAEVICLRB"))
"""What a hint stream's dictionary holds (table F.2); with anything else it is some other stream."""
MAX_ANNOTATIONS = 20_000
MAX_DEPTH = 100


def examine(file: PdfFile) -> tuple[tuple[Finding, ...], tuple[Attachment, ...]]:
    """Return what the document's structure holds that must not be sealed, and its attachments; raises BrokenPdf."""
    attachments = Attachments()
    try:
        findings = (*_catalog(file), *_annotations(file), *_objects(file, attachments), *examine_streams(file))
        return findings, attachments.found()
    except (*DAMAGE, AttributeError, IndexError) as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error


def _catalog(file: PdfFile) -> Iterator[Finding]:
    root = file.root
    number = root.objgen[0]
    if "/OpenAction" in root and not _harmless(root["/OpenAction"]):
        yield Finding("action", None, number, "runs when the document opens")
    if "/AA" in root:
        yield Finding("action", None, number, "runs on events of the document")
    names = root.get("/Names")
    if isinstance(names, pikepdf.Dictionary) and "/JavaScript" in names:
        yield Finding("javascript", None, _number(names) or number, "runs when the document opens")
    if "/OCProperties" in root:
        yield Finding("optional content", None, number, "layers can be switched on and off")
    if "/Collection" in root:
        yield Finding("portfolio", None, number, "shows other files in place of its pages")
    form = root.get("/AcroForm")
    if isinstance(form, pikepdf.Dictionary):
        if "/XFA" in form:
            yield Finding("form", None, _number(form) or number, "is an XFA form, drawn by the reader")
        if "/NeedAppearances" in form and bool(form["/NeedAppearances"]):
            yield Finding("form", None, _number(form) or number, "has fields drawn by the reader")


def _annotations(file: PdfFile) -> Iterator[Finding]:
    """Look at every annotation; fields that no page shows are found among the form's own."""
    signed = bool(file.signature_dictionaries())
    seen: set[int] = set()
    count = 0
    for number in range(1, file.page_count + 1):
        page = file.page(number)
        if "/AA" in page:
            yield Finding("action", number, page.objgen[0], "runs when the page is shown")
        annotations = page.get("/Annots")
        for annotation in annotations if isinstance(annotations, pikepdf.Array) else ():
            count += 1
            if count > MAX_ANNOTATIONS:
                yield Finding("annotation", number, None, f"there are more than {MAX_ANNOTATIONS}")
                return
            if isinstance(annotation, pikepdf.Dictionary):
                seen.add(_number(annotation) or 0)
                yield from _annotation(annotation, number, signed=signed)
    for field in file.fields():
        if _number(field) not in seen and "/Kids" not in field and _field_type(field) != "/Sig":
            yield Finding("form", None, _number(field), "is a field that no page shows")


def _annotation(annotation: Any, page: int, *, signed: bool) -> Iterator[Finding]:  # noqa: ANN401
    kind, number = str(annotation.get("/Subtype", "")), _number(annotation)
    flags = int(annotation.get("/F", 0))
    if "/AA" in annotation:
        yield Finding("action", page, number, "runs on events of an annotation")
    if "/A" in annotation and not _harmless(annotation["/A"]):
        yield Finding("action", page, number, "runs when an annotation is clicked")
    if kind == "/Link":
        return
    if kind == "/Widget":
        if _field_type(annotation) != "/Sig":
            yield Finding("form", page, number, "is a field that can be filled in")
        elif "/V" not in annotation and "/Parent" not in annotation:
            yield Finding("form", page, number, "is an empty signature field")
        return
    locked_picture = kind == "/Stamp" and flags & READ_ONLY_AND_LOCKED == READ_ONLY_AND_LOCKED
    if signed and locked_picture and not flags & HIDDEN_FLAGS:
        return  # the further pictures of an earlier seal, which that seal covers
    hidden = "hidden " if flags & HIDDEN_FLAGS else ""
    yield Finding("annotation", page, number, f"is a {hidden}{kind.removeprefix('/') or 'nameless'} annotation")


def _objects(file: PdfFile, attachments: Attachments) -> Iterator[Finding]:
    """Find scripts and attachments anywhere, and objects that nothing refers to."""
    reached: set[tuple[int, int]] = set()
    pending: list[tuple[Any, int, int | None]] = [(file.pdf.trailer, 0, None)]
    while pending:
        value, depth, owner = pending.pop()
        if value.is_indirect:
            if value.objgen in reached:
                continue
            reached.add(value.objgen)
            depth = 0
        if depth > MAX_DEPTH:
            raise BrokenPdf("The document's structure is nested too deeply.", field="document")
        if isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
            if "/JS" in value:
                yield Finding("javascript", None, owner, "is a script")
            attachments.meet(value)
            entries = value.values()
        else:
            entries = value
        pending.extend((entry, depth + 1, owner) for entry in entries if isinstance(entry, _COMPOSITE))
    hints = _hint_streams(file)
    for entry in file.pdf.objects:
        if entry is not None and entry.is_indirect and entry.objgen not in reached and not _container(entry):
            if entry.objgen in hints and isinstance(entry, pikepdf.Stream) and set(entry.keys()) <= HINT_KEYS:
                continue
            yield Finding("unreferenced object", None, entry.objgen[0], "is reached from nowhere")


def _hint_streams(file: PdfFile) -> set[tuple[int, int]]:
    """Return the objects that a linearised file's first object names by their offsets (ISO 32000-1, annex F.2)."""
    head = file.data[:LINEARISED_HEAD]
    match = HINTS.search(head) if b"/Linearized" in head else None
    offsets = [int(number) for number in match[1].split()[::2]] if match else []
    found = (OBJECT.match(file.data, offset) for offset in offsets)
    return {(int(each[1]), int(each[2])) for each in found if each is not None}


_COMPOSITE = (pikepdf.Dictionary, pikepdf.Array, pikepdf.Stream)


def _container(value: Any) -> bool:  # noqa: ANN401
    """Tell whether an object belongs to the file's own bookkeeping: object streams, linearisation, nothing at all."""
    if not isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
        return not isinstance(value, pikepdf.Array)
    return str(value.get("/Type", "")) in CONTAINERS or "/Linearized" in value


def _harmless(action: Any) -> bool:  # noqa: ANN401
    if isinstance(action, pikepdf.Array):
        return True  # a destination within the document
    if not isinstance(action, pikepdf.Dictionary):
        return False
    return str(action.get("/S", "")) in HARMLESS_ACTIONS and "/Next" not in action


def _field_type(field: Any) -> str:  # noqa: ANN401
    node = field
    for _ in range(MAX_DEPTH):
        if "/FT" in node:
            return str(node["/FT"])
        node = node.get("/Parent")
        if not isinstance(node, pikepdf.Dictionary):
            return ""
    return ""


def _number(value: Any) -> int | None:  # noqa: ANN401
    return int(value.objgen[0]) if value.is_indirect else None
