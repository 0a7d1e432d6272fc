"""Where embedded servers live and as whom they run.

PostgreSQL refuses to run as root. As root we start the servers under an existing
unprivileged user (no user is created), which must be able to reach its binaries and
its data: below a home of mode 0700 it cannot, so both then move to a directory it
can reach.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GUARD = Path(__file__).with_name("launcher_guard.py")
PATIENCE_SECONDS = 2.5
STOP_SECONDS = 8
LOG_BYTES = 10 * 1024 * 1024
SHARED_ROOT = Path("/var/lib/hufu")


class CannotStart(Exception):
    """A server could not be found or started; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that servers run as; None means ourselves."""

    uid: int | None = None
    gid: int | None = None

    @property
    def argument(self) -> str:
        """Return the form the guard takes."""
        return "-" if self.uid is None else f"{self.uid}:{self.gid}"

    def owns(self, path: Path) -> None:
        """Make a path the server's own."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Tell whether the user can enter every directory above `path`."""
        if self.uid is None:
            return True
        for parent in path.resolve().parents:
            status = parent.stat()
            bit = stat.S_IXUSR if status.st_uid == self.uid else stat.S_IXOTH
            if not status.st_mode & bit:
                return False
        return True

    def run(self, command: list[str], *, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command as this user with a bare environment."""
        return subprocess.run(  # noqa: S603 - binaries we found ourselves, no shell
            command,
            env=bare_environment(),
            cwd="/",
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def bare_environment() -> dict[str, str]:
    """Return an environment without settings, secrets or a locale of ours."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def server_user() -> ServerUser:
    """Return ourselves, or as root an existing unprivileged user."""
    if os.geteuid() != 0:
        return ServerUser()
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in ("postgres", "nobody", "daemon", *entries):
        if name in entries:
            return ServerUser(entries[name].pw_uid, entries[name].pw_gid)
    raise CannotStart("Running as root, and the system has no other user to start PostgreSQL as.")


def reachable_directory(wanted: Path, user: ServerUser) -> Path:
    """Return `wanted`, or its stand-in below /var/lib when the server's user cannot get there."""
    wanted = wanted.resolve()
    if user.reaches(wanted):
        return wanted
    name = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    return SHARED_ROOT / name


def reachable_binaries(root: Path, parts: tuple[str, ...], user: ServerUser, target: Path) -> Path:
    """Return `root`, or a copy of its `parts` below `target` when the user cannot get there."""
    if user.reaches(root / parts[0]):
        return root
    complete = target / "complete"
    if not complete.exists():
        shutil.rmtree(target, ignore_errors=True)
        for part in parts:
            _copy(root / part, target / part)
        complete.touch()
    return target


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)


def free_port() -> int:
    """Return a loopback port nobody listens on now; the caller retries when it loses a race."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class GuardedServer:
    """One server under its guard."""

    guard: subprocess.Popen[bytes]
    log: Path

    def running(self) -> bool:
        """Tell whether the server still runs."""
        return self.guard.poll() is None

    def ask_to_stop(self) -> None:
        """Tell the server to stop."""
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        if self.running():
            self.guard.terminate()

    def stop(self) -> None:
        """Stop the server and wait for it."""
        self.ask_to_stop()
        try:
            self.guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.guard.kill()
            self.guard.wait()

    def last_words(self) -> str:
        """Return the end of the log, for an error message."""
        return self.log.read_text(errors="replace")[-600:].strip()


def start_guarded(
    command: list[str],
    user: ServerUser,
    *,
    log: Path,
    stop_signals: str,
    patience: float = PATIENCE_SECONDS,
    lock: int | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path = Path("/"),
) -> GuardedServer:
    """Start a command under a guard, which ends it when we end and may hold a lock of ours.

    Args:
        command: an absolute path and its arguments.
        user: as whom.
        log: takes what the command says, after what it holds while that is not too long.
        stop_signals: names of the signals that end it, politest first, divided by commas.
        patience: seconds after each until the next, and at last the command is killed.
        lock: an open file that the guard keeps open.
        environment: of the guard and the command; a bare one by default.
        directory: where the command starts.
    """
    long = log.exists() and log.stat().st_size > LOG_BYTES
    with log.open("wb" if long else "ab") as sink:
        guard = subprocess.Popen(  # noqa: S603 - binaries we found ourselves, no shell
            [sys.executable, "-I", "-S", str(GUARD), user.argument, stop_signals, str(patience), *command],
            env=bare_environment() if environment is None else dict(environment),
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
        )
    return GuardedServer(guard, log)
