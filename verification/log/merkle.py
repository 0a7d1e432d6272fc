"""The Merkle tree of RFC 6962 over tiles of 256 hashes (C2SP tlog-tiles). Pure.

Functions that need tiles take a `Tiles`; one that is not there raises MissingTile, and the
caller fetches it and asks again. Proofs touch a handful of tiles whatever the tree's size.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
TileKey = tuple[int, int]


class MissingTile(Exception):
    """A tile, or a part of one, is needed that was not given."""

    def __init__(self, level: int, index: int) -> None:
        """Name the tile."""
        super().__init__(f"tile {level}/{index}")
        self.key = (level, index)


class BadProof(Exception):
    """A proof does not lead to the root it is meant for."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root over a power of two of hashes laid side by side."""
    level = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
    while len(level) > 1:
        level = [node_hash(level[place], level[place + 1]) for place in range(0, len(level), 2)]
    return level[0]


@dataclass
class Tiles:
    """Tiles at hand: hashes side by side, by level and index; partial ones are shorter."""

    tiles: dict[TileKey, bytes] = field(default_factory=dict)

    def node(self, height: int, index: int) -> bytes:
        """Return the hash over leaves `[index << height, (index + 1) << height)`."""
        level, within = divmod(height, TILE_HEIGHT)
        first = index << within
        tile_index, place = divmod(first, TILE_WIDTH)
        hashes = self.tiles.get((level, tile_index), b"")
        start, end = place * HASH_BYTES, (place + (1 << within)) * HASH_BYTES
        if len(hashes) < end:
            raise MissingTile(level, tile_index)
        return fold(hashes[start:end])

    def append(self, size: int, leaves: list[bytes]) -> set[TileKey]:
        """Append leaf hashes to a tree of `size` leaves; return the keys of the tiles that changed.

        The rightmost tile of each level must be at hand.
        """
        changed: set[TileKey] = set()
        level, count, fresh = 0, size, leaves
        while fresh:
            above: list[bytes] = []
            count_above = count // TILE_WIDTH
            for item in fresh:
                key = (level, count // TILE_WIDTH)
                hashes = self.tiles.get(key, b"")
                if len(hashes) != count % TILE_WIDTH * HASH_BYTES:
                    raise MissingTile(*key)
                hashes += item
                self.tiles[key] = hashes
                changed.add(key)
                count += 1
                if len(hashes) == TILE_WIDTH * HASH_BYTES:
                    above.append(fold(hashes))
            level, count, fresh = level + 1, count_above, above
        return changed


def rightmost(size: int) -> list[TileKey]:
    """Return the keys of the tiles that the next leaf may touch."""
    keys, level = [], 0
    while True:
        keys.append((level, size // TILE_WIDTH))
        if size == 0:
            return keys
        size //= TILE_WIDTH
        level += 1


def subtree(tiles: Tiles, start: int, end: int) -> bytes:
    """Return the hash over leaves `[start, end)` as RFC 6962 splits them."""
    width = end - start
    if width & (width - 1) == 0 and start % width == 0:
        return tiles.node(width.bit_length() - 1, start // width)
    split = start + _split(width)
    return node_hash(subtree(tiles, start, split), subtree(tiles, split, end))


def root(tiles: Tiles, size: int) -> bytes:
    """Return the root of the tree's first `size` leaves."""
    return EMPTY_ROOT if size == 0 else subtree(tiles, 0, size)


def _split(width: int) -> int:
    """Return the largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1


def inclusion_proof(tiles: Tiles, index: int, size: int) -> tuple[bytes, ...]:
    """Return the proof that a leaf is in the tree of `size` leaves (RFC 6962, section 2.1.1)."""
    if not 0 <= index < size:
        raise BadProof("There is no such leaf in a tree of this size.")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            proof.append(subtree(tiles, split, end))
            end = split
        else:
            proof.append(subtree(tiles, start, split))
            start = split
    return tuple(reversed(proof))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: tuple[bytes, ...], expected_root: bytes) -> None:
    """Check that a leaf's hash is in the tree with this root; raises BadProof."""
    if not 0 <= index < size:
        raise BadProof("There is no such leaf in a tree of this size.")
    position, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("The proof is too long.")
        if position % 2 or position == last:
            current = node_hash(sibling, current)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        position, last = position >> 1, last >> 1
    if last or current != expected_root:
        raise BadProof("The proof does not lead to the root.")


def consistency_proof(tiles: Tiles, old: int, new: int) -> tuple[bytes, ...]:
    """Return the proof that a tree of `old` leaves is the beginning of one of `new` (section 2.1.2)."""
    if not 0 < old <= new:
        raise BadProof("A tree does not shrink.")
    if old == new:
        return ()
    proof: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            proof.append(subtree(tiles, split, end))
            end = split
        else:
            proof.append(subtree(tiles, start, split))
            start, whole = split, False
    if not whole:
        proof.append(subtree(tiles, start, end))
    return tuple(reversed(proof))


def verify_consistency(  # noqa: C901 - the steps stand as in RFC 9162, section 2.1.4.2
    old: int, new: int, proof: tuple[bytes, ...], old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree with the old root is the beginning of that with the new one; raises BadProof."""
    if not 0 < old <= new:
        raise BadProof("A tree does not shrink.")
    if old == new:
        if proof or old_root != new_root:
            raise BadProof("Two trees of one size have two roots.")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise BadProof("The proof is empty.")
    position, last = old - 1, new - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for item in path[1:]:
        if last == 0:
            raise BadProof("The proof is too long.")
        if position % 2 or position == last:
            first, second = node_hash(item, first), node_hash(item, second)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, item)
        position, last = position >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise BadProof("The proof does not lead to both roots.")
