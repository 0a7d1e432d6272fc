"""What of a licence the pages of a PDF show: its identifier as text, and its code.

Whoever strips a licence of its data and has the rest sealed by somebody else leaves a face that people take for
the licence. Reading text costs about a millisecond a page; pages are searched for codes only where they hold
pictures, or what one can be drawn with.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verification.identifier import ROOT, read_identifier
from verification.model import Check, Outcome, Reason, Sentence
from verification.pdf.pictures import PAGES_SEARCHED, codes_on_page

if TYPE_CHECKING:
    import pypdfium2 as pdfium

MAXIMUM_CODES = 8
MAXIMUM_NAMED = 1_000

_ONE, _ZERO, _DIGIT = "[1Il]", "[0Oo]", "[0-9OoIl]"
_ANY = "[0-9A-Za-z]"
_NAMED = re.compile(
    rf"(?=({_ONE}\.2\.{_ONE}56\.3{_ZERO}{{2}}5\.2\.{_ANY}{{18}}{_DIGIT}{{3}}\.{_ANY}{{18}}\.{_ANY}{{1,40}}\.{_DIGIT}{{3}}\.{_ANY}))"
)
_AS_DIGITS = str.maketrans("IlOo", "1100")
_DOTS = frozenset("。·•・‧∙⋅，,、")
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\u2800")
_LOOKALIKES = dict(
    zip("АВЕІКМНОРСТХУЅЈаеіорсхуѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEIKMHOPCTXYSJaeiopcxysABEZHIKMNOPTYXo", strict=True)
)
_KNOWN_CHARACTERS = 20_000


class _Plain(dict[int, str]):
    """Folds characters to those of identifiers as an eye takes them; filled as they occur."""

    def __missing__(self, point: int) -> str:
        folded = "".join(map(_plain, unicodedata.normalize("NFKD", chr(point))))
        if len(self) < _KNOWN_CHARACTERS:
            self[point] = folded
        return folded


def _plain(character: str) -> str:
    if character in _DOTS:
        return "."
    if character in _BLANK_LETTERS or unicodedata.category(character)[0] in "MCZ":
        return ""
    return _LOOKALIKES.get(character, character)


_PLAIN = _Plain()


@dataclass
class ShownLicence:
    """What the first pages show, put together while they are drawn for other reasons.

    What is a licence by its data is searched for its code alone, and on every page. `cut` says that
    there is more than was kept.
    """

    is_licence: bool
    identifiers: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    alike: str | None = None
    cut: bool = False

    @property
    def code_text(self) -> str | None:
        """Return the first code, or else the first text that looks like one."""
        return self.codes[0] if self.codes else self.alike

    @property
    def further_codes(self) -> tuple[str, ...]:
        """Return the codes besides the first."""
        return self.codes[1:]

    def read(self, number: int, page: pdfium.PdfPage) -> None:
        """Read a page's text; raises as pdfium does on damage."""
        if self.is_licence or number >= PAGES_SEARCHED:
            return
        text = page.get_textpage()
        found = tuple(dict.fromkeys((*self.identifiers, *identifiers_in(text.get_text_range()))))
        text.close()
        self.identifiers, self.cut = found[:MAXIMUM_NAMED], self.cut or len(found) > MAXIMUM_NAMED

    def is_to_search(self, number: int) -> bool:
        """Tell whether codes of a page matter."""
        return number < PAGES_SEARCHED and not (self.is_licence and self.codes)

    def search(self, page: pdfium.PdfPage) -> None:
        """Look for the codes on a page; raises as pdfium does on damage."""
        found = codes_on_page(page)
        codes = tuple(dict.fromkeys((*self.codes, *found.opened)))
        self.codes, self.cut = codes[:MAXIMUM_CODES], self.cut or found.cut or len(codes) > MAXIMUM_CODES
        self.alike = self.alike or found.alike

    def limits_of(self, pages: int) -> tuple[tuple[Check, Reason], ...]:
        """Say of a long paper how far it was searched; nothing depends on it."""
        if self.is_licence or pages <= PAGES_SEARCHED:
            return ()
        sentence = Sentence(
            f"只在前 {PAGES_SEARCHED} 页查找其他证照，其后各页未查找。",
            f"Only the first {PAGES_SEARCHED} pages were searched for licences.",
        )
        check = Check("licence.shown", "GB/T 36903; GB/T 36904", Outcome.NOT_APPLICABLE, sentence)
        return ((check, Reason.LICENCE_NOT_VOUCHED_FOR),)


def identifiers_in(text: str) -> tuple[str, ...]:
    """Return every licence identifier in a text as an eye reads it, however lines and characters break it."""
    found = []
    for match in _NAMED.finditer(text.translate(_PLAIN)):
        forms = (ROOT + match[1][len(ROOT) :], match[1].translate(_AS_DIGITS))
        found += [parts.text for parts in (read_identifier(form).parts for form in forms) if parts is not None][:1]
    return tuple(dict.fromkeys(found))
