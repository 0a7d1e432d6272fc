"""Watches the clock that timestamps are made with (ETSI EN 319 421, clause 7.7.2).

The wall clock is compared with a counter nobody can set. When the two part by more
than the accuracy we promise, the clock was set, and no timestamp is made until the two
agree again or the process is started anew by somebody who has looked. A mark in the
database, at most a second behind the last time stamped, keeps a clock that was set
back while the process was down from being believed.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import insert

from keys.errors import ClockNotTrusted
from keys.tables import timestamp_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.clock import Clock
    from foundation.database import Database

TOLERANCE = timedelta(seconds=0.5)
"""Half of the accuracy in our tokens. Time servers slew; what moves further at once was set."""
MARK_EVERY = timedelta(seconds=1)
REBASE_EVERY = timedelta(seconds=1)


def seconds_since_boot() -> float:
    """Return a counter that also runs while the machine sleeps and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockWatch:
    """Tells the time for timestamps, or refuses."""

    def __init__(
        self, clock: Clock, database: Database, *, counter: Callable[[], float] | None = seconds_since_boot
    ) -> None:
        """Compare with `counter`; None for a clock that is moved by hand, which only tests have."""
        self._clock = clock
        self._database = database
        self._counter = counter
        self._base: tuple[datetime, float] | None = None
        self._marked: datetime | None = None

    def now(self) -> datetime:
        """Return a moment that may be stamped; raises ClockNotTrusted."""
        now = self._clock.now()
        if self._marked is not None and now < self._marked - TOLERANCE:
            raise ClockNotTrusted("The clock is behind a time that was stamped before.")
        if self._counter is not None:
            self._compare(now, self._counter())
        return now

    def _compare(self, now: datetime, count: float) -> None:
        if self._base is None:
            self._base = (now, count)
            return
        elapsed = timedelta(seconds=count - self._base[1])
        if abs(now - self._base[0] - elapsed) > TOLERANCE:
            # The base stays as it was: once the clock is put right, the two agree again.
            raise ClockNotTrusted("The clock was set; no timestamps until it agrees with the time elapsed.")
        if elapsed > REBASE_EVERY:
            self._base = (now, count)

    async def load(self) -> None:
        """Read the mark; call before the first stamp."""
        async with self._database.read() as connection:
            query = select(timestamp_clock.c.stamped_until).where(timestamp_clock.c.singleton == true())
            self._marked = (await connection.execute(query)).scalar_one_or_none()

    async def mark(self, at: datetime) -> None:
        """Note that `at` is about to be stamped; writes once a second at most, and one call writes for all."""
        before = self._marked
        if before is not None and at - before < MARK_EVERY:
            return
        self._marked = at
        statement = insert(timestamp_clock).values(singleton=True, stamped_until=at)
        latest = func.greatest(timestamp_clock.c.stamped_until, statement.excluded.stamped_until)
        try:
            async with self._database.transaction() as connection:
                await connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[timestamp_clock.c.singleton], set_={"stamped_until": latest}
                    )
                )
        except BaseException:
            self._marked = before  # the next call writes
            raise
