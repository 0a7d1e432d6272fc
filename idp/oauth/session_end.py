"""What the end of a sign-in session does to the grants made in it, and to the clients that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from foundation.jobs import Jobs
from idp.oauth.logout import LOGOUT_JOB
from idp.oauth.repository import Grants, offline
from idp.oauth.tables import oauth_clients, oauth_grants

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock


class GrantsEndWithSession:
    """The `SessionObserver` of the provider: codes and tokens go with the session, clients are told.

    Grants with `offline_access` stay: that is what the person allowed. The logout tokens are sent
    by jobs enqueued in the same transaction, so a client that is down is told later.
    """

    def __init__(self, clock: Clock) -> None:
        """Take the clock that dates the revocations."""
        self._clock = clock

    async def sessions_ended(self, connection: AsyncConnection, session_ids: tuple[str, ...]) -> None:
        """Revoke and enqueue, in the transaction that ends the sessions."""
        await self._tell_clients(connection, session_ids)
        condition = oauth_grants.c.session_id.in_(session_ids) & ~offline()
        await Grants(connection).revoke(condition, self._clock.now())

    async def subject_ended(self, connection: AsyncConnection, subject_id: str) -> None:
        """Revoke what was granted in a post that ended: also what outlives sessions or came from a device."""
        await Grants(connection).revoke(oauth_grants.c.account_id == subject_id, self._clock.now())

    async def _tell_clients(self, connection: AsyncConnection, session_ids: tuple[str, ...]) -> None:
        grants = oauth_grants.c
        query = (
            select(grants.client_id, grants.account_id, grants.session_id)
            .distinct()
            .join(oauth_clients, oauth_clients.c.client_id == grants.client_id)
            .where(grants.session_id.in_(session_ids), oauth_clients.c.metadata.has_key("backchannel_logout_uri"))
        )
        payloads = [dict(row._mapping) for row in await connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name
        await Jobs().enqueue_many(connection, LOGOUT_JOB, payloads)
