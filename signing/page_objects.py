"""The objects a page paints, those inside forms too, with their boxes in the page's coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pypdfium2.raw as pdfium

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pypdfium2

Box: TypeAlias = tuple[float, float, float, float]
Matrix: TypeAlias = tuple[float, float, float, float, float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
MAX_DEPTH = 15
ROUNDING = 0.1


@dataclass(frozen=True, slots=True)
class Painted:
    """One object; `order` counts in the order of painting."""

    order: int
    kind: int
    raw: Any = field(repr=False, compare=False)
    box: Box
    font_size: float
    """In points as shown; 0 for what is no text."""
    covers: bool
    """Whether it may hide what was painted before it."""

    @property
    def area(self) -> float:
        """Return how much its box takes."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    def as_large_as(self, other: Painted) -> bool:
        """Tell whether two texts have the same size, but for rounding."""
        sizes = [(one.font_size, one.box[2] - one.box[0], one.box[3] - one.box[1]) for one in (self, other)]
        return all(abs(one - two) <= ROUNDING for one, two in zip(*sizes, strict=True))


def painted_on(page: pypdfium2.PdfPage, limit: int) -> list[Painted] | None:
    """Return everything a page paints, in order; None when there are more than `limit` objects."""
    found: list[Painted] = []
    for order, (raw, matrix) in enumerate(_walk(page.raw, IDENTITY, 0, form=False)):
        if order >= limit:
            return None
        found.append(_painted(order, raw, matrix))
    return found


def overlap(one: Box, other: Box) -> float:
    """Return the area two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _walk(holder: Any, matrix: Matrix, depth: int, *, form: bool) -> Iterator[tuple[Any, Matrix]]:  # noqa: ANN401
    count = pdfium.FPDFFormObj_CountObjects(holder) if form else pdfium.FPDFPage_CountObjects(holder)
    for index in range(max(0, count)):
        raw = pdfium.FPDFFormObj_GetObject(holder, index) if form else pdfium.FPDFPage_GetObject(holder, index)
        if pdfium.FPDFPageObj_GetType(raw) != pdfium.FPDF_PAGEOBJ_FORM:
            yield raw, matrix
        elif depth < MAX_DEPTH:
            yield from _walk(raw, _times(_matrix(raw), matrix), depth + 1, form=True)


def _painted(order: int, raw: Any, matrix: Matrix) -> Painted:  # noqa: ANN401
    kind = int(pdfium.FPDFPageObj_GetType(raw))
    size = 0.0
    if kind == pdfium.FPDF_PAGEOBJ_TEXT:
        value = pdfium.c_float()
        pdfium.FPDFTextObj_GetFontSize(raw, value)
        a, b, c, d, _, _ = _times(_matrix(raw), matrix)
        size = abs(value.value) * math.sqrt(abs(a * d - b * c))
    return Painted(order, kind, raw, _box(raw, matrix), size, _covers(raw, kind))


def _box(raw: Any, matrix: Matrix) -> Box:  # noqa: ANN401
    left, bottom, right, top = (pdfium.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(raw, left, bottom, right, top):
        return (0.0, 0.0, 0.0, 0.0)
    a, b, c, d, e, f = matrix
    corners = [
        (a * x + c * y + e, b * x + d * y + f) for x in (left.value, right.value) for y in (bottom.value, top.value)
    ]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (min(xs), min(ys), max(xs), max(ys))


def _matrix(raw: Any) -> Matrix:  # noqa: ANN401
    value = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(raw, value):
        return IDENTITY
    return (value.a, value.b, value.c, value.d, value.e, value.f)


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    """Return the map that does `inner` first."""
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _covers(raw: Any, kind: int) -> bool:  # noqa: ANN401
    """Tell whether an object paints areas: pictures, shadings, filled paths. What it hides, its picture says."""
    if kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING):
        return True
    if kind != pdfium.FPDF_PAGEOBJ_PATH:
        return False
    mode, stroke = pdfium.c_int(), pdfium.c_int()
    if not pdfium.FPDFPath_GetDrawMode(raw, mode, stroke):
        return False
    return bool(mode.value != pdfium.FPDF_FILLMODE_NONE)
