"""Could readers part over what a drawing says? They do over pictures within it and over numbers beyond all measure.

Most drawings hold neither, which a few searches tell. Of the others strings and comments are passed over and every
picture is read up to its data; what cannot be read, or not in time, counts as doubtful (decision 0134).
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

from PIL import JpegImagePlugin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLAIN = frozenset({"/FlateDecode", "/LZWDecode", "/RunLengthDecode", "/ASCII85Decode", "/ASCIIHexDecode"})
RANGES = {
    "/Predictor": frozenset({1, 2, *range(10, 16)}),
    "/Colors": range(1, 33),
    "/BitsPerComponent": frozenset({1, 2, 4, 8, 16}),
    "/Columns": range(1 << 20),
    "/EarlyChange": range(2),
}
"""What the parameters of filters may say; readers part over anything else."""

_CHUNK, _OVERLAP = 1 << 20, 64
_MOST = 64_000_000
"""Bytes of one drawing, unpacked; one that is longer is drawn by nobody in time."""
_MOST_READ = 8_000_000
_STEPS = 400_000
"""How much is read of the doubtful drawings of one file: half a second."""
_STRIDE, _TOLD = 200, 20
"""Bytes that are passed over in one step, and steps that it takes to tell a matrix."""
_LONGEST = 1_000
_WINDOW = 400
"""Bytes that the six numbers of a matrix take, at most."""
_DEEP = 40
_NESTED = re.compile(rb"(?:\[\s*){%d}|(?:<<\s*(?:/[^\s<>/\[\]()]*\s*)?){%d}" % (_DEEP, _DEEP))
_BEGINS = rb"(?<![^\0\s\]\[<>(){}0-9.])BI(?![^\0\s/%\[\]<>(){}])"
_PICTURE = re.compile(_BEGINS)
_TINY = b"." + 12 * b"0"
_SMALLEST = 1e-12
_DIGITS = bytes.maketrans(b"123456789", 9 * b"0")
_LARGE = rb"(?<![^\0\s\]\[>){}])[+-]*[0-9]{10}"
_TOO_LARGE = re.compile(_LARGE)
_LARGEST = 10**9
_NOTED = re.compile(rb"[(<%]|" + _BEGINS + rb"|" + _LARGE + rb"|(?<![^\0\s])(?:cm|Tm)(?![^\0\s])")
_STRING = re.compile(rb"\\.|[()]", re.DOTALL)
_TOKEN = re.compile(rb"[\0\s]*(?:%[^\r\n]*|(<<|>>|[\[\]]|/?[^\0\s/%\[\]<>(){}]+|/)|(<[0-9A-Fa-f\0\s]*>)|(\())")
_CODE = re.compile(rb"#([0-9A-Fa-f]{2})")
_LINE_END = re.compile(rb"[\r\n]")
_NUMERALS = frozenset(bytes([each]) for each in b"0123456789.")
_FILTER = frozenset({b"/F", b"/Filter"})
_END = re.compile(rb"[\0\s]EI(?![^\0\s/\[<(])")
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_WORDS = frozenset({b"true", b"false", b"null", b"[", b"]", b"<<", b">>"})
_JPEG = frozenset({b"/DCT", b"/DCTDecode"})
_KNOWN = frozenset(
    {*(name.encode() for name in PLAIN), b"/CCITTFaxDecode", b"/Fl", b"/LZW", b"/RL", b"/A85", b"/AHx", b"/CCF"} | _JPEG
)
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}


class _Endless(Exception):
    """There is more to read than anybody has time for."""


class Drawings:
    """What the drawings of one file hold that readers part over."""

    def __init__(self) -> None:
        self._left = _STEPS

    def are_doubtful(self, pieces: Iterable[bytes]) -> bool:
        """Tell whether a drawing nests without end, holds a picture no reader has to show, or numbers out of range."""
        size, doubtful, last, kept = 0, False, b"", []
        for piece in pieces:
            size += len(piece)
            seen = last + piece
            # Counting is a hundred times quicker than the patterns, and mostly enough.
            deep = seen.count(b"[") >= _DEEP or seen.count(b"<<") >= _DEEP
            if size > _MOST or (deep and _NESTED.search(seen)):
                return True
            doubtful = doubtful or _is_noted(seen)
            if size <= _MOST_READ:
                kept.append(piece)
            last = piece[-_OVERLAP:]
        try:
            return doubtful and (size > _MOST_READ or not self._reads(b"".join(kept)))
        except _Endless:
            return True

    def _step(self, passed: int = 0) -> None:
        self._left -= 1 + passed // _STRIDE
        if self._left < 0:
            raise _Endless

    def _reads(self, data: bytes) -> bool:
        """Tell whether a drawing can be read, and holds only pictures and numbers that readers agree on."""
        # Where a picture's data end is not for certain: what looks like one in them, or a string, may be one elsewhere.
        for found in _PICTURE.finditer(data):
            filters = self._picture(data, found.end())[1]
            if not _KNOWN.issuperset(filters):
                return False
        at: int | None = 0
        while at is not None and (noted := _NOTED.search(data, at)):
            self._step()
            at = self._after(data, noted)
        return at is not None

    def _after(self, data: bytes, noted: re.Match[bytes]) -> int | None:
        """Return where to go on behind what was noted, or None where readers part over it."""
        word, at = noted[0], noted.end()
        if word == b"(":
            return self._after_string(data, at)
        if word == b"%":
            ends = _LINE_END.search(data, at)
            return ends.start() if ends else len(data)
        if word == b"<":
            return at + 1 if data[at : at + 1] == b"<" else (data.find(b">", at) + 1 or None)
        if word in {b"cm", b"Tm"}:
            before = data[max(0, noted.start() - _WINDOW) : noted.start()]
            self._step(_TOLD * _STRIDE if _TINY in before else 0)
            return at if _is_matrix(before) else None
        return self._after_picture(data, noted) if word == b"BI" else None

    def _after_picture(self, data: bytes, begins: re.Match[bytes]) -> int | None:
        start, filters = self._picture(data, begins.end())
        if start is None or not _KNOWN.issuperset(filters) or data[begins.start() - 1 : begins.start()] in _NUMERALS:
            return None
        ends = _END.search(data, start)
        if ends is None:
            return None
        if not _JPEG.isdisjoint(filters) and (len(filters) > 1 or not jpeg_opens(data[start + 1 : ends.start()])):
            return None
        return ends.end()

    def _after_string(self, data: bytes, at: int) -> int | None:
        depth = 1
        for found in _STRING.finditer(data, at):
            self._step()
            depth += {b"(": 1, b")": -1}.get(found[0], 0)
            if depth == 0:
                return found.end()
        return None

    def _picture(self, data: bytes, at: int) -> tuple[int | None, list[bytes]]:
        """Return where a picture's data begin, and its filters; None, and none, where it is no picture."""
        filters: list[bytes] = []
        key, within = b"", False
        for ends, token in self._entries(data, at):
            if token == b"ID":
                return ends, filters
            if token[:1] != b"/" and token not in _WORDS and not _NUMBER.fullmatch(token):
                break
            if key in _FILTER or within:
                within = token != b"]" and (within or token == b"[")
                filters += [] if token in {b"[", b"]"} else [token]
            elif _is_out_of_range(key, token):
                filters.append(token)
            key = b"" if within else token
        return None, []

    def _entries(self, data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        """Yield words with where they end, up to what is none; strings and comments are passed over."""
        while found := _TOKEN.match(data, at):
            at, token = found.end(), found[1]
            self._step(len(found[0]))
            if found[3]:
                after = self._after_string(data, at)
                if after is None:
                    return
                at = after
            if token is not None:
                if len(token) > _LONGEST:
                    return
                yield at, _CODE.sub(lambda code: bytes([int(code[1], 16)]), token) if b"#" in token else token


def unpacked(packed: bytes) -> Iterator[bytes]:
    """Unpack a drawing piece by piece: there are some of 200 MB."""
    unpacking = zlib.decompressobj()
    while packed:
        yield unpacking.decompress(packed, _CHUNK)
        packed = unpacking.unconsumed_tail


def is_singular(matrix: list[float]) -> bool:
    """Tell whether what a matrix leaves is too small, or too large, for some readers to tell from nothing."""
    a, b, c, d = matrix[:4]
    return 0 < abs(a * d - b * c) < _SMALLEST or any(abs(number) >= _LARGEST for number in matrix)


def jpeg_opens(data: bytes) -> bool:
    """Tell whether a JPEG can be decoded; one that was cut off can, by all readers alike, to where it ends."""
    if not _is_common(data):
        return False
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data + b"\xff\xd9")) as picture:
            picture.draft("L", (1, 1))
            picture.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _is_common(data: bytes) -> bool:
    """Tell whether a JPEG's frame is of a kind that every reader has: pdfium has no arithmetic and lossless ones."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - T.81, B.1.1.2
        kind = data[at + 1]
        if kind in _FRAMES or kind in _OTHER_FRAMES:
            return kind in _FRAMES
        at += 1 if kind == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")  # noqa: PLR2004 - a fill byte
    return False


def _is_noted(data: bytes) -> bool:
    """Tell whether a drawing has to be read."""
    return (
        (b"BI" in data and _PICTURE.search(data) is not None)
        or _TINY in data
        or (10 * b"0" in data.translate(_DIGITS) and _TOO_LARGE.search(data) is not None)
    )


def _is_matrix(before: bytes) -> bool:
    """Tell whether the numbers before an operator are no matrix that readers part over."""
    if len(before) == _WINDOW and len(before.split()) <= 6:  # noqa: PLR2004 - one may be cut
        return False
    if _TINY not in before:
        return True
    numbers = _NUMBER.findall(before)[-6:]
    return len(numbers) == 6 and not is_singular([float(each) for each in numbers])  # noqa: PLR2004


def _is_out_of_range(key: bytes, value: bytes) -> bool:
    allowed = RANGES.get(key.decode("latin-1"))
    return allowed is not None and _NUMBER.fullmatch(value) is not None and float(value) not in allowed
