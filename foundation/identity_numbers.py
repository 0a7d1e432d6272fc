"""Citizen identity numbers (GB 11643) and unified social credit codes (GB 32100).

Both carry a check character that catches every single wrong character and every
swap of two neighbours. Parsing normalises a lower-case `x` and surrounding spaces
and nothing else: what a person typed otherwise is theirs to correct.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from foundation.errors import InvalidInput

CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CITIZEN_CHECK_CHARACTERS = "10X98765432"
# First two digits: provinces, and 81/82/83 for residence permits of people from
# Hong Kong, Macau and Taiwan.
PROVINCES = frozenset(
    f"{number}"
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
    for number in range(first, last + 1)
)
EARLIEST_BIRTH = date(1870, 1, 1)

CREDIT_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_CODE_VALUES = {character: value for value, character in enumerate(CREDIT_CODE_ALPHABET)}
CREDIT_CODE_MODULUS = 31
CREDIT_CODE_WEIGHTS = tuple(pow(3, place, CREDIT_CODE_MODULUS) for place in range(17))
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
ORGANISATION_VALUES = {character: int(character, 36) for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
# Clause 4.2 and annex A with later additions: 1 staffing, 2 foreign affairs, 3 justice, 4 culture,
# 5 civil affairs, 6 tourism, 7 religion, 8 trade unions, 9 market regulation, A armed forces, N agriculture, Y others.
REGISTERING_AUTHORITIES = frozenset("123456789ANY")

_CITIZEN_FORM = re.compile(r"[0-9]{17}[0-9X]")
_CREDIT_CODE_FORM = re.compile(rf"[{CREDIT_CODE_ALPHABET}]{{2}}[0-9]{{6}}[{CREDIT_CODE_ALPHABET}]{{10}}")


class Sex(StrEnum):
    """What the sequence code's last digit says."""

    MALE = "male"
    FEMALE = "female"


@dataclass(frozen=True, slots=True, repr=False)
class CitizenIdNumber:
    """A number that passed every rule of GB 11643; its repr is masked."""

    number: str
    birth_date: date
    sex: Sex

    @property
    def district_code(self) -> str:
        """Return the six digits of the place where the number was first given."""
        return self.number[:6]

    @property
    def masked(self) -> str:
        """Return the number with the birth date and sequence hidden."""
        return f"{self.number[:3]}{'*' * 13}{self.number[-2:]}"

    def __str__(self) -> str:
        return self.number

    def __repr__(self) -> str:
        return f"CitizenIdNumber({self.masked})"


def citizen_id_check_character(first_seventeen: str) -> str:
    """Return the last character of a number (ISO 7064 MOD 11-2)."""
    total = sum(weight * int(digit) for weight, digit in zip(CITIZEN_WEIGHTS, first_seventeen, strict=True))
    return CITIZEN_CHECK_CHARACTERS[total % 11]


def parse_citizen_id_number(
    text: str, *, field: str = "citizen_id_number", today: date | None = None
) -> CitizenIdNumber:
    """Return a checked citizen identity number.

    Args:
        text: as typed; surrounding spaces and a lower-case x are put right.
        field: named by the error.
        today: the day in the city; nobody is born after it. None where the number is only looked
            up: whoever takes a number in says what day it is.

    Raises: InvalidInput, which names the rule and never the number.
    Standard: GB 11643-1999.
    """
    number = text.strip().upper()
    if not _CITIZEN_FORM.fullmatch(number):
        raise InvalidInput("A citizen identity number has 17 digits and a last digit or X.", field=field)
    if number[:2] not in PROVINCES:
        raise InvalidInput("The first two digits name no province.", field=field)
    birth_date = _birth_date(number[6:14])
    if birth_date is None or (today is not None and birth_date > today):
        raise InvalidInput("Digits 7 to 14 are no date of birth.", field=field)
    if citizen_id_check_character(number[:17]) != number[17]:
        raise InvalidInput("The check character does not fit.", field=field)
    return CitizenIdNumber(number, birth_date, Sex.MALE if int(number[16]) % 2 else Sex.FEMALE)


def is_birth_date(digits: str, today: date) -> bool:
    """Tell whether eight digits YYYYMMDD are a date on which somebody alive or dead by now can be born."""
    birth_date = _birth_date(digits)
    return birth_date is not None and birth_date <= today


def _birth_date(digits: str) -> date | None:
    """Return a real calendar date of a person who can have lived, else None."""
    try:
        birth_date = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return birth_date if birth_date >= EARLIEST_BIRTH else None


@dataclass(frozen=True, slots=True)
class UnifiedSocialCreditCode:
    """A code that passed every rule of GB 32100."""

    code: str

    @property
    def registering_authority(self) -> str:
        """Return the first character."""
        return self.code[0]

    @property
    def district_code(self) -> str:
        """Return the six digits of the registering authority's district."""
        return self.code[2:8]

    @property
    def organisation_code(self) -> str:
        """Return the nine characters of the embedded GB 11714 code."""
        return self.code[8:17]

    def __str__(self) -> str:
        return self.code


def organisation_check_character(first_eight: str) -> str:
    """Return the last character of an organisation code (GB 11714)."""
    total = sum(
        weight * ORGANISATION_VALUES[character]
        for weight, character in zip(ORGANISATION_WEIGHTS, first_eight, strict=True)
    )
    return "0123456789X0"[11 - total % 11]


def credit_code_check_character(first_seventeen: str) -> str:
    """Return the last character of a credit code (GB 32100 clause 4.6)."""
    total = sum(
        weight * CREDIT_CODE_VALUES[character]
        for weight, character in zip(CREDIT_CODE_WEIGHTS, first_seventeen, strict=True)
    )
    return CREDIT_CODE_ALPHABET[-total % CREDIT_CODE_MODULUS]


def complete_credit_code(first_sixteen: str) -> str:
    """Return the 18-character code of an authority, category, district and eight organisation characters."""
    with_organisation = first_sixteen + organisation_check_character(first_sixteen[8:])
    return with_organisation + credit_code_check_character(with_organisation)


def parse_unified_social_credit_code(
    text: str, *, field: str = "unified_social_credit_code"
) -> UnifiedSocialCreditCode:
    """Return a checked unified social credit code.

    Args:
        text: as typed; surrounding spaces and lower case are put right.
        field: named by the error.

    Raises: InvalidInput, which names the rule.
    Standard: GB 32100-2015; the embedded organisation code GB 11714-1997.
    """
    code = text.strip().upper()
    if not _CREDIT_CODE_FORM.fullmatch(code):
        raise InvalidInput(
            "A unified social credit code has 18 digits and letters, without I, O, S, V and Z.", field=field
        )
    if code[0] not in REGISTERING_AUTHORITIES:
        raise InvalidInput("The first character names no registering authority.", field=field)
    if organisation_check_character(code[8:16]) != code[16]:
        raise InvalidInput("The organisation code inside has a wrong check character.", field=field)
    if credit_code_check_character(code[:17]) != code[17]:
        raise InvalidInput("The check character does not fit.", field=field)
    return UnifiedSocialCreditCode(code)
