"""Files made to exhaust a reader: bombs, loops, depth, numbers."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pikepdf

from tests.verification.samples import blank, seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.verification.pki import Pki


def saved(pdf: pikepdf.Pdf, *, object_streams: bool = False) -> bytes:
    out = io.BytesIO()
    mode = pikepdf.ObjectStreamMode.generate if object_streams else pikepdf.ObjectStreamMode.disable
    pdf.save(out, object_stream_mode=mode, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    return out.getvalue()


def bomb(size: int, *, layers: int = 1) -> bytes:
    """A page whose content unpacks to `size` bytes through some layers of Flate."""
    data = bytes(size)
    for _ in range(layers):
        data = zlib.compress(data, 9)
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        stream = pikepdf.Stream(pdf, data)
        stream.Filter = pikepdf.Array([pikepdf.Name.FlateDecode] * layers)
        pdf.pages[0].Contents = pdf.make_indirect(stream)
        return saved(pdf)


def drawing_bomb(size: int) -> bytes:
    """A page that unpacks to rectangles without end: some 100 kB, and every byte of it has to be drawn."""
    content = b"0 0 9 9 re f\n" * (size // 13)
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        stream = pikepdf.Stream(pdf, zlib.compress(content, 9))
        stream.Filter = pikepdf.Name.FlateDecode
        pdf.pages[0].Contents = pdf.make_indirect(stream)
        return saved(pdf)


def deep(depth: int) -> bytes:
    """Arrays within arrays."""
    nested = b"[" * depth + b"]" * depth
    return by_hand([b"<</Type/Catalog/Pages 2 0 R/X %s>>" % nested, PAGES, PAGE])


PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"


def by_hand(objects: list[bytes]) -> bytes:
    """Write a file object by object, as no library would."""
    out = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"trailer\n<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def circular_pages() -> bytes:
    return by_hand(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 2>>",
            PAGE,
        ]
    )


def circular_fields() -> bytes:
    return by_hand(
        [
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/SigFlags 3>>>>",
            PAGES,
            PAGE,
            b"<</T(a)/FT/Sig/Kids[5 0 R]>>",
            b"<</T(b)/FT/Sig/Parent 4 0 R/Kids[4 0 R]/V<</Type/Sig/ByteRange[0 1 2 3]>>>>",
        ]
    )


def circular_cross_references() -> bytes:
    document = by_hand([b"<</Type/Catalog/Pages 2 0 R>>", PAGES, PAGE])
    start = int(document.split(b"startxref\n")[1].split()[0])
    return document.replace(b"/Size 4", b"/Size 4/Prev %d" % start)


def circular_length() -> bytes:
    return by_hand(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            PAGES,
            PAGE[:-2] + b"/Contents 4 0 R>>",
            b"<</Length 4 0 R>>stream\nx\nendstream",
        ]
    )


def many_objects(count: int) -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pdf.Root.Many = pikepdf.Array([pdf.make_indirect(pikepdf.Dictionary(N=number)) for number in range(count)])
        return saved(pdf, object_streams=True)


def with_image(filter_name: str, data: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        image = pikepdf.Stream(pdf, data)
        image.Type, image.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
        image.Width, image.Height, image.BitsPerComponent = 60000, 60000, 1
        image.ColorSpace, image.Filter = pikepdf.Name.DeviceGray, pikepdf.Name("/" + filter_name)
        pdf.pages[0].Resources.XObject = pikepdf.Dictionary(I=pdf.make_indirect(image))
        pdf.pages[0].Contents = pdf.make_stream(b"q 500 0 0 500 0 0 cm /I Do Q")
        return saved(pdf)


def with_xfa() -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        form = pdf.make_stream(b'<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"><template/></xdp:xdp>')
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([]), XFA=form)
        return saved(pdf)


def huge_page() -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pdf.pages[0].MediaBox = pikepdf.Array([0, 0, 10**9, 10**9])
        return saved(pdf)


def pattern_storm() -> bytes:
    """Forms that draw forms that draw forms: ten to the ninth rectangles."""
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        inner = pdf.make_stream(b"0 0 9 9 re f " * 10)
        for _ in range(9):
            inner.Type, inner.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
            inner.BBox = pikepdf.Array([0, 0, 595, 842])
            outer = pdf.make_stream(b"/X Do " * 10)
            outer.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=pdf.make_indirect(inner)))
            inner = outer
        pdf.pages[0].Contents = pdf.make_stream(b"/X Do " * 10)
        inner.Type, inner.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        inner.BBox = pikepdf.Array([0, 0, 595, 842])
        pdf.pages[0].Resources.XObject = pikepdf.Dictionary(X=pdf.make_indirect(inner))
        return saved(pdf)


def encrypted() -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner="owner", user=""))
    return out.getvalue()


def many_seals(pki: Pki, count: int) -> bytes:
    document = blank()
    for number in range(count):
        document = seal(document, pki, field=f"Seal{number}", timestamp=False)
    return document


def all_hostile(pki: Pki) -> Iterator[tuple[str, bytes]]:
    """Yield hostile files; those that a stock signer can seal come sealed, so that they are read to the end."""
    makers = {
        "bomb_200_mb": lambda: bomb(200_000_000),
        "drawing_bomb": lambda: drawing_bomb(100_000_000),
        "bomb_layers": lambda: bomb(100_000_000, layers=3),
        "many_objects": lambda: many_objects(100_000),
        "image_jbig2": lambda: with_image("JBIG2Decode", b"\x97JB2\r\n\x1a\n" + bytes(200)),
        "image_jpx": lambda: with_image("JPXDecode", b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(200)),
        "image_flate": lambda: with_image("FlateDecode", zlib.compress(bytes(1000))),
        "xfa": with_xfa,
        "huge_page": huge_page,
        "pattern_storm": pattern_storm,
    }
    for name, make in makers.items():
        yield name, seal(make(), pki, timestamp=False)
    yield "encrypted", encrypted()
    yield "hybrid_two_faced", seal(hybrid(differing=True), pki, timestamp=False, strict=False)
    yield "fifty_seals", many_seals(pki, 50)
    yield "deep_300", deep(300)
    yield "deep_100000", deep(100_000)
    yield "circular_pages", circular_pages()
    yield "circular_fields", circular_fields()
    yield "circular_cross_references", circular_cross_references()
    yield "circular_length", circular_length()


def hybrid(*, differing: bool = False) -> bytes:
    """A file with a table for old readers and a stream of the same for new ones (ISO 32000-2, 7.5.8.4).

    With `differing` the stream places the page's content elsewhere than the table.
    """
    contents = [b"BT /F1 24 Tf 72 700 Td (%s) Tj ET" % word for word in (b"FEE 10", b"FEE 99999")]
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        PAGES,
        PAGE[:-2] + b"/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(contents[0]), contents[0]),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    elsewhere = len(out)
    out += b"4 0 obj\n<</Length %d>>stream\n%s\nendstream\nendobj\n" % (len(contents[1]), contents[1])
    stream = len(out)
    entry = struct.pack(">BHB", 1, elsewhere if differing else offsets[3], 0)
    out += (
        b"6 0 obj\n<</Type/XRef/Size 7/Index[4 1]/W[1 2 1]/Root 1 0 R/Length 4>>stream\n%s\nendstream\nendobj\n" % entry
    )
    start = len(out)
    table = [b"0000000000 65535 f "] + [b"%010d 00000 n " % offset for offset in [*offsets, stream]]
    if differing:
        table[4] = b"0000000000 00000 f "
    trailer = b"trailer\n<</Size 7/Root 1 0 R/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n" % (stream, start)
    return out + b"xref\n0 7\n" + b"\n".join(table) + b"\n" + trailer
