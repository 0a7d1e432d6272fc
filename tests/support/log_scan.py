"""Looks for personal data in what the service logs, and fails the test during which it appears.

The redaction of `foundation.logs` is a second line of defence. Here the first is
tested: the text is taken before redaction, in the form that would be written.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from foundation.identity_numbers import parse_citizen_id_number
from foundation.logs import FIELDS
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


class LogScan(logging.Handler):
    """Collects findings from every record that production would write."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.findings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record: its message and the fields that get through."""
        fields = {name: str(record.__dict__[name]) for name in FIELDS & record.__dict__.keys()}
        text = record.getMessage() + " " + json.dumps(fields, ensure_ascii=False)
        self.findings += [
            f"{record.name} at {record.pathname}:{record.lineno} logs {kind}" for kind in personal_data(text)
        ]

    def taken(self) -> list[str]:
        """Return the findings and begin anew."""
        findings, self.findings = self.findings, []
        return findings
