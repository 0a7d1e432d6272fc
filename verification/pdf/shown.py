"""What of a licence the pages of a PDF show: its identifier as text, and its code.

Whoever strips a licence of its data and has the rest sealed by somebody else leaves a face that people take for
the licence. Reading text costs a fraction of a millisecond; pages are searched for a code only where they
hold pictures, or lines enough to draw a code with.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pypdfium2.raw as pdfium_c

from verification.identifier import ROOT, read_identifier
from verification.pdf.pictures import PAGES_SEARCHED, code_on_page

if TYPE_CHECKING:
    import pypdfium2 as pdfium

MAXIMUM_NAMED = 20
_NAMED = re.compile(re.escape(ROOT) + r"\.[0-9A-Z]{18}\d{3}\.[0-9A-Z]{18}\.[0-9A-Z]{1,40}\.\d{3}\.[0-9A-Z]")
_DEPTH = 4
_OBJECTS = 3_000
_SEGMENTS = 1_200
"""Lines that draw a small code; tables and stamps have fewer."""


@dataclass
class ShownLicence:
    """What the first pages show, put together while they are drawn for other reasons.

    What is a licence by its data is searched for its code alone, and on every page.
    """

    is_licence: bool
    identifiers: tuple[str, ...] = ()
    code_text: str | None = None

    def look(self, number: int, page: pdfium.PdfPage) -> None:
        """Read a page; raises as pdfium does on damage."""
        if number >= PAGES_SEARCHED:
            return
        if not self.is_licence:
            text = page.get_textpage()
            found = identifiers_in(text.get_text_range())
            text.close()
            self.identifiers = tuple(dict.fromkeys((*self.identifiers, *found)))[:MAXIMUM_NAMED]
        if self.code_text is None and (self.is_licence or _could_show_a_code(page)):
            self.code_text = code_on_page(page)


def identifiers_in(text: str) -> tuple[str, ...]:
    """Return every licence identifier in a text, however its lines break it."""
    if ROOT[0] not in text:
        return ()
    plain = "".join(
        one for one in unicodedata.normalize("NFKC", text) if not one.isspace() and unicodedata.category(one) != "Cf"
    )
    readings = (read_identifier(match[0]) for match in _NAMED.finditer(plain.upper()))
    return tuple(reading.parts.text for reading in readings if reading.parts is not None)


def _could_show_a_code(page: pdfium.PdfPage) -> bool:
    """Tell whether a page holds a picture, or lines enough."""
    objects = (pdfium_c.FPDFPage_GetObject(page.raw, at) for at in range(pdfium_c.FPDFPage_CountObjects(page.raw)))
    pending = [(item, 0) for item in objects]
    if len(pending) > _OBJECTS:
        return True
    segments = seen = 0
    while pending:
        item, depth = pending.pop()
        seen += 1
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind in {pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING} or seen > _OBJECTS or depth > _DEPTH:
            return True
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            segments += max(pdfium_c.FPDFPath_CountSegments(item), 0)
            if segments > _SEGMENTS:
                return True
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            inner = range(max(pdfium_c.FPDFFormObj_CountObjects(item), 0))
            pending += [(pdfium_c.FPDFFormObj_GetObject(item, at), depth + 1) for at in inner]
    return False
