"""Paths and bytes of the C2SP tlog-tiles layout."""

from __future__ import annotations

import struct

from verification.log.merkle import TILE_WIDTH

CHECKPOINT = "checkpoint"


def number(index: int) -> str:
    """Return a tile's number in groups of three digits, all but the last marked with `x`."""
    groups = [f"{index % 1000:03}"]
    while index >= 1000:  # noqa: PLR2004 - three digits a group
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile, or of its first `width` hashes."""
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{number(index)}{partial}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle."""
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/entries/{number(index)}{partial}"


def bundle(entries: list[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length in two bytes."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def unbundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle; raises ValueError."""
    entries, position = [], 0
    while position < len(data):
        if position + 2 > len(data):
            message = "a bundle ends within a length"
            raise ValueError(message)
        length = struct.unpack_from(">H", data, position)[0]
        position += 2 + length
        if position > len(data):
            message = "a bundle ends within an entry"
            raise ValueError(message)
        entries.append(data[position - length : position])
    return entries
