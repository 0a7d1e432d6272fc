"""What an account and a person are, and the rules a username and a mobile follow."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime

_USERNAME = re.compile(r"[a-z0-9\u4e00-\u9fff][a-z0-9_.\-\u4e00-\u9fff]{3,31}\Z")
_MOBILE = re.compile(r"1[3-9][0-9]{9}\Z")


class AccountKind(StrEnum):
    """Who signs in with an account."""

    PERSON = "person"
    OFFICER = "officer"
    OPERATOR = "operator"


class AccountState(StrEnum):
    """Whether an account may sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class DocumentType(StrEnum):
    """Identity documents a natural person may hold."""

    ID_CARD = "id_card"
    PASSPORT = "passport"
    HK_MACAO_PERMIT = "hk_macao_permit"
    TAIWAN_PERMIT = "taiwan_permit"
    HK_MACAO_TAIWAN_RESIDENCE = "hk_macao_taiwan_residence"
    FOREIGNER_RESIDENCE = "foreigner_residence"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in; `person_id` is set once the real name is proven."""

    account_id: str
    kind: AccountKind
    state: AccountState
    username: str
    person_id: str | None
    mobile: str | None = field(repr=False)
    mobile_verified: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A natural person, known by a document; shared by all of the person's accounts.

    `level` is the real-name level at the moment of reading.
    """

    person_id: str
    name: str = field(repr=False)
    document_type: DocumentType
    document_number: str = field(repr=False)
    level: str


def normalise_username(unverified_username: str) -> str:
    """Return the username in the one form that is stored; raises InvalidInput.

    A name of digits only is refused: it could be taken for a mobile or ID number.
    """
    name = unicodedata.normalize("NFKC", unverified_username).strip().casefold()
    if not _USERNAME.match(name) or name.isdigit():
        raise InvalidInput(
            "A username has 4 to 32 letters, digits, Chinese characters or . _ - and is not digits only.",
            field="username",
        )
    return name


def normalise_mobile(unverified_mobile: str) -> str:
    """Return the eleven digits of a mainland mobile number; raises InvalidInput."""
    digits = re.sub(r"[ \-]", "", unicodedata.normalize("NFKC", unverified_mobile)).removeprefix("+86")
    if not _MOBILE.match(digits):
        raise InvalidInput("A mobile number has 11 digits and begins with 13 to 19.", field="mobile")
    return digits


def masked_mobile(mobile: str) -> str:
    """Return `138****0001`."""
    return f"{mobile[:3]}****{mobile[-4:]}"


def masked_name(name: str) -> str:
    """Return the name with all but its last character hidden, `*伟`."""
    return "*" * (len(name) - 1) + name[-1:] if len(name) > 1 else name


def masked_number(number: str) -> str:
    """Return a document number with only its first three and last two characters."""
    return number[:3] + "*" * max(0, len(number) - 5) + number[-2:] if len(number) > 5 else "*" * len(number)  # noqa: PLR2004 - three and two are kept
