"""A small DER writer and reader (X.690) for the structures answered thousands of times a second.

Timestamps and OCSP answers have a fixed shape: most of their bytes are known when the
key is loaded. Writing them by hand costs microseconds where a schema library costs
milliseconds. The reader checks every length and accepts definite forms only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ENUMERATED, UTF8_STRING, GENERALIZED_TIME, UTC_TIME = 0x0A, 0x0C, 0x18, 0x17
SEQUENCE, SET = 0x30, 0x31

LONG_FORM = 0x80
MAX_LENGTH_BYTES = 4
MULTI_BYTE_TAG = 0x1F


class MalformedDer(InvalidInput):
    """The bytes are not the DER structure they should be."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return one element: tag, length, the parts joined."""
    content = parts[0] if len(parts) == 1 else b"".join(parts)
    size = len(content)
    if size < LONG_FORM:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, LONG_FORM | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return tlv(SEQUENCE, *parts)


def set_of(*members: bytes) -> bytes:
    """Return a SET OF, its members in DER order."""
    return tlv(SET, *sorted(members))


def integer(value: int) -> bytes:
    """Return an INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octet_string(content: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(OCTET_STRING, content)


def bit_string(content: bytes) -> bytes:
    """Return a BIT STRING without unused bits."""
    return tlv(BIT_STRING, b"\0", content)


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    return tlv(OID, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | (value & 0x7F))
    return bytes(reversed(groups))


def generalized_time(at: datetime, *, milliseconds: bool = False) -> bytes:
    """Return a GeneralizedTime in UTC; a fraction carries no trailing zeros, as DER wants."""
    text = at.strftime("%Y%m%d%H%M%S")
    if milliseconds and (fraction := f"{at.microsecond // 1000:03d}".rstrip("0")):
        text += "." + fraction
    return tlv(GENERALIZED_TIME, text.encode() + b"Z")


@dataclass(frozen=True, slots=True)
class Element:
    """One element read: its tag, its content, and its whole encoding."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self) -> tuple[Element, ...]:
        """Return the elements inside; raises MalformedDer."""
        return tuple(elements(self.content))

    def to_int(self) -> int:
        """Return an INTEGER's or ENUMERATED's value; raises MalformedDer."""
        content = self.content
        padded = len(content) > 1 and content[0] in (0, 0xFF) and (content[0] >> 7) == (content[1] >> 7)
        if self.tag not in (INTEGER, ENUMERATED) or not content or padded:
            raise MalformedDer("An INTEGER was expected.")
        return int.from_bytes(content, "big", signed=True)

    def expect(self, tag: int) -> Element:
        """Return itself if it has this tag; raises MalformedDer."""
        if self.tag != tag:
            raise MalformedDer(f"Tag {tag:#04x} was expected and {self.tag:#04x} found.")
        return self


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements that fill `data` exactly; raises MalformedDer."""
    at = 0
    while at < len(data):
        element, at = _read(data, at)
        yield element


def parse(data: bytes) -> Element:
    """Return the one element `data` consists of; raises MalformedDer, also for trailing bytes."""
    element, end = _read(data, 0)
    if end != len(data):
        raise MalformedDer("There are bytes after the structure.")
    return element


def _read(data: bytes, start: int) -> tuple[Element, int]:
    try:
        tag, size = data[start], data[start + 1]
        at = start + 2
        if size & LONG_FORM:
            count = size & ~LONG_FORM
            size = int.from_bytes(data[at : at + count], "big")
            minimal = count and size >= LONG_FORM and data[at] != 0
            if not minimal or count > MAX_LENGTH_BYTES:
                raise MalformedDer("A length is not in DER form.")
            at += count
    except IndexError as error:
        raise MalformedDer("The structure is cut short.") from error
    end = at + size
    if end > len(data) or tag & MULTI_BYTE_TAG == MULTI_BYTE_TAG:
        raise MalformedDer("The structure is cut short or has an unknown tag.")
    return Element(tag, data[at:end], data[start:end]), end
