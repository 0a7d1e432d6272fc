"""Finding where a keyword stands on a page, by pdfium's character boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pypdfium2

from signing.errors import BrokenPdf, KeywordNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signing.pdf_file import PdfFile
    from signing.placement import Keyword


def find(file: PdfFile, keyword: Keyword) -> tuple[int, float, float]:
    """Return the page and the middle of the wanted occurrence, in points as shown.

    Raises: KeywordNotFound, BadPlacement for a page that does not exist, BrokenPdf.
    """
    if keyword.page is not None:
        file.page(keyword.page)
    try:
        document = pypdfium2.PdfDocument(file.data)
    except pypdfium2.PdfiumError as error:
        raise BrokenPdf("The document's text cannot be read.", field="document") from error
    try:
        found = _nth(document, file, keyword)
    finally:
        document.close()
    if found is None:
        where = "the document" if keyword.page is None else f"page {keyword.page}"
        raise KeywordNotFound(
            f"The keyword does not occur {abs(keyword.occurrence)} time(s) in {where}.", field="placement.text"
        )
    return found


def _nth(document: pypdfium2.PdfDocument, file: PdfFile, keyword: Keyword) -> tuple[int, float, float] | None:
    pages = range(1, file.page_count + 1) if keyword.page is None else (keyword.page,)
    backwards = keyword.occurrence < 0
    wanted = abs(keyword.occurrence)
    for page in reversed(pages) if backwards else pages:
        places = list(_places(document, file, page, keyword.text.strip()))
        if wanted <= len(places):
            x, y = places[-wanted] if backwards else places[wanted - 1]
            return page, x, y
        wanted -= len(places)
    return None


def _places(document: pypdfium2.PdfDocument, file: PdfFile, number: int, text: str) -> Iterator[tuple[float, float]]:
    """Yield the middle of each occurrence; spaces and line ends in the page's text do not matter."""
    page = document[number - 1]
    text_page = page.get_textpage()
    try:
        box = file.page_box(number)
        count = text_page.count_chars()
        characters = [
            (index, character)
            for index, character in enumerate(text_page.get_text_range(0, count) if count else "")
            if not character.isspace()
        ]
        joined = "".join(character for _, character in characters)
        wanted = "".join(text.split())
        at = joined.find(wanted)
        while at >= 0:
            indexes = [characters[position][0] for position in range(at, at + len(wanted))]
            boxes = [text_page.get_charbox(index) for index in indexes]
            left, bottom = min(each[0] for each in boxes), min(each[1] for each in boxes)
            right, top = max(each[2] for each in boxes), max(each[3] for each in boxes)
            yield box.to_shown((left + right) / 2, (bottom + top) / 2)
            at = joined.find(wanted, at + len(wanted))
    finally:
        text_page.close()
        page.close()
