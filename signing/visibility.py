"""What of a page's text leaves a trace in its picture: the page painted with and without the text.

What a clip path, a picture, a shading or a colour does to a text cannot be told from its operators by
rules that nobody gets around; whether a single point of the page changes when the text is taken
away can be seen. pdfium is not safe in threads: call this in a worker process.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as pdfium
from PIL import ImageChops

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pypdfium2
    from PIL.Image import Image

    Box = tuple[float, float, float, float]

COARSE, FINE = 1.0, 3.0
"""Pixels a point: at the first nearly every text shows; the second is for what did not."""
MAX_PIXELS = 16_000_000
LEAST_CONTRAST = 16
"""Of 255, in the colour channel that differs most: less is no colour anybody reads."""


class Trace:
    """Where on one page some text objects make a difference."""

    def __init__(self, page: pypdfium2.PdfPage, objects: Sequence[Any], scale: float) -> None:
        """Paint the page with and without these objects."""
        self._page = page
        width, height = page.get_size()
        self._scale = min(scale, math.sqrt(MAX_PIXELS / max(1.0, width * height)))
        with_them = self._painted()
        with hidden(objects):
            without = self._painted()
        difference = ImageChops.difference(with_them, without)
        red, green, blue = difference.split()
        strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
        self._mask = strongest.point([0] * LEAST_CONTRAST + [255] * (256 - LEAST_CONTRAST))

    def shows(self, box: Box) -> bool:
        """Tell whether anything in a box, in the page's own coordinates, is different."""
        corners = [self._to_pixels(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
        left, right = min(x for x, _ in corners), max(x for x, _ in corners) + 1
        top, bottom = min(y for _, y in corners), max(y for _, y in corners) + 1
        width, height = self._mask.size
        area = (max(0, left - 1), max(0, top - 1), min(width, right + 1), min(height, bottom + 1))
        if area[0] >= area[2] or area[1] >= area[3]:
            return False
        return self._mask.crop(area).getbbox() is not None

    def _painted(self) -> Image:
        bitmap = self._page.render(scale=self._scale, may_draw_forms=False, rev_byteorder=True)
        picture: Image = bitmap.to_pil().convert("RGB")
        return picture

    def _to_pixels(self, x: float, y: float) -> tuple[int, int]:
        width, height = (math.ceil(side * self._scale) for side in self._page.get_size())
        across, down = pdfium.c_int(), pdfium.c_int()
        pdfium.FPDF_PageToDevice(self._page, 0, 0, width, height, 0, x, y, across, down)
        return across.value, down.value


@contextmanager
def hidden(objects: Iterable[Any]) -> Iterator[None]:
    """Leave objects out of what is painted meanwhile."""
    chosen = list(objects)
    for each in chosen:
        pdfium.FPDFPageObj_SetIsActive(each, False)
    try:
        yield
    finally:
        for each in chosen:
            pdfium.FPDFPageObj_SetIsActive(each, True)
