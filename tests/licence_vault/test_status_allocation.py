"""Places in the status lists never meet and tell nothing of their order."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from licence_vault.status_allocation import CAPACITY, epoch_of, place


@pytest.mark.parametrize("capacity", [1 << 12, 1 << 16])
def test_a_list_hands_out_every_place_once(capacity: int) -> None:
    seed = b"0123456789abcdef"
    assert {place(seed, number, capacity) for number in range(capacity)} == set(range(capacity))


def test_a_new_list_hands_out_no_place_twice() -> None:
    places = {place(b"0123456789abcdef", number) for number in range(0, CAPACITY, 16)}
    assert len(places) == CAPACITY // 16
    assert places < set(range(CAPACITY))


def test_lists_opened_with_fewer_places_go_on_as_they_began() -> None:
    assert [place(b"0123456789abcdef", number, 1 << 16) for number in range(4)] == [32551, 49201, 37845, 28786]


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
