"""Altered copies of DER structures: bits flipped, elements dropped, doubled, swapped, retagged, lengths rewritten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

CONSTRUCTED = 0x20
TAGS = (0x02, 0x04, 0x05, 0x06, 0x13, 0x17, 0x30, 0x31, 0xA0, 0xA1)


@dataclass
class Node:
    """One element; a primitive one has `content`, a constructed one `inside`."""

    tag: int
    content: bytes = b""
    inside: list[Node] = field(default_factory=list)

    def encoded(self, *, length: str = "der") -> bytes:
        """Return the element's bytes; `length` is `der`, `long` (one byte too many) or `indefinite`."""
        body = b"".join(each.encoded() for each in self.inside) if self.inside else self.content
        if length == "indefinite":
            return bytes((self.tag, 0x80)) + body + b"\0\0"
        size = len(body).to_bytes(max(1, (len(body).bit_length() + 7) // 8), "big")
        if length == "long":
            size = b"\0" + size
        head = bytes((0x80 | len(size),)) + size if len(body) > 127 or length == "long" else bytes((len(body),))
        return bytes((self.tag,)) + head + body

    def walk(self) -> Iterator[Node]:
        """Yield this element and everything in it."""
        yield self
        for each in self.inside:
            yield from each.walk()


def parse(data: bytes) -> list[Node]:
    """Read elements, following constructed ones."""
    nodes, at = [], 0
    while at < len(data):
        tag, size, start = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(data[start : start + count], "big"), start + count
        body, at = data[start : start + size], start + size
        nodes.append(Node(tag, inside=parse(body)) if tag & CONSTRUCTED and body else Node(tag, body))
    return nodes


def flipped(data: bytes, chance: random.Random, share: float) -> Iterator[bytes]:
    """Yield a copy for so large a share of the bytes, with one of its bits the other way."""
    for place in range(len(data)):
        if chance.random() >= share:
            continue
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        yield bytes(changed)


def restructured(data: bytes, chance: random.Random, share: float) -> Iterator[bytes]:
    """Yield copies in which one of a share of the elements is not as it was, with every length around it right."""
    (root,) = parse(data)
    assert root.encoded() == data, "the structure was DER"
    for node in [node for node in root.walk() if chance.random() < share]:
        for length in ("long", "indefinite"):
            yield _with(root, node, node.encoded(length=length))
        before = node.tag
        node.tag = chance.choice(TAGS)
        yield root.encoded()
        node.tag = before
        if not node.inside:
            kept = node.content
            for content in (b"", kept[:-1], kept + b"\0", b"\0" + kept):
                node.content = content
                yield root.encoded()
            node.content = kept
            continue
        inside = node.inside
        for place in range(len(inside)):
            node.inside = inside[:place] + inside[place + 1 :]
            yield root.encoded()
            node.inside = [*inside[:place], inside[place], *inside[place:]]
            yield root.encoded()
            node.inside = (
                inside[:place] + inside[place + 1 : place + 2] + inside[place : place + 1] + inside[place + 2 :]
            )
            yield root.encoded()
        node.inside = inside


def _with(root: Node, node: Node, encoding: bytes) -> bytes:
    """Return the whole with one element's encoding replaced."""
    tag, content, inside = node.tag, node.content, node.inside
    marker = bytes(range(200, 216))
    node.tag, node.content, node.inside = 0x04, marker * (len(encoding) // 16) + marker[: len(encoding) % 16], []
    whole = root.encoded()
    placeholder = node.encoded()
    node.tag, node.content, node.inside = tag, content, inside
    return whole.replace(placeholder, encoding)
