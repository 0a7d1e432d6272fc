"""Sealed papers with pictures that decoders may refuse: sound ones, and ones that show as nothing here."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pikepdf
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageDraw

from tests.verification.hostile import saved
from tests.verification.samples import blank, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.verification.pki import Pki

SIZE = (400, 300)


def scan() -> Image.Image:
    """Return a page of writing, black on white."""
    picture = Image.new("1", SIZE, 1)
    for line in range(20):
        ImageDraw.Draw(picture).text((9 + 3 * line, 14 * line), f"FEE {line * 7919}", fill=0)
    return picture


def fax(picture: Image.Image, kind: str = "group4") -> bytes:
    """Return a picture as a fax encodes it, without the file around it."""
    out = io.BytesIO()
    picture.save(out, "TIFF", compression=kind, strip_size=1 << 30)
    with Image.open(out, formats=("TIFF",)) as made:
        (start,), (length,) = made.tag_v2[273], made.tag_v2[279]  # type: ignore[attr-defined] # a TIFF has them
    return out.getvalue()[start : start + length]


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    scan().convert("RGB").save(out, kind)
    return out.getvalue()


def jpx(size: tuple[int, int], resolutions: int) -> bytes:
    """Return a picture that holds so many sizes of itself."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(out, "JPEG2000", num_resolutions=resolutions)
    return out.getvalue()


def segment(number: int, kind: int, body: bytes) -> bytes:
    return struct.pack(">IBBBI", number, kind, 0, 1, len(body)) + body


def jbig2(*more: bytes, region: bytes | None = None) -> bytes:
    """Return a page with one region coded as a fax is (T.88, 6.2.6), or another segment in its place."""
    page = segment(0, 48, struct.pack(">IIQBH", *SIZE, 0, 0, 0))
    drawn = segment(1, 38, struct.pack(">IIQBB", *SIZE, 0, 0, 1) + fax(scan()))
    return page + (drawn if region is None else region) + b"".join(more)


def paper(data: bytes, filters: str, **entries: object) -> bytes:
    """Return a page that shows a picture."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        picture = pikepdf.Stream(pdf, data)
        picture.Type, picture.Subtype = Name.XObject, Name.Image
        picture.Width, picture.Height = SIZE
        names = Array([Name(f"/{name}") for name in filters.split()])
        picture.Filter = names if len(names) > 1 else names[0]
        for key, value in entries.items():
            picture[f"/{key}"] = value
        pdf.pages[0].Resources.XObject = Dictionary(I=pdf.make_indirect(picture))
        pdf.pages[0].contents_add(pdf.make_stream(b"q 400 0 0 300 60 300 cm /I Do Q"))
        return saved(pdf)


BITS = {"ColorSpace": Name.DeviceGray, "BitsPerComponent": 1}
COLOURS = {"ColorSpace": Name.DeviceRGB, "BitsPerComponent": 8}
FAX = BITS | {"DecodeParms": Dictionary(K=-1, Columns=SIZE[0], Rows=SIZE[1])}


def inline(entries: bytes) -> bytes:
    """Return a page with a picture in its drawing."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pdf.pages[0].contents_add(pdf.make_stream(b"q 90 0 0 90 9 9 cm BI /W 8 /H 8 %s ID " % entries + b"\0EI Q"))
        return saved(pdf)


SOUND: dict[str, Callable[[], bytes]] = {
    "jbig2": lambda: paper(jbig2(segment(2, 49, b"")), "JBIG2Decode", **BITS),
    "jbig2_packed": lambda: paper(zlib.compress(jbig2()), "FlateDecode JBIG2Decode", **BITS),
    "jpx": lambda: paper(encoded("JPEG2000"), "JPXDecode"),
    "jpx_large": lambda: paper(jpx((1600, 1200), 6), "JPXDecode", Width=1600, Height=1200),
    "dct": lambda: paper(encoded("JPEG"), "DCTDecode", **COLOURS),
    "ccitt": lambda: paper(fax(scan()), "CCITTFaxDecode", **FAX),
    "stencil": lambda: paper(fax(Image.new("1", SIZE, 1)), "CCITTFaxDecode", ImageMask=True, **FAX),
    "inline": lambda: inline(b"/BPC 1 /IM true /F [/AHx /CCF]"),
}
REFUSED: dict[str, Callable[[], bytes]] = {
    "jbig2_of_zeros": lambda: paper(bytes(300), "JBIG2Decode", **BITS),
    "jbig2_unknown_segment": lambda: paper(jbig2(region=segment(1, 54, bytes(30))), "JBIG2Decode", **BITS),
    "jbig2_cut_short": lambda: paper(jbig2()[:-200], "JBIG2Decode", **BITS),
    "jbig2_of_another_size": lambda: paper(jbig2(), "JBIG2Decode", **BITS | {"Width": SIZE[0] * 2}),
    "jpx_of_zeros": lambda: paper(encoded("JPEG2000")[:300] + bytes(999), "JPXDecode"),
    "jpx_cut_short": lambda: paper(encoded("JPEG2000")[:-900], "JPXDecode"),
    "jpx_of_one_size": lambda: paper(jpx(SIZE, 1), "JPXDecode"),
    "dct_of_twelve_bits": lambda: paper(_twelve_bits(encoded("JPEG")), "DCTDecode", **COLOURS),
    "dct_without_a_start": lambda: paper(encoded("JPEG")[20:], "DCTDecode", **COLOURS),
    "ccitt_of_another_kind": lambda: paper(b"\0\1\2\3" * 2_000, "CCITTFaxDecode", **FAX),
    "unknown_filter": lambda: paper(bytes(999), "NewDecode", **COLOURS),
    "unknown_colours": lambda: paper(zlib.compress(bytes(360_000)), "FlateDecode", **COLOURS | {"ColorSpace": Name.X}),
    "inline_jpx": lambda: inline(b"/BPC 8 /CS /G /F /J#50XDecode"),
}


def _twelve_bits(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 4
    return jpeg[:at] + b"\x0c" + jpeg[at + 1 :]


def uncommon_pictures(pki: Pki) -> Iterator[tuple[str, bytes, bool]]:
    """Yield each paper sealed, and whether it is to be VALID."""
    for name, make in (SOUND | REFUSED).items():
        yield name, seal(make(), pki, timestamp=False), name in SOUND
