"""What was revoked lately, known to every process within a second."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from idp.oauth.repository import Grants

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database

POLL_SECONDS = 0.9
OVERLAP = timedelta(seconds=30)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Revocations:
    """A process-wide copy of the revocations that still matter, re-read when older than a second.

    One small read a second, made only by a process that is asked, replaces a read for each token.
    The overlap covers transactions that commit later than they are dated. Without the database
    the question fails: nothing is passed on old knowledge.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        """Take the database and clock."""
        self._database = database
        self._clock = clock
        self._known: dict[str, datetime] = {}
        self._read_at: float | None = None
        self._since = _BEGINNING
        self._lock = asyncio.Lock()

    async def includes(self, *identifiers: str) -> bool:
        """Tell whether a grant or token was revoked; raises ServiceUnavailable without the database."""
        if self._stale():
            async with self._lock:
                if self._stale():
                    await self._refresh()
        return any(identifier in self._known for identifier in identifiers)

    def _stale(self) -> bool:
        return self._read_at is None or time.monotonic() - self._read_at > POLL_SECONDS

    async def _refresh(self) -> None:
        read_at, now = time.monotonic(), self._clock.now()
        async with self._database.read() as connection:
            fresh = await Grants(connection).revoked_since(self._since, now)
        self._known = {name: ends for name, ends in self._known.items() if ends > now} | dict(fresh)
        self._since = now - OVERLAP
        self._read_at = read_at
