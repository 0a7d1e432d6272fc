"""Writing an incremental update: the document's bytes stay, new objects follow them.

The update ends with a cross-reference of the kind the document ends with (ISO 32000-1,
7.5.6 and 7.5.8), so that no file becomes a hybrid.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pikepdf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from signing.pdf_file import PdfFile

CARRIED = ("/Info",)
MAX_GENERATION = 65_535


class PdfUpdate:
    """Collects new and replaced objects and writes them behind a file."""

    def __init__(self, file: PdfFile) -> None:
        """Start an empty update of a file."""
        self._file = file
        self._next = file.size
        self._objects: dict[tuple[int, int], bytes] = {}

    def reserve(self) -> int:
        """Return a new object number to refer to before the object is written."""
        number = self._next
        self._next += 1
        return number

    def add(self, body: bytes) -> int:
        """Add an object and return its number."""
        number = self.reserve()
        self.put(number, body)
        return number

    def add_stream(self, dictionary: bytes, data: bytes) -> int:
        """Add a stream and return its number; `dictionary` is the entries without /Length and brackets."""
        return self.add(b"<<%s/Length %d>>stream\n%s\nendstream" % (dictionary, len(data), data))

    def put(self, number: int, body: bytes, generation: int = 0) -> None:
        """Write a reserved or replaced object."""
        self._objects[number, generation] = body

    def replace(self, value: Any, changes: Mapping[str, bytes | None]) -> None:  # noqa: ANN401
        """Write an indirect dictionary anew with some entries changed; None drops one."""
        number, generation = value.objgen
        self.put(number, dictionary_with(value, changes), generation)

    def render(self) -> tuple[bytes, dict[int, int]]:
        """Return the bytes to append, and where in them each new object's body begins."""
        start = len(self._file.data)
        out = bytearray() if self._file.data.endswith((b"\n", b"\r")) else bytearray(b"\n")
        offsets: dict[tuple[int, int], int] = {}
        bodies: dict[int, int] = {}
        for (number, generation), body in sorted(self._objects.items()):
            offsets[number, generation] = start + len(out)
            out += b"%d %d obj\n" % (number, generation)
            bodies[number] = len(out)
            out += body
            out += b"\nendobj\n"
        xref = start + len(out)
        out += self._stream_xref(offsets, xref) if self._file.xref_is_stream else self._table(offsets)
        out += b"startxref\n%d\n%%%%EOF\n" % xref
        return bytes(out), bodies

    def _table(self, offsets: Mapping[tuple[int, int], int]) -> bytes:
        lines = [b"xref\n"]
        for first, section in _sections(offsets):
            lines.append(b"%d %d\n" % (first, len(section)))
            lines.extend(b"%010d %05d n \n" % (offsets[key], key[1]) for key in section)
        lines.append(b"trailer\n<</Size %d%s>>\n" % (self._next, self._trailer_entries()))
        return b"".join(lines)

    def _stream_xref(self, offsets: Mapping[tuple[int, int], int], at: int) -> bytes:
        number = self.reserve()
        entries = {**offsets, (number, 0): at}
        sections = list(_sections(entries))
        rows = b"".join(
            b"\1" + entries[key].to_bytes(4, "big") + key[1].to_bytes(2, "big")
            for _, section in sections
            for key in section
        )
        index = b" ".join(b"%d %d" % (first, len(section)) for first, section in sections)
        return b"%d 0 obj\n<</Type/XRef/Size %d/W[1 4 2]/Index[%s]%s/Length %d>>stream\n%s\nendstream\nendobj\n" % (
            number,
            self._next,
            index,
            self._trailer_entries(),
            len(rows),
            rows,
        )

    def _trailer_entries(self) -> bytes:
        trailer = self._file.pdf.trailer
        parts = [b"/Root %d %d R/Prev %d" % (*self._file.root.objgen, self._file.last_xref)]
        parts.extend(key.encode() + b" " + trailer[key].unparse() for key in CARRIED if key in trailer)
        parts.append(b"/ID[%s<%s>]" % self._identifiers(trailer))
        return b"".join(parts)

    def _identifiers(self, trailer: Any) -> tuple[bytes, bytes]:  # noqa: ANN401
        """Keep the file's first identifier and give the revision its own (ISO 32000-1, 14.4)."""
        digest = hashlib.sha256(self._file.data[-4096:])
        for body in self._objects.values():
            digest.update(body)
        own = digest.hexdigest()[:32].encode()
        existing = trailer.get("/ID")
        first = existing[0].unparse() if isinstance(existing, pikepdf.Array) and len(existing) else b"<%s>" % own
        return first, own


def dictionary_with(value: Any, changes: Mapping[str, bytes | None]) -> bytes:  # noqa: ANN401
    """Return a dictionary in PDF syntax with some entries changed; None drops one."""
    parts = [pikepdf.Name(key).unparse() + b" " + entry.unparse() for key, entry in value.items() if key not in changes]
    parts.extend(key.encode() + b" " + entry for key, entry in changes.items() if entry is not None)
    return b"<<" + b"".join(parts) + b">>"


def array_with(value: Any, more: Iterable[bytes]) -> bytes:  # noqa: ANN401
    """Return an array in PDF syntax with entries appended; an absent array counts as empty."""
    entries = [entry.unparse() for entry in value] if isinstance(value, pikepdf.Array) else []
    return b"[" + b" ".join((*entries, *more)) + b"]"


def append_annotations(file: PdfFile, update: PdfUpdate, on_pages: Mapping[int, Sequence[int]]) -> None:
    """Add annotations to their pages, changing nothing but the page's /Annots."""
    for number, new in on_pages.items():
        page = file.page(number)
        existing = page.get("/Annots")
        array = array_with(existing, map(reference, new))
        if isinstance(existing, pikepdf.Array) and existing.is_indirect:
            update.put(existing.objgen[0], array, existing.objgen[1])
        else:
            update.replace(page, {"/Annots": array})


def reference(number: int, generation: int = 0) -> bytes:
    """Return a reference in PDF syntax."""
    return b"%d %d R" % (number, generation)


def text_string(text: str) -> bytes:
    """Return a text string in PDF syntax, UTF-16BE where ASCII does not do."""
    raw = text.encode("ascii") if text.isascii() else b"\xfe\xff" + text.encode("utf-16-be")
    return b"<" + raw.hex().encode() + b">"


def _sections(offsets: Mapping[tuple[int, int], int]) -> Iterable[tuple[int, list[tuple[int, int]]]]:
    run: list[tuple[int, int]] = []
    for key in sorted(offsets):
        if run and key[0] != run[-1][0] + 1:
            yield run[0][0], run
            run = []
        run.append(key)
    if run:
        yield run[0][0], run
