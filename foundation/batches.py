"""Batches: many items, queued in chunks, with one state row an item.

Progress is a count of rows; a retried chunk skips what is done; an item that breaks a
rule fails alone, with its reason, and the rest goes on. Items hold identifiers and
plain facts, never personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from foundation.errors import ServiceUnavailable, TrustServiceError, UpstreamUnavailable
from foundation.ids import new_id
from foundation.jobs import JobHandler
from foundation.tables import batch_items, batches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import timedelta
    from typing import TypeAlias

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.jobs import Jobs

    ItemHandler: TypeAlias = Callable[[AsyncConnection, Mapping[str, Any]], Awaitable[None]]

CHUNK_SIZE = 500
SHOWN_FAILURES = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is."""

    total: int
    done: int
    failed: int
    failures: tuple[tuple[int, str], ...] = ()

    @property
    def finished(self) -> bool:
        """Tell whether no item waits."""
        return self.done + self.failed == self.total


class Batches:
    """Starts batches and tells how far they are."""

    def __init__(self, database: Database, jobs: Jobs, clock: Clock) -> None:
        """Take the database, the queue and the clock that dates batches."""
        self._database = database
        self._jobs = jobs
        self._clock = clock

    async def start(
        self,
        connection: AsyncConnection,
        job: str,
        items: Sequence[Mapping[str, Any]],
        *,
        owner: str,
        chunk_size: int = CHUNK_SIZE,
    ) -> str:
        """Write the items and enqueue their chunks in the caller's transaction; return the batch's id."""
        batch_id = new_id("bat")
        await connection.execute(
            insert(batches).values(
                batch_id=batch_id, job=job, owner=owner, total=len(items), created_at=self._clock.now()
            )
        )
        rows = [{"batch_id": batch_id, "number": number, "item": dict(item)} for number, item in enumerate(items)]
        if rows:
            await connection.execute(insert(batch_items), rows)
        chunks = [
            {"batch_id": batch_id, "first": first, "last": min(first + chunk_size, len(items)) - 1}
            for first in range(0, len(items), chunk_size)
        ]
        await self._jobs.enqueue_many(connection, job, chunks)
        return batch_id

    async def progress(self, connection: AsyncConnection, batch_id: str, *, owner: str) -> Progress | None:
        """Return how far an owner's batch is, with its first failures; None when there is no such batch."""
        found = select(batches.c.total).where(batches.c.batch_id == batch_id, batches.c.owner == owner)
        total = (await connection.execute(found)).scalar_one_or_none()
        if total is None:
            return None
        counts = select(batch_items.c.state, func.count()).where(batch_items.c.batch_id == batch_id)
        rows = await connection.execute(counts.group_by(batch_items.c.state))
        by_state = {row[0]: int(row[1]) for row in rows}
        failures = (
            select(batch_items.c.number, batch_items.c.reason)
            .where(batch_items.c.batch_id == batch_id, batch_items.c.state == "failed")
            .order_by(batch_items.c.number)
            .limit(SHOWN_FAILURES)
        )
        shown = tuple((number, reason) for number, reason in await connection.execute(failures))
        return Progress(total, by_state.get("done", 0), by_state.get("failed", 0), shown)

    def handler(self, handle: ItemHandler, *, concurrency: int = 0, first_pause: timedelta | None = None) -> JobHandler:
        """Return the job handler that runs `handle` on each waiting item of a chunk.

        `handle` works in the transaction that marks its item done, so either both stand
        or neither. A TrustServiceError fails the item; an outage fails the chunk, which
        is tried again and goes on where it stopped.
        """

        async def run(payload: Mapping[str, Any]) -> None:
            for number, item in await self._waiting(payload):
                await self._one(payload["batch_id"], number, item, handle)

        if first_pause is None:
            return JobHandler(run, concurrency=concurrency)
        return JobHandler(run, concurrency=concurrency, first_pause=first_pause)

    async def _waiting(self, chunk: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
        statement = (
            select(batch_items.c.number, batch_items.c.item)
            .where(
                batch_items.c.batch_id == chunk["batch_id"],
                batch_items.c.number.between(chunk["first"], chunk["last"]),
                batch_items.c.state == "waiting",
            )
            .order_by(batch_items.c.number)
        )
        async with self._database.read() as connection:
            return [(row.number, row.item) for row in await connection.execute(statement)]

    async def _one(self, batch_id: str, number: int, item: Mapping[str, Any], handle: ItemHandler) -> None:
        try:
            async with self._database.transaction() as connection:
                if await self._mark(connection, batch_id, number, "done", None):
                    await handle(connection, item)
        except (ServiceUnavailable, UpstreamUnavailable):
            raise
        except TrustServiceError as error:
            async with self._database.transaction() as connection:
                await self._mark(connection, batch_id, number, "failed", error.detail or type(error).__name__)

    async def _mark(
        self, connection: AsyncConnection, batch_id: str, number: int, state: str, reason: str | None
    ) -> bool:
        """Claim a waiting item; tell whether it was still ours to take."""
        statement = (
            update(batch_items)
            .where(batch_items.c.batch_id == batch_id, batch_items.c.number == number, batch_items.c.state == "waiting")
            .values(state=state, reason=reason)
        )
        return (await connection.execute(statement)).rowcount == 1
