"""Pictures of what a seal covers and of what the file shows now, drawn by pdfium; nothing in the file is run."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
from PIL import Image, ImageChops, ImageDraw

from verification.errors import NotAPdf
from verification.pages import PageDifference, PagePair, Previews
from verification.pdf.document import LIBRARY_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES_SHOWN = 4
PAGES_COMPARED = 60
WIDTH = 620
MAXIMUM_HEIGHT = 1_800
COLOURS = 48
RENDERED_PAGES = 20
FACE_SHARE = 0.6
"""The share of a face's lines that make a page the face: a letter about a licence repeats some, a forger alters few."""
SAME_WITHIN = 48
"""Levels of grey two pictures of one text may differ by where edges are smoothed."""


def draw_previews(document: bytes, covered_to: int) -> Previews:
    """Draw the first pages, changed ones before others; raises NotAPdf.

    Args:
        document: the whole file.
        covered_to: length of the revision the last seal covers; 0 when none is sound.
    """
    try:
        return _draw(document, covered_to)
    except LIBRARY_ERRORS as error:
        raise NotAPdf("No page of the file can be drawn.", field="document") from error


def _draw(document: bytes, covered_to: int) -> Previews:
    now = _opened(document)
    sealed = _opened(document[:covered_to]) if 0 < covered_to < len(document) else None
    try:
        count = len(now)
        pages = max(count, 0 if sealed is None else len(sealed))
        if sealed is None:
            shown = [_unchanged(now, number, sound=covered_to > 0) for number in range(min(pages, PAGES_SHOWN))]
            return Previews(tuple(shown), count)
        pairs = [_pair(sealed, now, number) for number in _order(sealed, now, min(pages, PAGES_COMPARED))]
        return Previews(tuple(pairs), count)
    finally:
        now.close()
        if sealed is not None:
            sealed.close()


def _opened(document: bytes) -> pdfium.PdfDocument:
    """Open a document with its fields, which seals are: without, pdfium leaves them out of the picture."""
    opened = pdfium.PdfDocument(document)
    opened.init_forms()
    return opened


def _order(sealed: pdfium.PdfDocument, now: pdfium.PdfDocument, pages: int) -> list[int]:
    changed = [number for number in range(pages) if _small(sealed, number) != _small(now, number)]
    return [*changed, *(number for number in range(pages) if number not in changed)][:PAGES_SHOWN]


def _small(document: pdfium.PdfDocument, number: int) -> bytes:
    picture = _picture(document, number, width=WIDTH // 2)
    return b"" if picture is None else picture.tobytes()


def _unchanged(now: pdfium.PdfDocument, number: int, *, sound: bool) -> PagePair:
    png = _png(_picture(now, number))
    return PagePair(number + 1, png if sound else b"", b"" if sound else png)


def _pair(sealed: pdfium.PdfDocument, now: pdfium.PdfDocument, number: int) -> PagePair:
    before, after = _picture(sealed, number), _picture(now, number)
    if before is None or after is None:
        return PagePair(number + 1, _png(before), _png(after))
    if before.size != after.size:
        return PagePair(number + 1, _png(before), _png(after), (0, 0, *after.size))
    box = ImageChops.difference(before, after).getbbox()
    if box is None:
        return PagePair(number + 1, _png(before), b"")
    ImageDraw.Draw(after).rectangle((box[0] - 4, box[1] - 4, box[2] + 4, box[3] + 4), outline=(166, 27, 27), width=3)
    return PagePair(number + 1, _png(before), _png(after), box)


def _picture(document: pdfium.PdfDocument, number: int, *, width: int = WIDTH) -> Image.Image | None:
    if number >= len(document):
        return None
    page = document[number]
    try:
        across, down = page.get_size()
        scale = min(width / max(across, 1), MAXIMUM_HEIGHT / max(down, 1))
        drawn: Image.Image = page.render(scale=scale, may_draw_forms=True).to_pil()
        return drawn.convert("RGB")
    finally:
        page.close()


def _png(picture: Image.Image | None) -> bytes:
    if picture is None:
        return b""
    out = io.BytesIO()
    picture.quantize(COLOURS).save(out, "PNG")
    return out.getvalue()


def compare_rendering(document: bytes, rendered: bytes, *, exactly: bool) -> tuple[PageDifference, ...]:
    """Compare a document, its annotations left aside, with a fresh rendering of the same data.

    A seal is an annotation, so it stays out. Pictures are compared only where engine and fonts are those
    the document was made with (`exactly`); the text always. Raises NotAPdf.
    """
    try:
        left, right = pdfium.PdfDocument(document), pdfium.PdfDocument(rendered)
        try:
            return tuple(_differences(left, right, exactly=exactly))
        finally:
            left.close()
            right.close()
    except LIBRARY_ERRORS as error:
        raise NotAPdf("The document cannot be drawn.", field="document") from error


def _differences(left: pdfium.PdfDocument, right: pdfium.PdfDocument, *, exactly: bool) -> Iterator[PageDifference]:
    if len(left) != len(right):
        yield PageDifference(0, "pages")
    for number in range(min(len(left), len(right), RENDERED_PAGES)):
        if _text(left, number) != _text(right, number):
            yield PageDifference(number + 1, "text")
        if exactly and not _looks_alike(left, right, number):
            yield PageDifference(number + 1, "picture")


def _text(document: pdfium.PdfDocument, number: int) -> str:
    page = document[number]
    text = page.get_textpage()
    try:
        return "".join(text.get_text_range().split())
    finally:
        text.close()
        page.close()


def shows_face(document: bytes, face: bytes) -> bool:
    """Tell whether a page of a document carries most lines of a face, whatever was altered on it; raises NotAPdf."""
    try:
        with pdfium.PdfDocument(document) as papers, pdfium.PdfDocument(face) as made:
            lines = _lines(made)
            texts = (_text(papers, number) for number in range(len(papers)))
            return bool(lines) and any(sum(line in text for line in lines) >= FACE_SHARE * len(lines) for text in texts)
    except LIBRARY_ERRORS as error:
        raise NotAPdf("The document cannot be drawn.", field="document") from error


def _lines(document: pdfium.PdfDocument) -> set[str]:
    """Return the lines of a face's first page."""
    page = document[0]
    text = page.get_textpage()
    try:
        return {"".join(line.split()) for line in text.get_text_range().splitlines() if line.strip()}
    finally:
        text.close()
        page.close()


def _looks_alike(left: pdfium.PdfDocument, right: pdfium.PdfDocument, number: int) -> bool:
    pictures = []
    for document in (left, right):
        page = document[number]
        scale = min(1.5, MAXIMUM_HEIGHT / max(*page.get_size(), 1))
        pictures.append(page.render(scale=scale, draw_annots=False, may_draw_forms=False, grayscale=True).to_pil())
        page.close()
    if pictures[0].size != pictures[1].size:
        return False
    extremes = ImageChops.difference(pictures[0].convert("L"), pictures[1].convert("L")).getextrema()
    return int(extremes[1]) <= SAME_WITHIN  # type: ignore[arg-type] # one band: a pair of numbers
