"""What the process that reads one file may use, whatever the file makes it do."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

import pytest

from verification.limits import PdfLimits
from verification.sandbox import worker

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1024 * 1024
LIMITS = PdfLimits(seconds=5.0, memory_bytes=64 * MEGABYTE)


@pytest.fixture
def in_child(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bytes]], bytes]:
    """Run something in place of a parser, in a process made for one file."""

    def run(act: Callable[[], bytes]) -> bytes:
        monkeypatch.setattr(worker, "_task", lambda *_: (LIMITS, act))
        return worker._in_child(b"", b"")

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
