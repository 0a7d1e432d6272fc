"""What a page paints and yet does not show, by pdfium's list of page objects and by its picture.

Text under a picture or filled area, in the colour of what lies beneath, clipped away, painted in
invisible mode, too small to read or beside the visible page can be brought to light, or be read by
programs while a person sees something else. What its operators alone say of a text is looked at
first; whether it shows is then a matter of painting the page with and without it (`visibility`).
pdfium is not safe in threads: call this in a worker process.
"""

from __future__ import annotations

import ctypes
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pypdfium2
import pypdfium2.raw as pdfium

from signing.errors import BrokenPdf
from signing.model import Finding
from signing.page_objects import Box, Painted, overlap, painted_on
from signing.visibility import COARSE, FINE, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from signing.pdf_file import PdfFile

INVISIBLE, COVERED, UNSEEN = "invisible text", "covered text", "unseen text"
OFF_PAGE, TOO_SMALL, PICTURE_OFF_PAGE = "text off the page", "text too small", "picture off the page"
HIDDEN_CONTENT = {
    INVISIBLE: "is painted in invisible mode",
    COVERED: "lies under a picture or area",
    UNSEEN: "leaves no trace: painted in the colour beneath it, clipped away or transparent",
    OFF_PAGE: "stands where the page is not shown",
    TOO_SMALL: "is smaller than anybody can read",
    PICTURE_OFF_PAGE: "stands where the page is not shown",
}
MAX_OBJECTS = 200_000
SMALLEST_SIZE = 0.9
"""Points; below it not even microprinting is found."""
MOSTLY = 0.5
MAX_LOOKS = 24
"""How often one page is painted again for texts that lie upon each other; more are refused unseen."""
SHOWN = 5
"""Findings of one sort a page; more tell nothing new."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    kind: str
    box: Box


def examine_content(file: PdfFile) -> tuple[Finding, ...]:
    """Return the hidden content of every page; raises BrokenPdf."""
    try:
        opened = pypdfium2.PdfDocument(file.data)
    except pypdfium2.PdfiumError as error:
        raise BrokenPdf("The document's pages cannot be drawn.", field="document") from error
    try:
        return tuple(finding for number in range(1, len(opened) + 1) for finding in _page(opened, file, number))
    except pypdfium2.PdfiumError as error:
        raise BrokenPdf("The document's pages cannot be drawn.", field="document") from error
    finally:
        opened.close()


def _page(opened: pypdfium2.PdfDocument, file: PdfFile, number: int) -> Iterator[Finding]:
    page = opened[number - 1]
    things = painted_on(page, MAX_OBJECTS)
    if things is None:
        yield Finding("page", number, None, f"paints more than {MAX_OBJECTS} things")
        return
    counts: Counter[str] = Counter()
    # pdfium tells the box that a page has itself, and US Letter where it inherits one.
    for suspect in _suspects(page, file.page_box(number).corners, things):
        counts[suspect.kind] += 1
        if counts[suspect.kind] <= SHOWN:
            place = "at %.0f, %.0f" % suspect.box[:2]  # noqa: UP031 - two numbers of a box
            detail = f"{place} {HIDDEN_CONTENT[suspect.kind]}"
            yield Finding(suspect.kind, number, file.content_number(number), detail)
    page.close()


def _suspects(page: pypdfium2.PdfPage, shown: Box, things: Sequence[Painted]) -> Iterator[_Suspect]:
    texts: list[Painted] = []
    for thing in things:
        if thing.kind == pdfium.FPDF_PAGEOBJ_IMAGE and _beside(thing.box, shown):
            yield _Suspect(PICTURE_OFF_PAGE, thing.box)
        if thing.kind != pdfium.FPDF_PAGEOBJ_TEXT or _blank(page, thing):
            continue
        if pdfium.FPDFTextObj_GetTextRenderMode(thing.raw) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE:
            yield _Suspect(INVISIBLE, thing.box)
        elif _beside(thing.box, shown):
            yield _Suspect(OFF_PAGE, thing.box)
        elif thing.font_size < SMALLEST_SIZE:
            yield _Suspect(TOO_SMALL, thing.box)
        else:
            texts.append(thing)
    if texts:
        yield from _without_trace(page, things, texts)


def _without_trace(page: pypdfium2.PdfPage, things: Sequence[Painted], texts: Sequence[Painted]) -> Iterator[_Suspect]:
    """Find texts, and single characters under something, that make no difference to the picture."""
    trace = Trace(page, [text.raw for text in texts], COARSE)
    covers = [thing for thing in things if thing.covers]
    over = {text.order: [each for each in covers if each.order > text.order and overlap(each.box, text.box) > 0]
            for text in texts}  # fmt: skip
    unseen = [text for text in texts if not trace.shows(text.box)]
    partly = [text for text in texts if over[text.order]]
    if unseen or partly:
        trace = Trace(page, [text.raw for text in texts], FINE)
        unseen = [text for text in unseen if not trace.shows(text.box)]
        for text in unseen:
            yield _Suspect(COVERED if over[text.order] else UNSEEN, text.box)
        gone = {text.order for text in unseen}
        for box in _characters(page, [text for text in partly if text.order not in gone]):
            if not trace.shows(box):
                yield _Suspect(COVERED, box)
    yield from _beneath_each_other(page, [text for text in texts if text not in unseen])


def _beneath_each_other(page: pypdfium2.PdfPage, texts: Sequence[Painted]) -> Iterator[_Suspect]:
    """Look one by one at texts whose box is mostly another text's too: the other's trace would hide theirs."""
    doubtful = [text for text in texts if _doubtful(page, text, texts)]
    looks = 0
    while doubtful:
        group: list[Painted] = []
        for text in doubtful:
            if all(overlap(text.box, other.box) == 0 for other in group):
                group.append(text)
        doubtful = [text for text in doubtful if text not in group]
        looks += 1
        if looks > MAX_LOOKS:
            yield _Suspect(COVERED, doubtful[0].box if doubtful else group[0].box)
            return
        trace = Trace(page, [text.raw for text in group], FINE)
        yield from (_Suspect(COVERED, text.box) for text in group if not trace.shows(text.box))


def _doubtful(page: pypdfium2.PdfPage, text: Painted, texts: Iterable[Painted]) -> bool:
    for other in texts:
        if other is text or overlap(text.box, other.box) < MOSTLY * text.area:
            continue
        # The same words over themselves are how some programs write in bold, or with a shadow; pdfium
        # gives the words of such a pair to one of the two.
        words = {_words(page, text), _words(page, other)} - {""}
        if len(words) == 1 and text.as_large_as(other):
            continue
        return True
    return False


def _characters(page: pypdfium2.PdfPage, texts: Sequence[Painted]) -> Iterator[Box]:
    """Yield the boxes of the characters of some texts that have ink."""
    if not texts:
        return
    wanted = {ctypes.addressof(text.raw.contents) for text in texts}
    text_page = page.get_textpage()
    try:
        for index in range(text_page.count_chars()):
            raw = pdfium.FPDFText_GetTextObject(text_page, index)
            if not raw or ctypes.addressof(raw.contents) not in wanted or pdfium.FPDFText_IsGenerated(text_page, index):
                continue
            code = pdfium.FPDFText_GetUnicode(text_page, index)
            if 0 < code < 0x110000 and _has_ink(chr(code)):  # noqa: PLR2004 - what Unicode has
                box = text_page.get_charbox(index)
                if box[2] > box[0] and box[3] > box[1]:
                    yield box
    finally:
        text_page.close()


def _has_ink(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in {"Cc", "Cf", "Co", "Cn"}


def _blank(page: pypdfium2.PdfPage, text: Painted) -> bool:
    """Tell whether a text is spaces only; one without a box may also be one without a size."""
    if text.area > 0:
        return False
    # pdfium has no words for what has no size at all.
    return text.font_size > 0 and not any(map(_has_ink, _words(page, text)))


def _words(page: pypdfium2.PdfPage, text: Painted) -> str:
    text_page = page.get_textpage()
    try:
        length = pdfium.FPDFTextObj_GetText(text.raw, text_page, None, 0)
        buffer = ctypes.create_string_buffer(max(2, length))
        pdfium.FPDFTextObj_GetText(text.raw, text_page, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)
        return buffer.raw[:length].decode("utf-16-le", errors="replace").rstrip("\0")
    finally:
        text_page.close()


def _beside(box: Box, shown: Box) -> bool:
    return box[2] <= shown[0] or box[0] >= shown[2] or box[3] <= shown[1] or box[1] >= shown[3]
