"""Which bytes a seal covers, read from the bytes themselves rather than through a parser.

Signature wrapping moves the second covered part and hides new content in the gap; a
forged entry makes a lenient reader skip the check. Both end here: the gap holds the
hexadecimal signature and not one byte more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEX = re.compile(rb"<([0-9A-Fa-f]*)>\Z")
_DECLARED = re.compile(rb"/ByteRange\s*\[\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]")
_TRACES = (b"/ByteRange", b"/adbe.pkcs7", b"/ETSI.CAdES", b"/ETSI.RFC3161", b"/DocTimeStamp", b"/SigFlags")
_END = re.compile(rb"%%EOF[\r\n \t\f\0]*\Z")


class BadByteRange(Exception):
    """The byte range does not cover everything before its end but the signature value; the message says how."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a sound byte range covers: all of `[0, end)` but the gap `[gap_start, gap_end)`."""

    gap_start: int
    gap_end: int
    end: int

    def parts(self, document: bytes) -> tuple[memoryview, memoryview]:
        """Return the two covered parts without copying them."""
        view = memoryview(document)
        return view[: self.gap_start], view[self.gap_end : self.end]


def read_coverage(document: bytes, byte_range: tuple[int, ...], contents: bytes) -> Coverage:
    """Check a byte range against the bytes.

    Args:
        document: the whole file.
        byte_range: the numbers as a parser gave them.
        contents: the decoded signature value as the same parser gave it, padding included.

    Raises: BadByteRange.
    """
    if len(byte_range) != 4:  # noqa: PLR2004 - ISO 32000-2, 12.8.1: two pairs
        raise BadByteRange("It does not consist of two pairs.")
    start, first, second_start, second = byte_range
    end = second_start + second
    if start != 0 or first <= 0 or second <= 0 or second_start <= first or end > len(document):
        raise BadByteRange("It does not begin at the first byte or leaves the file.")
    gap = _HEX.match(document[first:second_start])
    if gap is None:
        raise BadByteRange("Between its parts stands something other than the signature value.")
    digits = gap.group(1)
    if len(digits) % 2 or bytes.fromhex(digits.decode("ascii")) != contents:
        raise BadByteRange("The signature value in the gap is not the one the parser reads.")
    if not ends_a_revision(document[max(first, end - 64) : end]):
        raise BadByteRange("It does not end where a revision ends.")
    return Coverage(first, second_start, end)


def declared_byte_ranges(document: bytes) -> tuple[tuple[int, int, int, int], ...]:
    """Return every byte range written in the file, found by search alone."""
    return tuple((int(match[1]), int(match[2]), int(match[3]), int(match[4])) for match in _DECLARED.finditer(document))


def has_seal_traces(document: bytes) -> bool:
    """Tell whether a search of the bytes finds anything that only a sealed PDF has."""
    return any(trace in document for trace in _TRACES)


def ends_a_revision(data: bytes) -> bool:
    """Tell whether bytes end as a revision does."""
    return _END.search(data) is not None


def only_padding(document: bytes, start: int) -> bool:
    """Tell whether nothing but line ends and zero bytes follows."""
    return not document[start:].strip(b"\r\n \t\f\0")
