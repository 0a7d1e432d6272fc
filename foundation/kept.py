"""Facts kept for a moment: one read for all who ask while it runs, and for whoever asks until it has aged.

Without the first half, every request that comes in just as a fact ages reads it anew: at some hundred
requests a second those reads delay each other, more requests come in meanwhile, and all of them wait.
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

    The age counts from the beginning of the read. Nobody joins a read that began longer ago than that.
    """

    def __init__(self, read: Callable[[Key], Awaitable[Value]], *, seconds: float, at_most: int = 1) -> None:
        """Take the read, the age at which it is made again, and how many keys are remembered."""
        self._read = read
        self._seconds = seconds
        self._at_most = at_most
        self._reads: dict[Key, tuple[float, asyncio.Task[Value]]] = {}

    async def __call__(self, key: Key) -> Value:
        """Return the value; raises what the read raises. One asker who gives up does not stop the read."""
        now = time.monotonic()
        began, task = self._reads.get(key, (0.0, None))
        if task is None or now - began >= self._seconds or _failed(task):
            if len(self._reads) >= self._at_most:
                self._reads.clear()
            task = asyncio.create_task(self._call(key), name="kept")
            task.add_done_callback(_failed)  # a failure that nobody is left to be told of is no noise at exit
            self._reads[key] = now, task
        # A read that is over is not waited for, which saves the shield.
        return task.result() if task.done() else await asyncio.shield(task)

    async def _call(self, key: Key) -> Value:
        return await self._read(key)

    def forget(self) -> None:
        """Read everything anew when it is next asked for; reads under way are not joined either."""
        self._reads.clear()


def _failed(task: asyncio.Task[object]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
