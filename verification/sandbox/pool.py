"""A pool of sandbox processes, kept warm."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import verification
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound, NotAPdf, SandboxUnavailable
from verification.limits import DEFAULT_LIMITS
from verification.model import Check, Indication, Outcome, Reason, Report, Sentence, Subject
from verification.pages import Previews
from verification.sandbox.codec import (
    COMPARISON,
    FACE,
    MAXIMUM_ANSWER,
    PAGES,
    PICTURE,
    UnreadableAnswer,
    decode_answer,
    decode_differences,
    decode_flag,
    decode_previews,
    decode_text,
    encode_request,
    encode_task,
    join_documents,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from foundation.errors import TrustServiceError
    from verification.limits import PdfLimits
    from verification.pages import PageDifference
    from verification.trust import TrustMaterial

T = TypeVar("T")
_BOOT = "import sys, json; sys.path[:0] = json.loads(sys.argv[1]); from verification.sandbox.worker import main; main()"
_ROOT = str(Path(verification.__file__).resolve().parents[1])
_ERRORS: dict[str, type[TrustServiceError]] = {
    kind.__name__: kind for kind in (NotAPdf, DocumentEncrypted, NoSealFound, DocumentOverLimit)
}
START_SECONDS = 30.0
GRACE_SECONDS = 2.0
QUEUE_SECONDS = 20.0


class Sandbox:
    """Runs `validate_pdf` out of process: empty environment, no keys, no database, no network."""

    def __init__(self, *, workers: int = 2, limits: PdfLimits = DEFAULT_LIMITS) -> None:
        """Prepare; processes start with `start()`, or each when a document would wait for want of it."""
        self._size = workers
        self._limits = limits
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._starting = asyncio.Lock()
        self._running = 0

    async def start(self) -> None:
        """Start all workers and wait until they have tested themselves; raises SandboxUnavailable."""
        async with self._starting:
            await self._run(self._size - self._running)

    async def _run(self, more: int) -> None:
        workers = [_Worker() for _ in range(more)]
        await asyncio.gather(*(worker.start() for worker in workers))
        self._running += more
        for worker in workers:
            self._idle.put_nowait(worker)

    async def validate(self, document: bytes, material: TrustMaterial, *, at: datetime) -> Report:
        """Judge a PDF in a worker.

        Raises: what `validate_pdf` raises, and SandboxUnavailable.
        """
        answer = await self._ask(encode_request(material, at, self._limits), document)
        return _report(answer, document, material, at)

    async def code_in_picture(self, picture: bytes) -> str | None:
        """Return the text of the HF1 code in a PNG or JPEG picture, or None.

        Raises: DocumentOverLimit, SandboxUnavailable.
        """
        decoded = await self._task(encode_task(PICTURE, self._limits), picture, decode_text)
        return None if isinstance(decoded, tuple) else decoded

    async def previews(self, document: bytes, *, covered_to: int) -> Previews | None:
        """Return pictures of what a seal covers and what came after; None when no page can be drawn.

        Raises: DocumentOverLimit, SandboxUnavailable.
        """
        task = encode_task(PAGES, self._limits, covered_to=covered_to)
        decoded = await self._task(task, document, decode_previews)
        return decoded if isinstance(decoded, Previews) else None

    async def compare(self, document: bytes, rendered: bytes, *, exactly: bool) -> tuple[PageDifference, ...] | None:
        """Return where a document differs from a fresh rendering; None when it cannot be drawn.

        Raises: DocumentOverLimit, SandboxUnavailable.
        """
        task = encode_task(COMPARISON, self._limits, exactly=exactly)
        decoded = await self._task(task, join_documents(document, rendered), decode_differences)
        return None if decoded and isinstance(decoded[0], str) else decoded

    async def shows_face(self, document: bytes, face: bytes) -> bool:
        """Tell whether a page of a document carries most of a face; no page that cannot be read does.

        Raises: DocumentOverLimit, SandboxUnavailable.
        """
        return await self._task(encode_task(FACE, self._limits), join_documents(document, face), decode_flag) is True

    async def _task(self, header: bytes, document: bytes, decode: Callable[[bytes], T]) -> T:
        """Ask for something other than a verdict; limits come back as errors, the rest as their name and detail."""
        answer = await self._ask(header, document)
        try:
            decoded = decode(answer)
        except UnreadableAnswer as error:
            raise SandboxUnavailable("The worker for files broke down.") from error
        if isinstance(decoded, tuple) and decoded and decoded[0] == DocumentOverLimit.__name__:
            raise DocumentOverLimit(str(decoded[1]), field="document")
        return decoded

    async def _ask(self, header: bytes, document: bytes) -> bytes:
        if len(document) > self._limits.bytes:
            raise DocumentOverLimit(f"The file is larger than {self._limits.bytes} bytes.", field="document")
        if self._idle.empty() and self._running < self._size:
            async with self._starting:
                if self._idle.empty() and self._running < self._size:
                    await self._run(1)
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                worker = await self._idle.get()
        except TimeoutError as error:
            raise SandboxUnavailable("Too many files are being examined now.") from error
        try:
            return await worker.ask(header, document, self._limits.seconds)
        finally:
            self._idle.put_nowait(worker)

    def process_ids(self) -> tuple[int, ...]:
        """Return the processes that wait for work, for whoever watches them."""
        workers = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        for worker in workers:
            self._idle.put_nowait(worker)
        return tuple(worker.pid for worker in workers if worker.pid is not None)

    async def close(self) -> None:
        """Stop the workers; waits for those that are busy."""
        while self._running:
            worker = await self._idle.get()
            await worker.stop()
            self._running -= 1


class _Worker:
    """One process; started again after it had to be killed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _BOOT,
            json.dumps([_ROOT]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                greeting = await self._read()
        except (TimeoutError, EOFError) as error:
            await self.stop()
            raise SandboxUnavailable("No worker for files can be started now.") from error
        if greeting != b"ready":
            await self.stop()
            raise SandboxUnavailable("No worker for files can be started now.")

    async def ask(self, header: bytes, document: bytes, seconds: float) -> bytes:
        """Send one document and return the answer; raises SandboxUnavailable, DocumentOverLimit."""
        if self._process is None or self._process.returncode is not None:
            await self.start()
        assert self._process is not None  # noqa: S101 - start() sets it or raises
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                for frame in (header, document):
                    self._process.stdin.write(struct.pack(">I", len(frame)))
                    self._process.stdin.write(frame)
                await self._process.stdin.drain()
                return await self._read()
        except TimeoutError as error:
            await self.stop()
            raise DocumentOverLimit("The file takes too long to read.", field="document") from error
        except (EOFError, ConnectionError) as error:
            await self.stop()
            raise SandboxUnavailable("The worker for files broke down.") from error
        except asyncio.CancelledError:
            # Half a frame may be on its way: this process cannot be asked again.
            await self.stop()
            raise

    async def _read(self) -> bytes:
        assert self._process is not None  # noqa: S101 - called while the process exists
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        length = struct.unpack(">I", await self._process.stdout.readexactly(4))[0]
        if length > MAXIMUM_ANSWER:
            await self.stop()
            raise SandboxUnavailable("The worker for files broke down.")
        return await self._process.stdout.readexactly(length)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
            with suppress(ConnectionError):
                await process.stdin.wait_closed()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _report(answer: bytes, document: bytes, material: TrustMaterial, at: datetime) -> Report:
    try:
        decoded = decode_answer(answer)
    except UnreadableAnswer as error:
        raise SandboxUnavailable("The worker for files broke down.") from error
    if isinstance(decoded, Report):
        return decoded
    name, detail = decoded
    if name in _ERRORS:
        raise _ERRORS[name](detail, field="document")
    sentence = Sentence("阅读程序在读取文件时崩溃。", "A parser broke down over the file.")
    return Report(
        verdict=Indication.TOTAL_FAILED.verdict,
        reason=Reason.FORMAT_FAILURE,
        subject=Subject("pdf", sha256_hex=hashlib.sha256(document).hexdigest()),
        checked_at=at,
        data_as_of=material.data_as_of or at,
        checks=(Check("pdf.structure", "EN 319 102-1, 5.2.2; ISO 32000-2, 7.5", Outcome.FAILED, sentence),),
        indication=Indication.TOTAL_FAILED,
        sub_indication="FORMAT_FAILURE",
    )
