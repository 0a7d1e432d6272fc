"""What of a licence the pages of a PDF show: its identifier as text, and its code.

Whoever strips a licence of its data and has the rest sealed by somebody else leaves a face that people take for
the licence. Reading text costs about a millisecond a page, so that every page is read; pages are searched for codes
only where they hold pictures, or what one can be drawn with, and after the first few as far as time allows
(decision 0135).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verification.identifier import ROOT, read_identifier
from verification.model import NOT_SEARCHED, Check, Outcome, Reason, Sentence
from verification.pdf.pictures import PAGES_SEARCHED, codes_on_page, drawn_pixels

if TYPE_CHECKING:
    import pypdfium2 as pdfium

    from verification.pdf.pictures import FoundCodes

MAXIMUM_CODES = 8
MAXIMUM_NAMED = 1_000
_SECONDS = 4.0
"""What searching the pages after the first may cost, as estimated: a verdict must not depend on the machine's load."""
_SECONDS_EACH_DRAWN, _SECONDS_EACH_PIXEL, _SECONDS_AT_MOST = 5.5e-9, 15e-9, 0.4
"""For one page: to draw and search it, and to decode its pictures, which may claim to be larger than they are."""

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
_TITLE = re.compile(r"[\u4e00-\u9fff]{2,20}(?:证|证书|执照)(?:[（(][正副]本[）)])?")
_NUMBER = re.compile(r"(?:编号|证号|代码|注册号|登记号)[:：]?[A-Za-z]{0,4}[0-9][0-9A-Za-z]{6,23}")
_ISSUED_BY = re.compile(
    r"(?:发证|颁证|颁发|核发|登记|审批|批准)(?:机关|机构|部门|单位)[:：]?([\u4e00-\u9fff（）()]{4,40})"
)
MAXIMUM_TITLES = 5


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
    """What the pages show, put together while they are drawn for other reasons.

    What is a licence by its data is searched for its code alone, on the first pages. `cut` says that
    there is more than was kept, `unsearched` how many pages may hold a code and were not searched.
    """

    is_licence: bool
    identifiers: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    alike: str | None = None
    cut: bool = False
    unsearched: int = 0
    likenesses: tuple[tuple[str, str], ...] = ()
    """Titles of what looks like a licence, each with the organisation that it says issued it."""
    _spent: float = 0.0

    @property
    def code_text(self) -> str | None:
        """Return the first code, or else the first text that looks like one."""
        return self.codes[0] if self.codes else self.alike

    @property
    def further_codes(self) -> tuple[str, ...]:
        """Return the codes besides the first."""
        return self.codes[1:]

    def read(self, page: pdfium.PdfPage) -> None:
        """Read a page's text; raises as pdfium does on damage."""
        if self.is_licence:
            return
        opened = page.get_textpage()
        text = opened.get_text_range()
        opened.close()
        found = tuple(dict.fromkeys((*self.identifiers, *identifiers_in(text))))
        self.likenesses = (*self.likenesses, *likeness_of(text))[:MAXIMUM_TITLES]
        self.identifiers, self.cut = found[:MAXIMUM_NAMED], self.cut or len(found) > MAXIMUM_NAMED

    def is_to_search(self, number: int) -> bool:
        """Tell whether codes of a page matter."""
        return not self.is_licence or (number < PAGES_SEARCHED and not self.codes)

    def search(self, number: int, page: pdfium.PdfPage, pixels: float = 0.0, *, less: bool = False) -> None:
        """Look for the codes on a page, unless too much was spent on others; raises as pdfium does on damage.

        `pixels` are those of the pictures that it may draw; `less` tells that it is also shown without annotations.
        """
        first = number < PAGES_SEARCHED
        if not first:
            drawing = _SECONDS_EACH_DRAWN * drawn_pixels(page, finely=False)
            self._spent += min(drawing + _SECONDS_EACH_PIXEL * pixels, _SECONDS_AT_MOST) * (2 if less else 1)
            if self._spent > _SECONDS:
                self.unsearched += 1
                return
        for annotated in (True, False) if less else (True,):
            self._note(codes_on_page(page, finely=first, pixels=pixels, annotated=annotated))

    def _note(self, found: FoundCodes) -> None:
        codes = tuple(dict.fromkeys((*self.codes, *found.opened)))
        self.codes, self.cut = codes[:MAXIMUM_CODES], self.cut or found.cut or len(codes) > MAXIMUM_CODES
        self.alike = self.alike or found.alike
        self.unsearched += found.coarse

    def limits(self) -> tuple[tuple[Check, Reason], ...]:
        """Say of a long paper that not all of it was searched: a remark, for an archive's seal is as good as any."""
        if not self.unsearched:
            return ()
        sentence = Sentence(
            f"有图像的页面过多或过大，其中 {self.unsearched} 页未仔细查找其他证照的二维码；如有证照，请另行核验。",
            f"Pages with pictures are too many or too large: {self.unsearched} were not searched well for codes of "
            "licences; verify any licence on them by itself.",
        )
        check = Check(NOT_SEARCHED, "GB/T 36903; GB/T 36904", Outcome.NOT_APPLICABLE, sentence)
        return ((check, Reason.PAGES_NOT_SEARCHED),)


def identifiers_in(text: str) -> tuple[str, ...]:
    """Return every licence identifier in a text as an eye reads it, however lines and characters break it."""
    found = []
    for match in _NAMED.finditer(text.translate(_PLAIN)):
        forms = (ROOT + match[1][len(ROOT) :], match[1].translate(_AS_DIGITS))
        found += [parts.text for parts in (read_identifier(form).parts for form in forms) if parts is not None][:1]
    return tuple(dict.fromkeys(found))


def likeness_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return title and issuer of what looks like a licence: the title alone on a line, a number and who issued it."""
    if "证" not in text and "照" not in text:
        return ()
    lines = ["".join(line.split()) for line in text.splitlines()]
    title = next((line for line in lines if _TITLE.fullmatch(line)), None)
    together = "".join(lines)
    issued = _ISSUED_BY.search("\n".join(lines)) or _ISSUED_BY.search(together)
    return ((title, issued[1]),) if title and issued and _NUMBER.search(together) else ()
