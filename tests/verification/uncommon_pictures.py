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


def made(change: Callable[[pikepdf.Pdf, pikepdf.Page], object]) -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        change(pdf, pdf.pages[0])
        return saved(pdf)


def inline(*entries: bytes, data: bytes = b"") -> bytes:
    """Return a page with a picture in its drawing, which may consist of several parts."""
    whole = b"q 90 0 0 90 9 9 cm BI /W 8 /H 8 %s ID " % b"|".join(entries) + data + b"\0EI Q"

    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        for part in whole.split(b"|"):
            page.contents_add(pdf.make_stream(part))

    return made(change)


def plain(before: bytes = b"", **entries: object) -> bytes:
    """Return a page with a picture that needs no decoder to speak of; what is None is left out."""

    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        whole = {"Width": SIZE[0], "Height": SIZE[1], "ColorSpace": Name.DeviceGray, "BitsPerComponent": 8} | entries
        data = zlib.compress(scan().convert("L").tobytes())
        stated = {f"/{key}": value for key, value in whole.items() if value is not None}
        picture = pikepdf.Stream(pdf, data, Type=Name.XObject, Subtype=Name.Image, Filter=Name.FlateDecode)
        for key, value in stated.items():
            picture[key] = value
        page.Resources.XObject = Dictionary(I=pdf.make_indirect(picture))
        page.contents_add(pdf.make_stream(b"q " + before + b" 400 0 0 300 60 300 cm /I Do Q"))

    return made(change)


def appearance() -> bytes:
    """Return a stamp that does not say that it is a form, with a JPX picture in its drawing."""

    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        drawn = pdf.make_stream(b"BI /W 8 /H 8 /F /JPX#44ecode ID x\nEI", BBox=Array([0, 0, 90, 90]))
        stamp = Dictionary(Type=Name.Annot, Subtype=Name.Stamp, F=4, Rect=Array([9, 9, 99, 99]), AP=Dictionary(N=drawn))
        page.Annots = Array([pdf.make_indirect(stamp)])

    return made(change)


def nested(depth: int) -> bytes:
    """Return a page with forms within each other."""

    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        form = pdf.make_stream(b"9 9 90 90 re f", Subtype=Name.Form, BBox=Array([0, 0, 600, 800]))
        for _ in range(depth - 1):
            held = Dictionary(XObject=Dictionary(N=form))
            form = pdf.make_stream(b"/N Do", Subtype=Name.Form, BBox=Array([0, 0, 600, 800]), Resources=held)
        page.Resources.XObject = Dictionary(N=form)
        page.contents_add(pdf.make_stream(b"/N Do"))

    return made(change)


def masked(**entries: object) -> bytes:
    """Return a page behind a soft mask."""

    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        group = pdf.make_stream(b"0 0 600 800 re f", Subtype=Name.Form, BBox=Array([0, 0, 600, 800]))
        for key, value in entries.items():
            group[f"/{key}"] = value
        page.Resources.ExtGState = Dictionary(M=Dictionary(SMask=Dictionary(S=Name.Alpha, G=group)))
        page.contents_add(pdf.make_stream(b"q /M gs 9 9 90 90 re f Q"))

    return made(change)


def named(letters: int) -> bytes:
    """Return a page with a form of a name of so many letters."""
    name = b"/" + b"N" * letters

    def change(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        form = pdf.make_stream(b"9 9 90 90 re f", Subtype=Name.Form, BBox=Array([0, 0, 600, 800]))
        page.Resources.XObject = Dictionary({name.decode(): form})
        page.contents_add(pdf.make_stream(name + b" Do"))

    return made(change)


def many_beginnings(pages: int) -> bytes:
    """Return pages that share a drawing which begins pictures and never says what is in them."""
    with pikepdf.open(io.BytesIO(blank(pages=pages))) as pdf:
        shared = pdf.make_stream(b"BT " + b"BI " * 100_000)
        for page in pdf.pages:
            page.Contents = shared
        return saved(pdf)


def indexed(highest: int) -> Array:
    return Array([Name.Indexed, Name.DeviceGray, highest, bytes(range(highest + 1))])


INK = Dictionary(FunctionType=2, Domain=Array([0, 1]), C0=Array([0]), C1=Array([1]), N=1)
TINY = b"0.%s1 0 0 0.%s1 0 0 cm" % (b"0" * 20, b"0" * 20)


SOUND: dict[str, Callable[[], bytes]] = {
    "jbig2": lambda: paper(jbig2(segment(2, 49, b"")), "JBIG2Decode", **BITS),
    "jbig2_packed": lambda: paper(zlib.compress(jbig2()), "FlateDecode JBIG2Decode", **BITS),
    "jpx": lambda: paper(encoded("JPEG2000"), "JPXDecode"),
    "jpx_large": lambda: paper(jpx((1600, 1200), 6), "JPXDecode", Width=1600, Height=1200),
    "dct": lambda: paper(encoded("JPEG"), "DCTDecode", **COLOURS),
    "ccitt": lambda: paper(fax(scan()), "CCITTFaxDecode", **FAX),
    "stencil": lambda: paper(fax(Image.new("1", SIZE, 1)), "CCITTFaxDecode", ImageMask=True, **FAX),
    "inline": lambda: inline(b"/BPC 1 /IM true /F [/AHx /CCF]"),
    "inline_in_words": lambda: made(
        lambda pdf, page: page.contents_add(
            pdf.make_stream(b"BT (BI /F /JPXDecode is no picture; 12345678901) Tj <12345678901234> Tj ET % BI\n")
        )
    ),
    "indexed": lambda: plain(ColorSpace=indexed(255), DecodeParms=Dictionary(Predictor=1, Colors=1, Columns=SIZE[0])),
    "nested": lambda: nested(9),
    "masked": lambda: masked(Group=Dictionary(S=Name.Transparency)),
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
    "inline_behind_a_key": lambda: inline(b"/ID 1 /F /JPXDecode"),
    "inline_far_away": lambda: inline(b" " * 5_000 + b"/F /JBIG2Decode"),
    "inline_with_a_comment": lambda: inline(b"/F % ID\n/JPXDecode"),
    "inline_with_a_null": lambda: inline(b"/F\0/JBIG2Decode"),
    "inline_in_parts": lambda: inline(b"/BPC 8", b"/F /JPXDecode"),
    "inline_behind_a_number": lambda: made(
        lambda pdf, page: page.contents_add(pdf.make_stream(b"0BI /W 8 /H 8 ID x\nEI"))
    ),
    "inline_within_data": lambda: inline(b"/BPC 8", data=b"BI /F /JPXDecode ID"),
    "inline_without_end": lambda: made(lambda pdf, page: page.contents_add(pdf.make_stream(b"BI /W 8 /H 8 ID x"))),
    "inline_parameters": lambda: inline(b"/F /Fl /DP <</Predictor 1 /Colors 999>>"),
    "inline_arithmetic": lambda: inline(b"/F /DCT", data=_another_frame(encoded("JPEG"))),
    "appearance_that_is_no_form": appearance,
    "beginnings": lambda: many_beginnings(1),
    "beginnings_shared": lambda: many_beginnings(30),
    "dct_arithmetic": lambda: paper(_another_frame(encoded("JPEG")), "DCTDecode", **COLOURS),
    "short_size": lambda: plain(Width=None, Height=None, W=SIZE[0], H=SIZE[1]),
    "short_bits": lambda: plain(BitsPerComponent=None, BPC=8),
    "short_colours": lambda: plain(ColorSpace=None, CS=Name.DeviceGray),
    "no_size": lambda: plain(Width=None),
    "parameters": lambda: plain(DecodeParms=Dictionary(Predictor=1, Colors=999, Columns=-1)),
    "layer_not_listed": lambda: plain(OC=Dictionary(Usage=Dictionary(View=Dictionary(ViewState=Name.OFF)))),
    "nested_too_deep": lambda: nested(35),
    "number_too_large": lambda: plain(b"1 0 0 1 99999999999.0 0 cm 1 0 0 1 -99999999999 0 cm"),
    "number_too_small": lambda: plain(TINY),
    "indexed_beyond": lambda: plain(ColorSpace=indexed(1)),
    "no_ink": lambda: plain(ColorSpace=Array([Name.Separation, Name("/None"), Name.DeviceGray, INK])),
    "masked_without_a_group": masked,
    "name_too_long": lambda: named(300),
}


def _twelve_bits(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 4
    return jpeg[:at] + b"\x0c" + jpeg[at + 1 :]


def _another_frame(jpeg: bytes) -> bytes:
    """Return a JPEG that says that it is coded arithmetically."""
    return jpeg.replace(b"\xff\xc0", b"\xff\xc9", 1)


def uncommon_pictures(pki: Pki) -> Iterator[tuple[str, bytes, bool]]:
    """Yield each paper sealed, and whether it is to be VALID."""
    for name, make in (SOUND | REFUSED).items():
        yield name, seal(make(), pki, timestamp=False), name in SOUND
