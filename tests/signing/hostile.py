"""Documents that must not be sealed as they are."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from tests.signing.documents import typeset

if TYPE_CHECKING:
    from collections.abc import Callable


def changed(change: Callable[[pikepdf.Pdf], Any], document: bytes | None = None, **saving: Any) -> bytes:  # noqa: ANN401
    """Return a document after a change through pikepdf."""
    with pikepdf.open(io.BytesIO(document or typeset(1))) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out, **saving)
        return out.getvalue()


_TEXT = b"BT /Plain 12 Tf 100 300 Td (1000000) Tj ET "
_IMAGE = b" BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI "
HIDDEN: tuple[tuple[str, bytes], ...] = (
    ("covered text", _TEXT + b"1 g 90 290 200 40 re f"),
    ("covered text", _TEXT + b"1 g 120 290 100 40 re f"),  # its last figures only
    ("covered text", _TEXT + b"1 g 80 300 m 80 400 320 400 320 300 c 320 200 80 200 80 300 c f"),
    ("covered text", _TEXT + b"q 90 290 m 300 290 l 300 330 l 90 340 l h W n 300 0 0 90 80 270 cm" + _IMAGE + b"Q"),
    ("covered text", _TEXT + b"q 90 290 200 40 re W n /White sh Q"),
    ("covered text", _TEXT + b"q 2 0 0 2 40 140 cm /Form Do Q"),
    ("covered text", b"1 g BT /Plain 6 Tf 104 302 Td (100) Tj ET 0 g " + _TEXT),
    ("unseen text", b"1 g " + _TEXT),
    ("unseen text", b"0.97 g " + _TEXT),
    ("unseen text", b"0.2 0.4 0.6 rg 90 290 200 40 re f " + _TEXT),
    ("unseen text", b"q 0 0 10 10 re W n " + _TEXT + b"Q"),
    ("unseen text", b"/Clear gs " + _TEXT),
    ("unseen text", b"q 1 0 0 1 30 40 cm /WhiteText Do Q"),
    ("invisible text", b"3 Tr " + _TEXT),
    ("text too small", b"BT /Plain 0.2 Tf 100 300 Td (hidden) Tj ET"),
    ("text too small", b"BT /Plain 12 Tf 0.001 0 0 0.001 100 300 Tm (hidden) Tj ET"),
    ("text too small", b"BT /Plain 0 Tf 100 300 Td (hidden) Tj ET"),
    ("text off the page", b"BT /Plain 12 Tf 100 -300 Td (hidden) Tj ET"),
    ("picture off the page", b"q 50 0 0 50 700 300 cm" + _IMAGE + b"Q"),
)
SHOWN: tuple[bytes, ...] = (
    b"0 g 90 290 200 40 re f 1 g " + _TEXT,  # white on black
    b"0.85 g " + _TEXT,
    _TEXT + _TEXT,  # bold by double strike
    b"BT /Plain 12 Tf 100 300 Td (100) Tj 0.2 0 Td (100) Tj ET",
    b"q 300 0 0 90 80 270 cm" + _IMAGE + b"Q " + _TEXT,  # on a picture
    b"/Clear gs 1 g 90 290 200 40 re f /Opaque gs 0 g " + _TEXT,
    _TEXT + b"1 g 300 290 100 40 re f",
    _TEXT + b"0.5 w 90 295 m 200 295 l S",  # underlined
    b"BT /Plain 12 Tf 100 300 Td (   ) Tj ET",
    b"BT /Plain 2 Tf 100 300 Td (microprinting) Tj ET",
)
RESOURCES: dict[str, Any] = {
    "/ExtGState": Dictionary(Clear=Dictionary(ca=0, CA=0), Opaque=Dictionary(ca=1, CA=1)),
    "/Shading": Dictionary(
        White=Dictionary(
            ShadingType=2, ColorSpace=Name.DeviceGray, Coords=[0, 0, 600, 0], Extend=[True, True],
            Function=Dictionary(FunctionType=2, Domain=[0, 1], C0=[1], C1=[1], N=1),
        )
    ),
}  # fmt: skip
OFFICE_PAGE = """<!doctype html><meta charset="utf-8"><title>公告</title><style>
body { font: 12pt "Noto Sans CJK SC", sans-serif; background: #f6f8fa }
h1 { color: #fff; background: #a00; padding: 8px; border-radius: 12px; text-shadow: 1px 1px 2px #000 }
td { border: 1px solid #888; padding: 4px } tr:nth-child(even) { background: #eee }
.box { overflow: hidden; height: 2.2em; border-radius: 9px; background: linear-gradient(90deg, #fff, #cde) }
em { color: #767676; font-size: 8pt } b { -webkit-text-stroke: 0.3px } .o { opacity: 0.7 }
</style><h1>演示市人民政府公告</h1><p>经审查，<b>符合条件</b>，<u>准予许可</u>。<em>（二〇二六年）</em></p>
<div class="box">申请人：演示市美味食品有限公司</div><table><tr><td>项目<td>金额<tr><td>许可费<td>0.00
<tr><td>合计<td class="o">0.00</table><ul><li>一<li>二</ul><p style="break-before: page">第二页 office</p>"""


def encrypted(user: str) -> bytes:
    """Encrypt with a user password; an empty one opens for everybody."""
    return changed(lambda _: None, typeset(1, "1.7"), encryption=pikepdf.Encryption(owner="owner", user=user))


def with_javascript_form() -> bytes:
    """Return a form whose field runs a script when it changes."""

    def change(pdf: pikepdf.Pdf) -> None:
        script = Dictionary(S=Name.JavaScript, JS=String("this.getField('amount').value = 1000000"))
        field = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=String("amount"), V=String("100"),
                Rect=[100, 500, 300, 520], DA=String("/Helv 12 Tf 0 g"), F=4, AA=Dictionary(K=script),
            )
        )  # fmt: skip
        pdf.pages[0].obj.Annots = Array([field])
        fonts = Dictionary(Helv=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
        pdf.Root.AcroForm = Dictionary(Fields=[field], DR=Dictionary(Font=fonts))
        pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=[String("x"), script]))

    return changed(change)


def with_annotation(subtype: str, flags: int = 4, **entries: Any) -> bytes:  # noqa: ANN401
    """Return a document with one annotation that shows a black square."""

    def change(pdf: pikepdf.Pdf) -> None:
        picture = pikepdf.Stream(pdf, b"0 0 50 50 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 50, 50])
        pdf.pages[0].obj.Annots = Array(
            [
                pdf.make_indirect(
                    Dictionary(
                        Type=Name.Annot, Subtype=Name(f"/{subtype}"), Rect=[300, 300, 350, 350], F=flags,
                        AP=Dictionary(N=pdf.make_indirect(picture)), **entries,
                    )
                )
            ]
        )  # fmt: skip

    return changed(change)


def painted(operators: bytes, resources: dict[str, Any] | None = None) -> bytes:
    """Return a document whose page paints something more at its end."""

    def change(pdf: pikepdf.Pdf) -> None:
        page = pdf.pages[0]
        page.contents_add(pdf.make_stream(b"q Q"), prepend=True)
        page.contents_add(pdf.make_stream(operators))
        fonts = page.obj.Resources.get("/Font", Dictionary())
        fonts["/Plain"] = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        page.obj.Resources["/Font"] = fonts
        white = {"Type": Name.XObject, "Subtype": Name.Form, "BBox": [0, 0, 600, 600]}
        cover = pikepdf.Stream(pdf, b"1 g 20 70 150 40 re f", **white)
        text = pikepdf.Stream(
            pdf, b"1 g BT /Plain 12 Tf 70 260 Td (1000000) Tj ET", Resources=Dictionary(Font=fonts), **white
        )
        drawings = {b"/Form": cover, b"/WhiteText": text}
        used = {key.decode(): pdf.make_indirect(form) for key, form in drawings.items() if key in operators}
        if used:
            page.obj.Resources["/XObject"] = Dictionary(used)
        for key, value in (resources or {}).items():
            page.obj.Resources[key] = value

    return changed(change, typeset(1, "1.7"))


def with_drawing(subtype: str = "Form", resources: dict[str, Any] | None = None, **entries: Any) -> bytes:  # noqa: ANN401
    """Return a document that draws one XObject, a black square, with more entries in its dictionary."""

    def change(pdf: pikepdf.Pdf) -> None:
        drawing = pdf.make_stream(b"\0", Type=Name.XObject, Subtype=Name(f"/{subtype}"))
        if subtype == "Image":
            drawing.update(Dictionary(Width=1, Height=1, BitsPerComponent=8, ColorSpace=Name.DeviceGray))
        else:
            drawing.write(b"0 0 1 1 re f")
            drawing.BBox = [0, 0, 1, 1]
        for key, value in entries.items():
            drawing[f"/{key}"] = value
        page = pdf.pages[0]
        page.obj.Resources["/XObject"] = Dictionary({"/Drawing": drawing, **(resources or {})})
        page.contents_add(pdf.make_stream(b"q 50 0 0 50 300 300 cm /Drawing Do Q"))

    return changed(change, typeset(1, "1.7"))


def with_alternate() -> bytes:
    """Return a document with a picture that is another one on paper."""

    def change(pdf: pikepdf.Pdf) -> None:
        image = next(each for each in pdf.objects if isinstance(each, pikepdf.Stream) and "/Width" in each)
        other = pdf.make_stream(b"\xff", image.stream_dict)
        image.Alternates = Array([Dictionary(Image=other, DefaultForPrinting=True)])

    return changed(change, with_drawing("Image"))


def drawing_itself(*contents: bytes, inherited: bool = False) -> bytes:
    """Return a document with forms /F0, /F1 and so on of these contents; their names are the page's or their own."""

    def change(pdf: pikepdf.Pdf) -> None:
        box: dict[str, Any] = {"Type": Name.XObject, "Subtype": Name.Form, "BBox": [0, 0, 600, 600]}
        forms = [pdf.make_stream(b"300 300 50 50 re f " + content, **box) for content in contents]
        names = pdf.make_indirect(Dictionary(XObject=Dictionary({f"/F{at}": form for at, form in enumerate(forms)})))
        for form in () if inherited else forms:
            form.Resources = names
        page = pdf.pages[0]
        page.obj.Resources["/XObject"] = names.XObject
        page.contents_add(pdf.make_stream(b"/F0 Do"))

    return changed(change, typeset(1, "1.7"))


def painting_with_itself(resource: str) -> bytes:
    """Return a document with a pattern, a glyph or a soft mask that is drawn with itself."""
    box = [0, 0, 600, 600]

    def change(pdf: pikepdf.Pdf) -> None:
        page = pdf.pages[0]
        use = {"Pattern": b"/Pattern cs /Own scn", "Font": b"/Own 9 Tf", "ExtGState": b"/Own gs"}[resource]
        stream = pdf.make_stream(use + b" 0 0 9 9 re f")
        if resource == "Pattern":
            stream.update(Dictionary(PatternType=1, PaintType=1, TilingType=1, BBox=box, XStep=9, YStep=9))
            own: Any = stream
        elif resource == "Font":
            own = Dictionary(Type=Name.Font, Subtype=Name.Type3, FontBBox=box, FontMatrix=[1, 0, 0, 1, 0, 0])
            own.update(Dictionary(FirstChar=65, LastChar=65, Widths=[9], CharProcs=Dictionary(A=stream)))
            own.Encoding = Dictionary(Differences=[65, Name.A])
        else:
            stream.update(Dictionary(Subtype=Name.Form, BBox=box, Group=Dictionary(S=Name.Transparency)))
            own = Dictionary(SMask=Dictionary(S=Name.Alpha, G=stream))
        own = pdf.make_indirect(own)
        (own if resource == "Font" else stream).Resources = Dictionary({f"/{resource}": Dictionary(Own=own)})
        page.obj.Resources[f"/{resource}"] = Dictionary(Own=own)
        page.contents_add(pdf.make_stream(b"q " + use + b" 0 0 1 1 re f Q"))

    return changed(change, typeset(1, "1.7"))


def with_layer(*, shown: bool) -> bytes:
    """Return a document with a layer, switched on or off."""

    def change(pdf: pikepdf.Pdf) -> None:
        layer = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("amount")))
        pdf.Root.OCProperties = Dictionary(OCGs=[layer], D=Dictionary(Order=[layer], OFF=[] if shown else [layer]))
        page = pdf.pages[0]
        page.obj.Resources["/Properties"] = Dictionary(L=layer)
        page.contents_add(pdf.make_stream(b"/OC /L BDC 300 300 100 100 re f EMC"))

    return changed(change, typeset(1, "1.7"))


def with_unreferenced_object() -> bytes:
    """Append an update that adds an object nothing refers to."""
    document = typeset(1, "1.7")
    with pikepdf.open(io.BytesIO(document)) as pdf:
        size, root = int(pdf.trailer.Size), pdf.Root.objgen[0]
    previous = int(document.rpartition(b"startxref")[2].split()[0])
    body = b"\n%d 0 obj\n<</Type/Page/Secret(shadow)>>\nendobj\n" % size
    xref = len(document) + len(body)
    return (
        document
        + body
        + (
            b"xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size %d/Root %d 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
            % (size, len(document) + 1, size + 1, root, previous, xref)
        )
    )


def hybrid() -> bytes:
    """Return a file with a table and, for readers that know it, a stream with other contents."""
    document = typeset(1, "1.7")
    with pikepdf.open(io.BytesIO(document)) as pdf:
        size, root = int(pdf.trailer.Size), pdf.Root.objgen[0]
    previous = int(document.rpartition(b"startxref")[2].split()[0])
    at = len(document) + 1
    dictionary = b"<</Type/XRef/Size %d/W[1 4 2]/Index[%d 1]/Root %d 0 R/Length 7>>" % (size + 1, size, root)
    row = b"\1" + at.to_bytes(4, "big") + b"\0\0"
    stream = b"\n%d 0 obj\n%sstream\n%s\nendstream\nendobj\n" % (size, dictionary, row)
    xref = len(document) + len(stream)
    return (
        document
        + stream
        + (
            b"xref\n0 0\ntrailer\n<</Size %d/Root %d 0 R/Prev %d/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n"
            % (size + 1, root, previous, at, xref)
        )
    )


def many_pages(count: int) -> bytes:
    """Return a PDF of so many empty pages."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []

    def add(body: bytes) -> None:
        offsets.append(len(out))
        out.extend(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), body))

    add(b"<</Type/Catalog/Pages 2 0 R>>")
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 3 + count))
    add(b"<</Type/Pages/Count %d/Kids[%s]/MediaBox[0 0 595 842]/Resources<<>>>>" % (count, kids))
    for _ in range(count):
        add(b"<</Type/Page/Parent 2 0 R>>")
    return _closed(out, offsets)


def object_stream_bomb(size: int) -> bytes:
    """Return a small PDF with an object stream that inflates to `size` bytes."""
    out = bytearray(b"%PDF-1.7\n")
    bomb = zlib.compress(b"1 0 " + b"<</Type/Catalog/Pages 2 0 R>>".ljust(size), 9)
    positions = {3: len(out)}
    out += b"3 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>stream\n%s\nendstream\nendobj\n" % (
        len(bomb),
        bomb,
    )
    for number, body in (
        (2, b"<</Type/Pages/Count 1/Kids[4 0 R]>>"),
        (4, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"),
    ):
        positions[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = positions[5] = len(out)
    rows = b"\0\0\0\0\0\0\0" + b"\2" + (3).to_bytes(4, "big") + b"\0\0"
    rows += b"".join(b"\1" + positions[number].to_bytes(4, "big") + b"\0\0" for number in (2, 3, 4, 5))
    out += b"5 0 obj\n<</Type/XRef/Size 6/W[1 4 2]/Root 1 0 R/Length %d>>stream\n%s\nendstream\nendobj\n" % (
        len(rows),
        rows,
    )
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % xref


def _closed(out: bytearray, offsets: list[int]) -> bytes:
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size, start = len(offsets) + 1, len(out)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, rows)
    return bytes(out) + table + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
