"""Places in the status lists never meet and tell nothing of their order."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from licence_vault.status_allocation import CAPACITY, epoch_of, place


def test_a_list_hands_out_every_place_once() -> None:
    seed = b"0123456789abcdef"
    assert {place(seed, number) for number in range(CAPACITY)} == set(range(CAPACITY))


def test_neighbours_lie_apart_and_lists_differ() -> None:
    first = [place(b"a" * 16, number) for number in range(1000)]
    steps = {second - first for first, second in pairwise(first)}
    assert len(steps) > 900
    assert first != [place(b"b" * 16, number) for number in range(1000)]


def test_a_place_beyond_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="places"):
        place(b"a" * 16, CAPACITY)


def test_epochs_are_years_of_expiry() -> None:
    assert epoch_of(date(2031, 5, 1)) == "2031"
    assert epoch_of(None) == "long"
