"""Identifiers of GB/T 36904: the published example, and every slip of a finger refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licence_vault.errors import InvalidLicenceIdentifier
from licence_vault.identifier import LicenceIdentifier, check_character, parse_identifier

EXAMPLE = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
ALPHABET = string.digits + string.ascii_uppercase


def test_the_example_validates_and_comes_apart() -> None:
    parsed = parse_identifier(EXAMPLE)
    assert parsed == LicenceIdentifier("11100000000013338W011", "11430000006122244L", "20230000403", 1)
    assert str(parsed) == EXAMPLE


def test_every_single_character_change_is_refused() -> None:
    tried = 0
    for position, present in enumerate(EXAMPLE):
        for other in ALPHABET + ".a":
            if other != present:
                tried += 1
                with pytest.raises(InvalidLicenceIdentifier):
                    parse_identifier(EXAMPLE[:position] + other + EXAMPLE[position + 1 :])
    assert tried > 2500


def test_every_swap_of_neighbours_in_the_four_parts_is_refused() -> None:
    for position in range(len("1.2.156.3005.2."), len(EXAMPLE) - 1):
        left, right = EXAMPLE[position], EXAMPLE[position + 1]
        if left != right:
            with pytest.raises(InvalidLicenceIdentifier):
                parse_identifier(EXAMPLE[:position] + right + left + EXAMPLE[position + 2 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE[:-2],
        EXAMPLE + "\n",
        EXAMPLE.lower(),
        EXAMPLE.replace(".001.", ".V1.00."),
        "1.2.156.3005.3" + EXAMPLE[14:],
        EXAMPLE.replace("2023", "２０２３"),
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(InvalidLicenceIdentifier):
        parse_identifier(text)


def _iso_7064_pure_reference(payload: str) -> str:
    """Compute the check character by the standard's defining congruence instead of its recursion."""
    for candidate in ALPHABET:
        position = 36
        for character in payload:
            position = ((position + ALPHABET.index(character)) % 36 or 36) * 2 % 37
        if (position + ALPHABET.index(candidate)) % 36 == 1:
            return candidate
    raise AssertionError


@given(st.text(alphabet=ALPHABET, min_size=1, max_size=60))
def test_the_check_character_fulfils_the_congruence(payload: str) -> None:
    assert check_character(payload) == _iso_7064_pure_reference(payload)
