"""Worker processes in which uploaded documents are examined.

A document that makes a parser run away takes its process with it and nothing else: the process
has an empty environment, no network, nobody's rights, a memory limit and an alarm; it opens no
file, starts nothing, and holds no key and no connection. What it answers is read as data (`answers`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context
from queue import Empty, SimpleQueue
from threading import Timer
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, get_type_hints

from foundation.confinement import give_up_privileges
from foundation.errors import TrustServiceError
from signing.answers import UnreadableAnswer, decode, encode_fault, encode_refusal, encode_value
from signing.errors import UnexaminablePdf
from signing.pdf_file import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")
Call: TypeAlias = "tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]"

MEMORY_BYTES = 3 * 1024**3
SECONDS = 60
PATIENCE_SECONDS = SECONDS + 5
"""The alarm ends a process that runs away; this, one that was taken over and silenced its alarm."""
MAX_ANSWER_BYTES = 3 * MAX_BYTES
ATTEMPTS = 2
"""A process may die of its neighbour's document; one's own makes it die twice."""


class Workshop:
    """A few such processes, each started when it is first needed and again when it has died."""

    def __init__(self, workers: int = 2, functions: Sequence[Callable[..., Any]] = ()) -> None:
        """Take how many documents may be examined at a time, and what else will be called than sealing calls.

        A process loads the modules of `functions` before it is confined; later it can open no file.
        """
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="workshop")
        self._functions = tuple(functions)
        self._workers = workers
        self._idle: SimpleQueue[_Process] = SimpleQueue()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module's function in a worker process and return what its annotation says it returns.

        Raises: the errors of this package that it raises; UnexaminablePdf when the process does not survive or
            answers something else; RuntimeError for any other error.
        """
        call = (function, args, kwargs)
        found: T = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, call)
        return found

    async def warm(self) -> None:
        """Start the processes before the first document comes."""
        await asyncio.gather(*(self.run(process_id) for _ in range(self._workers)))

    async def close(self) -> None:
        """Stop the processes."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()

    def _ask(self, call: Call) -> Any:  # noqa: ANN401 - what the function's annotation says
        """Ask one process after another, in a thread: there are as many threads as processes may be."""
        # Towards the process pickles are harmless: whoever sends them is who trusts nobody.
        sent, expected = pickle.dumps(call), _returned(call[0])
        for _ in range(ATTEMPTS):
            try:
                process = self._idle.get_nowait()
            except Empty:
                process = _Process(self._functions)
            try:
                found = decode(process.ask(sent), expected)
            except (EOFError, OSError, UnreadableAnswer):
                process.end()
                continue
            except (TrustServiceError, RuntimeError):
                self._idle.put(process)
                raise
            self._idle.put(process)
            return found
        raise UnexaminablePdf("The document takes more time or memory than is allowed.", field="document")


class _Process:
    """One process and the pipe to it."""

    def __init__(self, functions: tuple[Callable[..., Any], ...]) -> None:
        # Forked from a process that has loaded the parsers and nothing else: starting one costs milliseconds.
        context = get_context("forkserver")
        context.set_forkserver_preload(["signing.workshop_preload"])
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, functions), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, call: bytes) -> bytes:
        """Send a call and return the answer as bytes; raises EOFError, OSError when the process ends or is silent."""
        patience = Timer(PATIENCE_SECONDS, self._process.kill)
        patience.start()
        try:
            self._pipe.send_bytes(call)
            return self._pipe.recv_bytes(MAX_ANSWER_BYTES)
        finally:
            patience.cancel()

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.join()


@cache
def _returned(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - an annotation
    return get_type_hints(function)["return"]


def process_id() -> int:
    """Return the process this runs in."""
    return os.getpid()


def _serve(pipe: Connection, functions: tuple[Callable[..., Any], ...]) -> None:
    """Answer calls until the pipe closes."""
    del functions  # They came with their modules loaded.
    _confine()
    while True:
        try:
            function, args, kwargs = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from the service itself
        except EOFError:
            return
        pipe.send_bytes(_answer(function, args, kwargs))


def _answer(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Call a function and return its answer; the alarm's default action ends the process."""
    signal.alarm(SECONDS)
    try:
        return encode_value(function(*args, **kwargs))
    except TrustServiceError as error:
        return encode_refusal(error)
    except MemoryError:
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - its name is all that may leave; the service raises it again
        return encode_fault(error)
    finally:
        signal.alarm(0)


def _confine() -> None:
    """Give up what a parser does not need."""
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
