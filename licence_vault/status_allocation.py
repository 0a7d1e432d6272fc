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

HALF_BITS = 8
CAPACITY = 1 << (2 * HALF_BITS)
SEED_BYTES = 16
_ROUNDS = 6
_MASK = (1 << HALF_BITS) - 1


def epoch_of(valid_to: date | None) -> str:
    """Return the epoch a licence belongs to."""
    return "long" if valid_to is None else str(valid_to.year)


def place(seed: bytes, number: int) -> int:
    """Return the index of the `number`-th licence: a Feistel permutation of 0 … CAPACITY-1."""
    if not 0 <= number < CAPACITY:
        message = f"a status list has {CAPACITY} places"
        raise ValueError(message)
    left, right = number >> HALF_BITS, number & _MASK
    for turn in range(_ROUNDS):
        mixed = hmac.digest(seed, bytes((turn, right)), "sha256")[0]
        left, right = right, left ^ mixed
    return left << HALF_BITS | right
