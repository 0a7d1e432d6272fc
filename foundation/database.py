"""PostgreSQL through SQLAlchemy Core and asyncpg.

Two engines over the same server: `transaction` for effects, committed when the
block ends without an exception, and `read` on AUTOCOMMIT for facts, which saves
the BEGIN and ROLLBACK round trips on hot paths.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from foundation.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

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
        """Prepare the pool; nothing is opened until first use."""
        self._engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            pool_pre_ping=False,
            connect_args={
                "timeout": 5,
                # The server's own limit says nothing when the network between swallows packets.
                "command_timeout": statement_timeout_seconds + 2,
                "server_settings": {
                    "timezone": "UTC",
                    "application_name": "hufu",
                    "statement_timeout": str(int(statement_timeout_seconds * 1000)),
                },
            },
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; commit at the end of the block, roll back on an exception.

        Raises: ServiceUnavailable when the server cannot be reached.
        """
        async with _reachable(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open an AUTOCOMMIT connection for reading facts.

        Raises: ServiceUnavailable when the server cannot be reached.
        """
        async with _reachable(), self._autocommit.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Raise ServiceUnavailable unless the server answers."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._engine.dispose()


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    """Translate a lost connection, and only that, into ServiceUnavailable."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise ServiceUnavailable("The database is not reachable now.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise ServiceUnavailable("The database is not reachable now.") from error
        raise
    except (OSError, TimeoutError) as error:
        raise ServiceUnavailable("The database is not reachable now.") from error
