"""The whole service on one machine: servers, keys, seed, processes.

`hufu run` and `hufu demo` stand on it. Each process runs in a session of its own under
a guard, so that Ctrl-C reaches only us, we end them in order (those that serve first,
the database last), and none of them outlives us, however we end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from hufu.commands.migrate import migrate
from hufu.launcher_place import CannotStart, GuardedServer, ServerUser, free_port, start_guarded
from hufu.surroundings import environment_of, surroundings, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation.settings import Settings
    from hufu.seed import SeedReport

ROOT = Path(__file__).parents[1]
READY_SECONDS = 150
STOP_SECONDS = 3
SEED_SOURCES = ("seed.py", "demo_city.py")
LOOPBACK = "127.0.0.0/8"
SIGNER = "signer"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The demo sign-ins to print, and the variables the portal reads its client from."""

    lines: tuple[str, ...]
    portal: dict[str, str] = field(repr=False)


@dataclass(slots=True)
class Stack:
    """What runs, and where."""

    settings: Settings
    portal_url: str
    report: Prepared
    children: dict[str, GuardedServer] = field(default_factory=dict)

    def fallen(self) -> str | None:
        """Return the name of a process that ended by itself."""
        return next((name for name, child in self.children.items() if not child.running()), None)


@contextmanager
def stack(
    *, port: int, portal_port: int, say: Callable[[str], None] = lambda _: None, **overrides: object
) -> Iterator[Stack]:
    """Start everything, yield it once it answers, and stop it.

    Raises: BadSettings, CannotStart.
    """
    for name, wanted in (("HUFU_PORT", port), ("HUFU_PORTAL_PORT", portal_port)):
        _require_free(name, wanted)
    gateway_port, messages_port = free_port(), free_port()
    outside = {
        "real_name_gateway_url": f"http://127.0.0.1:{gateway_port}",
        "sms_gateway_url": f"http://127.0.0.1:{messages_port}",
        "outbound_networks": (LOOPBACK,),
    }
    with (
        # The address of a socket has at most 107 bytes, which a path below a data directory may exceed.
        tempfile.TemporaryDirectory(prefix="hufu-") as sockets,
        surroundings(port=port, **outside, **overrides) as settings,
    ):
        signer = settings.model_copy(update={"signer_socket": str(Path(sockets) / "signer.sock")})
        others = signer.model_copy(update={"signer_passphrase": SecretStr(""), "pkcs11_pin": SecretStr("")})
        say("PostgreSQL and Redis are up.")
        migrate(settings.database_url)
        children: dict[str, GuardedServer] = {}
        try:
            children["authority"] = _start(
                others, "authority", ["tests.support.real_name_authority", "--port", str(gateway_port)]
            )
            children["messages"] = _start(
                others, "messages", ["tests.support.sms_gateway", "--port", str(messages_port)]
            )
            report = _prepare(settings, portal_port, say)
            children[SIGNER] = _start(signer, SIGNER, ["hufu", "signer"])
            children["service"] = _start(others, "service", ["hufu", "serve"])
            children["worker"] = _start(others, "worker", ["hufu", "worker"])
            children["portal"] = _start(
                others,
                "portal",
                ["examples.department_portal", "--port", str(portal_port), "--hufu", settings.issuer],
                report.portal,
            )
            running = Stack(settings, f"http://localhost:{portal_port}", report, children)
            _await_ready(running, f"http://127.0.0.1:{port}/readyz")
            _await_ready(running, f"http://127.0.0.1:{portal_port}/")
            yield running
        finally:
            _stop(children)


def _require_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStart(f"Port {port} is taken; set {name} to another.") from None


def _prepare(settings: Settings, portal_port: int, say: Callable[[str], None]) -> Prepared:
    """Hold the key ceremony and fill the demo city, unless that was done by this seed for this portal before."""
    kept = settings.data_directory / "seeded.json"
    sources = b"".join((ROOT / "hufu" / name).read_bytes() for name in SEED_SOURCES)
    digest = hashlib.sha256(sources + str(portal_port).encode()).hexdigest()
    if kept.exists() and (found := json.loads(kept.read_text("utf-8")))["digest"] == digest:
        return Prepared(tuple(found["lines"]), found["portal"])
    prepared = asyncio.run(_seed(settings, portal_port, say))
    write_private(kept, json.dumps({"digest": digest, "lines": prepared.lines, "portal": prepared.portal}))
    say("The demo city is in place.")
    return prepared


async def _seed(settings: Settings, portal_port: int, say: Callable[[str], None]) -> Prepared:
    # These import the whole service, which a second start need not wait for.
    from hufu.commands.init import hold_ceremony  # noqa: PLC0415
    from hufu.seed import seed  # noqa: PLC0415
    from hufu.wiring import open_application  # noqa: PLC0415
    from keys.errors import KeystoreExists  # noqa: PLC0415

    try:
        await hold_ceremony(settings, ("demo",))
        say("The key ceremony was held.")
    except KeystoreExists:
        pass
    async with open_application(settings) as application:
        report = await seed(application, portal_port=portal_port)
    return Prepared(report.lines, _portal_client(report))


def _portal_client(report: SeedReport) -> dict[str, str]:
    """Return the portal's client id and secret as the variables it reads."""
    from hufu.demo_city import CLIENTS  # noqa: PLC0415 - with the seed

    client_id = next(client.client_id for client in CLIENTS if client.portal)
    secret = json.loads(report.file.read_text("utf-8"))["clients"][client_id]
    return {"HUFU_PORTAL_CLIENT_ID": client_id, "HUFU_PORTAL_CLIENT_SECRET": secret}


def _start(settings: Settings, name: str, module: list[str], extra: dict[str, str] | None = None) -> GuardedServer:
    logs = settings.data_directory / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    return start_guarded(
        [sys.executable, "-m", *module],
        ServerUser(),
        log=logs / f"{name}.log",
        stop_signals="SIGTERM",
        patience=STOP_SECONDS,
        environment=environment_of(settings) | {"PYTHONPATH": str(ROOT)} | (extra or {}),
        directory=ROOT,
    )


def _await_ready(running: Stack, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if fallen := running.fallen():
            raise CannotStart(f"The {fallen} did not start:\n{log_tail(running.settings, fallen)}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
                if answer.status < 400:  # noqa: PLR2004 - HTTP's boundary of success
                    return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    raise CannotStart(f"{url} did not answer within {READY_SECONDS} s; see {running.settings.data_directory}/logs.")


def log_tail(settings: Settings, name: str) -> str:
    """Return the end of a process's log."""
    return (settings.data_directory / "logs" / f"{name}.log").read_text(errors="replace")[-1500:]


def _stop(children: dict[str, GuardedServer]) -> None:
    """End all processes together, the signer after those that ask it, and by force what has not ended in time."""
    signer = [child for name, child in children.items() if name == SIGNER]
    others = [child for name, child in children.items() if name != SIGNER]
    for group in (others, signer):
        for child in group:
            child.ask_to_stop()
        for child in group:
            child.stop()
