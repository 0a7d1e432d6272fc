"""Facts kept in the process, dropped everywhere within a second of their change.

Every process listens on one Redis channel. Whoever changes a fact publishes its name
after the commit; whoever holds it drops it. A process that has not heard from the
channel for a moment trusts nothing it holds: it empties its caches and reads the
database until the channel is back. A lifetime bounds what a lost message could cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from redis.asyncio.client import PubSub

    from foundation.cache import Cache

logger = logging.getLogger("hufu.cache")

V = TypeVar("V")
CHANNEL = "invalidations"
BEAT_SECONDS = 0.25
TRUST_SECONDS = 1.0
RECONNECT_SECONDS = 0.5


class LocalCache(Generic[V]):
    """A bounded map that answers only while its channel is alive."""

    def __init__(self, channel: Invalidations, *, capacity: int, lifetime_seconds: float) -> None:
        self._channel = channel
        self._capacity = capacity
        self._lifetime = lifetime_seconds
        self._entries: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._epoch = 0

    async def get(self, key: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        """Return the value kept for `key`, or load and keep it.

        A value whose loading overlapped any drop is returned but not kept: it may be
        the one that the drop was about.
        """
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and entry[0] > now and self._channel.alive():
            self._entries.move_to_end(key)
            return entry[1]
        epoch = self._epoch
        value = await load()
        if epoch == self._epoch and self._channel.alive():
            self._entries[key] = (now + self._lifetime, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        return value

    def drop(self, key: Hashable) -> None:
        """Forget one value."""
        self._epoch += 1
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._epoch += 1
        self._entries.clear()


class Invalidations:
    """The channel, and the caches that hang on it."""

    def __init__(self, cache: Cache) -> None:
        """Take the cache whose server carries the channel."""
        self._cache = cache
        self._caches: dict[str, LocalCache[object]] = {}
        self._heard = float("-inf")

    def local_cache(self, name: str, *, capacity: int = 1000, lifetime_seconds: float = 10) -> LocalCache[V]:
        """Return a new cache that `publish(name, key)` of any process reaches."""
        local: LocalCache[V] = LocalCache(self, capacity=capacity, lifetime_seconds=lifetime_seconds)
        self._caches[name] = local  # type: ignore[assignment]  # only drop and clear are called through here
        return local

    def alive(self) -> bool:
        """Tell whether the channel was heard from a moment ago."""
        return time.monotonic() - self._heard < TRUST_SECONDS

    async def publish(self, name: str, key: str) -> None:
        """Make every process forget a value; call it after the commit.

        Our own process forgets at once, also when the channel is down: then the others
        have noticed as well and keep nothing. Raises: ServiceUnavailable.
        """
        self._drop(name, key)
        await self._cache.publish(CHANNEL, json.dumps([name, key]).encode())

    async def run(self) -> None:
        """Listen until cancelled, through losses of the server."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - a listener that ended for good would leave the process slow
                logger.warning("invalidation channel lost", extra={"error": type(error).__name__})
            self._forget_all()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        pubsub = self._cache.client.pubsub()
        try:
            await pubsub.subscribe(self._cache.key(CHANNEL))
            self._forget_all()  # whatever was published while nobody listened
            deadline = time.monotonic() + TRUST_SECONDS
            while time.monotonic() < deadline:
                await pubsub.ping()
                if await self._hear(pubsub):
                    self._heard = time.monotonic()
                    deadline = self._heard + TRUST_SECONDS
        finally:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _hear(self, pubsub: PubSub) -> bool:
        """Take in one beat's messages; tell whether anything came at all."""
        until = time.monotonic() + BEAT_SECONDS
        heard = False
        while (left := until - time.monotonic()) > 0:
            message = await pubsub.get_message(timeout=left)
            heard = heard or message is not None
            if message is not None and message["type"] == "message":
                self._take_in(message["data"])
        return heard

    def _take_in(self, data: bytes) -> None:
        """Drop what a message names; one that we do not understand may name anything."""
        try:
            name, key = json.loads(data)
        except (ValueError, TypeError):
            for local in self._caches.values():
                local.clear()
            return
        self._drop(name, key)

    def _drop(self, name: str, key: str) -> None:
        if name in self._caches:
            self._caches[name].drop(key)

    def _forget_all(self) -> None:
        self._heard = float("-inf")
        for local in self._caches.values():
            local.clear()
