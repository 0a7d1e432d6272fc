"""The part of CBOR that codes and tokens use, read strictly (RFC 8949, section 4.2.1).

Deterministic encoding only: shortest lengths, sorted keys, nothing indefinite, nothing
twice. Two encodings of one content would be two texts under one signature.
"""

from __future__ import annotations

from dataclasses import dataclass

MAXIMUM_DEPTH = 8
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLE_VALUES = {20: False, 21: True, 22: None}


class BadCbor(Exception):
    """The bytes are not the deterministic encoding of anything expected here."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tagged value."""

    tag: int
    value: object


def decode(data: bytes) -> object:
    """Return the one value `data` encodes; raises BadCbor."""
    value, end = _read(data, 0, MAXIMUM_DEPTH)
    if end != len(data):
        raise BadCbor("Something follows the value.")
    return value


def encode_head(major: int, argument: int) -> bytes:
    """Return the head of an item in its shortest form."""
    if argument < 24:  # noqa: PLR2004 - RFC 8949, section 3
        return bytes([major << 5 | argument])
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if argument < 1 << (8 * size):
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise BadCbor("The number is too large.")


def encode_bytes(value: bytes) -> bytes:
    """Return a byte string."""
    return encode_head(_BYTES, len(value)) + value


def encode_text(value: str) -> bytes:
    """Return a text string."""
    encoded = value.encode()
    return encode_head(_TEXT, len(encoded)) + encoded


def _read(data: bytes, position: int, depth: int) -> tuple[object, int]:  # noqa: PLR0911 - one return a major type
    if depth == 0:
        raise BadCbor("It is nested too deeply.")
    major, argument, position = _read_head(data, position)
    if major == _UNSIGNED:
        return argument, position
    if major == _NEGATIVE:
        return -1 - argument, position
    if major in (_BYTES, _TEXT):
        return _read_string(data, position, argument, text=major == _TEXT)
    if major == _ARRAY:
        items = []
        for _ in range(_bounded(argument, data, position)):
            item, position = _read(data, position, depth - 1)
            items.append(item)
        return items, position
    if major == _MAP:
        return _read_map(data, position, argument, depth)
    if major == _TAG:
        value, position = _read(data, position, depth - 1)
        return Tagged(argument, value), position
    if argument not in _SIMPLE_VALUES:
        raise BadCbor("It holds a value that is not used here.")
    return _SIMPLE_VALUES[argument], position


def _read_head(data: bytes, position: int) -> tuple[int, int, int]:
    if position >= len(data):
        raise BadCbor("It ends too early.")
    first = data[position]
    major, argument, position = first >> 5, first & 31, position + 1
    if argument < 24:  # noqa: PLR2004 - RFC 8949, section 3
        return major, argument, position
    if argument > 27 or major == _SIMPLE:  # noqa: PLR2004 - 28 to 31 are reserved or indefinite
        raise BadCbor("It holds a length that is not used here.")
    size = 1 << (argument - 24)
    value = int.from_bytes(data[position : position + size], "big")
    if position + size > len(data):
        raise BadCbor("It ends too early.")
    if value < 24 or (size > 1 and value < 1 << (4 * size)):  # noqa: PLR2004 - must have been written shorter
        raise BadCbor("A length is not in its shortest form.")
    return major, value, position + size


def _bounded(count: int, data: bytes, position: int) -> int:
    if count > len(data) - position:
        raise BadCbor("It ends too early.")
    return count


def _read_string(data: bytes, position: int, length: int, *, text: bool) -> tuple[object, int]:
    end = position + _bounded(length, data, position)
    raw = data[position:end]
    if not text:
        return raw, end
    try:
        return raw.decode("utf-8"), end
    except UnicodeDecodeError as error:
        raise BadCbor("A text is not UTF-8.") from error


def _read_map(data: bytes, position: int, count: int, depth: int) -> tuple[object, int]:
    result: dict[object, object] = {}
    previous = b""
    for _ in range(_bounded(count, data, position)):
        start = position
        key, position = _read(data, position, depth - 1)
        encoded = data[start:position]
        if not isinstance(key, (int, str)) or isinstance(key, bool) or encoded <= previous:
            raise BadCbor("The keys of a map are not in order.")
        previous = encoded
        result[key], position = _read(data, position, depth - 1)
    return result, position
