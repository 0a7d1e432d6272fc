"""The ground everything stands on: a read, a write with its audit row, a job, a blob."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import text

from foundation.audit import Audit, AuditEvent
from foundation.blobs import BlobStore
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.encryption import FieldCipher
from foundation.jobs import Jobs, Worker
from foundation.principal import SYSTEM
from tests.bench.case import Bench, Case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from tests.bench.case import Operation

JOBS = 1000
DOCUMENT = os.urandom(50_000)


@asynccontextmanager
async def read(bench: Bench) -> AsyncIterator[Operation]:
    """Read one row through SQLAlchemy on AUTOCOMMIT."""
    database = Database(bench.database_url())

    async def operation() -> int:
        async with database.read() as connection:
            await connection.execute(text("SELECT * FROM districts WHERE district_code = :code"), {"code": "500100"})
        return 1

    yield operation
    await database.close()


@asynccontextmanager
async def bare_read(bench: Bench) -> AsyncIterator[Operation]:
    """Read the same through asyncpg alone."""
    connection = await asyncpg.connect(bench.database_url())

    async def operation() -> int:
        await connection.fetch("SELECT * FROM districts WHERE district_code = $1", "500100")
        return 1

    yield operation
    await connection.close()


@asynccontextmanager
async def audited(bench: Bench) -> AsyncIterator[Operation]:
    """Commit a transaction that writes one audit row."""
    database, audit = Database(bench.database_url()), Audit(SystemClock())

    async def operation() -> int:
        async with database.transaction() as connection:
            await audit.record(connection, SYSTEM, AuditEvent("bench.act", "thing", "1", {"n": 1}))
        return 1

    yield operation
    await database.close()


@asynccontextmanager
async def bare_insert(bench: Bench) -> AsyncIterator[Operation]:
    """Commit a transaction that inserts one row, through asyncpg alone."""
    connection = await asyncpg.connect(bench.database_url())
    statement = (
        "INSERT INTO audit_log (recorded_at, actor, action, object_type, object_id, channel, salt, commitment)"
        " VALUES (now(), 'a', 'a', 'a', 'a', 'a', $1, $1)"
    )

    async def operation() -> int:
        async with connection.transaction():
            await connection.execute(statement, bytes(32))
        return 1

    yield operation
    await connection.close()


@asynccontextmanager
async def jobs(bench: Bench) -> AsyncIterator[Operation]:
    """Enqueue a thousand jobs in one transaction and run them all."""
    url = bench.database_url()
    database = Database(url)

    async def nothing(_: Mapping[str, Any]) -> None:
        return

    async def operation() -> int:
        async with database.transaction() as connection:
            await Jobs().enqueue_many(connection, "bench.job", [{"n": n} for n in range(JOBS)])
        await Worker(database, url, {"bench.job": nothing}, concurrency=200).drain()
        return JOBS

    yield operation
    await database.close()


@asynccontextmanager
async def blob(bench: Bench) -> AsyncIterator[Operation]:
    """Store a document of 50 kB, encrypted, and read it back."""
    blobs = BlobStore.in_directory(bench.directory / "blobs", FieldCipher({1: bytes(32)}, bytes(32)))

    async def operation() -> int:
        await blobs.get(await blobs.put(DOCUMENT))
        return 1

    yield operation


@asynccontextmanager
async def bare_file(bench: Bench) -> AsyncIterator[Operation]:
    """Write a plain file of 50 kB and read it back."""
    path = bench.directory / "file"

    async def operation() -> int:
        path.write_bytes(DOCUMENT)
        path.read_bytes()
        return 1

    yield operation


CASES = (
    Case("foundation: read a row, bare", bare_read),
    Case("foundation: read a row", read, against="foundation: read a row, bare"),
    Case("foundation: insert, bare", bare_insert),
    Case("foundation: commit with audit", audited, against="foundation: insert, bare"),
    Case("foundation: job", jobs, warm_up=1),
    Case("foundation: file, bare", bare_file),
    Case("foundation: encrypted blob", blob, against="foundation: file, bare"),
)
