"""`hufu signer`: the process that alone holds the seal, CA, TSA and OCSP keys.

It listens on a local socket and looks at the stored intention itself before it seals.
Only its own settings hold `HUFU_SIGNER_PASSPHRASE` (or the token's PIN); web processes
are given `HUFU_SIGNER_SOCKET` and no secret of the signer's.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from foundation import logs
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.errors import TrustServiceError
from foundation.settings import BadSettings
from hufu.commands.key_pins import warn_unpinned
from hufu.surroundings import surroundings
from keys.assembly import MAINTENANCE, assemble_signer, certificate_cipher
from keys.signer.server import SignerServer
from signing.intentions import SealIntentions

if TYPE_CHECKING:
    import argparse

    from foundation.settings import Settings
    from keys.signer.core import SignerCore

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("--socket", metavar="PATH", help="listen here (default: HUFU_SIGNER_SOCKET)")


def run(arguments: argparse.Namespace) -> int:
    """Answer until a signal; calls begun end first."""
    overrides = {"signer_socket": arguments.socket} if arguments.socket else {}
    with surroundings(**overrides) as settings:
        if not settings.signer_socket:
            message = "HUFU_SIGNER_SOCKET must name the signer's socket"
            raise BadSettings(message)
        logs.configure(settings.log_level)
        _leave_no_core()
        asyncio.run(answer(settings))
    return 0


def _leave_no_core() -> None:
    """Opened keys must not reach a disk in a core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def maintain(signer: SignerCore) -> None:
    """Publish lists and renew certificates in time; a failure is tried again at the next turn."""
    while True:
        try:
            await signer.maintain()
        except TrustServiceError as error:
            _log.warning("the signer's maintenance failed", extra={"error": type(error).__name__})
        await asyncio.sleep(MAINTENANCE.total_seconds())


async def answer(settings: Settings) -> None:
    """Open the keys, listen, and close in order."""
    clock, database = SystemClock(), Database(settings.database_url, pool_size=settings.database_pool_size)
    signer = assemble_signer(settings, database, clock, certificate_cipher(settings), SealIntentions())
    server = SignerServer(signer, Path(settings.signer_socket), allowed_uids=frozenset(settings.signer_clients) or None)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await server.start()
        await warn_unpinned(settings, database)
        print(f"The signer listens at {settings.signer_socket}.", flush=True)
        maintenance = asyncio.create_task(maintain(signer), name="signer.maintain")
        await stopped.wait()
        maintenance.cancel()
    finally:
        await server.close()
        await database.close()
