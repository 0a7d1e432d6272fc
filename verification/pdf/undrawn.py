"""Is there a picture that cannot be decoded here? It is drawn as nothing, and another reader may show something.

pdfium says nothing of a picture it gives up. Pictures of kinds that a decoder may refuse are therefore drawn once
more, small and alone, on a sheet without a ground: where the sheet stays clear nothing was decoded. What a decoder
passes over in silence is told by what the data themselves have to be (decision 0134).
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import (
    Image,
    TiffImagePlugin,  # noqa: F401 - a sandbox cannot load it later
)

from verification.model import Check, Outcome, Reason, Sentence
from verification.pdf.contents import PLAIN, RANGES, Drawings, is_singular, jpeg_opens, unpacked
from verification.pdf.jbig2 import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verification.pdf.document import Finding

_COLOURS = frozenset({"/DeviceGray", "/DeviceRGB", "/DeviceCMYK", "None"})
_OPENED_AT_ONCE = PLAIN | {"/DCTDecode"}
"""Filters of which pdfium tells on opening what it makes of them; drawing is what costs."""
_SMALLER, _SIDE = 8, 16
"""About as much smaller as a scan is drawn where pages are compared: pdfium draws a JPX that holds too few sizes of
itself as nothing when it is drawn small, and what we did not see is not confirmed either."""
_CARRIED = ("/Width", "/Height", "/BitsPerComponent", "/ColorSpace", "/Decode", "/Filter", "/DecodeParms")
_PARTS = 300
"""Objects in a colour space or the parameters of filters; no honest one has more."""
_FAX_SHARE, _FAX_SPARE = 0.5, 200
"""How much of a fax has to come back when what was decoded of it is encoded anew; marks and padding are not."""
_SHORT = ("/W", "/H", "/BPC", "/CS", "/F", "/D", "/DP", "/IM", "/I")
"""Short keys, which only a picture within a drawing has; some readers know them elsewhere too."""
_NO_INK = re.compile(rb"/Separation\s*/None(?![^\s/\[\]<>()])")
_BITS = frozenset({1, 2, 4, 8})
_Key = tuple[int, int]


def picture_checks(pdf: pikepdf.Pdf) -> tuple[Finding, ...]:
    """Check that every picture of an uncommon kind can be decoded; raises as the libraries do on damage."""
    drawn = _Drawn(pdf)
    drawings = Drawings()
    wrong = drawn.is_odd or any(drawings.are_doubtful(_pieces(parts)) for parts in drawn.drawings())
    uncommon = [picture for picture in drawn.pictures if not _is_plain(picture)]
    if not uncommon and not wrong:
        return ()
    return (told_of_pictures(wrong=wrong or not all(map(_sound, uncommon)) or _refused(uncommon)),)


def told_of_pictures(*, wrong: bool) -> Finding:
    """Say whether a picture could not be decoded."""
    detail = (
        Reason.PICTURE_NOT_DRAWN.sentence
        if wrong
        else Sentence("文件中的图像均能解码显示。", "Every picture in the file can be decoded and shown.")
    )
    outcome = Outcome.UNKNOWN if wrong else Outcome.PASSED
    return Check("pdf.pictures", "ISO 32000-2, 7.4 and 8.9", outcome, detail), Reason.PICTURE_NOT_DRAWN


class _Drawn:
    """The pictures of a file and the streams that draw, each once however many pages share it."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self.pictures: list[pikepdf.Stream] = []
        self.is_odd = False
        self._contents: dict[tuple[_Key, ...], list[pikepdf.Stream]] = {}
        self._alone: dict[_Key, pikepdf.Stream] = {}
        for item in pdf.objects:
            if isinstance(item, pikepdf.Stream):
                self._read(item)
            elif isinstance(item, pikepdf.Dictionary):
                # Asking first is ten times quicker than getting what is mostly not there.
                if "/Contents" in item:
                    parts = _streams(item["/Contents"])
                    self._contents[tuple(part.objgen for part in parts)] = parts
                self._read_glyphs(item)
            if isinstance(item, (pikepdf.Stream, pikepdf.Dictionary)):
                self._read_fonts(item["/Resources"] if "/Resources" in item else item)  # noqa: SIM401 - as above

    def drawings(self) -> Iterator[list[pikepdf.Stream]]:
        """Yield each drawing as the streams it consists of."""
        yield from self._contents.values()
        within = {key for keys in self._contents for key in keys}
        yield from ([stream] for key, stream in self._alone.items() if key not in within)

    def _read_fonts(self, resources: object) -> None:
        """Read the fonts that are no objects of their own."""
        fonts = resources["/Font"] if isinstance(resources, pikepdf.Dictionary) and "/Font" in resources else None
        for font in fonts.values() if isinstance(fonts, pikepdf.Dictionary) else ():
            if isinstance(font, pikepdf.Dictionary) and not font.is_indirect:
                self._read_glyphs(font)

    def _read_glyphs(self, font: pikepdf.Dictionary) -> None:
        glyphs = _streams(font["/CharProcs"]) if "/CharProcs" in font else []
        self._alone |= {glyph.objgen: glyph for glyph in glyphs}

    def _read(self, stream: pikepdf.Stream) -> None:
        if "/DecodeParms" in stream:
            self.is_odd = self.is_odd or not _parameters_hold(stream["/DecodeParms"])
        if stream.get("/Subtype") == "/Image":
            self.is_odd = self.is_odd or not _is_named_in_full(stream)
            self.pictures.append(stream)
        elif "/BBox" in stream or "/PatternType" in stream:
            # An appearance need not say that it is a form.
            self._alone[stream.objgen] = stream
            matrix = [float(number) for number in stream["/Matrix"]] if "/Matrix" in stream else []
            self.is_odd = self.is_odd or (bool(matrix) and is_singular(matrix))


def _is_named_in_full(picture: pikepdf.Stream) -> bool:
    sizes = (picture.get("/Width"), picture.get("/Height"))
    return all(isinstance(size, int) and size > 0 for size in sizes) and not any(key in picture for key in _SHORT)


def _parameters_hold(given: object) -> bool:
    """Tell whether the parameters of filters are within what the filters know."""
    for each in given if isinstance(given, pikepdf.Array) else [given]:
        if each is None:
            continue
        if not isinstance(each, pikepdf.Dictionary):
            return False
        said = ((each[key], allowed) for key, allowed in RANGES.items() if key in each)
        if any(not isinstance(value, int) or value not in allowed for value, allowed in said):
            return False
    return True


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
    return PLAIN.issuperset(_filters(picture)) and str(picture.get("/ColorSpace")) in _COLOURS


def _sound(picture: pikepdf.Stream) -> bool:
    """Tell whether a picture's data are whole, where a decoder would not say that they are not."""
    *before, last = _filters(picture) or [""]
    if last == "/JBIG2Decode":
        common = _parameters(picture).get("/JBIG2Globals")
        shared = common.read_bytes() if isinstance(common, pikepdf.Stream) else b""
        return is_whole(_data(picture, before), shared, (int(picture.Width), int(picture.Height)))
    if last == "/DCTDecode":
        return jpeg_opens(_data(picture, before))
    return _colours_hold(picture)


def _colours_hold(picture: pikepdf.Stream) -> bool:
    """Tell whether every point has a colour: readers part over one beyond the table, and over the ink `None`."""
    space = picture.get("/ColorSpace")
    if not isinstance(space, pikepdf.Array):
        return True
    if _NO_INK.search(space.unparse(resolved=True)):
        return False
    bits = picture.get("/BitsPerComponent", 8)
    plain = PLAIN.issuperset(_filters(picture)) and isinstance(bits, int) and bits in _BITS
    if not plain or str(space[0]) != "/Indexed":
        return True
    highest, known = int(space[2]), (1 << int(bits)) - 1
    if "/Decode" in picture and [float(number) for number in picture.Decode] != [0, known]:
        return False
    if highest >= known:
        return True
    fields = range(0, 8, int(bits))
    within = bytes(each for each in range(256) if all((each >> at) & known <= highest for at in fields))
    return not any(piece.translate(None, within) for piece in _unpacked(picture))


def _data(picture: pikepdf.Stream, before: list[str]) -> bytes:
    """Return a picture's data as its last filter takes them."""
    data = picture.read_raw_bytes()
    if not before:
        return data
    with pikepdf.new() as apart:
        packed = pikepdf.Stream(apart, data)
        packed.Filter = pikepdf.Array([pikepdf.Name(name) for name in before])
        return packed.read_bytes()


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
    # A name or text may be an object of its own, which belongs to its file.
    return pikepdf.Object.parse(value.unparse(resolved=True)) if isinstance(value, pikepdf.Object) else value


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


def _pieces(parts: list[pikepdf.Stream]) -> Iterator[bytes]:
    """Unpack what a drawing consists of; a space stands between the parts."""
    for stream in parts:
        yield from _unpacked(stream)
        yield b" "


def _unpacked(stream: pikepdf.Stream) -> Iterator[bytes]:
    if _filters(stream) != ["/FlateDecode"] or "/DecodeParms" in stream:
        yield stream.read_bytes()
    else:
        yield from unpacked(stream.read_raw_bytes())
