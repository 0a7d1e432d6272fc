"""Legal persons, and who may act for them: the pure part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

NAME_LENGTH = 100
_NAME = re.compile(r"[^\x00-\x1f<>]{2,100}\Z")


class Role(StrEnum):
    """What a person is to a legal person; the representative is so by the register."""

    REPRESENTATIVE = "representative"
    ADMINISTRATOR = "administrator"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class LegalPerson:
    """An enterprise or other organisation, verified against the register."""

    legal_person_id: str
    credit_code: str
    name: str
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class Agency:
    """That a person may act for a legal person; the agent accepts before it holds."""

    agency_id: str
    legal_person_id: str
    person_id: str
    role: Role
    state: str
    matters: tuple[str, ...]
    valid_until: datetime | None
    person_name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Acting:
    """A legal person somebody may act for, and as what."""

    legal_person: LegalPerson
    role: Role
    agency_id: str
    matters: tuple[str, ...] = ("*",)

    def covers(self, matter_codes: Iterable[str | None]) -> bool:
        """Tell whether the role reaches every one of these matters; None stands for no matter in particular."""
        return "*" in self.matters or all(code in self.matters for code in matter_codes)


def company_name(unverified: str) -> str:
    """Return a company name with full-width brackets and single spaces; raises InvalidInput."""
    name = " ".join(unverified.split()).replace("(", "（").replace(")", "）")
    if not _NAME.match(name):
        raise InvalidInput(f"A company name has 2 to {NAME_LENGTH} characters.", field="name")
    return name
