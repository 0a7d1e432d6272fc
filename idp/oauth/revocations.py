"""What was revoked lately, known to every process within a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from foundation.kept import Kept
from idp.oauth.repository import Grants

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database

POLL_SECONDS = 0.9
OVERLAP = timedelta(seconds=30)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Revocations:
    """A process-wide copy of the revocations that still matter, re-read when older than a second.

    Two small reads a second, made only by a process that is asked, replace a read for each token.
    The overlap covers transactions that commit later than they are dated. Without the database
    the question fails: nothing is passed on old knowledge.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        """Take the database and clock."""
        self._database = database
        self._clock = clock
        self._known: dict[str, datetime] = {}
        self._since = _BEGINNING
        self._look: Kept[None, None] = Kept(self._refresh, seconds=POLL_SECONDS)

    async def includes(self, *identifiers: str) -> bool:
        """Tell whether a grant or token was revoked; raises ServiceUnavailable without the database."""
        await self._look(None)
        return any(identifier in self._known for identifier in identifiers)

    async def _refresh(self, _: None) -> None:
        now = self._clock.now()
        async with self._database.read() as connection:
            fresh = await Grants(connection).revoked_since(self._since, now)
        self._known = {name: ends for name, ends in self._known.items() if ends > now} | dict(fresh)
        self._since = now - OVERLAP
