"""Finds personal data in a text: the names of the synthetic people, identity, card and mobile numbers.

The redaction of `foundation.logs` is a second line of defence. Here the first is
tested: the text is taken before redaction, in the form that would be written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_citizen_id_number
from tests.support.real_name_authority import CITIZENS, population

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = tuple(sorted({person.name for person in CITIZENS} | {person.name for person in population(50)}))
_ID_NUMBER = re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])")
_CARD = re.compile(r"(?<![0-9A-Za-z.])[0-9](?:[ -]?[0-9]){15,18}(?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z.])1[3-9][0-9]{9}(?![0-9A-Za-z])")


def personal_data(text: str, names: Iterable[str] = NAMES) -> list[str]:
    """Return what kinds of personal data a text holds; empty when it is clean."""
    found = [f"the name {name}" for name in names if name in text]
    found += ["an identity number" for match in _ID_NUMBER.finditer(text) if _is_citizen(match[0])]
    found += ["a card number" for match in _CARD.finditer(text) if _luhn(re.sub(r"[ -]", "", match[0]))]
    found += ["a mobile number" for _ in _MOBILE.finditer(text)]
    return found


def _is_citizen(text: str) -> bool:
    try:
        parse_citizen_id_number(text)
    except InvalidInput:
        return False
    return True


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
