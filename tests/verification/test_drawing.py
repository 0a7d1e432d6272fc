"""Sound seals over files that do not themselves say what they show."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from tests.verification.hostile import saved
from tests.verification.pki import NOW
from tests.verification.samples import blank, seal
from verification.model import Outcome, Reason, Verdict
from verification.pdf import validate_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.verification.pki import Pki
    from verification.model import Report
    from verification.trust import TrustMaterial

BOX = [0, 0, 595, 842]
ELSEWHERE = String("http://example.invalid/other.pdf")


def drawing(resources: Callable[[pikepdf.Pdf], dict[str, Any]], content: bytes = b"/X Do") -> bytes:
    """Return a page with resources of some sort and a use of them."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        page = pdf.pages[0]
        for category, entries in resources(pdf).items():
            page.obj.Resources[f"/{category}"] = Dictionary(entries)
        page.contents_add(pdf.make_stream(b"q " + content + b" Q"))
        return saved(pdf)


def form(content: bytes = b"9 9 50 50 re f", **entries: Any) -> bytes:  # noqa: ANN401 - any PDF object
    def resources(pdf: pikepdf.Pdf) -> dict[str, Any]:
        return {"XObject": {"/X": pdf.make_stream(content, Subtype=Name.Form, BBox=BOX, **entries)}}

    return drawing(resources)


def image(**entries: Any) -> bytes:  # noqa: ANN401 - any PDF object
    shape = {"Width": 1, "Height": 1, "BitsPerComponent": 8, "ColorSpace": Name.DeviceGray}

    def resources(pdf: pikepdf.Pdf) -> dict[str, Any]:
        other = pdf.make_stream(b"\xff", Subtype=Name.Image, **shape)
        if "Alternates" in entries:
            entries["Alternates"] = Array([Dictionary(Image=other, DefaultForPrinting=True)])
        return {"XObject": {"/X": pdf.make_stream(b"\0", Subtype=Name.Image, **shape, **entries)}}

    return drawing(resources, b"90 0 0 90 9 9 cm /X Do")


def chain(*contents: bytes) -> bytes:
    """Return forms /F0, /F1 and so on that share one dictionary of their names."""

    def resources(pdf: pikepdf.Pdf) -> dict[str, Any]:
        forms = [pdf.make_stream(b"9 9 50 50 re f " + each, Subtype=Name.Form, BBox=BOX) for each in contents]
        names = {f"/F{number}": each for number, each in enumerate(forms)}
        shared = pdf.make_indirect(Dictionary(XObject=Dictionary(names)))
        for each in forms:
            each.Resources = shared
        return {"XObject": names}

    return drawing(resources, b"/F0 Do")


def pattern_of_itself(pdf: pikepdf.Pdf) -> dict[str, Any]:
    shape = Dictionary(PatternType=1, PaintType=1, TilingType=1, BBox=[0, 0, 9, 9], XStep=9, YStep=9)
    pattern = pdf.make_stream(b"/Pattern cs /X scn 0 0 5 5 re f", shape)
    pattern.Resources = Dictionary(Pattern=Dictionary(X=pattern))
    return {"Pattern": {"/X": pattern}}


def glyph_of_itself(pdf: pikepdf.Pdf) -> dict[str, Any]:
    glyph = pdf.make_stream(b"9 0 d0 BT /X 1 Tf (A) Tj ET")
    font = Dictionary(Type=Name.Font, Subtype=Name.Type3, FontBBox=[0, 0, 9, 9], FontMatrix=[1, 0, 0, 1, 0, 0])
    font.update(Dictionary(FirstChar=65, LastChar=65, Widths=[9], Encoding=Dictionary(Differences=[65, Name.A])))
    font.CharProcs = Dictionary(A=glyph)
    font = pdf.make_indirect(font)
    font.Resources = Dictionary(Font=Dictionary(X=font))
    return {"Font": {"/X": font}}


def mask_of_itself(pdf: pikepdf.Pdf) -> dict[str, Any]:
    group = pdf.make_stream(b"/X gs 0 0 9 9 re f", Subtype=Name.Form, BBox=BOX, Group=Dictionary(S=Name.Transparency))
    state = pdf.make_indirect(Dictionary(SMask=Dictionary(S=Name.Alpha, G=group)))
    group.Resources = Dictionary(ExtGState=Dictionary(X=state))
    return {"ExtGState": {"/X": state}}


def postscript(pdf: pikepdf.Pdf) -> dict[str, Any]:
    return {"XObject": {"/X": pdf.make_stream(b"showpage", Subtype=Name.PS)}}


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "alternate": (lambda: image(Alternates=None), "another one in its place"),
    "reference": (lambda: form(Ref=Dictionary(F=ELSEWHERE, Page=0)), "a page of another file"),
    "external data": (lambda: form(F=ELSEWHERE), "outside the file"),
    "external filter": (lambda: image(FFilter=Name.FlateDecode), "outside the file"),
    "external parameters": (lambda: image(FDecodeParms=Dictionary()), "outside the file"),
    "print substitution": (lambda: image(OPI=Dictionary({"/2.0": Dictionary(F=ELSEWHERE)})), "replaced in printing"),
    "postscript": (lambda: drawing(postscript), "PostScript"),
    "postscript form": (lambda: form(Subtype2=Name.PS, PS=String("showpage")), "PostScript"),
    "itself": (lambda: chain(b"/F0 Do"), "draws itself"),
    "itself by the page's name": (lambda: form(b"9 9 50 50 re f /X Do"), "draws itself"),
    "name in disguise": (lambda: chain(b"/F#30%\nDo"), "draws itself"),
    "circle": (lambda: chain(b"/F1 Do", b"/F2 Do", b"/F1 Do"), "draws itself"),
    "pattern": (lambda: drawing(pattern_of_itself, b"/Pattern cs /X scn 9 9 50 50 re f"), "draws itself"),
    "glyph": (lambda: drawing(glyph_of_itself, b"BT /X 1 Tf (A) Tj ET"), "draws itself"),
    "soft mask": (lambda: drawing(mask_of_itself, b"/X gs 9 9 50 50 re f"), "draws itself"),
}


def judged(document: bytes, pki: Pki, material: TrustMaterial) -> Report:
    return validate_pdf(seal(document, pki, timestamp=False), material, at=NOW)


@pytest.mark.parametrize("case", CASES)
def test_what_readers_draw_differently_never_passes_and_says_so(case: str, pki: Pki, material: TrustMaterial) -> None:
    make, words = CASES[case]
    report = judged(make(), pki, material)
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.PARSERS_DISAGREE)
    (check,) = (check for check in report.checks if check.outcome is Outcome.FAILED)
    assert words in check.detail.en
    assert "Object" in check.detail.en
    assert "对象" in check.detail.zh


@pytest.mark.parametrize(
    "make",
    [form, image, lambda: chain(b"/F1 Do /F2 Do", b"/F2 Do", b""), lambda: chain(b"% /F0 Do")],
    ids=["form", "image", "shared names", "comment"],
)
def test_ordinary_drawings_pass(make: Callable[[], bytes], pki: Pki, material: TrustMaterial) -> None:
    assert judged(make(), pki, material).verdict is Verdict.VALID
