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
        for key, value in (resources or {}).items():
            page.obj.Resources[key] = value

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
