"""What the identity package needs from others, and its two halves from each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


class SessionObserver(Protocol):
    """Is told, in the ending transaction, which sessions ended: tokens go and clients are logged out."""

    async def sessions_ended(self, connection: AsyncConnection, session_ids: tuple[str, ...]) -> None:
        """Act on ended sessions; what is written here commits with the end itself."""

    async def subject_ended(self, connection: AsyncConnection, subject_id: str) -> None:
        """Act on the end of a subject, such as an officer's post: nothing granted in its name stays."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What another provider says of somebody: who, and by which of its own levels; unverified beyond its signature."""

    issuer: str
    stated: str
    unverified_name: str = field(repr=False)
    unverified_number: str = field(repr=False)


class Vouchers(Protocol):
    """Keeps what other providers vouch for; `idp.people.vouching`."""

    async def keep(self, account_id: str, statement: Statement, linked_at: datetime) -> None:
        """Keep a statement on the person behind a linked account; raises RealNameConflict."""
