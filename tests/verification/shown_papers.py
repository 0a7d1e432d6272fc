"""Long papers that show somebody's licence late, and ones that only look as if they might."""

from __future__ import annotations

import io
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
                drawn = pikepdf.Stream(pdf, zlib.compress(picture.tobytes()))
                drawn.Type, drawn.Subtype, drawn.Filter = Name.XObject, Name.Image, Name.FlateDecode
                (drawn.Width, drawn.Height), drawn.ColorSpace, drawn.BitsPerComponent = picture.size, Name.DeviceGray, 8
                page.Resources.XObject = Dictionary(I=drawn)
                page.contents_add(pdf.make_stream(b"q 150 0 0 150 60 300 cm /I Do Q"))
            if text:
                page.Resources.Font.F2 = _chinese(pdf)
                lines = b"".join(
                    b"<%s> Tj 0 -30 Td " % line.encode("utf-16-be").hex().encode() for line in text.split("\n")
                )
                page.contents_add(pdf.make_stream(b"BT /F2 16 Tf 60 600 Td %sET" % lines))
        return saved(pdf)


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


PAPERS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "face_on_page_4": (lambda: paper(4, code()), False),
    "face_on_page_40": (lambda: paper(40, code()), False),
    "face_behind_logos": (_behind_logos, False),
    "named_on_page_9": (lambda: paper(9, text=IDENTIFIER), True),
    "face_without_its_code": (lambda: paper(1, text=FACE), True),
    "long_annex": (lambda: paper(60), True),
    "letterheads": (lambda: paper(25, logo(), on=range(25)), True),
    "scans": (lambda: scans(12), True),
}
"""The seal is never the issuer's: what shows its licence is not confirmed, and what does not stays what it is."""


def shown_papers(pki: Pki) -> Iterator[tuple[str, bytes, bool]]:
    """Yield each paper sealed, and whether it is to be VALID."""
    for name, (make, valid) in PAPERS.items():
        yield name, seal(make(), pki, timestamp=False), valid
