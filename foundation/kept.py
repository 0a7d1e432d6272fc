"""Facts kept for a moment: read again by one of those who ask, before all of them have to wait for it.

Otherwise every request that comes in just as a fact ages reads it anew: at some hundred requests a
second those reads delay each other, more requests come in meanwhile, and all of them wait.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Remembers what a read returned, by key; a read that fails is not remembered.

    No answer is older than the given age, counted from the beginning of its read. The first who asks in
    the second half of that time reads again; others are answered from the last read until that is over.
    """

    def __init__(self, read: Callable[[Key], Awaitable[Value]], *, seconds: float, at_most: int = 1) -> None:
        """Take the read, the age beyond which no answer goes, and how many keys are remembered."""
        self._read = read
        self._seconds = seconds
        self._at_most = at_most
        self._reads: dict[Key, list[tuple[float, asyncio.Task[Value]]]] = {}

    async def __call__(self, key: Key) -> Value:
        """Return the value; raises what the read raises. One asker who gives up does not stop the read."""
        now = time.monotonic()
        reads = [one for one in self._reads.get(key, ()) if now - one[0] < self._seconds and not _failed(one[1])]
        if not reads or now - reads[-1][0] >= self._seconds / 2:
            task = asyncio.create_task(self._call(key), name="kept")
            task.add_done_callback(_failed)  # a failure that nobody is left to be told of is no noise at exit
            reads.append((now, task))
            if key not in self._reads and len(self._reads) >= self._at_most:
                self._reads.clear()
            self._reads[key] = reads
            return await asyncio.shield(task)
        over = [task for _, task in reads if task.done()]
        return over[-1].result() if over else await asyncio.shield(reads[0][1])

    async def _call(self, key: Key) -> Value:
        return await self._read(key)

    def forget(self) -> None:
        """Read everything anew when it is next asked for; reads under way are not joined either."""
        self._reads.clear()


def _failed(task: asyncio.Task[object]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
