"""Places in the status lists: unique, and in an order nobody outside can follow. Pure.

A list belongs to one issuer and one epoch (the year in which its licences expire, or
`long`), so that lists leave whole. The n-th licence of a list gets the n-th value of
a secret permutation: no draw ever collides, and neighbours tell nothing of when or to
whom a licence was issued.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

CAPACITY = 1 << 18
"""Places of a new list: 600 lists hold a city, each a few kilobytes to fetch and to sign anew."""

SEED_BYTES = 16
_ROUNDS = 6


def epoch_of(valid_to: date | None) -> str:
    """Return the epoch a licence belongs to."""
    return "long" if valid_to is None else str(valid_to.year)


def place(seed: bytes, number: int, capacity: int = CAPACITY) -> int:
    """Return the index of the `number`-th licence: a Feistel permutation of 0 … capacity - 1.

    `capacity` is a power of four, the one the list was opened with.
    """
    if not 0 <= number < capacity:
        message = f"the status list has {capacity} places"
        raise ValueError(message)
    half_bits = (capacity.bit_length() - 1) // 2
    mask, half_bytes = (1 << half_bits) - 1, (half_bits + 7) // 8
    left, right = number >> half_bits, number & mask
    for turn in range(_ROUNDS):
        mixed = hmac.digest(seed, bytes((turn,)) + right.to_bytes(half_bytes, "big"), "sha256")
        left, right = right, left ^ int.from_bytes(mixed[:half_bytes], "big") & mask
    return left << half_bits | right
