"""What the annotations of a PDF show, set on pages of their own.

Readers differ in which annotations they draw: seals are left out of a page's means to draw, pop-ups and such as are
only printed are not on pdfium's screen, and their text is in no page's text. Their appearances are therefore drawn
once more by themselves.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium

if TYPE_CHECKING:
    from collections.abc import Iterator

_HIDDEN = 2
_MARGIN = 0.1
"""A code is not read without some white around it."""
_Rectangle = tuple[float, float, float, float]
_Drawn = tuple[tuple[int, int], tuple[int, ...]]
_Layer = tuple[int, int, str, tuple[int, int]]


def appearances(pdf: pikepdf.Pdf) -> Iterator[pdfium.PdfPage]:
    """Yield pages with the appearances of annotations, each where it stands, once for all pages.

    What a reader or printer may show without the rest is on a page without it, for one may cover the other: each
    state, kind, setting of flags and optional content. Raises as pikepdf and pdfium do on damage.
    """
    with pikepdf.new() as made:
        seen: set[_Drawn] = set()
        for page in pdf.pages:
            annotations = page.obj.get("/Annots")
            if annotations is not None:
                _set(made, annotations, seen)
        if not len(made.pages):
            return
        out = io.BytesIO()
        made.save(out, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    with pdfium.PdfDocument(out.getvalue()) as drawn:
        for page in drawn:
            try:
                yield page
            finally:
                page.close()


def _set(made: pikepdf.Pdf, annotations: pikepdf.Object, seen: set[_Drawn]) -> None:
    """Add pages with the appearances of a page's annotations."""
    layers: dict[_Layer, list[tuple[pikepdf.Stream, _Rectangle]]] = {}
    for annotation in annotations:
        if annotation is None:
            continue
        flags = int(annotation.get("/F", 0))
        if "/AP" not in annotation or flags & _HIDDEN:
            continue
        corners = [float(number) for number in annotation.get("/Rect", (0, 0, 0, 0))]
        left, right, bottom, top = *sorted(corners[0::2]), *sorted(corners[1::2])
        if left == right or bottom == top:
            continue
        group = annotation.get("/OC")
        for rank, form in enumerate(_looks(annotation.AP.get("/N"))):
            drawn = (form.objgen, tuple(round(corner * 10) for corner in (left, bottom, right, top)))
            if drawn not in seen:
                seen.add(drawn)
                layer = (rank, flags, str(annotation.get("/Subtype")), (0, 0) if group is None else group.objgen)
                layers.setdefault(layer, []).append((form, (left, bottom, right, top)))
    for shown in layers.values():
        _draw(made, shown)


def _draw(made: pikepdf.Pdf, layer: list[tuple[pikepdf.Stream, _Rectangle]]) -> None:
    """Add a page with some appearances."""
    left, bottom = (min(box[at] for _, box in layer) for at in (0, 1))
    right, top = (max(box[at] for _, box in layer) for at in (2, 3))
    page = made.add_blank_page()
    margin = _MARGIN * max(right - left, top - bottom)
    page.MediaBox = pikepdf.Array([left - margin, bottom - margin, right + margin, top + margin])
    page.Resources = pikepdf.Dictionary(
        XObject=pikepdf.Dictionary({f"/A{at}": made.copy_foreign(form) for at, (form, _) in enumerate(layer)})
    )
    content = (_placed(f"/A{at}", form, box) for at, (form, box) in enumerate(layer))
    page.Contents = made.make_stream(b"\n".join(content))


def _looks(normal: pikepdf.Object | None) -> list[pikepdf.Stream]:
    """Return an annotation's appearances: one, or those of all its states, for a reader may show any of them."""
    found = normal.values() if isinstance(normal, pikepdf.Dictionary) else [normal]
    return [form for form in found if isinstance(form, pikepdf.Stream)]


def _placed(name: str, form: pikepdf.Stream, rectangle: _Rectangle) -> bytes:
    """Return the operators that draw a form into a rectangle (ISO 32000-2, 12.5.5)."""
    a, b, c, d, e, f = (float(number) for number in form.get("/Matrix", (1, 0, 0, 1, 0, 0)))
    x0, y0, x1, y1 = (float(number) for number in form.BBox)
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (x0, x1) for y in (y0, y1)]
    (left, right), (bottom, top) = ((min(axis), max(axis)) for axis in zip(*corners, strict=True))
    if right <= left or top <= bottom:
        return b""
    across = (rectangle[2] - rectangle[0]) / (right - left)
    up = (rectangle[3] - rectangle[1]) / (top - bottom)
    moved = rectangle[0] - left * across, rectangle[1] - bottom * up
    return b"q %f 0 0 %f %f %f cm %s Do Q" % (across, up, *moved, name.encode())
