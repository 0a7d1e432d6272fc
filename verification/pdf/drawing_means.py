"""Could a page show a code? Told from what it is drawn with, for drawing it at length costs a hundred times more.

What pdfium lists of a page are pictures, lines and text. Tiling patterns, glyphs that are little drawings, masks and
annotations are not among it: whether a page uses any is read from its resources. Text draws a code as rows closer than
lines of words are, or as a glyph larger than any letter.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2.raw as pdfium_c

if TYPE_CHECKING:
    import pypdfium2 as pdfium

_DEPTH = 48
_OBJECTS, _OBJECTS_AT_ALL = 3_000, 50_000
_RESOURCES = 300
_SEGMENTS = 1_200
"""Lines that draw a small code; tables and stamps have fewer."""
_CLIPPED = 200
"""Lines that something is cut out along: a code in one piece has more."""
_DASHED, _DASHES_DRAWN = 20, 32
"""A dashed line draws a whole row; pdfium leaves out what its pattern has beyond so many numbers."""
_PRINTED, _SEEN_AND_PRINTED = 4, 2 | 4 | 32 | 256
_SYMBOLS = re.compile(r"dingbat|symbol|wingding|webding|barcode|qr", re.IGNORECASE)
_ROWS, _PITCH, _TALL, _TURNED = 15, 9.0, 34.0, 20
"""Rows of text, how many points apart, that may be a code's; the height of a glyph that may be one; turned texts."""


class DashesBeyondDrawing(Exception):
    """A line's pattern is longer than pdfium draws: other readers show what was not seen."""


def may_hold_pictures(dictionary: pikepdf.Object, page: pdfium.PdfPage) -> bool:
    """Tell whether a page holds pictures, lines or rows of text enough, or what may hide any.

    Args:
        dictionary: the page as qpdf reads it.
        page: the same page in pdfium.

    Raises: DashesBeyondDrawing.
    """
    return (
        objects_show(page)
        or any(_is_drawn(annotation) for annotation in dictionary.get("/Annots", ()))
        or _resources_hide(_inherited(dictionary, "/Resources"))
    )


def _inherited(item: pikepdf.Object, key: str) -> pikepdf.Object | None:
    for _ in range(_RESOURCES):
        if key in item:
            return item[key]
        if "/Parent" not in item:
            return None
        item = item["/Parent"]
    return None


def _is_drawn(annotation: pikepdf.Object) -> bool:
    """Tell whether an annotation shows something, seals apart."""
    kind = annotation.get("/Subtype")
    if kind == pikepdf.Name.Widget:
        return _inherited(annotation, "/FT") != pikepdf.Name.Sig
    return "/AP" in annotation or kind not in {pikepdf.Name.Link, pikepdf.Name.Popup}


def _resources_hide(resources: pikepdf.Object | None) -> bool:
    """Tell whether a page or a form nested in it may use a pattern, a drawn font or a mask."""
    pending = [] if resources is None else [(resources, 0)]
    seen: set[tuple[int, int]] = set()
    while pending:
        item, depth = pending.pop()
        if len(seen) > _RESOURCES or depth > _DEPTH or item.get("/Pattern"):
            return True
        if any(_is_drawing(font) for font in item.get("/Font", {}).values()):
            return True
        states = item.get("/ExtGState", {}).values()
        if any("/Font" in state or isinstance(state.get("/SMask"), pikepdf.Dictionary) for state in states):
            return True
        for form in item.get("/XObject", {}).values():
            if "/Resources" in form and form.objgen not in seen:
                seen.add(form.objgen)
                pending.append((form["/Resources"], depth + 1))
    return False


def _is_drawing(font: pikepdf.Object) -> bool:
    """Tell a font whose glyphs are drawings, symbols, or set in columns."""
    return (
        font.get("/Subtype") == pikepdf.Name.Type3
        or _SYMBOLS.search(str(font.get("/BaseFont", ""))) is not None
        or str(font.get("/Encoding", "")).endswith("-V")
    )


def is_shown_with_less(dictionary: pikepdf.Object) -> bool:
    """Tell whether a page has annotations that are not both on the screen and printed: what they cover is shown too."""
    return any(
        "/AP" in annotation and int(annotation.get("/F", 0)) & _SEEN_AND_PRINTED != _PRINTED
        for annotation in dictionary.get("/Annots", ())
        if annotation is not None
    )


def pixels_of(dictionary: pikepdf.Object) -> float:
    """Return how many pixels the pictures have that a page may draw, those of one bit for a quarter."""
    resources = _inherited(dictionary, "/Resources")
    pending = [] if resources is None else [resources]
    seen: set[tuple[int, int]] = set()
    pixels = 0.0
    while pending and len(seen) < _RESOURCES:
        for drawn in pending.pop().get("/XObject", {}).values():
            if drawn.objgen in seen:
                continue
            seen.add(drawn.objgen)
            if "/Resources" in drawn:
                pending.append(drawn["/Resources"])
            elif drawn.get("/Subtype") == pikepdf.Name.Image:
                size = float(drawn.get("/Width", 0)) * float(drawn.get("/Height", 0))
                pixels += size / (4 if drawn.get("/BitsPerComponent") == 1 else 1)
    return pixels


class _Texts:
    """The texts of a page: where their lines stand, and how tall they are."""

    def __init__(self, width: float) -> None:
        self._pitch = _PITCH * max(width / 595, 1)
        self._lines: set[float] = set()
        self._turned = 0

    def draw(self, item: object, matrix: pdfium_c.FS_MATRIX) -> bool:
        """Note a text; tell whether it may be a whole code."""
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        if not pdfium_c.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            return True
        own = pdfium_c.FS_MATRIX()
        pdfium_c.FPDFPageObj_GetMatrix(item, own)
        self._turned += _is_turned(own) or _is_turned(matrix)
        self._lines.add(round(matrix.d * bottom.value + matrix.f, 1))
        return bool(abs(matrix.d * (top.value - bottom.value)) > _TALL) or self._turned > _TURNED

    def are_rows(self) -> bool:
        """Tell whether enough lines follow on each other closely."""
        lines = sorted(self._lines)
        run = 1
        for above, line in itertools.pairwise(lines):
            run = run + 1 if line - above <= self._pitch else 1
            if run >= _ROWS:
                return True
        return False


def _is_turned(matrix: pdfium_c.FS_MATRIX) -> bool:
    return bool(abs(matrix.b) + abs(matrix.c) > abs(matrix.a) / 100)


def _clip_segments(item: object) -> int:
    """Return along how many lines an object is cut out."""
    clip = pdfium_c.FPDFPageObj_GetClipPath(item)
    paths = range(max(pdfium_c.FPDFClipPath_CountPaths(clip), 0))
    return sum(max(pdfium_c.FPDFClipPath_CountPathSegments(clip, at), 0) for at in paths)


def _within(outer: pdfium_c.FS_MATRIX, form: object) -> pdfium_c.FS_MATRIX:
    """Return where what a form holds is drawn."""
    own = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(form, own)
    return pdfium_c.FS_MATRIX(
        own.a * outer.a + own.b * outer.c,
        own.a * outer.b + own.b * outer.d,
        own.c * outer.a + own.d * outer.c,
        own.c * outer.b + own.d * outer.d,
        own.e * outer.a + own.f * outer.c + outer.e,
        own.e * outer.b + own.f * outer.d + outer.f,
    )


def objects_show(page: pdfium.PdfPage) -> bool:
    """Tell whether pdfium lists a picture, or lines or rows of text enough; raises DashesBeyondDrawing."""
    objects = (pdfium_c.FPDFPage_GetObject(page.raw, at) for at in range(pdfium_c.FPDFPage_CountObjects(page.raw)))
    pending = [(item, 0, pdfium_c.FS_MATRIX(1, 0, 0, 1, 0, 0)) for item in objects]
    found = len(pending) > _OBJECTS
    texts = _Texts(page.get_width())
    segments = 0
    for item, depth, matrix in pending:
        found = found or _clip_segments(item) > _CLIPPED
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            dashes = pdfium_c.FPDFPageObj_GetDashCount(item)
            if dashes > _DASHES_DRAWN:
                raise DashesBeyondDrawing
            segments += max(pdfium_c.FPDFPath_CountSegments(item), 0) * (_DASHED if dashes > 0 else 1)
        elif kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            found = found or texts.draw(item, matrix)
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth < _DEPTH and len(pending) < _OBJECTS_AT_ALL:
            inner = range(max(pdfium_c.FPDFFormObj_CountObjects(item), 0))
            within = _within(matrix, item)
            pending += [(pdfium_c.FPDFFormObj_GetObject(item, at), depth + 1, within) for at in inner]
        else:
            found = True
    return found or len(pending) > _OBJECTS or segments > _SEGMENTS or texts.are_rows()
