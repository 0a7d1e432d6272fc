"""What the cache promises: counts lose nothing, values are taken once, and everything ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.cache import Cache


async def test_parallel_tries_are_all_counted(cache: Cache) -> None:
    counts = await asyncio.gather(*(cache.count("tries", window_seconds=30) for _ in range(40)))
    assert sorted(counts) == list(range(1, 41))


async def test_a_count_starts_anew_after_its_window(cache: Cache) -> None:
    await cache.count("tries", window_seconds=0.1)
    await asyncio.sleep(0.3)
    assert await cache.count("tries", window_seconds=0.1) == 1


async def test_places_are_taken_up_to_the_first_counter_beyond_its_limit(cache: Cache) -> None:
    limits = {"source": 30, "device": 10, "after": 10}
    refused = await asyncio.gather(*(cache.take_places(limits, window_seconds=30) for _ in range(40)))
    # Thirty pass the first counter, ten of them the second; nobody refused is counted further on.
    assert (refused.count(None), refused.count("device"), refused.count("source")) == (10, 20, 10)
    assert await cache.count("after", window_seconds=30) == 11
    await cache.uncount("source", "after", "never counted")
    assert await cache.count("source", window_seconds=30) == 40
    assert await cache.get("never counted") is None


async def test_a_value_is_taken_once(cache: Cache) -> None:
    await cache.put("once", b"v", ttl_seconds=30)
    taken = await asyncio.gather(*(cache.take("once") for _ in range(10)))
    assert (taken.count(b"v"), taken.count(None)) == (1, 9)


async def test_only_the_first_puts_a_new_value(cache: Cache) -> None:
    put = await asyncio.gather(*(cache.put_new("new", bytes([n]), ttl_seconds=30) for n in range(10)))
    assert put.count(True) == 1


async def test_values_end(cache: Cache) -> None:
    await cache.put("brief", b"v", ttl_seconds=0.1)
    await asyncio.sleep(0.3)
    assert await cache.get("brief") is None
    await cache.put("kept", b"", ttl_seconds=30)
    assert await cache.get("kept") == b""
    await cache.delete("kept")
    assert await cache.get("kept") is None
