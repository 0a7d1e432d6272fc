"""Is a JBIG2 stream one that every reader reads to its end? pdfium draws what it does not know as white."""

from __future__ import annotations

import struct

_PAGE, _END_OF_PAGE, _END_OF_FILE = 48, 49, 51
_REGIONS = frozenset({6, 7, 22, 23, 38, 39, 42, 43})
_OTHERS = frozenset({0, 4, 16, 20, 36, 40, _PAGE, _END_OF_PAGE, 50, _END_OF_FILE, 52, 53, 62})
"""Dictionaries, regions kept for later, the marks of pages, tables and comments."""
_PADDING = 16
_UNKNOWN = 0xFFFFFFFF


class _Damaged(Exception):
    """The stream is not made of whole, known segments."""


def is_whole(data: bytes, common: bytes, size: tuple[int, int]) -> bool:
    """Tell whether a stream holds one page of a picture's size in whole segments of known kinds.

    Args:
        data: the stream as a PDF embeds it, without a file's header (ISO 32000-2, 7.4.7; ITU-T T.88, annex D.3).
        common: the segments it shares with others.
        size: width and height as the PDF states them.
    """
    try:
        _segments(common)
        segments = _segments(data)
    except (_Damaged, struct.error, IndexError):
        return False
    pages = [body for kind, body in segments if kind == _PAGE]
    if len(pages) != 1 or len(pages[0]) < 19 or not any(kind in _REGIONS for kind, _ in segments):  # noqa: PLR2004 - T.88, 7.4.8
        return False
    width, height = struct.unpack_from(">II", pages[0])
    return width == size[0] and height in {size[1], _UNKNOWN}


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """Return kind and body of each segment (T.88, 7.2)."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        if found and found[-1][0] in {_END_OF_PAGE, _END_OF_FILE} and len(data) - at <= _PADDING:
            break
        number, flags = struct.unpack_from(">IB", data, at)
        at += 5
        count = data[at] >> 5
        if count == 7:  # noqa: PLR2004 - the long form
            count = struct.unpack_from(">I", data, at)[0] & 0x1FFFFFFF
            at += 4 + (count + 8) // 8
        else:
            at += 1
        at += count * (1 if number <= 256 else 2 if number <= 65_536 else 4)  # noqa: PLR2004 - T.88, 7.2.5
        at += 4 if flags & 0x40 else 1
        (length,) = struct.unpack_from(">I", data, at)
        at += 4
        kind = flags & 0x3F
        if kind not in _REGIONS | _OTHERS or at + length > len(data):
            raise _Damaged
        found.append((kind, data[at : at + length]))
        at += length
    return found
