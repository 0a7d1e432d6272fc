"""Do independent parsers agree on what the file shows?

A file that one reader resolves one way and another differently shows different people
different things under one seal. Three implementations with nothing in common read it:
pyHanko (Python), qpdf (C++, through pikepdf) and pdfium (C++). The first two are compared
object by object; pdfium, which tells pictures rather than objects, draws each page from
the file and from qpdf's clean rewriting of it, and the pictures have to be equal.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from pyhanko.pdf_utils import generic

from verification.pdf.pictures import PAGES_SEARCHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyhanko.pdf_utils.reader import PdfFileReader

    Look = Callable[[int, pdfium.PdfPage], None]

RENDER_SCALE = 0.4
RENDERED_PIXELS = 40_000_000
"""How much is drawn of one document; longer ones are sampled evenly."""

_RESOURCES, _TREE_DEPTH = "/Resources", 100
_CODE = re.compile(rb"#([0-9A-Fa-f]{2})")

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where two readers part: the sentence names the readers and the place."""

    zh: str
    en: str


def compare_objects(reader: PdfFileReader, pdf: pikepdf.Pdf) -> Disagreement | None:
    """Compare every object reachable from the catalogue as pyHanko and qpdf read it."""
    root = pdf.trailer.get("/Root")
    root_key = (reader.root_ref.idnum, reader.root_ref.generation)
    if root is None or root.objgen != root_key:
        return Disagreement("pyHanko 与 qpdf 读取的文档目录不同。", "pyHanko and qpdf start from different catalogues.")
    pending, seen = [root_key], {root_key}
    while pending:
        key = pending.pop()
        ours: list[bytes] = []
        theirs: list[bytes] = []
        references: list[Key] = []
        value = reader.get_object(generic.Reference(*key, reader))  # type: ignore[no-untyped-call] # pyHanko is partly typed
        _write_hanko(value, ours, references)
        _write_qpdf(pdf.get_object(key), theirs, top=True)
        if b"".join(ours) != b"".join(theirs):
            return Disagreement(
                f"pyHanko 与 qpdf 读取的对象 {key[0]} 不同。", f"pyHanko and qpdf read object {key[0]} differently."
            )
        for reference in references:
            if reference not in seen:
                seen.add(reference)
                pending.append(reference)
    return None


def _number(value: object) -> bytes:
    number = Decimal(str(value))
    return b"0" if number == 0 else format(number.normalize(), "f").encode()


def _name(value: str) -> bytes:
    # The two libraries decode bytes beyond ASCII differently; what stays still tells names apart.
    return value.encode("ascii", "ignore")


def _qpdf_name(value: pikepdf.Name) -> bytes:
    # Names of fonts may be in GBK, which is no text to qpdf.
    plain = _CODE.sub(lambda code: bytes([int(code[1], 16)]), value.unparse(resolved=True))
    return _name(plain.decode("latin-1"))


def _write_hanko(value: object, out: list[bytes], references: list[Key]) -> None:  # noqa: C901, PLR0912 - one branch a type
    if isinstance(value, generic.IndirectObject):
        references.append((value.idnum, value.generation))
        held = _held(value)
        if isinstance(held, generic.IndirectObject):
            out.append(b"%d %d R " % (value.idnum, value.generation))
        else:
            _write_hanko(held, out, references)
    elif isinstance(value, generic.BooleanObject):
        out.append(b"t " if value.value else b"f ")
    elif isinstance(value, (generic.TextStringObject, generic.ByteStringObject)):
        out += (b"(", value.original_bytes, b")")
    elif isinstance(value, generic.NameObject):
        out += (_name(value), b" ")
    elif isinstance(value, (generic.NumberObject, generic.FloatObject)):
        out += (_number(value), b" ")
    elif isinstance(value, generic.NullObject) or value is None:
        out.append(b"null ")
    elif isinstance(value, generic.ArrayObject):
        out.append(b"[")
        for index in range(len(value)):
            _write_hanko(value.raw_get(index), out, references)
        out.append(b"]")
    elif isinstance(value, generic.DictionaryObject):
        stream = value if isinstance(value, generic.StreamObject) else None
        out.append(b"<<")
        for key in sorted((*value, _RESOURCES) if _lacks_resources(value) else value, key=str):
            if stream is not None and key == "/Length":
                continue  # a library may have corrected it; the bytes that it delimits are compared instead
            if key not in value:
                out += (_name(key), b" ", b"<<", b">>")
                continue
            entry = value.raw_get(key)
            if isinstance(_held(entry), generic.NullObject):
                continue  # an entry that is null equals one that is missing (ISO 32000-2, 7.3.7)
            out += (_name(key), b" ")
            _write_hanko(entry, out, references)
        out.append(b">>")
        if stream is not None:
            out += (b"stream", hashlib.sha256(stream.encoded_data).digest())
    else:
        out.append(type(value).__name__.encode())


def _held(value: object) -> object:
    """Return the number, truth value or null a reference leads to, which qpdf does not tell from one in its place.

    A reference to what no cross-reference has stays one: some readers then search the whole file for it.
    """
    if not isinstance(value, generic.IndirectObject):
        return value
    held, reader = value.reference.get_object(), value.get_pdf_handler()  # type: ignore[no-untyped-call] # pyHanko is partly typed
    known = not isinstance(held, generic.NullObject) or reader.xrefs[value.reference] is not None
    return held if known and isinstance(held, _PLAIN) else value


_PLAIN = (generic.BooleanObject, generic.NumberObject, generic.FloatObject, generic.NullObject)


def _lacks_resources(value: generic.DictionaryObject) -> bool:
    """Tell whether a page has resources neither itself nor from above: qpdf gives it empty ones, to the same effect."""
    if _RESOURCES in value or value.get("/Type") != "/Page":
        return False
    node = value
    for _ in range(_TREE_DEPTH):
        above = node["/Parent"] if "/Parent" in node else None  # noqa: SIM401 - `get` would not follow the reference
        if not isinstance(above, generic.DictionaryObject):
            return True
        if _RESOURCES in above:
            return False
        node = above
    return True


def _write_qpdf(value: object, out: list[bytes], *, top: bool = False) -> None:  # noqa: C901, PLR0912 - one branch a type
    if isinstance(value, bool):
        out.append(b"t " if value else b"f ")
    elif isinstance(value, (int, float, Decimal)):
        out += (_number(value), b" ")
    elif value is None:
        out.append(b"null ")
    elif not top and isinstance(value, pikepdf.Object) and value.is_indirect:
        out.append(b"%d %d R " % value.objgen)
    elif isinstance(value, pikepdf.String):
        out += (b"(", bytes(value), b")")
    elif isinstance(value, pikepdf.Name):
        out += (_qpdf_name(value), b" ")
    elif isinstance(value, pikepdf.Array):
        out.append(b"[")
        for item in value:
            _write_qpdf(item, out)
        out.append(b"]")
    elif isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
        stream = isinstance(value, pikepdf.Stream)
        out.append(b"<<")
        for key in sorted(value.keys()):
            if not (stream and key == "/Length"):
                out += (_name(key), b" ")
                _write_qpdf(value[key], out)
        out.append(b">>")
        if stream:
            out += (b"stream", hashlib.sha256(value.read_raw_bytes()).digest())
    else:
        out.append(type(value).__name__.encode())


def compare_pictures(drawn: pdfium.PdfDocument, pdf: pikepdf.Pdf, look: Look) -> Disagreement | None:
    """Draw the file, and qpdf's rewriting of it, with pdfium; compare the pictures.

    `look` is shown every page of the file that is drawn.
    """
    out = io.BytesIO()
    pdf.save(
        out,
        stream_decode_level=pikepdf.StreamDecodeLevel.none,
        object_stream_mode=pikepdf.ObjectStreamMode.disable,
        compress_streams=False,
        normalize_content=False,
    )
    if not same_pictures(drawn, out.getvalue(), look):
        return Disagreement("pdfium 与 qpdf 显示的页面不同。", "pdfium and qpdf show different pages.")
    return None


def same_pictures(drawn: pdfium.PdfDocument, other: bytes, look: Look | None = None) -> bool:
    """Tell whether pdfium draws the same pages from a file it has opened and from another, annotations included."""
    right = pdfium.PdfDocument(other)
    try:
        if len(drawn) != len(right):
            return False
        sample = _sample(drawn)
        for number in range(len(drawn)) if look else sample:
            if number not in sample:
                _look_at(drawn, number, look)
            elif _picture(drawn, number, look) != _picture(right, number):
                return False
        return True
    finally:
        right.close()


def _look_at(document: pdfium.PdfDocument, number: int, look: Look | None) -> None:
    page = document[number]
    if look is not None:
        look(number, page)
    page.close()


def _sample(document: pdfium.PdfDocument) -> dict[int, None]:
    """Return page numbers, every one while the document is of common length, else the first and evenly spread ones."""
    pages = len(document)
    drawn_each = 595 * 842 * RENDER_SCALE**2
    step = max(1, round(pages * drawn_each / RENDERED_PIXELS))
    return dict.fromkeys(sorted({*range(min(PAGES_SEARCHED, pages)), *range(0, pages, step)}))


def _picture(document: pdfium.PdfDocument, number: int, look: Look | None = None) -> tuple[float, float, bytes]:
    page = document[number]
    try:
        width, height = page.get_size()
        # A page declared as large as a house is drawn small: only equality matters here.
        scale = min(RENDER_SCALE, 2000 / max(width, height, 1))
        bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=True)
        if look is not None:
            # Not before: pdfium keeps a picture that was drawn larger, and draws it smaller in another way.
            look(number, page)
        return width, height, hashlib.sha256(bytes(bitmap.buffer)).digest()
    finally:
        page.close()


def pdfium_seal_count(drawn: pdfium.PdfDocument) -> int:
    """Return how many signatures pdfium finds."""
    return int(pdfium_c.FPDF_GetSignatureCount(drawn.raw))


def qpdf_seal_objects(pdf: pikepdf.Pdf) -> int:
    """Return how many signature dictionaries stand anywhere in the file, linked or not."""
    count = 0
    for item in pdf.objects:
        if isinstance(item, pikepdf.Dictionary) and ("/ByteRange" in item or item.get("/Type") in _SIGNATURE_TYPES):
            count += 1
    return count


_SIGNATURE_TYPES = (pikepdf.Name("/Sig"), pikepdf.Name("/DocTimeStamp"))
