"""What every real-name method says about itself, and how its elements are read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_citizen_id_number
from idp.people.account import normalise_mobile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from idp.people.proof import Method

NAME_LENGTH = 50
_NAME = re.compile(r"[^\W\d_][\w·.\- ']*\Z")


@dataclass(frozen=True, slots=True)
class AuthorityLimits:
    """When the authority locks a number: we stop one short of either."""

    wrong_in_row: int
    requests_a_day: int


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One method: the elements it sends, who is asked, and what the authority counts.

    `counted` names the element that the authority locks after too many errors; such a request
    is never repeated once it was sent, because the authority may have counted it.
    """

    method: Method
    elements: Mapping[str, Callable[[str], str]]
    counted: str | None = None
    limits: AuthorityLimits | None = None

    def read(self, unverified: Mapping[str, str], today: date) -> dict[str, str]:
        """Return the normalised elements; raises InvalidInput naming the first bad one."""
        for name in unverified:
            if name not in self.elements:
                raise InvalidInput("This method does not take this element.", field=f"elements.{name}")
        elements = {name: self._one(name, parse, unverified) for name, parse in self.elements.items()}
        if number := elements.get("citizen_id_number"):
            parse_citizen_id_number(number, field="elements.citizen_id_number", today=today)
        return elements

    @staticmethod
    def _one(name: str, parse: Callable[[str], str], unverified: Mapping[str, str]) -> str:
        field = f"elements.{name}"
        value = unverified.get(name)
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput("This element is required.", field=field)
        try:
            return parse(value)
        except InvalidInput as error:
            raise InvalidInput(error.detail, field=field) from None


def person_name(unverified: str) -> str:
    """Return a name in NFC with single spaces and one kind of middle dot; raises InvalidInput."""
    name = " ".join(unicodedata.normalize("NFC", unverified).split())
    name = re.sub("[•・‧∙⋅．]", "·", name)
    if len(name) > NAME_LENGTH or not _NAME.match(name):
        raise InvalidInput(f"A name has 1 to {NAME_LENGTH} letters or Chinese characters, and no digits first.")
    return name


def citizen_id_number(unverified: str) -> str:
    """Return the 18 characters of an ID number with a right check digit; raises InvalidInput."""
    return str(parse_citizen_id_number(unverified))


def mobile(unverified: str) -> str:
    """Return a mobile number; raises InvalidInput."""
    return normalise_mobile(unverified)


def digits(shortest: int, longest: int, what: str) -> Callable[[str], str]:
    """Return a reader of numbers of `shortest` to `longest` digits; spaces and hyphens are dropped."""

    def read(unverified: str) -> str:
        number = re.sub(r"[\s\-]", "", unicodedata.normalize("NFKC", unverified))
        if not (number.isascii() and number.isdigit() and shortest <= len(number) <= longest):
            size = f"{shortest} to {longest}" if shortest != longest else str(shortest)
            raise InvalidInput(f"{what} has {size} digits.")
        return number

    return read


def luhn_correct(number: str) -> bool:
    """Tell whether the last digit is the Luhn check digit (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the rule itself
    return total % 10 == 0
