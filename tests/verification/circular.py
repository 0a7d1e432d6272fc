"""Sealed files whose structure runs in rings or goes down without end: sound seals over what no reader gets through.

They are written and sealed by hand, since no library writes, or even opens, the most of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.verification.hostile import PAGE, PAGES
from tests.verification.pki import issue
from tests.verification.samples import apart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.verification.pki import Pki

DEPTH = 10_000
FIRST = 6
"""The number of the first object after catalogue, pages, page, field and seal."""
_ROOM = 8_192


@dataclass(frozen=True)
class Structure:
    """What a file holds besides its seal; entries end with the object they stand in."""

    objects: tuple[bytes, ...] = ()
    catalogue: bytes = b""
    pages: bytes = PAGES
    page: bytes = b""
    trailer: bytes = b""
    in_streams: tuple[tuple[int, int], ...] = ()
    """Objects after the last, each said to lie in an object stream."""


def form(entries: bytes, content: bytes = b"/X Do") -> bytes:
    return stream(b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]" + entries, content)


def stream(entries: bytes, content: bytes) -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(content), content)


def chain(depth: int) -> tuple[bytes, ...]:
    """Objects that each refer to the next."""
    return (*(b"[%d 0 R]" % (FIRST + number) for number in range(1, depth)), b"[]")


def page_tree(depth: int) -> Structure:
    """Nodes that each have one child, the page at the end of them."""
    last = FIRST + depth - 1
    nodes = [
        b"<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>"
        % (3 if number == last else number + 1, 2 if number == FIRST else number - 1)
        for number in range(FIRST, last + 1)
    ]
    pages = b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % FIRST
    return Structure(tuple(nodes), pages=pages, page=b"/Parent %d 0 R" % last)


DRAWN = b"/Resources<</XObject<</X 6 0 R>>>>/Contents 7 0 R"
USE = stream(b"", b"/X Do")
HARMLESS = {
    "outline_ring": Structure(
        (
            b"<</Type/Outlines/First 7 0 R/Last 8 0 R/Count 2>>",
            b"<</Title(a)/Parent 6 0 R/Next 8 0 R/Prev 8 0 R/First 8 0 R/Last 8 0 R>>",
            b"<</Title(b)/Parent 7 0 R/Next 7 0 R/Prev 7 0 R/First 7 0 R/Last 7 0 R>>",
        ),
        catalogue=b"/Outlines 6 0 R",
    ),
    "structure_ring": Structure(
        (
            b"<</Type/StructTreeRoot/K[7 0 R]>>",
            b"<</Type/StructElem/S/P/P 8 0 R/K[8 0 R]>>",
            b"<</Type/StructElem/S/P/P 7 0 R/K[7 0 R 6 0 R]>>",
        ),
        catalogue=b"/StructTreeRoot 6 0 R/MarkInfo<</Marked true>>",
    ),
    "resources_ring": Structure(
        (form(b"/Resources 8 0 R", b"0 0 9 9 re f"), USE, b"<</XObject<</X 6 0 R/Y 8 0 R>>/Resources 8 0 R>>"),
        page=DRAWN,
    ),
    "names_ring": Structure(
        (b"<</Kids[7 0 R]/Limits[(a)(b)]>>", b"<</Kids[6 0 R]/Limits[(a)(b)]>>"), catalogue=b"/Names<</Dests 6 0 R>>"
    ),
    "reference_ring": Structure((b"[7 0 R]", b"[6 0 R]"), catalogue=b"/X 6 0 R"),
    "page_of_itself": Structure(pages=b"<</Type/Pages/Parent 2 0 R/Kids[3 0 R]/Count 1>>", page=b"/Parent 3 0 R"),
    "contents_ring": Structure((b"[6 0 R]",), page=b"/Contents 6 0 R"),
    "object_streams_ring": Structure(
        (
            stream(b"/Type/ObjStm/N 1/First 4/Extends 7 0 R", b"8 0 (a)"),
            stream(b"/Type/ObjStm/N 1/First 4/Extends 6 0 R", b"9 0 (b)"),
        ),
        catalogue=b"/X[8 0 R 9 0 R]",
        in_streams=((6, 0), (7, 0)),
    ),
    "references_1000": Structure(chain(1_000), catalogue=b"/X 6 0 R"),
}
"""Every reader shows the same page, whatever else runs in a ring: the seal is good and the paper what it shows."""
BROKEN = {
    "page_tree_ring": Structure(pages=b"<</Type/Pages/Kids[3 0 R 2 0 R]/Count 2>>"),
    "page_tree_ring_of_two": Structure(
        (b"<</Type/Pages/Kids[2 0 R]/Parent 2 0 R/Count 1>>",), pages=b"<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2>>"
    ),
    "pages_1000": page_tree(1_000),
    "arrays_10000": Structure(catalogue=b"/X " + b"[" * DEPTH + b"]" * DEPTH),
    "arrays_10000_apart": Structure((b"[" * DEPTH + b"]" * DEPTH,), catalogue=b"/X 6 0 R"),
    "dictionaries_10000": Structure(catalogue=b"/X " + b"<</X" * DEPTH + b" 0" + b">>" * DEPTH),
    "drawn_arrays_10000": Structure(
        (form(b"", b"0 0 9 9 re f"), stream(b"", b"[" * DEPTH + b"]" * DEPTH + b" 0 d /X Do")), page=DRAWN
    ),
    "form_of_itself": Structure((form(b"/Resources<</XObject<</X 6 0 R>>>>"), USE), page=DRAWN),
    "forms_in_a_ring": Structure(
        (form(b"/Resources<</XObject<</X 8 0 R>>>>"), USE, form(b"/Resources<</XObject<</X 6 0 R>>>>")), page=DRAWN
    ),
    "form_by_inherited_names": Structure((form(b""), USE), page=DRAWN),
    "fields_ring": Structure(
        (b"<</T(a)/Kids[7 0 R]/Parent 7 0 R>>", b"<</T(b)/Kids[6 0 R]/Parent 6 0 R>>"),
        catalogue=b"/AcroForm<</Fields[4 0 R 6 0 R]/SigFlags 3>>",
    ),
    "field_of_itself": Structure(
        (b"<</T(a)/Kids[4 0 R 6 0 R]/Parent 6 0 R>>",), catalogue=b"/AcroForm<</Fields[6 0 R]/SigFlags 3>>"
    ),
    "length_ring": Structure((b"<</Length 6 0 R>>stream\n0 0 9 9 re f\nendstream",), page=b"/Contents 6 0 R"),
    "filters_ring": Structure((b"<</Filter 7 0 R/Length 1>>stream\n0\nendstream", b"[7 0 R]"), page=b"/Contents 6 0 R"),
    "colour_ring": Structure(
        (stream(b"", b"/C cs 0 sc 0 0 9 9 re f"), b"[/Indexed 7 0 R 1<0000>]"),
        page=b"/Contents 6 0 R/Resources<</ColorSpace<</C 7 0 R>>>>",
    ),
    "function_ring": Structure(
        (
            stream(b"", b"/S sh"),
            b"<</ShadingType 2/ColorSpace/DeviceGray/Coords[0 0 9 9]/Function 8 0 R>>",
            b"<</FunctionType 3/Domain[0 1]/Functions[8 0 R 8 0 R]/Bounds[.5]/Encode[0 1 0 1]>>",
        ),
        page=b"/Contents 6 0 R/Resources<</Shading<</S 7 0 R>>>>",
    ),
    "object_streams_within": Structure(catalogue=b"/X[6 0 R 7 0 R]", in_streams=((7, 0), (6, 0))),
    "sections_ring": Structure(trailer=b"/Prev %d"),
}
"""Readers part, give up or would never end."""


def written(structure: Structure) -> tuple[bytes, int, int]:
    """Return a file with room for a seal's value, and where that stands."""
    catalogue = b"" if b"/AcroForm" in structure.catalogue else b"/AcroForm<</Fields[4 0 R]/SigFlags 3>>"
    page = PAGE.replace(b"/Parent 2 0 R", b"") if b"/Parent" in structure.page else PAGE
    resources = b"" if b"/Resources" in structure.page else b"/Resources<<>>"
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R%s%s>>" % (catalogue, structure.catalogue),
        structure.pages,
        page[:-2] + b"/Annots[4 0 R]%s%s>>" % (resources, structure.page),
        b"<</Type/Annot/Subtype/Widget/FT/Sig/T(Seal1)/Rect[0 0 0 0]/F 132/P 3 0 R/V 5 0 R>>",
        b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/ByteRange[0 %s]/Contents<%s>>>"
        % (b" " * 32, b"0" * _ROOM),
        *structure.objects,
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = out.index(b"/Contents<", offsets[4]) + 9
    return out + _sections(structure, offsets, len(out)), start, start + _ROOM + 2


def _sections(structure: Structure, offsets: list[int], start: int) -> bytes:
    size = len(offsets) + 1 + len(structure.in_streams)
    if not structure.in_streams:
        table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        more = structure.trailer % start if structure.trailer else b""
        return b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Root 1 0 R/Size %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (
            size,
            table,
            size,
            more,
            start,
        )
    entries = [(0, 0, 255), *((1, offset, 0) for offset in offsets), *((2, *held) for held in structure.in_streams)]
    entries.append((1, start, 0))
    data = b"".join(struct.pack(">BIB", *entry) for entry in entries)
    section = stream(b"/Type/XRef/Size %d/W[1 4 1]/Root 1 0 R" % (size + 1), data)
    return b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (size, section, start)


def sealed_by_hand(structure: Structure, pki: Pki, *, trusted: bool = True) -> bytes:
    """Seal a structure at B-B, by a stranger where `trusted` is false."""
    document, start, end = written(structure)
    numbers = b"%d %d %d" % (start, end, len(document) - end)
    document = document.replace(b"/ByteRange[0 " + b" " * 32, b"/ByteRange[0 " + numbers.ljust(32))
    identity = None if trusted else issue("不知何人", None)
    digest = hashlib.sha256(document[:start] + document[end:]).digest()
    signer = pki.signer(identity)
    value = apart(lambda: asyncio.run(signer.async_sign(digest, "sha256", use_pades=True))).dump()
    return document[: start + 1] + value.hex().encode().ljust(_ROOM, b"0") + document[end - 1 :]


def circular(pki: Pki) -> Iterator[tuple[str, bytes, bool]]:
    """Yield every structure sealed by a trusted key and by a stranger's, and whether it is to be VALID."""
    for name, structure in (HARMLESS | BROKEN).items():
        yield name, sealed_by_hand(structure, pki), name in HARMLESS
        yield f"{name}_by_stranger", sealed_by_hand(structure, pki, trusted=False), False
