"""What a measurement is, and what it may use."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import psutil

from tests.support.servers import TestServers, clone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Operation: TypeAlias = Callable[[], Awaitable[int]]
    """Does the work once and returns how many units that was (1, or a batch's size)."""


@dataclass(slots=True)
class Bench:
    """What a case may use; its database is its own and empty."""

    servers: TestServers
    directory: Path
    watched: dict[int, str] = field(default_factory=dict)
    """Processes whose CPU time counts, each with the name it has in the note; without one it is not told apart."""
    note: str = ""
    ourselves: bool = True

    def database_url(self) -> str:
        """Return the address of a fresh migrated database."""
        return clone(self.servers, f"bench_{secrets.token_hex(4)}")

    def redis_url(self) -> str:
        """Return the address of a Redis database."""
        return self.servers.redis_url

    def watch(self, pid: int, *, instead: bool = False, name: str = "") -> None:
        """Count the CPU time and memory of a process and its children, besides ours or instead of ours."""
        self.watched[pid] = name
        self.ourselves = self.ourselves and not instead

    async def watch_database(self, url: str) -> None:
        """Count PostgreSQL's CPU time too: of the whole server, so nothing else may use it."""
        connection = await asyncpg.connect(url, timeout=10)
        try:
            backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
            self.watched[backend.ppid()] = "PostgreSQL"
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table.

    `make(bench)` yields the operation. `against` names the case it is compared with: a
    floor (the same effect by the barest means) or a peer (another implementation).
    `concurrency` operations run at a time. `faster` says what the ratio means.
    """

    name: str
    make: Callable[[Bench], AbstractAsyncContextManager[Operation]]
    against: str = ""
    concurrency: int = 1
    seconds: float = 5.0
    warm_up: int = 3
    longest: float = 600.0
    """Seconds after which the case is given up, its preparation included."""
    open_loop_seconds: float = 0.0
    """Seconds for which operations then arrive at 70 % of the rate measured; p50 and p99 are of these."""
    arrivals_per_second: float = 0.0
    """The rate at which operations arrive for `seconds`, whether or not earlier ones have ended; `concurrency` is of
    the warm-up then."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured."""

    name: str
    units: int
    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    p50_milliseconds: float = 0.0
    p99_milliseconds: float = 0.0
    note: str = ""

    @property
    def per_second(self) -> float:
        """Return units a second."""
        return self.units / self.seconds

    @property
    def cpu_milliseconds(self) -> float:
        """Return CPU milliseconds a unit, of ours and of the watched processes."""
        return self.cpu_seconds * 1000 / self.units
