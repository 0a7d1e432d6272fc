"""SQL of batches. What a row holds is encrypted; counts and verdicts are not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, bindparam, delete, func, insert, select, update

from verification.batches.rows import BatchRow
from verification.tables import batch_rows, row_batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher

_ROW, _RESULT = "verification_batch_rows.row", "verification_batch_rows.result"
PAGE = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch and who asked for it."""

    batch_id: str
    owner: str
    requested_by: str
    organisation_code: str | None
    channel: str
    total: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one row: `done` with a verdict, or `failed` with the rule it broke."""

    number: int
    state: str
    verdict: str | None
    result: Mapping[str, Any]


class BatchRepository:
    """Reads and writes over the caller's connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the connection and the cipher of the rows."""
        self._connection = connection
        self._cipher = cipher

    async def add(self, batch: Batch, rows: Sequence[BatchRow]) -> None:
        """Store a batch with its rows, all waiting."""
        await self._connection.execute(
            insert(row_batches).values(**{column.name: getattr(batch, column.name) for column in row_batches.c})
        )
        stored = [
            {"batch_id": batch.batch_id, "number": number, "row": self._sealed(row.to_json(), _ROW)}
            for number, row in enumerate(rows, 1)
        ]
        await self._connection.execute(insert(batch_rows), stored)

    async def find(self, batch_id: str, *, owner: str | None = None) -> Batch | None:
        """Return a batch, or None; with `owner` only that owner's."""
        statement = select(row_batches).where(row_batches.c.batch_id == batch_id)
        if owner is not None:
            statement = statement.where(row_batches.c.owner == owner)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return None if row is None else Batch(**row)

    async def open_batches(self, owner: str) -> int:
        """Return how many of an owner's batches still have rows waiting."""
        waiting = (
            select(batch_rows.c.number)
            .where(batch_rows.c.batch_id == row_batches.c.batch_id, batch_rows.c.state == "waiting")
            .exists()
        )
        statement = select(func.count()).select_from(row_batches).where(row_batches.c.owner == owner, waiting)
        return int((await self._connection.execute(statement)).scalar_one())

    async def counts(self, batch_id: str) -> dict[tuple[str, str | None], int]:
        """Return how many rows there are by state and verdict."""
        statement = (
            select(batch_rows.c.state, batch_rows.c.verdict, func.count())
            .where(batch_rows.c.batch_id == batch_id)
            .group_by(batch_rows.c.state, batch_rows.c.verdict)
        )
        return {(row[0], row[1]): int(row[2]) for row in await self._connection.execute(statement)}

    async def waiting(self, batch_id: str, first: int, last: int) -> list[tuple[int, BatchRow]]:
        """Return the rows of a chunk that nobody has judged yet."""
        statement = (
            select(batch_rows.c.number, batch_rows.c.row)
            .where(
                batch_rows.c.batch_id == batch_id,
                batch_rows.c.number.between(first, last),
                batch_rows.c.state == "waiting",
            )
            .order_by(batch_rows.c.number)
        )
        found = await self._connection.execute(statement)
        return [(row.number, BatchRow.from_json(self._opened(row.row, _ROW))) for row in found]

    async def settle(self, batch_id: str, judgements: Sequence[Judgement]) -> None:
        """Store what became of rows that still wait, and forget what they held."""
        statement = (
            update(batch_rows)
            .where(
                batch_rows.c.batch_id == bindparam("of_batch"),
                batch_rows.c.number == bindparam("of_number"),
                batch_rows.c.state == "waiting",
            )
            .values(
                state=bindparam("now_state"),
                verdict=bindparam("now_verdict"),
                result=bindparam("now_result", type_=LargeBinary),
                row=None,
            )
        )
        values = [
            {
                "of_batch": batch_id,
                "of_number": item.number,
                "now_state": item.state,
                "now_verdict": item.verdict,
                "now_result": self._sealed(item.result, _RESULT),
            }
            for item in judgements
        ]
        await self._connection.execute(statement, values)

    async def results(self, batch_id: str, *, after: int) -> list[Judgement]:
        """Return what became of the next judged rows behind a number, at most `PAGE`."""
        statement = (
            select(batch_rows)
            .where(batch_rows.c.batch_id == batch_id, batch_rows.c.number > after, batch_rows.c.result.is_not(None))
            .order_by(batch_rows.c.number)
            .limit(PAGE)
        )
        found = await self._connection.execute(statement)
        return [Judgement(row.number, row.state, row.verdict, self._opened(row.result, _RESULT)) for row in found]

    async def purge(self, now: datetime) -> int:
        """Delete every batch whose time is over, with its rows; return how many."""
        over = select(row_batches.c.batch_id).where(row_batches.c.expires_at <= now)
        await self._connection.execute(delete(batch_rows).where(batch_rows.c.batch_id.in_(over)))
        result = await self._connection.execute(delete(row_batches).where(row_batches.c.expires_at <= now))
        return result.rowcount

    def _sealed(self, value: Mapping[str, Any], context: str) -> bytes:
        return self._cipher.encrypt(json.dumps(value, ensure_ascii=False), context)

    def _opened(self, stored: bytes, context: str) -> Any:  # noqa: ANN401 - what was stored
        return json.loads(self._cipher.decrypt(stored, context))
