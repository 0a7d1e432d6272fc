"""A guarded process ends when asked, when its launcher is gone, and also against its will."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from hufu.launcher_place import GuardedServer, ServerUser, start_guarded

POLITE = "import signal, sys; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)
PARENT = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)  # {mark}']); "
    + POLITE
)


def start(code: str, place: Path, patience: float = 0.3) -> GuardedServer:
    log = place / "log"
    server = start_guarded(
        [sys.executable, "-c", code], ServerUser(), log=log, stop_signals="SIGTERM", patience=patience
    )
    deadline = time.monotonic() + 20
    while "up" not in log.read_text():
        assert server.running()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return server


@pytest.mark.parametrize("code", [POLITE, STUBBORN])
def test_it_ends_when_told_to(code: str, tmp_path: Path) -> None:
    server = start(code, tmp_path)
    began = time.monotonic()
    server.stop()
    assert not server.running()
    assert time.monotonic() - began < 5
    server.stop()


def test_it_ends_when_the_pipe_to_its_launcher_closes(tmp_path: Path) -> None:
    server = start(POLITE, tmp_path)
    assert server.guard.stdin is not None
    server.guard.stdin.close()
    assert server.guard.wait(10) != 0


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    server = start(PARENT.replace("{mark}", mark), tmp_path)
    assert marked(mark)
    server.stop()
    deadline = time.monotonic() + 5
    while marked(mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def marked(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"# {mark}" in path.read_text(errors="replace").split("\0")[-2:][0]:
                return True
    return False


def test_a_server_that_falls_is_seen(tmp_path: Path) -> None:
    server = start("print('up', flush=True); raise SystemExit(3)", tmp_path)
    assert server.guard.wait(10) == 3
    assert not server.running()
    server.stop()
