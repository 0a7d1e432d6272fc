"""What a page paints and yet does not show, by pdfium's list of page objects.

Text under an opaque picture or filled area, text painted in invisible mode, and text beside the
visible page can be brought to light, or be read by programs while a person sees something else.
pdfium is not safe in threads: call this in a worker process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from signing.errors import BrokenPdf
from signing.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    Bounds = tuple[float, float, float, float]

HIDDEN_CONTENT = {
    "invisible text": "is painted in invisible mode",
    "covered text": "lies under an opaque picture or area",
    "text off the page": "stands where the page is not shown",
}
MAX_OBJECTS = 200_000
SLACK = 1.0
"""Points by which a cover may fall short of the text's box, which is wider than its ink."""
RECTANGLE_SEGMENTS = 5
SHOWN = 5
"""Findings of one sort a page; more tell nothing new."""


def examine_content(document: bytes) -> tuple[Finding, ...]:
    """Return the hidden content of every page; raises BrokenPdf."""
    try:
        opened = pypdfium2.PdfDocument(document)
    except pypdfium2.PdfiumError as error:
        raise BrokenPdf("The document's pages cannot be drawn.", field="document") from error
    try:
        return tuple(finding for number in range(len(opened)) for finding in _page(opened, number))
    finally:
        opened.close()


def _page(opened: pypdfium2.PdfDocument, index: int) -> Iterator[Finding]:
    try:
        page = opened[index]
    except pypdfium2.PdfiumError as error:
        raise BrokenPdf(f"Page {index + 1} cannot be drawn.", field="document") from error
    box = page.get_cropbox(fallback_ok=True)
    covers: list[Bounds] = []
    counts = dict.fromkeys(HIDDEN_CONTENT, 0)
    # Painted last comes first: what has been seen so far lies on top.
    objects = list(page.get_objects(max_depth=15))
    if len(objects) > MAX_OBJECTS:
        yield Finding("page", index + 1, None, f"paints more than {MAX_OBJECTS} things")
        return
    for item in reversed(objects):
        bounds = _bounds(item)
        if bounds is None:
            continue
        if item.type == pdfium.FPDF_PAGEOBJ_TEXT:
            kind = _hidden(item, bounds, box, covers)
            if kind is not None:
                counts[kind] += 1
                if counts[kind] <= SHOWN:
                    yield Finding(kind, index + 1, None, HIDDEN_CONTENT[kind])
        elif _opaque(item):
            covers.append(bounds)
    page.close()


def _hidden(item: Any, bounds: Bounds, box: Bounds, covers: list[Bounds]) -> str | None:  # noqa: ANN401
    if pdfium.FPDFTextObj_GetTextRenderMode(item) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE:
        return "invisible text"
    left, bottom, right, top = bounds
    if right <= box[0] or left >= box[2] or top <= box[1] or bottom >= box[3]:
        return "text off the page"
    for cover in covers:
        inside = cover[0] - SLACK <= left and right <= cover[2] + SLACK
        if inside and cover[1] - SLACK <= bottom and top <= cover[3] + SLACK:
            return "covered text"
    return None


def _bounds(item: Any) -> Bounds | None:  # noqa: ANN401
    """Return an object's box on the page; None for what has none, such as a space."""
    try:
        bounds: Bounds = item.get_bounds()
    except pypdfium2.PdfiumError:
        return None
    if bounds[2] - bounds[0] <= 0 or bounds[3] - bounds[1] <= 0:
        return None
    return bounds


def _opaque(item: Any) -> bool:  # noqa: ANN401
    if pdfium.FPDFPageObj_HasTransparency(item):
        return False
    if item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
        return True
    if item.type != pdfium.FPDF_PAGEOBJ_PATH:
        return False
    mode, stroke = pdfium.c_int(), pdfium.c_int()
    if not pdfium.FPDFPath_GetDrawMode(item, mode, stroke):
        return False
    filled = int(mode.value) != pdfium.FPDF_FILLMODE_NONE
    # Only a rectangle covers its whole box; a curved or ragged shape is taken for a drawing.
    return filled and int(pdfium.FPDFPath_CountSegments(item)) <= RECTANGLE_SEGMENTS
