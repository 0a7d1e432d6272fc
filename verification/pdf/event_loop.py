"""pyHanko's validators are coroutines that never wait for anything here.

One loop a thread is kept for them: opening one costs file descriptors, which the sandbox
has given away by the time a document arrives.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
_local = threading.local()


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end in this thread's own loop."""
    return prepare().run_until_complete(coroutine)


def prepare() -> asyncio.AbstractEventLoop:
    """Return this thread's loop, opening it on first use."""
    loop: asyncio.AbstractEventLoop | None = getattr(_local, "loop", None)
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        _local.loop = loop
        atexit.register(loop.close)
    return loop


def renew() -> None:
    """Forget a loop inherited over a fork and open one of this process's own."""
    _local.loop = None
    prepare()
