"""Finds HF1 codes: in a picture, or on a page of a PDF as pdfium draws it."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import zxingcpp
from PIL import Image, UnidentifiedImageError

from verification.errors import DocumentOverLimit
from verification.qr import MalformedCode, read_code

if TYPE_CHECKING:
    import pypdfium2 as pdfium

MAXIMUM_PIXELS = 60_000_000
PAGES_SEARCHED = 3
_SCALE, _COARSE = 200 / 72, 150 / 72
_DRAWN_PIXELS = 18_000_000
"""Of one page: A1 at 150 dpi. What is larger is searched as well as that allows."""
_MARK = "HF1"
_SYMBOLS = 255
"""The decoder gives no more of one picture."""


@dataclass(frozen=True, slots=True)
class FoundCodes:
    """What a picture holds: the texts that open as HF1 codes, else the first that only looks like one.

    `cut` says that there may be more codes than the decoder tells, `coarse` that the page was too large to be
    drawn as well as paper is.
    """

    opened: tuple[str, ...]
    alike: str | None
    cut: bool
    coarse: bool = False

    @property
    def first(self) -> str | None:
        """Return the code to judge where one is expected."""
        return self.opened[0] if self.opened else self.alike


def code_in_picture(data: bytes) -> str | None:
    """Return the text of the first HF1 code in a PNG or JPEG picture, or None.

    Raises: DocumentOverLimit.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAXIMUM_PIXELS:
                raise DocumentOverLimit("The picture has too many pixels.", field="document")
            return _search(picture.convert("L")).first
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None


def codes_on_page(
    page: pdfium.PdfPage, *, finely: bool = True, pixels: float = 0.0, annotated: bool = True
) -> FoundCodes:
    """Find the HF1 codes on a page of a PDF; as well as on paper at 150 dpi where not `finely`.

    A large page of pictures is searched well enough where it is drawn with all their `pixels`.
    """
    scale = _scale(page, finely=finely)
    found = _search(page.render(scale=scale, grayscale=True, draw_annots=annotated).to_pil())
    enough = scale >= 1 and 0 < pixels <= drawn_pixels(page, finely=finely)
    return replace(found, coarse=scale < _COARSE and not enough)


def drawn_pixels(page: pdfium.PdfPage, *, finely: bool) -> float:
    """Return how many pixels a page is drawn with to be searched."""
    width, height = page.get_size()
    return float(width * height) * _scale(page, finely=finely) ** 2


def _scale(page: pdfium.PdfPage, *, finely: bool) -> float:
    width, height = page.get_size()
    return float(min(_SCALE if finely else _COARSE, math.sqrt(_DRAWN_PIXELS / max(width * height, 1))))


def _search(picture: Image.Image) -> FoundCodes:
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    barcodes = [str(barcode.text) for barcode in zxingcpp.read_barcodes(picture, formats=formats)]
    alike = [text for text in barcodes if _MARK in text.upper()]
    return FoundCodes(tuple(filter(_opens, alike)), alike[0] if alike else None, len(barcodes) >= _SYMBOLS)


def _opens(text: str) -> bool:
    try:
        read_code(text)
    except MalformedCode:
        return False
    return True
