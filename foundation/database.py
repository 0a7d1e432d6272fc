"""PostgreSQL through SQLAlchemy Core and asyncpg.

Three ways over the same server: `transaction` for effects, committed when the block ends
without an exception; `read` on AUTOCOMMIT for facts, which saves the BEGIN and ROLLBACK round
trips; and on hot paths `fetch`, one compiled statement that is its own transaction.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from foundation.errors import ServiceUnavailable
from foundation.statements import NOT_REACHABLE, StatementPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.statements import Record, Statement, StatementTransaction

POOL_TIMEOUT_SECONDS = 5
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every package registers its tables here, in its own `tables.py`."""


def sqlalchemy_url(url: str) -> str:
    """Return `url` with the asyncpg driver named, whatever form it was given in."""
    for prefix in ("postgresql+asyncpg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+asyncpg://" + url.removeprefix(prefix)
    message = "HUFU_DATABASE_URL must start with postgresql://"
    raise ValueError(message)


class Database:
    """Connections to one PostgreSQL database."""

    def __init__(self, url: str, *, pool_size: int = 10, statement_timeout_seconds: float = 15.0) -> None:
        """Prepare the pools; nothing is opened until first use."""
        connect_arguments: dict[str, Any] = {
            "timeout": 5,
            # The server's own limit says nothing when the network between swallows packets.
            "command_timeout": statement_timeout_seconds + 2,
            "server_settings": {
                "timezone": "UTC",
                "application_name": "hufu",
                "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            },
        }
        self._engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=False,
            connect_args=connect_arguments,
        )
        event.listen(self._engine.sync_engine, "handle_error", _lost_while_talking)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        plain_url = sqlalchemy_url(url).replace("+asyncpg", "", 1)
        self._statements = StatementPool(plain_url, max(2, pool_size // 2), POOL_TIMEOUT_SECONDS, connect_arguments)

    async def fetch(self, statement: Statement, **parameters: Any) -> list[Record]:  # noqa: ANN401 - column values
        """Run one compiled statement, committed when it returns, and return its rows.

        Raises: ServiceUnavailable when the server cannot be reached; what else the server refuses
            comes as asyncpg's own error.
        """
        return await self._statements.fetch(statement, parameters)

    async def fetch_one(self, statement: Statement, **parameters: Any) -> Record | None:  # noqa: ANN401 - as above
        """Run one compiled statement like `fetch` and return its first row or None."""
        rows = await self.fetch(statement, **parameters)
        return rows[0] if rows else None

    def statements(self) -> AbstractAsyncContextManager[StatementTransaction]:
        """Open a transaction over compiled statements, committed at the end of the block; raises as `fetch`."""
        return self._statements.transaction()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; commit at the end of the block, roll back on an exception.

        Raises: ServiceUnavailable when the server cannot be reached.
        """
        async with _reachable(), _Opening(self._engine.begin()) as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open an AUTOCOMMIT connection for reading facts.

        Raises: ServiceUnavailable when the server cannot be reached.
        """
        async with _reachable(), _Opening(self._autocommit.connect()) as connection:
            yield connection

    async def ping(self) -> None:
        """Raise ServiceUnavailable unless the server answers."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._statements.close()
        await self._engine.dispose()


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    """Translate a lost connection, and only that, into ServiceUnavailable.

    NOTE: an OSError or TimeoutError that passes here is the caller's own, of a file or of another
    server: what the database's socket raises was translated where it arose.
    """
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise ServiceUnavailable(NOT_REACHABLE) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise ServiceUnavailable(NOT_REACHABLE) from error
        raise


class _Opening:
    """A connection's context, whose failure to open is ServiceUnavailable."""

    def __init__(self, manager: AbstractAsyncContextManager[AsyncConnection]) -> None:
        self._manager = manager

    async def __aenter__(self) -> AsyncConnection:
        try:
            return await self._manager.__aenter__()
        except OSError as error:
            raise ServiceUnavailable(NOT_REACHABLE) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, trace)


def _lost_while_talking(context: ExceptionContext) -> ServiceUnavailable | None:
    """Translate what the socket raised during a statement, commit or rollback (SQLAlchemy's `handle_error`)."""
    if isinstance(context.original_exception, OSError):
        return ServiceUnavailable(NOT_REACHABLE)
    return None
