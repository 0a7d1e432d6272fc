"""Starts API processes on sockets of ours and stops them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.settings import Settings

START_SECONDS = 60


@dataclass(frozen=True)
class Started:
    """A process and where it answers."""

    address: str
    pid: int


@contextmanager
def api_processes(settings: Settings, count: int) -> Iterator[list[str]]:
    """Yield the addresses of `count` separate processes over the same database and Redis."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        addresses = [stack.enter_context(_process(settings, listener)).address for listener in listeners]
        for address in addresses:
            _wait(address)
        yield addresses


@contextmanager
def provider_process(settings: Settings, listener: socket.socket) -> Iterator[Started]:
    """Yield one process on a socket of the caller's, which names the issuer."""
    with _process(settings, listener) as started:
        _wait(started.address)
        yield started


@contextmanager
def _process(settings: Settings, listener: socket.socket) -> Iterator[Started]:
    handed = {
        "fd": listener.fileno(),
        "data_directory": str(settings.data_directory),
        "settings": {
            "profile": settings.profile.value,
            "database_url": settings.database_url,
            "redis_url": settings.redis_url,
            "issuer": settings.issuer,
            "field_keys": settings.field_keys.get_secret_value(),
            "index_key": settings.index_key.get_secret_value(),
            "keystore_passphrase": settings.keystore_passphrase.get_secret_value(),
        },
    }
    environment = {**os.environ, "OIDC_TEST_PROCESS": json.dumps(handed)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.idp.oauth.serving"],
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        env=environment,
    )
    try:
        yield Started(f"http://127.0.0.1:{listener.getsockname()[1]}", process.pid)
    finally:
        process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0


def _wait(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/oauth/jwks", timeout=2).status_code == httpx2.codes.OK:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    message = f"{address} did not start"
    raise AssertionError(message)
