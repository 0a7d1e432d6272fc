"""Time as a collaborator, so that a test can hold it still."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

CIVIL_TIME = ZoneInfo("Asia/Shanghai")
"""All of China keeps one time: a civil day begins at 16:00 UTC of the day before."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that moves only when told to."""

    def __init__(self, at: datetime) -> None:
        """Start at an aware moment."""
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the held moment."""
        return self._at

    def advance(self, step: timedelta) -> None:
        """Move by `step`, which may be negative."""
        self._at += step


def civil_date(now: datetime) -> date:
    """Return the civil day of a moment."""
    return now.astimezone(CIVIL_TIME).date()
