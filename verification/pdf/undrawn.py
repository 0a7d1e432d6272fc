"""Is there a picture that cannot be decoded here? It is drawn as nothing, and another reader may show something.

pdfium says nothing of a picture it gives up. Pictures of kinds that a decoder may refuse are therefore drawn once
more, small and alone, on a sheet without a ground: where the sheet stays clear nothing was decoded. What a decoder
passes over in silence is told by what the data themselves have to be (decision 0134).
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import (
    Image,
    JpegImagePlugin,
    TiffImagePlugin,  # noqa: F401 - a sandbox cannot load it later
)

from verification.model import Check, Outcome, Reason, Sentence
from verification.pdf.jbig2 import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.pdf.document import Finding

_PLAIN = frozenset({"/FlateDecode", "/LZWDecode", "/RunLengthDecode", "/ASCII85Decode", "/ASCIIHexDecode"})
_COLOURS = frozenset({"/DeviceGray", "/DeviceRGB", "/DeviceCMYK", "None"})
_OPENED_AT_ONCE = _PLAIN | {"/DCTDecode"}
"""Filters of which pdfium tells on opening what it makes of them; drawing is what costs."""
_SMALLER, _SIDE = 8, 16
"""About as much smaller as a scan is drawn where pages are compared: pdfium draws a JPX that holds too few sizes of
itself as nothing when it is drawn small, and what we did not see is not confirmed either."""
_CARRIED = ("/Width", "/Height", "/BitsPerComponent", "/ColorSpace", "/Decode", "/Filter", "/DecodeParms")
_PARTS = 300
"""Objects in a colour space or the parameters of filters; no honest one has more."""
_FAX_SHARE, _FAX_SPARE = 0.5, 200
"""How much of a fax has to come back when what was decoded of it is encoded anew; marks and padding are not."""
_CHUNK, _OVERLAP = 1 << 20, 4_100
_INLINE = re.compile(rb"(?<![^\s\]>)])BI\b(.{0,4000}?)\bID\b", re.DOTALL)
_MOST = 64_000_000
"""Bytes of one drawing, unpacked; one that is longer is drawn by nobody in time."""
_DEEP = 40
_NESTED = re.compile(rb"(?:\[\s*){%d}|(?:<<\s*(?:/[^\s<>/\[\]()]*\s*)?){%d}" % (_DEEP, _DEEP))
_INLINE_FILTERS = re.compile(rb"/(?:F|Filter)\s*(\[[^\]]*\]|/[^\s/\[\]<>()]+)")
_INLINE_KNOWN = frozenset(
    {*(name.encode() for name in _PLAIN), b"/CCITTFaxDecode", b"/DCTDecode"}
    | {b"/Fl", b"/LZW", b"/RL", b"/A85", b"/AHx", b"/CCF", b"/DCT"}
)


def picture_checks(pdf: pikepdf.Pdf) -> tuple[Finding, ...]:
    """Check that every picture of an uncommon kind can be decoded; raises as the libraries do on damage."""
    pictures, contents = _drawn(pdf)
    wrong = any(map(_parts_readers, contents)) or not all(map(_sound, pictures))
    if not pictures and not wrong:
        return ()
    return (told_of_pictures(wrong=wrong or _refused(pictures)),)


def told_of_pictures(*, wrong: bool) -> Finding:
    """Say whether a picture could not be decoded."""
    detail = (
        Reason.PICTURE_NOT_DRAWN.sentence
        if wrong
        else Sentence("文件中的图像均能解码显示。", "Every picture in the file can be decoded and shown.")
    )
    outcome = Outcome.UNKNOWN if wrong else Outcome.PASSED
    return Check("pdf.pictures", "ISO 32000-2, 7.4 and 8.9", outcome, detail), Reason.PICTURE_NOT_DRAWN


def _drawn(pdf: pikepdf.Pdf) -> tuple[list[pikepdf.Stream], list[pikepdf.Stream]]:
    """Return the pictures that may be refused, and the streams that draw."""
    pictures, contents = [], []
    for item in pdf.objects:
        if isinstance(item, pikepdf.Stream):
            kind = item.get("/Subtype")
            if kind == "/Image":
                pictures.append(item)
            elif kind == "/Form" or "/PatternType" in item:
                contents.append(item)
        elif isinstance(item, pikepdf.Dictionary):
            for key in ("/Contents", "/CharProcs"):
                # Asking first is ten times quicker than getting what is mostly not there.
                contents += _streams(item[key]) if key in item else []
    return [picture for picture in pictures if not _is_plain(picture)], contents


def _streams(held: object) -> list[pikepdf.Stream]:
    found: list[object] = [held]
    if isinstance(held, pikepdf.Array):
        found = list(held)
    elif isinstance(held, pikepdf.Dictionary):
        found = list(held.values())
    return [each for each in found if isinstance(each, pikepdf.Stream)]


def _filters(picture: pikepdf.Stream) -> list[str]:
    named = picture.get("/Filter")
    if named is None:
        return []
    return [str(name) for name in named] if isinstance(named, pikepdf.Array) else [str(named)]


def _parameters(picture: pikepdf.Stream) -> pikepdf.Object:
    """Return the parameters of the last filter."""
    given = picture.get("/DecodeParms")
    if isinstance(given, pikepdf.Array):
        given = given[-1] if len(given) else None
    return given if isinstance(given, pikepdf.Dictionary) else pikepdf.Dictionary()


def _is_plain(picture: pikepdf.Stream) -> bool:
    """Tell whether a picture is of a kind that no reader refuses."""
    return _PLAIN.issuperset(_filters(picture)) and str(picture.get("/ColorSpace")) in _COLOURS


def _sound(picture: pikepdf.Stream) -> bool:
    """Tell whether a picture's data are whole, where a decoder would not say that they are not."""
    *before, last = _filters(picture) or [""]
    if last == "/JBIG2Decode":
        common = _parameters(picture).get("/JBIG2Globals")
        shared = common.read_bytes() if isinstance(common, pikepdf.Stream) else b""
        return is_whole(_data(picture, before), shared, (int(picture.Width), int(picture.Height)))
    return _jpeg_opens(_data(picture, before)) if last == "/DCTDecode" else True


def _data(picture: pikepdf.Stream, before: list[str]) -> bytes:
    """Return a picture's data as its last filter takes them."""
    data = picture.read_raw_bytes()
    if not before:
        return data
    with pikepdf.new() as apart:
        packed = pikepdf.Stream(apart, data)
        packed.Filter = pikepdf.Array([pikepdf.Name(name) for name in before])
        return packed.read_bytes()


def _jpeg_opens(data: bytes) -> bool:
    """Tell whether a JPEG can be decoded; one that was cut off can, by all readers alike, to where it ends."""
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data + b"\xff\xd9")) as picture:
            picture.draft("L", (1, 1))
            picture.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _refused(pictures: list[pikepdf.Stream]) -> bool:
    """Tell whether pdfium refuses any of the pictures."""
    out = io.BytesIO()
    with pikepdf.new() as sheet:
        page = sheet.add_blank_page()
        named = {f"/P{number}": _alone(sheet, picture) for number, picture in enumerate(pictures)}
        page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(named))
        sizes = (tuple(max(int(side) // _SMALLER, _SIDE) for side in (each.Width, each.Height)) for each in pictures)
        uses = (b"q %d 0 0 %d 0 0 cm /P%d Do Q" % (*size, number) for number, size in enumerate(sizes))
        page.obj.Contents = sheet.make_stream(b"\n".join(uses))
        sheet.save(out, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    with pdfium.PdfDocument(out.getvalue()) as opened:
        laid_out = opened[0]
        return any(_is_refused(opened, laid_out, number, picture) for number, picture in enumerate(pictures))


def _is_refused(opened: pdfium.PdfDocument, page: pdfium.PdfPage, number: int, picture: pikepdf.Stream) -> bool:
    """Tell whether a picture stays clear when it is drawn alone, or comes out as less than went in."""
    item = pdfium_c.FPDFPage_GetObject(page.raw, number)
    if _OPENED_AT_ONCE.issuperset(_filters(picture)):
        facts = pdfium_c.FPDF_IMAGEOBJ_METADATA()
        pdfium_c.FPDFImageObj_GetImageMetadata(item, page.raw, facts)
        return not facts.bits_per_pixel
    if _filters(picture)[-1:] == ["/CCITTFaxDecode"]:
        return _loses_rows(item, picture)
    drawn = pdfium_c.FPDFImageObj_GetRenderedBitmap(opened.raw, page.raw, item)
    return not drawn or not pdfium.PdfBitmap.from_raw(drawn).to_pil().convert("RGBA").getchannel("A").getbbox()


def _alone(sheet: pikepdf.Pdf, picture: pikepdf.Stream) -> pikepdf.Stream:
    """Return a picture without its masks; a stencil, which may paint nothing, as what it is cut from."""
    made = pikepdf.Stream(sheet, picture.read_raw_bytes())
    made.Type, made.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    parts = [_PARTS]
    for key in _CARRIED:
        if key in picture:
            made[key] = _carried(sheet, picture[key], parts)
    if picture.get("/ImageMask", False):
        made.ColorSpace, made.BitsPerComponent = pikepdf.Name.DeviceGray, 1
    return made


def _carried(sheet: pikepdf.Pdf, value: object, parts: list[int]) -> object:
    """Return a value for another file; raises ValueError where it goes deeper than any honest one."""
    parts[0] -= 1
    if parts[0] < 0:
        message = "a colour space without end"
        raise ValueError(message)
    if isinstance(value, pikepdf.Stream):
        made = pikepdf.Stream(sheet, value.read_raw_bytes())
        for key in value.keys():  # noqa: SIM118 - a pikepdf object is no mapping
            if key != "/Length":
                made[key] = _carried(sheet, value[key], parts)
        return made
    if isinstance(value, pikepdf.Array):
        return pikepdf.Array([_carried(sheet, each, parts) for each in value])
    if isinstance(value, pikepdf.Dictionary):
        return pikepdf.Dictionary({key: _carried(sheet, value[key], parts) for key in value.keys()})  # noqa: SIM118
    return value


def _loses_rows(item: object, picture: pikepdf.Stream) -> bool:
    """Tell whether much of a fax is lost: rows that a decoder cannot read it leaves white and says nothing."""
    bitmap = pdfium_c.FPDFImageObj_GetBitmap(item)
    if not bitmap:
        return True
    two_ways = int(_parameters(picture).get("/K", 0)) < 0
    again = io.BytesIO()
    seen = pdfium.PdfBitmap.from_raw(bitmap).to_pil().convert("1", dither=Image.Dither.NONE)
    seen.save(again, "TIFF", compression="group4" if two_ways else "group3")
    size = len(_data(picture, _filters(picture)[:-1]))
    return again.tell() < _FAX_SHARE * size - _FAX_SPARE


def _parts_readers(stream: pikepdf.Stream) -> bool:
    """Tell whether a drawing nests without end, or holds a picture of a kind that must not stand in one."""
    seen = 0
    for piece in _pieces(stream):
        seen += len(piece)
        if seen > _MOST:
            return True
        # Counting is a hundred times quicker than the patterns, and mostly enough.
        if (piece.count(b"[") >= _DEEP or piece.count(b"<<") >= _DEEP) and _NESTED.search(piece):
            return True
        for found in _INLINE.finditer(piece) if b"BI" in piece else ():
            told = re.sub(rb"#([0-9A-Fa-f]{2})", lambda code: bytes([int(code[1], 16)]), found[1])
            for named in _INLINE_FILTERS.findall(told):
                if not _INLINE_KNOWN.issuperset(re.findall(rb"/[^\s/\[\]]+", named)):
                    return True
    return False


def _pieces(stream: pikepdf.Stream) -> Iterator[bytes]:
    """Unpack a drawing piece by piece, each with the end of the one before: there are some of 200 MB."""
    if _filters(stream) != ["/FlateDecode"] or "/DecodeParms" in stream:
        yield stream.read_bytes()
        return
    unpacking, packed, last = zlib.decompressobj(), stream.read_raw_bytes(), b""
    while packed:
        piece = unpacking.decompress(packed, _CHUNK)
        yield last + piece
        packed, last = unpacking.unconsumed_tail, piece[-_OVERLAP:]
