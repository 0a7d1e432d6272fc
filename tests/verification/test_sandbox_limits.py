"""What the process that reads one file may use, whatever the file makes it do."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from verification.limits import PdfLimits
from verification.sandbox import worker
from verification.sandbox.copied_pages import copy_ahead, pages_written_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEGABYTE = 1024 * 1024
LIMITS = PdfLimits(seconds=5.0, memory_bytes=64 * MEGABYTE)


@dataclass(frozen=True)
class Pipes:
    """Between the service and the process that forks a child for each file."""

    asked: int
    asking: int
    answered: int
    answering: int


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    descriptors = (*os.pipe(), *os.pipe())
    yield Pipes(*descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.fixture
def in_child(monkeypatch: pytest.MonkeyPatch, pipes: Pipes) -> Callable[[Callable[[], bytes]], bytes]:
    """Run something in place of a parser, in a process made for one file."""

    def run(act: Callable[[], bytes]) -> bytes:
        monkeypatch.setattr(worker, "_task", lambda *_: (LIMITS, act))
        for frame in (b"header", b"document"):
            worker._write_frame(pipes.asking, frame)
        assert worker._serve(pipes.asked, pipes.answering)
        answer = worker._read_frame(pipes.answered)
        assert answer is not None
        return answer

    return run


def own_limits() -> bytes:
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NPROC", "RLIMIT_NOFILE")
    return json.dumps({name: resource.getrlimit(getattr(resource, name)) for name in names}).encode()


def test_a_child_can_neither_write_nor_open_nor_start_anything_and_cannot_raise_its_limits(
    in_child: Callable[[Callable[[], bytes]], bytes],
) -> None:
    found = json.loads(in_child(own_limits))
    memory = found.pop("RLIMIT_AS")
    assert memory[0] == memory[1]
    assert memory[0] > LIMITS.memory_bytes, "the most is -1, for no limit"
    none = [0, 0]
    assert found == {
        "RLIMIT_CPU": [6, 6],
        "RLIMIT_FSIZE": none,
        "RLIMIT_CORE": none,
        "RLIMIT_NPROC": none,
        "RLIMIT_NOFILE": none,
    }


def test_a_file_that_wants_too_much_memory_is_refused(in_child: Callable[[Callable[[], bytes]], bytes]) -> None:
    assert in_child(lambda: str(len(bytearray(32 * MEGABYTE))).encode()) == b"33554432"
    refused = json.loads(in_child(lambda: bytes(bytearray(65 * MEGABYTE))))
    assert refused["error"] == "DocumentOverLimit"


def test_a_child_holds_neither_the_next_question_nor_the_way_to_answer_it(
    in_child: Callable[[Callable[[], bytes]], bytes], pipes: Pipes
) -> None:
    def still_open() -> bytes:
        found = []
        for descriptor in (pipes.asked, pipes.answering):
            with suppress(OSError):
                found.append(os.fstat(descriptor).st_mode)
        return json.dumps(found).encode()

    assert json.loads(in_child(still_open)) == []


def test_what_dies_without_an_answer_is_told_and_the_next_file_is_answered(
    in_child: Callable[[Callable[[], bytes]], bytes],
) -> None:
    def out_of_time() -> bytes:
        os.kill(os.getpid(), signal.SIGXCPU)
        return b""

    assert json.loads(in_child(lambda: os._exit(3)))["error"] == "ParserCrashed"
    assert json.loads(in_child(out_of_time))["error"] == "DocumentOverLimit"
    assert in_child(lambda: b"sound") == b"sound"


def test_a_child_waits_for_a_file_and_ends_with_the_service(pipes: Pipes) -> None:
    os.dup2(pipes.asked, pipes.asking)  # the only end that could still be written to is closed by this
    assert not worker._serve(pipes.asked, pipes.answering)
    os.dup2(pipes.answered, pipes.answering)
    assert os.read(pipes.answered, 1) == b""


def test_pages_that_are_written_to_are_found_and_copied_ahead() -> None:
    size, count = resource.getpagesize(), 64
    memory = mmap.mmap(-1, count * 10 * size, flags=mmap.MAP_PRIVATE)
    memory.write(b"x" * len(memory))
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))

    def act() -> None:
        for number in range(count):
            memory[number * 10 * size] = 1

    written = pages_written_by(act)
    found = {place for at, length in written for place in range(at, at + length, size)}
    assert {start + number * 10 * size for number in range(count)} <= found
    assert start + 5 * size not in found

    def faults_of(stretches: tuple[tuple[int, int], ...]) -> int:
        child = os.fork()
        if child == 0:
            copy_ahead(stretches)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            act()
            os._exit(min(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, 255))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert faults_of(()) >= count
    assert faults_of(written) < count // 2
