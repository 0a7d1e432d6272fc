"""Finds HF1 codes: in a picture, or on the pages of a PDF as pdfium draws them."""

from __future__ import annotations

import io

import pypdfium2 as pdfium
import zxingcpp
from PIL import Image, UnidentifiedImageError

from verification.errors import DocumentOverLimit
from verification.pdf.document import LIBRARY_ERRORS

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


def code_on_pages(document: bytes) -> str | None:
    """Return the text of the first HF1 code on the first pages of a PDF, or None."""
    try:
        with pdfium.PdfDocument(document) as opened:
            for number in range(min(len(opened), PAGES_SEARCHED)):
                page = opened[number]
                width, height = page.get_size()
                scale = min(_SCALE, 3000 / max(width, height, 1))
                found = _search(page.render(scale=scale, grayscale=True).to_pil())
                if found is not None:
                    return found
    except LIBRARY_ERRORS:
        return None
    return None


def _search(picture: Image.Image) -> str | None:
    for barcode in zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)):
        if _MARK in barcode.text.upper():
            return str(barcode.text)
    return None
