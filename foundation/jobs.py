"""Background work on a queue in PostgreSQL (PgQueuer), wrapped here and nowhere else.

A job is enqueued in the transaction that causes it and carries identifiers, never
personal data. Delivery is at least once: a handler reads its facts again and lets a
WHERE clause decide whether there is still anything to do. A handler that raises is
tried again with growing pauses; when its attempts are used up the job is held with
state `failed` until somebody looks (`failed`, `release`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel, QueueExecutionMode
from sqlalchemy import text

from foundation.errors import ServiceUnavailable
from foundation.metrics import WorkerMetrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pgqueuer.domain.models import Job
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database

logger = logging.getLogger("hufu.jobs")
DEPTH_SECONDS = 10

Payload: TypeAlias = "Mapping[str, Any]"
Handler: TypeAlias = "Callable[[Payload], Awaitable[None]]"

# Named here so that PGQUEUER_* or bare CHANNEL, FUNCTION … variables of the surroundings change nothing.
_NAMES = DBSettings(
    prefix="",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)


class JobFailed(Exception):
    """A handler raised; only the exception's class is kept, since its text may name people."""


@dataclass(frozen=True, slots=True)
class JobHandler:
    """What runs one kind of job, and how often it may fail."""

    run: Handler
    attempts: int = 8
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=10)
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """Work repeated every `interval`; one worker of all does it each time."""

    run: Callable[[], Awaitable[None]]
    interval: timedelta


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job may start, and what makes it the same as one already waiting."""

    delay: timedelta | None = None
    priority: int = 0
    once_key: str | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many jobs of one kind wait, run or are held."""

    job: str
    state: str
    count: int


class Jobs:
    """Puts work on the queue."""

    async def enqueue(
        self, connection: AsyncConnection, job: str, payload: Payload, schedule: Schedule | None = None
    ) -> None:
        """Enqueue one job within the caller's transaction; a waiting one with the same `once_key` suffices."""
        await self.enqueue_many(connection, job, (payload,), schedule)

    async def enqueue_many(
        self, connection: AsyncConnection, job: str, payloads: Sequence[Payload], schedule: Schedule | None = None
    ) -> None:
        """Enqueue several jobs of one kind in one statement, within the caller's transaction."""
        if not payloads:
            return
        when, count = schedule or Schedule(), len(payloads)
        await _queries(_InTransaction(connection)).enqueue(
            [job] * count,
            [json.dumps(dict(payload)).encode() for payload in payloads],
            [when.priority] * count,
            [when.delay] * count,
            [when.once_key and f"{job}:{when.once_key}"] * count,
            on_conflict="skip",
        )

    async def depths(self, connection: AsyncConnection) -> tuple[QueueDepth, ...]:
        """Return how full the queue is, by kind and state."""
        rows = await connection.execute(
            text("SELECT entrypoint, status::text, count(*) FROM pgqueuer GROUP BY 1, 2 ORDER BY 1, 2")
        )
        return tuple(QueueDepth(*row) for row in rows)

    async def release(self, connection: AsyncConnection, job: str) -> int:
        """Let the held jobs of one kind run again, with fresh attempts; return how many."""
        result = await connection.execute(
            text(
                "UPDATE pgqueuer SET status = 'queued', attempts = 0, execute_after = now(), updated = now(),"
                " queue_manager_id = NULL WHERE entrypoint = :job AND status = 'failed'"
            ),
            {"job": job},
        )
        return result.rowcount


class Worker:
    """Runs queued and periodic jobs until told to stop."""

    def __init__(
        self,
        database: Database,
        database_url: str,
        handlers: Mapping[str, JobHandler | Handler],
        periodic: Mapping[str, PeriodicJob] | None = None,
        *,
        concurrency: int = 20,
        metrics: WorkerMetrics | None = None,
    ) -> None:
        """Take what runs each kind of job; `concurrency` bounds jobs at a time."""
        self.metrics = metrics or WorkerMetrics()
        self._database = database
        self._url = "postgresql://" + database_url.partition("://")[2]
        self._handlers = {
            name: handler if isinstance(handler, JobHandler) else JobHandler(handler)
            for name, handler in handlers.items()
        }
        self._periodic = dict(periodic or {})
        self._concurrency = concurrency
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`, through losses of the database; running jobs end first."""
        periodic = [asyncio.create_task(self._repeat(name, job)) for name, job in self._periodic.items()]
        periodic.append(asyncio.create_task(self._measure()))
        try:
            while not self._stopping.is_set():
                try:
                    await self._work(QueueExecutionMode.continuous, look_again_seconds=5)
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                    logger.warning("worker lost the database", extra={"error": type(error).__name__})
                    await self._pause(1)
        finally:
            self._stopping.set()
            await asyncio.gather(*periodic)

    async def drain(self) -> None:
        """Work until nothing waits; jobs with a delay are waited for."""
        await self._work(QueueExecutionMode.drain, look_again_seconds=0.2)

    def stop(self) -> None:
        """Ask `run` to end once the running jobs are done."""
        self._stopping.set()

    async def _work(self, mode: QueueExecutionMode, *, look_again_seconds: float) -> None:
        async with asyncpg.create_pool(self._url, min_size=1, max_size=4, timeout=5, command_timeout=30) as pool:
            manager = QueueManager(_queries(AsyncpgPoolDriver(pool)), channel=_NAMES.channel)
            for name, handler in self._handlers.items():
                manager.entrypoint(
                    name, concurrency_limit=handler.concurrency, accepts_context=False, on_failure="hold"
                )(_guarded(name, handler, self.metrics))
            watcher = asyncio.create_task(self._forward_stop(manager))
            try:
                await manager.run(
                    dequeue_timeout=timedelta(seconds=look_again_seconds),
                    batch_size=self._concurrency // 2,
                    max_concurrent_tasks=self._concurrency,
                    mode=mode,
                    shutdown_on_listener_failure=True,
                )
            finally:
                watcher.cancel()

    async def _forward_stop(self, manager: QueueManager) -> None:
        await self._stopping.wait()
        manager.shutdown.set()

    async def _repeat(self, name: str, job: PeriodicJob) -> None:
        while not self._stopping.is_set():
            try:
                if await self._due(name, job.interval):
                    await job.run()
            except Exception as error:  # noqa: BLE001 - one bad turn must not end the repetition
                logger.warning("periodic job failed", extra={"job": name, "error": type(error).__name__})
            await self._pause(job.interval.total_seconds() / 4)

    async def _measure(self) -> None:
        """Keep the queue's depth in the metrics; every worker tells it, since any may be scraped."""
        while not self._stopping.is_set():
            with suppress(ServiceUnavailable):
                async with self._database.read() as connection:
                    self.metrics.depth(await Jobs().depths(connection))
            await self._pause(DEPTH_SECONDS)

    async def _due(self, name: str, interval: timedelta) -> bool:
        """Take the turn if it is due; of several workers the WHERE clause lets one through."""
        statement = text(
            "INSERT INTO periodic_turns AS t (name, taken_at) VALUES (:name, now()) ON CONFLICT (name) DO UPDATE"
            " SET taken_at = now() WHERE t.taken_at <= now() - CAST(:interval AS interval) RETURNING 1"
        )
        async with self._database.transaction() as connection:
            result = await connection.execute(statement, {"name": name, "interval": interval})
            return result.first() is not None

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


class _InTransaction(AsyncpgDriver):
    """Lets PgQueuer insert within a SQLAlchemy transaction.

    SQLAlchemy begins one at the first statement it executes itself; over the raw asyncpg
    connection the insert would stand alone and survive a rollback.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._transaction = connection

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Execute an insert and return its rows."""
        result = await self._transaction.exec_driver_sql(query, args)
        return [dict(row) for row in result.mappings()]


def _queries(driver: AsyncpgDriver | AsyncpgPoolDriver) -> Queries:
    return Queries(driver, QueryBuilderEnvironment(_NAMES), QueryQueueBuilder(_NAMES), QuerySchedulerBuilder(_NAMES))


def _guarded(name: str, handler: JobHandler, metrics: WorkerMetrics) -> Callable[[Job], Awaitable[None]]:
    """Return an entrypoint that retries by plan and tells the queue's log no more than a class name."""

    async def run(job: Job) -> None:
        began = time.perf_counter()
        try:
            await handler.run(json.loads(job.payload or b"{}"))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is retried, then held
            reason = type(error).__name__
            logger.warning("job failed", extra={"job": name, "attempt": job.attempts + 1, "error": reason})
            held = job.attempts + 1 >= handler.attempts
            metrics.ran(name, "held" if held else "retried", time.perf_counter() - began)
            if held:
                raise JobFailed(reason) from None
            pause = min(handler.first_pause * 2**job.attempts, handler.longest_pause)
            raise RetryRequested(delay=pause, reason=reason) from None
        metrics.ran(name, "done", time.perf_counter() - began)

    return run
