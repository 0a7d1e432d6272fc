"""Redis or Valkey: throttles, short-lived login state, invalidation messages.

Redis may forget: nothing whose loss allows a second use lives here.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError

from foundation.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n
"""

_TAKE = """
for place, key in ipairs(KEYS) do
  local n = redis.call('INCR', key)
  if n == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
  if n > tonumber(ARGV[1 + place]) then return place end
end
return 0
"""

_UNCOUNT = """
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then redis.call('DECR', key) end
end
return 0
"""


class Cache:
    """A thin, typed face of one Redis database; every key starts with `hufu:`."""

    def __init__(self, url: str, *, prefix: str = "hufu:") -> None:
        """Prepare the client; nothing is opened until first use."""
        self._redis: Redis = Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._prefix = prefix

    @property
    def client(self) -> Redis:
        """Return the underlying client, for subscriptions."""
        return self._redis

    def key(self, name: str) -> str:
        """Return the full key of `name`."""
        return self._prefix + name

    async def get(self, name: str) -> bytes | None:
        """Return a value or None; raises ServiceUnavailable."""
        async with _reachable():
            return _bytes(await self._redis.get(self.key(name)))

    async def put(self, name: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store a value for a while; raises ServiceUnavailable."""
        async with _reachable():
            await self._redis.set(self.key(name), value, px=max(1, int(ttl_seconds * 1000)))

    async def put_new(self, name: str, value: bytes, *, ttl_seconds: float) -> bool:
        """Store a value unless one is there; tell whether it was stored."""
        async with _reachable():
            return bool(await self._redis.set(self.key(name), value, px=max(1, int(ttl_seconds * 1000)), nx=True))

    async def take(self, name: str) -> bytes | None:
        """Return a value and delete it, atomically."""
        async with _reachable():
            return _bytes(await self._redis.getdel(self.key(name)))

    async def delete(self, name: str) -> None:
        """Forget a value."""
        async with _reachable():
            await self._redis.delete(self.key(name))

    async def count(self, name: str, *, window_seconds: float) -> int:
        """Add one to a counter that expires a window after its first count; return the new count."""
        async with _reachable():
            return int(await self._redis.eval(_COUNT, 1, self.key(name), str(int(window_seconds * 1000))))

    async def take_places(self, limits: Mapping[str, int], *, window_seconds: float) -> str | None:
        """Count one in each counter in turn, in one round trip, up to the first beyond its limit; return that one."""
        names = tuple(limits)
        arguments = (str(int(window_seconds * 1000)), *(str(limit) for limit in limits.values()))
        async with _reachable():
            place = int(await self._redis.eval(_TAKE, len(names), *map(self.key, names), *arguments))
        return names[place - 1] if place else None

    async def uncount(self, *names: str) -> None:
        """Take one off each counter that still runs; its expiry stays."""
        async with _reachable():
            await self._redis.eval(_UNCOUNT, len(names), *map(self.key, names))

    async def seconds_left(self, name: str) -> int:
        """Return how long a value or counter still lives, at least 1."""
        async with _reachable():
            return max(1, math.ceil(int(await self._redis.pttl(self.key(name))) / 1000))

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell every process something on a channel."""
        async with _reachable():
            await self._redis.publish(self.key(channel), message)

    async def ping(self) -> None:
        """Raise ServiceUnavailable unless the server answers."""
        async with _reachable():
            await self._redis.get(self.key("ping"))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _bytes(value: bytes | str | None) -> bytes | None:
    """Narrow the client's answer: it gives text only when told to decode, which ours is not."""
    return value.encode() if isinstance(value, str) else value


@asynccontextmanager
async def _reachable() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise ServiceUnavailable("The cache is not reachable now.") from error
