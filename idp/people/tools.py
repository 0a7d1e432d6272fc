"""What every use case of people shares: one value instead of ten arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.people.session_repository import Sessions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.notices import Notices
    from idp.people.passwords import Passwords
    from idp.people.proof import LevelPolicy
    from idp.people.throttle import Throttle
    from idp.ports import SessionObserver


@dataclass(frozen=True, slots=True)
class Tools:
    """Collaborators of the services of people."""

    database: Database
    clock: Clock
    audit: Audit
    cipher: FieldCipher
    notices: Notices
    passwords: Passwords
    throttle: Throttle
    policy: LevelPolicy
    observers: tuple[SessionObserver, ...] = ()

    async def end_sessions(
        self, connection: AsyncConnection, account_id: str, reason: str, *, keep: str | None = None
    ) -> tuple[str, ...]:
        """End an account's sessions but `keep`, tell the observers, and return the ended ids."""
        ended = await Sessions(connection).end_all(account_id, self.clock.now(), reason, keep=keep)
        await self.tell(connection, ended)
        return ended

    async def end_sessions_at_post(self, connection: AsyncConnection, officer_id: str, reason: str) -> None:
        """End the sessions in one post and everything granted in it; other posts' go on."""
        await self.tell(connection, await Sessions(connection).end_at_post(officer_id, self.clock.now(), reason))
        for observer in self.observers:
            await observer.subject_ended(connection, officer_id)

    async def tell(self, connection: AsyncConnection, session_ids: tuple[str, ...]) -> None:
        """Tell the observers, in the same transaction, which sessions ended."""
        for observer in self.observers if session_ids else ():
            await observer.sessions_ended(connection, session_ids)
