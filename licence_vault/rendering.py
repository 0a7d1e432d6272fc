"""A warm pool of rendering processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from licence_vault.errors import FaceTooLarge, MissingGlyph, RenderingFailed
from licence_vault.fonts import FontSet, default_fonts
from licence_vault.texts import describe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from foundation.errors import TrustServiceError

_WORKER = Path(__file__).with_name("render_worker.py")
_NOT_DISPLAYED = re.compile(r'the text `"(?P<text>[^`]+)"` could not be displayed')
_OVERFLOW = re.compile(r"overflow (?P<field>[a-z_]+)")
RENDER_SECONDS = 10.0
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Rendition:
    """A rendered face; the same inputs with the same engine and fonts give the same bytes."""

    pdf: bytes
    engine: str
    fonts: str


class _Worker:
    """One process; used by one thread at a time."""

    def __init__(self, fonts: FontSet) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file, nothing of a caller's
            [sys.executable, "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
        self._send({"fonts": [str(path) for path in fonts.files]})
        self.engine = str(json.loads(self._receive())["typst"])

    def render(self, request: Mapping[str, Any]) -> bytes:
        """Return the PDF; raises RenderingFailed, MissingGlyph, FaceTooLarge."""
        self._send(request)
        answer = json.loads(self._receive())
        if "error" in answer:
            raise _named(str(answer["error"]))
        return self._receive()

    def _send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message, ensure_ascii=False).encode()
        try:
            _pipe(self._process.stdin).write(struct.pack(">I", len(data)) + data)
            _pipe(self._process.stdin).flush()
        except OSError as error:
            raise RenderingFailed("The rendering process ended.") from error

    def _receive(self) -> bytes:
        stream = _pipe(self._process.stdout)
        header = stream.read(4)
        data = stream.read(struct.unpack(">I", header)[0]) if len(header) == 4 else b""  # noqa: PLR2004
        if not data:
            raise RenderingFailed("The rendering process ended.")
        return data

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once; a thread reading from it sees the end."""
        self._process.kill()

    def close(self) -> None:
        """End the process and release its pipes."""
        for stream in (self._process.stdin, self._process.stdout):
            try:
                _pipe(stream).close()
            except BrokenPipeError:
                continue
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RenderingFailed("The rendering process has no pipes.")
    return stream


def _named(message: str) -> TrustServiceError:
    """Turn the engine's words into an error of ours: a missing character and an overflow are the data's doing."""
    overflow = _OVERFLOW.search(message)
    if overflow is not None:
        name = overflow["field"]
        field = "face" if name == "face" else f"face.{name}"
        return FaceTooLarge("内容超出版面 / the text does not fit its place on the face.", field=field)
    found = _NOT_DISPLAYED.search(message)
    if found is None:
        return RenderingFailed("The face could not be rendered.")
    text = re.sub(r"\\u\{([0-9a-f]+)\}", lambda match: chr(int(match[1], 16)), found["text"])
    return MissingGlyph(f"没有字体包含字符 {describe(text[0])} / no font draws this character.", field="face")


class FaceRenderer:
    """Renders faces in up to `workers` processes, started on first use and kept."""

    def __init__(self, *, workers: int | None = None, fonts: FontSet | None = None) -> None:
        """Take the number of processes (one per core when None) and the fonts (this machine's when None)."""
        self._size = workers or max(1, os.cpu_count() or 1)
        self._given_fonts = fonts
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="face")
        self._idle: list[_Worker] = []

    @property
    def fonts(self) -> FontSet:
        """Return the fonts in use."""
        return self._given_fonts or default_fonts()

    async def warm(self) -> None:
        """Read the fonts and start one process, so that the first licence is not slow."""
        await asyncio.to_thread(lambda: self.fonts)
        async with asyncio.timeout(START_SECONDS):
            worker = await self._run(self._take)
        self._idle.append(worker)

    async def render(self, template: str, licence: Mapping[str, Any], *, dated: date) -> Rendition:
        """Compile a template with a licence's data.

        Raises: MissingGlyph, FaceTooLarge; RenderingFailed when the process fails or takes too long.
        """
        data = dict(licence) | {"fonts": list(self.fonts.families)}
        request = {
            "template": template,
            "licence": json.dumps(data, ensure_ascii=False, sort_keys=True),
            "dated": f"{dated.isoformat()}T00:00:00+08:00",
        }
        holder: list[_Worker] = []
        try:
            async with asyncio.timeout(RENDER_SECONDS):
                rendition: Rendition = await self._run(self._work, request, holder)
        except TimeoutError as error:
            for worker in holder:
                worker.kill()
            raise RenderingFailed("Rendering took too long.") from error
        return rendition

    async def _run(self, function: Any, *arguments: Any) -> Any:  # noqa: ANN401 - passes through
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.close()
        return _Worker(self.fonts)

    def _work(self, request: Mapping[str, Any], holder: list[_Worker]) -> Rendition:
        """Run in a thread: use an idle process or a new one, and give it back unless it failed."""
        worker = self._take()
        holder.append(worker)
        try:
            pdf = worker.render(request)
        except (MissingGlyph, FaceTooLarge):
            self._idle.append(worker)
            raise
        except BaseException:
            worker.kill()
            worker.close()
            raise
        self._idle.append(worker)
        return Rendition(pdf, worker.engine, self.fonts.digest)

    def close(self) -> None:
        """End every process."""
        self._threads.shutdown(wait=True)
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
