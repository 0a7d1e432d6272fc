"""A strict DER reader (X.690) that walks over bytes without copying them.

Definite lengths in their shortest form, single-byte tags, every byte accounted for; anything else is
`NotDer`. It shares no code with what writes our signatures, so that a mistake there shows here.
"""

from __future__ import annotations

from typing import NamedTuple

BOOLEAN, INTEGER, OCTET_STRING, OID = 0x01, 0x02, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1

_MULTI_BYTE_TAG = 0x1F
_LONG_FORM = 0x80
_MAX_LENGTH_BYTES = 4


class NotDer(Exception):
    """The bytes are not the DER structure they should be."""


class Element(NamedTuple):
    """Where one element stands: its tag, its first byte, its content's first byte, the byte after it."""

    tag: int
    at: int
    start: int
    end: int


def element(data: bytes, at: int, end: int) -> Element:
    """Return the element that begins at `at` and ends at or before `end`; raises NotDer."""
    if end - at < 2:  # noqa: PLR2004 - a tag and a length
        raise NotDer
    tag, size, start = data[at], data[at + 1], at + 2
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise NotDer
    if size & _LONG_FORM:
        count = size & ~_LONG_FORM
        if not 1 <= count <= _MAX_LENGTH_BYTES or end - start < count:
            raise NotDer
        size = int.from_bytes(data[start : start + count], "big")
        if data[start] == 0 or size < _LONG_FORM:
            raise NotDer
        start += count
    if start + size > end:
        raise NotDer
    return Element(tag, at, start, start + size)


def children(data: bytes, parent: Element, *tags: int) -> list[Element]:
    """Return the elements that fill `parent`, whose tags must be exactly `tags` if any are named; raises NotDer."""
    found: list[Element] = []
    at, end = parent.start, parent.end
    while at < end:
        child = element(data, at, end)
        found.append(child)
        at = child.end
    if tags and tuple(child.tag for child in found) != tags:
        raise NotDer
    return found


def only_child(data: bytes, parent: Element, tag: int) -> Element:
    """Return the one element that fills `parent`; raises NotDer."""
    child = element(data, parent.start, parent.end)
    if child.tag != tag or child.end != parent.end:
        raise NotDer
    return child
