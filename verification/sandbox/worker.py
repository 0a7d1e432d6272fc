"""The sandbox process: judges one document after another, each in a child of its own.

It starts with an empty environment, loads the parsers, then gives everything away:
privileges, network, the right to gain either back. For each document it forks a child
that may open no file, write none, start nothing, and use only so much memory and time.
The child dies with its document, so what one file corrupts no other ever meets.

Frames on standard input and output: 4 bytes length, then that many bytes.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from foundation.confinement import give_up_privileges
from foundation.errors import TrustServiceError
from verification.pdf import event_loop
from verification.pdf.gate import validate_pdf
from verification.pdf.pictures import code_in_picture
from verification.pdf.previews import compare_rendering, draw_previews, shows_face
from verification.sandbox.codec import (
    COMPARISON,
    FACE,
    MAXIMUM_ANSWER,
    PAGES,
    decode_request,
    decode_task,
    encode_error,
    encode_report,
    encode_value,
    split_documents,
)
from verification.sandbox.copied_pages import copy_ahead, pages_written_by
from verification.sandbox.warm import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from verification.limits import PdfLimits
    from verification.sandbox.copied_pages import Stretch

_SECONDS = struct.Struct(">d")
"""How long a child may take by the clock: what it says once it has read its document."""


def main() -> None:
    """Serve until standard input closes."""
    header, document = warm_up()
    written = pages_written_by(lambda: _rehearse(header, document))
    give_up_privileges()
    _write_frame(1, b"ready")
    while _serve(0, 1, written):
        pass


def _rehearse(header: bytes, document: bytes) -> None:
    _make_ready()
    _, judge = _task(header, document)
    _answer(judge)


def _make_ready() -> None:
    # The process lives for one file: collecting garbage would only touch pages it shares with its parent.
    gc.disable()
    event_loop.renew()


def _serve(asking: int, answering: int, written: tuple[Stretch, ...] = ()) -> bool:
    """Fork a child for the next document, pass on what it answers, and see it end; False at the end of input.

    The child is there before its document is, and has copied what it will write to. It reads the document itself:
    this process never holds a byte that a stranger wrote.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _judge_one(asking, answering, writing, written)
    os.close(writing)
    begun = _read_exactly(reading, _SECONDS.size)
    seconds = 0.0 if begun is None else _SECONDS.unpack(begun)[0]
    answer = _collect(reading, seconds)
    if answer:
        # Before the child has ended, which takes milliseconds; its status would add nothing.
        _write_frame(answering, answer)
    os.close(reading)
    if _still_running(child):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if begun is not None and not answer:
        _write_frame(answering, _unanswered(answer, status, seconds))
    return begun is not None


def _unanswered(answer: bytes | None, status: int, seconds: float) -> bytes:
    if answer is None:
        return encode_error("DocumentOverLimit", f"The file takes more than {seconds:g} seconds to read.")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL}:
        return encode_error("DocumentOverLimit", "The file takes too much time or memory to read.")
    return encode_error("ParserCrashed", "A parser broke down over the file.")


def _judge_one(asking: int, answering: int, writing: int, written: tuple[Stretch, ...]) -> NoReturn:
    """Be the child: make ready, wait for a document, keep nothing but the pipe for its answer, and judge it."""
    try:
        _make_ready()
        copy_ahead(written)
        header = _read_frame(asking)
        document = None if header is None else _read_frame(asking)
        if header is not None and document is not None:
            os.close(asking)
            os.close(answering)
            limits, judge = _task(header, document)
            _write_all(writing, _SECONDS.pack(limits.seconds))
            _limit(limits)
            _write_all(writing, _answer(judge))
            os.close(writing)
    finally:
        # Without any clean-up of the parent's.
        os._exit(0)


def _task(header: bytes, document: bytes) -> tuple[PdfLimits, Callable[[], bytes]]:
    """Return the limits of a request and what answers it."""
    task = decode_task(header)
    if task is not None:
        kind, limits, given = task
        return limits, lambda: _other(kind, given, document)
    material, at, limits = decode_request(header)

    def judge() -> bytes:
        def extend(pages: int, seals: int) -> None:
            _allow_cpu(limits.cpu_budget(len(document), pages=pages, seals=seals))

        _allow_cpu(limits.cpu_budget(len(document)))
        report = validate_pdf(document, material, at=at, limits=limits, opened_with=extend)
        return encode_report(report)

    return limits, judge


def _other(kind: str, given: dict[str, Any], document: bytes) -> bytes:
    """Answer what is asked of a document or picture besides its verdict."""
    if kind == PAGES:
        return encode_value(draw_previews(document, given["covered_to"]))
    if kind == COMPARISON:
        return encode_value(compare_rendering(*split_documents(document), exactly=given["exactly"]))
    if kind == FACE:
        return encode_value(shows_face(*split_documents(document)))
    return encode_value(code_in_picture(document))


def _allow_cpu(seconds: float) -> None:
    """Let this process use so many processor seconds from its fork on; the system ends it by SIGPROF after that."""
    signal.setitimer(signal.ITIMER_PROF, max(seconds - time.process_time(), 0.001))


def _still_running(child: int) -> bool:
    """Tell whether the child has yet to end, leaving its status to be collected."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _limit(limits: PdfLimits) -> None:
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    seconds = int(limits.seconds) + 1
    for kind, value in (
        (resource.RLIMIT_AS, used + limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def _answer(judge: Callable[[], bytes]) -> bytes:
    """Return what the judge says, or the name of what stopped it."""
    try:
        return judge()
    except TrustServiceError as error:
        return encode_error(type(error).__name__, error.detail)
    except MemoryError:
        return encode_error("DocumentOverLimit", "The file needs too much memory to read.")
    except BaseException as error:  # noqa: BLE001 - the process ends here; its name is all that may leave
        return encode_error("ParserCrashed", type(error).__name__)


def _collect(reading: int, seconds: float) -> bytes | None:
    """Return what the child writes until it closes the pipe; None when time runs out."""
    deadline = time.monotonic() + seconds
    parts: list[bytes] = []
    size = 0
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([reading], [], [], remaining)[0]:
            return None
        part = os.read(reading, 65_536)
        size += len(part)
        if not part or size > MAXIMUM_ANSWER:
            return b"".join(parts)
        parts.append(part)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_frame(descriptor: int, data: bytes) -> None:
    _write_all(descriptor, struct.pack(">I", len(data)) + data)


def _read_frame(descriptor: int) -> bytes | None:
    length = _read_exactly(descriptor, 4)
    return None if length is None else _read_exactly(descriptor, struct.unpack(">I", length)[0])


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    buffer = bytearray()
    while len(buffer) < size:
        part = os.read(descriptor, min(size - len(buffer), 1 << 20))
        if not part:
            return None
        buffer += part
    return bytes(buffer)
