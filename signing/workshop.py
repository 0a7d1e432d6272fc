"""Worker processes in which uploaded documents are examined.

A document that makes a parser run away takes its process with it and nothing else: the process
has an empty environment, no network, nobody's rights, a memory limit and an alarm; it opens no
file, starts nothing, and holds no key and no connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from foundation.confinement import give_up_privileges
from signing.errors import UnexaminablePdf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

P = ParamSpec("P")
T = TypeVar("T")

MEMORY_BYTES = 3 * 1024**3
SECONDS = 60
ATTEMPTS = 2
"""A process may die of its neighbour's document; one's own makes it die twice."""


class Workshop:
    """A small pool of such processes, started at first use and again when one has died."""

    def __init__(self, workers: int = 2, functions: Sequence[Callable[..., Any]] = ()) -> None:
        """Take how many documents may be examined at a time, and what else will be called than sealing calls.

        A process loads the modules of `functions` before it is confined; later it can open no file.
        """
        self._workers = workers
        self._functions = tuple(functions)
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module's function in a worker process; its errors come back as they are.

        Raises: UnexaminablePdf when the process does not survive.
        """
        for _ in range(ATTEMPTS):
            pool = self._pool or self._start()
            future = pool.submit(_within_limits, function, args, kwargs)
            try:
                return await asyncio.wrap_future(future)
            except (BrokenProcessPool, MemoryError):
                if self._pool is pool:
                    self._pool = None
                    pool.shutdown(wait=False, cancel_futures=True)
        raise UnexaminablePdf("The document takes more time or memory than is allowed.", field="document")

    async def warm(self) -> None:
        """Start the processes before the first document comes."""
        await asyncio.gather(*(self.run(os.getpid) for _ in range(self._workers)))

    async def close(self) -> None:
        """Stop the processes."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        # Forked from a process that has loaded the parsers and nothing else: starting one costs milliseconds.
        context = get_context("forkserver")
        context.set_forkserver_preload(["signing.workshop_preload"])
        self._pool = ProcessPoolExecutor(self._workers, context, initializer=_confine, initargs=self._functions)
        return self._pool


def _confine(*functions: Callable[..., Any]) -> None:
    """Give up what a parser does not need; the functions came with their modules loaded."""
    del functions
    os.environ.clear()
    # Parsers complain about what they read, which belongs in no log: here nobody hears them.
    logging.disable()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its parent goes when the service goes, however that ends, and then this process does too.
    give_up_privileges()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(kind, (0, 0))


def _within_limits(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    """Call a function; the alarm's default action ends the process."""
    signal.alarm(SECONDS)
    try:
        return function(*args, **kwargs)
    finally:
        signal.alarm(0)
