"""Requests that wait for a person elsewhere: device codes (RFC 8628) and CIBA. Pure facts and rules."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DEVICE_LIFETIME = timedelta(minutes=10)
CIBA_LIFETIME = timedelta(minutes=5)
POLL_INTERVAL = timedelta(seconds=5)
SLOW_DOWN = timedelta(seconds=5)
# No vowels and no look-alikes (RFC 8628 section 6.1): about 34 bits, guessed within limits only.
USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LENGTH = 8


class WaitingKind(StrEnum):
    """What sort of request waits."""

    DEVICE = "device"
    CIBA = "ciba"


class WaitingState(StrEnum):
    """How far a waiting request is."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CONSUMED = "consumed"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored request that waits."""

    request_hash: bytes
    kind: WaitingKind
    client_id: str
    scope: str
    account_id: str | None
    state: WaitingState
    grant_id: str | None
    acr: str | None
    binding_message: str | None
    notification_token: bytes | None
    created_at: datetime
    expires_at: datetime
    last_polled_at: datetime | None
    interval: timedelta
    resource: str | None = None
    authorization_details: list[dict[str, Any]] | None = None

    def too_soon(self, now: datetime) -> bool:
        """Tell whether the client polls faster than it was told to."""
        return self.last_polled_at is not None and now - self.last_polled_at < self.interval


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked about a request from another device."""

    question_id: str
    kind: WaitingKind
    client_name: str
    organisation_code: str
    scopes: tuple[str, ...]
    binding_message: str | None
    created_at: datetime
    detail: Mapping[str, Any] | None = None


def new_user_code() -> str:
    """Return a code a person can read aloud and type, such as `WDJB-MJHT`."""
    letters = "".join(secrets.choice(USER_CODE_ALPHABET) for _ in range(USER_CODE_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def normalised_user_code(typed: str) -> str:
    """Return a typed code in its stored form; anything else stays wrong."""
    letters = "".join(character for character in typed.upper() if character in USER_CODE_ALPHABET)
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == USER_CODE_LENGTH else ""
