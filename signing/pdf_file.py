"""Reading a PDF that is about to be sealed.

qpdf (through pikepdf) reads the structure, without its repair mode: a file that readers
would have to guess at is refused, because two readers may guess differently. What
pikepdf does not tell, which kind of cross-reference the file ends with, is read here.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pikepdf
from pikepdf.settings import set_qpdf_limits

from signing.errors import (
    BadPlacement,
    BrokenPdf,
    EncryptedPdf,
    HybridCrossReference,
    NotAPdfDocument,
    PdfTooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 1024 * 1024
MAX_BYTES = 128 * MEBIBYTE
MAX_PAGES = 5_000
MAX_OBJECTS = 1_000_000
MAX_INFLATED = 256 * MEBIBYTE
MAX_REVISIONS = 500
MAX_TREE_DEPTH = 60
TAIL = 2048
HEADER = b"%PDF-"
STARTXREF = re.compile(rb"startxref\s+(\d{1,12})\s+%%EOF\s*\Z")
TRAILER_PREVIOUS = re.compile(rb"/Prev\s+(\d{1,12})")
TABLE_XREF = re.compile(rb"[\r\n ]{0,2}(?=xref\s)")
STREAM_XREF = re.compile(rb"\d+\s+\d+\s+obj\b")
DAMAGE = (pikepdf.PdfError, RuntimeError, ValueError, TypeError, KeyError)
"""What pikepdf raises when an object is not what its place in the file promises."""
HARMLESS_WARNING = re.compile(
    r"xref entry for the xref stream itself is missing"
    r"|extraneous whitespace seen before xref"
    r"|reported number of objects \(\d+\) is not one plus the highest object number"
)
"""Common slips of writers: every object is still found where the file says, by every reader."""

# Process-wide and set once, before any thread opens a file: one inflated stream stays bounded.
set_qpdf_limits(flate_max_memory=MAX_INFLATED, run_length_max_memory=MAX_INFLATED, doc_max_warnings=20)


@dataclass(frozen=True, slots=True)
class PageBox:
    """The visible part of a page: its corner and size in user space, its rotation and unit."""

    x: float
    y: float
    width: float
    height: float
    rotation: int
    unit: float

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top in user space."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def shown_size(self) -> tuple[float, float]:
        """Return width and height in points as the page is shown."""
        size = (self.width * self.unit, self.height * self.unit)
        return size if self.rotation % 180 == 0 else size[::-1]

    def to_shown(self, x: float, y: float) -> tuple[float, float]:
        """Map a point in user space to points as shown."""
        right, up = x - self.x, y - self.y
        shown = {
            0: (right, up),
            90: (up, self.width - right),
            180: (self.width - right, self.height - up),
            270: (self.height - up, right),
        }[self.rotation]
        return shown[0] * self.unit, shown[1] * self.unit

    def to_user_space(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Map a rectangle as shown, in points, to left, bottom, right, top in user space."""
        left, bottom, right, top = (value / self.unit for value in (x, y, x + width, y + height))
        corners = {
            0: (left, bottom, right, top),
            90: (self.width - top, left, self.width - bottom, right),
            180: (self.width - right, self.height - top, self.width - left, self.height - bottom),
            270: (bottom, self.height - right, top, self.height - left),
        }[self.rotation]
        return corners[0] + self.x, corners[1] + self.y, corners[2] + self.x, corners[3] + self.y


class PdfFile:
    """One PDF, opened for an incremental update; close it or use it in a `with` block."""

    def __init__(self, data: bytes) -> None:
        """Open a file and refuse what cannot be updated safely.

        Raises: NotAPdfDocument, EncryptedPdf, BrokenPdf, HybridCrossReference, PdfTooLarge.
        """
        self.data = data
        self._boxes: dict[int, PageBox] = {}
        self._size: int | None = None
        self._warnings: list[str] = []
        if len(data) > MAX_BYTES:
            raise PdfTooLarge(f"A document has at most {MAX_BYTES // MEBIBYTE} MiB.", field="document")
        if HEADER not in data[:1024]:
            raise NotAPdfDocument("The file is not a PDF.", field="document")
        if not data.startswith(HEADER):
            raise BrokenPdf("There is something before the PDF header.", field="document")
        self.last_xref, self.xref_is_stream = _check_cross_references(data)
        self.pdf = _open(data)
        try:
            self._check_size()
        except BaseException:
            self.pdf.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pdf.close()

    @property
    def size(self) -> int:
        """Return the first free object number."""
        if self._size is None:
            self._size = int(self.pdf.trailer.Size)
            if any("not one plus the highest" in warning for warning in self._complaints()):
                highest = max((entry.objgen[0] for entry in self.pdf.objects), default=0)
                self._size = max(self._size, highest + 1)
        return self._size

    @property
    def root(self) -> Any:  # noqa: ANN401 - pikepdf objects carry no useful static type
        """Return the catalog."""
        return self.pdf.Root

    @property
    def page_count(self) -> int:
        """Return the number of pages."""
        return len(self.pdf.pages)

    def page(self, number: int) -> Any:  # noqa: ANN401
        """Return a page dictionary, counted from 1; raises BadPlacement."""
        if not 1 <= number <= self.page_count:
            raise BadPlacement(f"The document has {self.page_count} pages, not {number}.", field="placement.page")
        return self.pdf.pages[number - 1].obj

    def content_number(self, number: int) -> int | None:
        """Return the object that paints a page: its content stream, or the page where there are several."""
        page = self.page(number)
        contents = page.get("/Contents")
        source = contents if isinstance(contents, pikepdf.Stream) else page
        return int(source.objgen[0]) or None

    def page_box(self, number: int) -> PageBox:
        """Return what is visible of a page; raises BadPlacement, BrokenPdf."""
        box = self._boxes.get(number)
        if box is None:
            box = self._boxes[number] = self._page_box(number)
        return box

    def _page_box(self, number: int) -> PageBox:
        page = self.page(number)
        media = _box(_inherited(page, "/MediaBox"))
        if media is None:
            raise BrokenPdf(f"Page {number} has no size.", field="document")
        crop = _box(_inherited(page, "/CropBox")) or media
        left, bottom = max(media[0], crop[0]), max(media[1], crop[1])
        right, top = min(media[2], crop[2]), min(media[3], crop[3])
        turn = _inherited(page, "/Rotate")
        rotation = int(turn) % 360 if turn is not None else 0
        unit = float(page.get("/UserUnit", 1))
        if rotation % 90 or unit <= 0 or right <= left or top <= bottom:
            raise BrokenPdf(f"Page {number} has no size or an impossible rotation.", field="document")
        return PageBox(left, bottom, right - left, top - bottom, rotation, unit)

    def field_names(self) -> set[str]:
        """Return the partial names of the form's top-level fields."""
        return {str(field.get("/T", "")) for field in self.fields()}

    def fields(self) -> Iterator[Any]:
        """Yield the form's top-level fields."""
        form = self.root.get("/AcroForm")
        if isinstance(form, pikepdf.Dictionary):
            fields = form.get("/Fields")
            if isinstance(fields, pikepdf.Array):
                yield from (field for field in fields if isinstance(field, pikepdf.Dictionary))

    def signature_dictionaries(self) -> tuple[Any, ...]:
        """Return the values of the signed signature fields, in the order of the form."""
        found: list[Any] = []
        pending = [(field, 0) for field in self.fields()]
        while pending:
            field, depth = pending.pop(0)
            value = field.get("/V")
            if isinstance(value, pikepdf.Dictionary) and "/ByteRange" in value:
                found.append(value)
            kids = field.get("/Kids")
            if isinstance(kids, pikepdf.Array) and depth < MAX_TREE_DEPTH:
                pending.extend((kid, depth + 1) for kid in kids if isinstance(kid, pikepdf.Dictionary))
        return tuple(found)

    def require_sound(self) -> None:
        """Refuse a file about which qpdf has complained since it was opened, but for what changes no reading."""
        if any(HARMLESS_WARNING.search(warning) is None for warning in self._complaints()):
            raise BrokenPdf("The document's structure is damaged.", field="document")

    def _complaints(self) -> list[str]:
        """Return all warnings so far; asking qpdf for them clears its own list."""
        self._warnings.extend(str(warning) for warning in self.pdf.get_warnings())
        return self._warnings

    def _check_size(self) -> None:
        try:
            size, declared = self.size, int(self.root.Pages.Count)
            count = declared if declared > MAX_PAGES else self.page_count
        except DAMAGE as error:
            raise BrokenPdf("The document has no page tree.", field="document") from error
        except AttributeError as error:
            raise BrokenPdf("The document has no page tree.", field="document") from error
        if size > MAX_OBJECTS:
            raise PdfTooLarge(f"A document has at most {MAX_OBJECTS} objects.", field="document")
        if count > MAX_PAGES:
            raise PdfTooLarge(f"A document has at most {MAX_PAGES} pages.", field="document")
        if count < 1:
            raise BrokenPdf("The document has no page.", field="document")
        self.require_sound()


def _open(data: bytes) -> pikepdf.Pdf:
    try:
        pdf = pikepdf.open(
            io.BytesIO(data), attempt_recovery=False, inherit_page_attributes=False, conversion_mode="explicit"
        )
    except pikepdf.PasswordError as error:
        raise EncryptedPdf("The document is encrypted.", field="document") from error
    except DAMAGE as error:
        raise BrokenPdf("The document's structure is damaged.", field="document") from error
    if pdf.is_encrypted:
        pdf.close()
        raise EncryptedPdf("The document is encrypted.", field="document")
    return pdf


def _check_cross_references(data: bytes) -> tuple[int, bool]:
    """Follow the cross-reference sections; return where the last one is and whether it is a stream."""
    match = STARTXREF.search(data, max(0, len(data) - TAIL))
    if match is None:
        raise BrokenPdf("The document does not end as a PDF does.", field="document")
    last = offset = _table_start(data, int(match[1]))
    kind: bool | None = None
    seen: set[int] = set()
    while offset not in seen and len(seen) < MAX_REVISIONS:
        seen.add(offset)
        if not data.startswith(b"xref", offset):
            # A stream's dictionary is qpdf's to read; it cannot be hybrid, and neither can what it continues.
            if STREAM_XREF.match(data, offset) is None:
                raise BrokenPdf("The cross-reference is not where the document says.", field="document")
            return last, True if kind is None else kind
        kind = False if kind is None else kind
        trailer = _trailer(data, offset)
        if b"/XRefStm" in trailer:
            raise HybridCrossReference("The document has two cross-references that may differ.", field="document")
        previous = TRAILER_PREVIOUS.search(trailer)
        if previous is None:
            break
        offset = _table_start(data, int(previous[1]))
    return last, bool(kind)


def _table_start(data: bytes, offset: int) -> int:
    """Return where a cross-reference is: some writers name the end of the line before a table, as readers expect."""
    table = TABLE_XREF.match(data, offset)
    return offset if table is None else table.end()


def _trailer(data: bytes, offset: int) -> bytes:
    start = data.find(b"trailer", offset)
    end = data.find(b"startxref", start)
    if start < 0 or end < 0:
        raise BrokenPdf("The cross-reference has no trailer.", field="document")
    return data[start:end]


def _inherited(page: Any, key: str) -> Any:  # noqa: ANN401
    node = page
    for _ in range(MAX_TREE_DEPTH):
        if key in node:
            return node[key]
        node = node.get("/Parent")
        if not isinstance(node, pikepdf.Dictionary):
            return None
    return None


def _box(value: Any) -> tuple[float, float, float, float] | None:  # noqa: ANN401
    if not isinstance(value, pikepdf.Array) or len(value) != 4:  # noqa: PLR2004 - a rectangle
        return None
    x1, y1, x2, y2 = (float(number) for number in value)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
