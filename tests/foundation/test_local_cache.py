"""What a process keeps is dropped everywhere in time, and not trusted without its channel."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from foundation.cache import Cache
from foundation.errors import TooManyRequests
from foundation.local_cache import Invalidations, LocalCache
from foundation.throttle import Limit, Throttle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Source:
    """A fact that counts how often it is read."""

    def __init__(self) -> None:
        self.value = "old"
        self.reads = 0

    async def __call__(self) -> str:
        self.reads += 1
        return self.value


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, and fail when it takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is watched has no event of its own
            await asyncio.sleep(0.01)


@asynccontextmanager
async def process(url: str) -> AsyncIterator[tuple[Invalidations, LocalCache[str]]]:
    """One process's side: its own connection, listening."""
    cache = Cache(url)
    invalidations = Invalidations(cache)
    local: LocalCache[str] = invalidations.local_cache("demo", lifetime_seconds=60)
    task = asyncio.create_task(invalidations.run())
    await until(invalidations.alive, 5)
    yield invalidations, local
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await cache.close()


async def test_a_value_is_read_once(redis_url: str) -> None:
    source = Source()
    async with process(redis_url) as (_, local):
        assert [await local.get("k", source) for _ in range(3)] == ["old"] * 3
    assert source.reads == 1


async def test_a_change_reaches_the_other_process_within_a_second(redis_url: str) -> None:
    source = Source()
    async with process(redis_url) as (_, here), process(redis_url) as (there, _):
        await here.get("k", source)
        source.value = "new"
        await there.publish("demo", "k")
        began = time.monotonic()
        while await here.get("k", source) != "new":
            assert time.monotonic() - began < 1
            await asyncio.sleep(0.01)


async def test_nothing_is_trusted_while_the_channel_is_lost_and_all_is_well_after(redis_url: str) -> None:
    source = Source()
    async with process(redis_url) as (invalidations, local):
        await local.get("k", source)
        async with Redis.from_url(redis_url) as admin:
            await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
        await until(lambda: not invalidations.alive(), 1)
        source.value = "new"
        assert await local.get("k", source) == "new"
        await until(invalidations.alive, 3)
        await local.get("k", source)
        reads = source.reads
        await local.get("k", source)
        assert source.reads == reads


async def test_a_value_read_while_it_changed_is_not_kept(redis_url: str) -> None:
    async with process(redis_url) as (invalidations, local):

        async def slow_read() -> str:
            await invalidations.publish("demo", "k")
            return "read before the change"

        await local.get("k", slow_read)
        assert await local.get("k", Source()) == "old"


async def test_a_message_nobody_understands_drops_everything_and_the_channel_lives_on(redis_url: str) -> None:
    source = Source()
    async with process(redis_url) as (invalidations, local), Redis.from_url(redis_url) as stranger:
        await local.get("k", source)
        source.value = "new"
        await stranger.publish("hufu:invalidations", b"\xff nonsense")
        await asyncio.sleep(0.5)
        assert invalidations.alive()
        assert await local.get("k", source) == "new"


async def test_capacity_and_lifetime_bound_it(redis_url: str) -> None:
    source = Source()
    async with process(redis_url) as (invalidations, _):
        small: LocalCache[str] = invalidations.local_cache("small", capacity=2, lifetime_seconds=60)
        for key in ("a", "b", "c", "a"):
            await small.get(key, source)
        assert source.reads == 4
        brief: LocalCache[str] = invalidations.local_cache("brief", lifetime_seconds=0)
        await brief.get("k", source)
        await brief.get("k", source)
        assert source.reads == 6


async def test_parallel_tries_are_all_counted(cache: Cache) -> None:
    throttle, limit = Throttle(cache), Limit(tries=5, window_seconds=30)
    outcomes = await asyncio.gather(*(throttle.take("demo", limit) for _ in range(40)), return_exceptions=True)
    assert sorted(left for left in outcomes if isinstance(left, int)) == [0, 1, 2, 3, 4]
    assert sum(isinstance(outcome, TooManyRequests) for outcome in outcomes) == 35


async def test_a_refused_try_says_when_to_come_back(cache: Cache) -> None:
    throttle = Throttle(cache)
    await throttle.take("demo", Limit(1, 30))
    with pytest.raises(TooManyRequests) as caught:
        await throttle.take("demo", Limit(1, 30))
    assert caught.value.retry_after_seconds == 30
