"""Statements for hot paths: compiled once by SQLAlchemy, sent by asyncpg without anything between.

An execution through SQLAlchemy's asynchronous engine costs several times what PostgreSQL's own
driver needs: a greenlet, a cache key, a cursor, a reset. Where one statement is the whole work, a
fact to read or an effect whose CTEs say all of it, it can go straight to the driver, and one
statement is its own transaction: no BEGIN and COMMIT.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from foundation.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Executable

_DIALECT: Final = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
STATEMENTS_KEPT = 500
JSONB_VERSION = b"\x01"
NOT_REACHABLE = "The database is not reachable now."
UNREACHABLE: Final = (
    OSError,  # TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
"""What asyncpg raises when the server went away, is going, is full, or took too long."""


class Statement:
    """One statement of SQLAlchemy Core, compiled when the module is imported.

    What differs between executions is a `bindparam(name)`; literals stay as they are. JSONB takes
    and gives Python values, None is NULL. Lists are passed to `= ANY(...)`; an expanding IN is not
    possible. `columns` names the columns of an INSERT without values.
    """

    def __init__(self, clause: Executable, *, columns: Sequence[str] | None = None) -> None:
        """Compile `clause`."""
        compiled: Any = clause.compile(dialect=_DIALECT, column_keys=columns)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        self._arguments = tuple((bind.key, bind.required, bind.value) for bind in binds)

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        """Return the positional arguments; raises KeyError when one is missing."""
        return [
            parameters[name] if required or name in parameters else literal
            for name, required, literal in self._arguments
        ]


class Record(asyncpg.Record):
    """A row whose columns are attributes, as SQLAlchemy's rows have them."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the column holds
        """Return a column."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class StatementTransaction:
    """Several statements that take effect together."""

    def __init__(self, connection: asyncpg.Connection[Record]) -> None:
        """Take the connection on which it has begun."""
        self._connection = connection

    async def fetch_one(self, statement: Statement, **parameters: Any) -> Record | None:  # noqa: ANN401 - column values
        """Run one statement and return its first row or None; raises asyncpg's errors."""
        rows: list[Record] = await self._connection.fetch(statement.sql, *statement.arguments(parameters))
        return rows[0] if rows else None


class StatementPool:
    """A few connections that run single statements, the most recently used first.

    asyncpg's own pool makes a task and a proxy for each use and resets what a single statement
    cannot have changed.
    """

    def __init__(self, url: str, size: int, wait_seconds: float, connect_arguments: dict[str, Any]) -> None:
        """Prepare; nothing is opened until first use."""
        self._url = url
        # What a hot path asks by keys has one plan; to weigh it anew each time took PostgreSQL longer than to answer.
        settings = {**connect_arguments["server_settings"], "plan_cache_mode": "force_generic_plan"}
        self._connect_arguments = {**connect_arguments, "server_settings": settings}
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection[Record]] = []

    async def fetch(self, statement: Statement, parameters: dict[str, Any]) -> list[Record]:
        """Run one statement in its own transaction and return its rows.

        Raises: ServiceUnavailable when the server cannot be reached or has no time; asyncpg's own
            errors for what it refuses.
        """
        arguments = statement.arguments(parameters)
        async with self._connection() as connection:
            return await connection.fetch(statement.sql, *arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[StatementTransaction]:
        """Yield a transaction over several statements, committed at the end of the block; raises as `fetch`.

        NOTE: nothing but statements belongs into the block: an OSError of another making would be taken
        for the server's.
        """
        refused: Exception | None = None
        async with self._connection() as connection:
            await connection.execute("BEGIN")
            try:
                yield StatementTransaction(connection)
            except Exception as error:
                if isinstance(error, UNREACHABLE) or connection.is_closed():
                    raise
                await connection.execute("ROLLBACK")
                refused = error
            else:
                await connection.execute("COMMIT")
        if refused is not None:  # rolled back: the connection is at rest, and stays
            raise refused

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection[Record]]:
        await self._take_place()
        try:
            connection = await self._take()
            try:
                yield connection
            except UNREACHABLE as error:
                connection.terminate()
                raise ServiceUnavailable(NOT_REACHABLE) from error
            except (asyncpg.PostgresError, asyncpg.DataError):
                # Refused by the server, or before it was sent: the connection is at rest.
                self._idle.append(connection)
                raise
            except BaseException:
                # Cancelled midway: what comes next on this connection is not known.
                connection.terminate()
                raise
            self._idle.append(connection)
        finally:
            self._places.release()

    async def _take_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise ServiceUnavailable("The database is busy.") from error

    async def _take(self) -> asyncpg.Connection[Record]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self._open()
        except UNREACHABLE as error:
            raise ServiceUnavailable(NOT_REACHABLE) from error

    async def _open(self) -> asyncpg.Connection[Record]:
        opened: asyncpg.Connection[Record] = await asyncpg.connect(
            self._url, record_class=Record, statement_cache_size=STATEMENTS_KEPT, **self._connect_arguments
        )
        await opened.set_type_codec(
            "jsonb", schema="pg_catalog", format="binary", encoder=_jsonb, decoder=lambda value: orjson.loads(value[1:])
        )
        return opened

    async def close(self) -> None:
        """Close the connections at rest."""
        while self._idle:
            await self._idle.pop().close()


def _jsonb(value: object) -> bytes:
    return JSONB_VERSION + orjson.dumps(value)
