"""What a session is and how long it lasts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.principal import Channel, Principal, PrincipalKind
from idp.people.account import AccountKind

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Idle and absolute life of a session, and how long a half-finished sign-in may wait."""

    idle: timedelta
    absolute: timedelta
    pending: timedelta = timedelta(minutes=5)


LIMITS = {
    AccountKind.PERSON: SessionLimits(idle=timedelta(minutes=30), absolute=timedelta(hours=12)),
    AccountKind.OFFICER: SessionLimits(idle=timedelta(minutes=30), absolute=timedelta(hours=9)),
    AccountKind.OPERATOR: SessionLimits(idle=timedelta(minutes=15), absolute=timedelta(hours=4)),
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where somebody signs in from: the address, the channel, and the browser's device cookie and name.

    `client_id` is the machine's client, where one that is registered to stand in a hall began the sign-in.
    """

    source: str = field(repr=False)
    channel: Channel
    device_secret: str | None = field(default=None, repr=False)
    device_label: str = ""
    client_id: str | None = None

    def of_stranger(self) -> Arrival:
        """Return the arrival without the device cookie, which did not prove to be the account's."""
        return replace(self, device_secret=None)


@dataclass(frozen=True, slots=True)
class Browser:
    """Which browser asks: the device cookie of an earlier sign-in, and what tells it from others at its address."""

    device_secret: str | None = field(default=None, repr=False)
    mark: str = field(default="", repr=False)


UNKNOWN_BROWSER = Browser()


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in, as it stands now.

    `secret` and `device_secret` are set only on the value that sign-in or a second factor
    returns; they go into cookies and are stored hashed. `pending` means that the password
    was right and a second factor is still owed: such a session opens nothing.
    """

    session_id: str
    account_id: str
    kind: AccountKind
    person_id: str | None
    officer_id: str | None
    organisation_code: str | None
    acr: str
    amr: tuple[str, ...]
    auth_time: datetime
    channel: Channel
    created_at: datetime
    expires_at: datetime
    pending: bool = False
    new_device: bool = False
    acting_for: str | None = None
    acting_for_code: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    device_secret: str | None = field(default=None, repr=False)
    post: str | None = None
    district_code: str | None = None
    posts: frozenset[str] = frozenset()

    @property
    def choosing(self) -> bool:
        """Tell whether an officer with several posts has yet to say in which one he acts."""
        return not self.pending and self.kind is AccountKind.OFFICER and self.officer_id is None

    @property
    def unfinished(self) -> bool:
        """Tell whether a step of the sign-in is still missing: the second factor, or the post."""
        return self.pending or self.choosing

    def principal(self) -> Principal:
        """Return the actor this session stands for; one pending or without its post stands for nobody.

        A session that acts for an enterprise is the enterprise, with the account as actor.
        """
        if self.unfinished:
            message = "a session that still owes a second factor or a post has no principal"
            raise ValueError(message)
        return self.arriving()

    def arriving(self) -> Principal:
        """Return who signs in, for the audit alone: what is missing still opens nothing."""
        return Principal(
            kind=PrincipalKind.ENTERPRISE if self.acting_for else PrincipalKind(self.kind.value),
            subject_id=self.acting_for or self.officer_id or self.account_id,
            person_id=None if self.acting_for else self.person_id,
            organisation_code=self.acting_for_code or self.organisation_code,
            actor_id=self.account_id if self.acting_for else None,
            acr=self.acr,
            amr=self.amr,
            auth_time=self.auth_time,
            session_id=self.session_id,
            channel=self.channel,
            post=self.post,
            district_code=self.district_code,
            posts=self.posts,
        )

    def own_principal(self) -> Principal:
        """Return the person or officer behind the session, whoever it acts for."""
        return replace(self, acting_for=None, acting_for_code=None).principal()


def secret_hash(secret: str) -> bytes:
    """Return the form a 256-bit random secret is stored in; no salt is needed for such a secret."""
    return hashlib.sha256(secret.encode()).digest()
