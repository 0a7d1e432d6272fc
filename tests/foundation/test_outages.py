"""PostgreSQL and Redis gone for a moment: a typed error in time, and all is well afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from foundation.cache import Cache
from foundation.database import Database
from foundation.errors import ServiceUnavailable
from foundation.jobs import JobHandler, Jobs, Worker
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@asynccontextmanager
async def database_behind(proxy: TcpProxy) -> AsyncIterator[Database]:
    database = Database(proxy.url, pool_size=3, statement_timeout_seconds=1)
    yield database
    await database.close()


async def test_a_cut_database_is_unavailable_and_comes_back(migrated_database_url: str) -> None:
    async with TcpProxy(migrated_database_url) as proxy, database_behind(proxy) as database:
        await database.ping()
        await proxy.cut()
        for _ in range(3):
            with pytest.raises(ServiceUnavailable):
                await database.ping()
        await proxy.heal()
        await database.ping()


async def test_a_database_cut_within_a_transaction_is_unavailable(migrated_database_url: str) -> None:
    async with TcpProxy(migrated_database_url) as proxy, database_behind(proxy) as database:
        with pytest.raises(ServiceUnavailable):
            await _cut_halfway(database, proxy)
        await proxy.heal()
        async with database.read() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM districts"))).scalar() == 0


async def _cut_halfway(database: Database, proxy: TcpProxy) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("INSERT INTO districts VALUES ('500101', 'x', NULL)"))
        await proxy.cut()
        await connection.execute(text("SELECT 1"))


async def test_a_stalled_database_is_given_up_in_time(migrated_database_url: str) -> None:
    async with TcpProxy(migrated_database_url) as proxy, database_behind(proxy) as database:
        await database.ping()
        proxy.stall()
        async with asyncio.timeout(8):
            with pytest.raises(ServiceUnavailable):
                await database.ping()
        await proxy.heal()
        await database.ping()


async def test_a_mistake_of_ours_is_no_outage(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught:
        async with database.read() as connection:
            await connection.execute(text("SELECT * FROM no_such_table"))
    assert not isinstance(caught.value, ServiceUnavailable)


async def test_a_cut_cache_is_unavailable_and_comes_back(redis_url: str) -> None:
    async with TcpProxy(redis_url) as proxy:
        cache = Cache(proxy.url)
        await cache.put("k", b"v", ttl_seconds=60)
        await proxy.cut()
        for attempt in (cache.get("k"), cache.put("k", b"w", ttl_seconds=1), cache.count("n", window_seconds=1)):
            with pytest.raises(ServiceUnavailable):
                await attempt
        await proxy.heal()
        assert await cache.get("k") == b"v"
        await cache.close()


async def test_a_stalled_cache_is_given_up_in_time(redis_url: str) -> None:
    async with TcpProxy(redis_url) as proxy:
        cache = Cache(proxy.url)
        await cache.ping()
        proxy.stall()
        async with asyncio.timeout(8):
            with pytest.raises(ServiceUnavailable):
                await cache.get("k")
        await proxy.heal()
        await cache.ping()
        await cache.close()


async def test_a_worker_goes_on_after_its_database_was_gone(database: Database, migrated_database_url: str) -> None:
    done = asyncio.Event()

    async def work(_: Mapping[str, Any]) -> None:
        done.set()

    async with TcpProxy(migrated_database_url) as proxy, database_behind(proxy) as behind:
        worker = Worker(behind, proxy.url, {"demo.work": JobHandler(work, first_pause=timedelta(seconds=0.1))})
        task = asyncio.create_task(worker.run())
        await asyncio.sleep(0.5)
        await proxy.cut()
        await asyncio.sleep(0.5)
        async with database.transaction() as connection:
            await Jobs().enqueue(connection, "demo.work", {})
        await proxy.heal()
        async with asyncio.timeout(20):
            await done.wait()
        worker.stop()
        async with asyncio.timeout(10):
            await task
