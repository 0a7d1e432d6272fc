"""What the end of a sign-in session does to the grants made in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.oauth.repository import Grants, offline
from idp.oauth.tables import oauth_grants

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock


class GrantsEndWithSession:
    """The `SessionObserver` of the provider: codes and tokens go with the session.

    Grants with `offline_access` stay: that is what the person allowed.
    """

    def __init__(self, clock: Clock) -> None:
        """Take the clock that dates the revocations."""
        self._clock = clock

    async def sessions_ended(self, connection: AsyncConnection, session_ids: tuple[str, ...]) -> None:
        """Revoke, in the transaction that ends the sessions."""
        condition = oauth_grants.c.session_id.in_(session_ids) & ~offline()
        await Grants(connection).revoke(condition, self._clock.now())
