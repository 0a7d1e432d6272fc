"""Finds HF1 codes: in a picture, or on a page of a PDF as pdfium draws it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import zxingcpp
from PIL import Image, UnidentifiedImageError

from verification.errors import DocumentOverLimit

if TYPE_CHECKING:
    import pypdfium2 as pdfium

MAXIMUM_PIXELS = 60_000_000
PAGES_SEARCHED = 3
_SCALE = 200 / 72
_MARK = "HF1"


def code_in_picture(data: bytes) -> str | None:
    """Return the text of the first HF1 code in a PNG or JPEG picture, or None.

    Raises: DocumentOverLimit.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAXIMUM_PIXELS:
                raise DocumentOverLimit("The picture has too many pixels.", field="document")
            return _search(picture.convert("L"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None


def code_on_page(page: pdfium.PdfPage) -> str | None:
    """Return the text of the first HF1 code on a page of a PDF, or None."""
    scale = min(_SCALE, 3000 / max(*page.get_size(), 1))
    return _search(page.render(scale=scale, grayscale=True).to_pil())


def _search(picture: Image.Image) -> str | None:
    for barcode in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)):
        if _MARK in barcode.text.upper():
            return str(barcode.text)
    return None
