"""Long papers that show somebody's licence late, and ones that only look as if they might."""

from __future__ import annotations

import io
import itertools
import zlib
from typing import TYPE_CHECKING

import pikepdf
import zxingcpp
from pikepdf import Array, Dictionary, Name
from PIL import Image

from tests.verification.hostile import saved
from tests.verification.records import IDENTIFIER
from tests.verification.samples import blank, seal
from tests.verification.test_qr import CLAIMS, code_text
from tests.verification.uncommon_pictures import BITS, SIZE, jbig2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.verification.pki import Pki

FACE = "食 品 经 营 许 可 证\n许可证编号：JY15001120012345\n发证机关：演示市卫生健康委员会"


def paper(pages: int, picture: Image.Image | None = None, *, on: range | None = None, text: str = "") -> bytes:
    """Return a paper that shows a picture or a text on some of its pages."""
    with pikepdf.open(io.BytesIO(blank(pages=pages))) as pdf:
        for number in on or range(pages - 1, pages):
            page = pdf.pages[number]
            if picture is not None:
                page.Resources.XObject = Dictionary(I=_image(pdf, picture))
                page.contents_add(pdf.make_stream(b"q 150 0 0 150 60 300 cm /I Do Q"))
            if text:
                page.Resources.Font.F2 = _chinese(pdf)
                lines = b"".join(
                    b"<%s> Tj 0 -30 Td " % line.encode("utf-16-be").hex().encode() for line in text.split("\n")
                )
                page.contents_add(pdf.make_stream(b"BT /F2 16 Tf 60 600 Td %sET" % lines))
        return saved(pdf)


def _image(pdf: pikepdf.Pdf, picture: Image.Image, claimed: tuple[int, int] | None = None) -> pikepdf.Object:
    """Return a picture, perhaps one that claims to be larger than it is."""
    image = pikepdf.Stream(pdf, zlib.compress(picture.tobytes()))
    image.Type, image.Subtype, image.Filter = Name.XObject, Name.Image, Name.FlateDecode
    (image.Width, image.Height), image.ColorSpace, image.BitsPerComponent = claimed or picture.size, Name.DeviceGray, 8
    return pdf.make_indirect(image)


def _chinese(pdf: pikepdf.Pdf) -> pikepdf.Object:
    """Return a font that no file holds, named by what every reader knows (ISO 32000-2, 9.7.5)."""
    system = Dictionary(Registry=b"Adobe", Ordering=b"GB1", Supplement=2)
    described = Dictionary(Type=Name.FontDescriptor, FontName=Name("/STSong-Light"), Flags=4, ItalicAngle=0, StemV=93)
    described.update(Dictionary(FontBBox=[-25, -254, 1000, 880], Ascent=880, Descent=-120, CapHeight=880))
    inner = Dictionary(Type=Name.Font, Subtype=Name.CIDFontType0, BaseFont=Name("/STSong-Light"), CIDSystemInfo=system)
    inner.FontDescriptor = pdf.make_indirect(described)
    font = Dictionary(Type=Name.Font, Subtype=Name.Type0, BaseFont=Name("/STSong-Light"))
    font.Encoding, font.DescendantFonts = Name("/UniGB-UCS2-H"), Array([pdf.make_indirect(inner)])
    return pdf.make_indirect(font)


def code() -> Image.Image:
    return Image.fromarray(zxingcpp.create_barcode(code_text(CLAIMS), zxingcpp.BarcodeFormat.QRCode).to_image(scale=3))


def logo() -> Image.Image:
    return Image.radial_gradient("L")


def scans(pages: int) -> bytes:
    """Return an archive whose every page is a picture of one bit."""
    with pikepdf.open(io.BytesIO(blank(pages=pages))) as pdf:
        for page in pdf.pages:
            drawn = pikepdf.Stream(pdf, jbig2())
            drawn.Type, drawn.Subtype, drawn.Filter = Name.XObject, Name.Image, Name.JBIG2Decode
            (drawn.Width, drawn.Height), drawn.ColorSpace, drawn.BitsPerComponent = SIZE, *BITS.values()
            page.Resources.XObject = Dictionary(I=drawn)
            page.Contents = pdf.make_stream(b"q 595 0 0 842 0 0 cm /I Do Q")
        return saved(pdf)


def _behind_logos() -> bytes:
    with (
        pikepdf.open(io.BytesIO(paper(12, logo(), on=range(12)))) as first,
        pikepdf.open(io.BytesIO(paper(1, code()))) as last,
    ):
        first.pages.extend(last.pages)
        return saved(first)


def dashed(form: bytes) -> bytes:
    """Return a line of more dashes than pdfium draws, in a stamp or in a form within forms."""
    line = b"[%s] 0 d 5 w 0 50 m 400 50 l S" % (b"3 2 " * 20)
    with pikepdf.open(io.BytesIO(blank())) as pdf:

        def look(content: bytes, **resources: pikepdf.Object) -> pikepdf.Object:
            made = pdf.make_stream(content)
            made.Type, made.Subtype, made.BBox = Name.XObject, Name.Form, Array([0, 0, 500, 150])
            made.Resources = Dictionary(**resources)
            return pdf.make_indirect(made)

        shows = look(line)
        if form == b"stamp":
            stamp = Dictionary(Type=Name.Annot, Subtype=Name.Stamp, F=4, Rect=Array([60, 300, 560, 450]))
            stamp.AP = Dictionary(N=shows)
            pdf.pages[0].Annots = Array([pdf.make_indirect(stamp)])
            return saved(pdf)
        for _ in range(6):
            shows = look(b"/F Do", XObject=Dictionary(F=shows))
        pdf.pages[0].Resources.XObject = Dictionary(F=shows)
        pdf.pages[0].contents_add(pdf.make_stream(b"/F Do"))
        return saved(pdf)


def drawn(*operators: bytes, **fonts: pikepdf.Object) -> bytes:
    """Return a paper whose page is drawn so."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        page = pdf.pages[0]
        for name, font in fonts.items():
            page.Resources.Font[f"/{name}"] = pdf.make_indirect(font)
        page.contents_add(pdf.make_stream(b"\n".join(operators)))
        return saved(pdf)


def _rows() -> list[list[bool]]:
    """Return which modules of the code are dark."""
    picture = Image.fromarray(zxingcpp.create_barcode(code_text(CLAIMS), zxingcpp.BarcodeFormat.QRCode).to_image())
    return [[picture.getpixel((x, y)) == 0 for x in range(picture.width)] for y in range(picture.height)]


MODULE = 2.5


def as_text() -> bytes:
    """Draw the code with the squares of a font of symbols, a line of text for each row."""
    advance = 694
    lines = [
        b"1 0 0 1 60 %f Tm [%s] TJ"
        % (600 - y * MODULE, b" ".join(b"(n) %d" % (761 - advance) if dark else b"-%d" % advance for dark in row))
        for y, row in enumerate(_rows())
    ]
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.ZapfDingbats)
    return drawn(b"BT /Z %f Tf" % (MODULE * 1000 / advance), *lines, b"ET", Z=font)


def as_dashes() -> bytes:
    """Draw each row of the code as one dashed line."""
    lines = []
    for y, row in enumerate(_rows()):
        runs = [(dark, MODULE * len(list(group))) for dark, group in itertools.groupby(row)]
        start = 0.0 if runs[0][0] else runs.pop(0)[1]
        if runs:
            pattern = b" ".join(b"%f" % length for _, length in runs) + (b" 999" if runs[-1][0] else b"")
            at = 600 - y * MODULE
            lines.append(b"[%s] 0 d %f %f m %f %f l S" % (pattern, 60 + start, at, 60 + MODULE * len(row), at))
    return drawn(b"%f w" % MODULE, *lines)


def annotated(picture: Image.Image | None = None, *, text: str = "", kind: str = "Stamp", flags: int = 4) -> bytes:
    """Return a paper with an annotation that shows a picture or a text."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        page = pdf.pages[0]
        shown = b"q 150 0 0 150 0 0 cm /I Do Q" if picture else b"BT /F1 6 Tf 5 40 Td (%s) Tj ET" % text.encode()
        look = pdf.make_stream(shown)
        look.Type, look.Subtype, look.BBox = Name.XObject, Name.Form, Array([0, 0, 500, 150])
        look.Resources = Dictionary(Font=page.Resources.Font)
        if picture:
            look.Resources = Dictionary(XObject=Dictionary(I=_image(pdf, picture)))
        shows = Dictionary(Type=Name.Annot, Subtype=Name(f"/{kind}"), F=flags, Rect=Array([60, 300, 560, 450]))
        shows.AP = Dictionary(N=look)
        page.Annots = Array([pdf.make_indirect(shows)])
        return saved(pdf)


def _beside_unused_pictures() -> bytes:
    """Show the code on the last of four pages, in a file with pictures that no page uses and that claim to be huge."""
    with pikepdf.open(io.BytesIO(paper(4, code()))) as pdf:
        unused = [_image(pdf, logo(), (20_000, 20_000)) for _ in range(3)]
        pdf.Root.Unused = Array(unused)
        return saved(pdf)


def on_a_poster(side: int) -> bytes:
    with pikepdf.open(io.BytesIO(paper(1, code()))) as pdf:
        pdf.pages[0].MediaBox = Array([0, 0, side, side])
        return saved(pdf)


def ticked_or_covered(*, covered: bool) -> bytes:
    """Return a form: with a box that nobody ticked, or with a code as one state of it beneath white paper."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:

        def look(content: bytes, **resources: pikepdf.Object) -> pikepdf.Object:
            form = pdf.make_stream(content)
            form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 150, 150])
            form.Resources = Dictionary(**resources)
            return pdf.make_indirect(form)

        ticked = look(b"0 0 150 150 re f")
        if covered:
            ticked = look(b"150 0 0 150 0 0 cm /I Do", XObject=Dictionary(I=_image(pdf, code())))
        box = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Btn, T=b"box", F=4, AS=Name.Off)
        box.Rect, box.AP = Array([60, 300, 210, 450]), Dictionary(N=Dictionary(Yes=ticked))
        if covered:
            box.AP.N.Zz = look(b"1 g 0 0 150 150 re f")
        white = Dictionary(
            Type=Name.Annot, Subtype=Name.Stamp, F=0, Rect=box.Rect, AP=Dictionary(N=look(b"1 g 0 0 150 150 re f"))
        )
        fields = Array([pdf.make_indirect(box)])
        pdf.Root.AcroForm = Dictionary(Fields=fields)
        pdf.pages[0].Annots = Array([*fields, *([pdf.make_indirect(white)] if covered else [])])
        return saved(pdf)


def _squares() -> list[tuple[float, float]]:
    """Return where the dark modules of the code stand."""
    return [(60 + x * MODULE, 600 - y * MODULE) for y, row in enumerate(_rows()) for x, dark in enumerate(row) if dark]


def as_clip() -> bytes:
    """Cut one dark square out along the code's modules."""
    modules = (b"%f %f %f %f re" % (x, y, MODULE, MODULE) for x, y in _squares())
    return drawn(b"q", *modules, b"W n 0 0 595 842 re f Q")


def as_modules() -> bytes:
    """Put one black appearance at the place of every module, in print only."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        look = pdf.make_stream(b"0 0 1 1 re f")
        look.Type, look.Subtype, look.BBox = Name.XObject, Name.Form, Array([0, 0, 1, 1])
        look = pdf.make_indirect(look)
        places = (Array([x, y, x + MODULE, y + MODULE]) for x, y in _squares())
        pdf.pages[0].Annots = Array(
            [
                Dictionary(Type=Name.Annot, Subtype=Name.Stamp, F=4 | 32, Rect=place, AP=Dictionary(N=look))
                for place in places
            ]
        )
        return saved(pdf)


def beneath_a_stamp() -> bytes:
    """Draw the code and put a white stamp on it, which is not printed."""
    with pikepdf.open(io.BytesIO(paper(1, code()))) as pdf:
        look = pdf.make_stream(b"1 g 0 0 1 1 re f")
        look.Type, look.Subtype, look.BBox = Name.XObject, Name.Form, Array([0, 0, 1, 1])
        stamp = Dictionary(Type=Name.Annot, Subtype=Name.Stamp, F=0, Rect=Array([50, 290, 220, 460]))
        stamp.AP = Dictionary(N=pdf.make_indirect(look))
        pdf.pages[0].Annots = Array([pdf.make_indirect(stamp)])
        return saved(pdf)


PAPERS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "face_on_page_4": (lambda: paper(4, code()), False),
    "face_on_page_40": (lambda: paper(40, code()), False),
    "face_behind_logos": (_behind_logos, False),
    "named_on_page_9": (lambda: paper(9, text=IDENTIFIER), True),
    "face_without_its_code": (lambda: paper(1, text=FACE), True),
    "long_annex": (lambda: paper(60), True),
    "letterheads": (lambda: paper(25, logo(), on=range(25)), True),
    "scans": (lambda: scans(12), True),
    "code_as_text": (as_text, False),
    "code_as_dashes": (as_dashes, False),
    "code_in_a_popup": (lambda: annotated(code(), kind="Popup"), False),
    "code_only_printed": (lambda: annotated(code(), flags=4 | 32), False),
    "code_beneath_what_is_not_printed": (lambda: ticked_or_covered(covered=True), False),
    "code_beneath_a_stamp": (beneath_a_stamp, False),
    "code_as_clip": (as_clip, False),
    "code_of_stamps": (as_modules, False),
    "unticked_box": (lambda: ticked_or_covered(covered=False), True),
    "code_on_a_poster": (lambda: on_a_poster(3500), False),
    "face_beside_unused_pictures": (_beside_unused_pictures, False),
    "named_in_a_stamp": (lambda: annotated(text=IDENTIFIER), True),
}
"""The seal is never the issuer's: what shows its licence is not confirmed, and what does not stays what it is."""


def shown_papers(pki: Pki) -> Iterator[tuple[str, bytes, bool]]:
    """Yield each paper sealed, and whether it is to be VALID."""
    for name, (make, valid) in PAPERS.items():
        yield name, seal(make(), pki, timestamp=False), valid
