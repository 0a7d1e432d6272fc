"""Runs workers and kills them at random moments; a process of its own, started by the test.

The libraries are loaded once and each worker is forked from that, so that a kill a second is possible. Most
workers are killed while they seal, which they say through a pipe; some before they have begun.
`python -m tests.signing.kill_loop KILLS MOMENT`, with HUFU_* in its environment, ends with 0 once everything
queued is done.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from foundation.audit import Audit
from foundation.blobs import BlobStore
from foundation.clock import FixedClock
from foundation.database import Database
from foundation.directory import Directory
from foundation.encryption import FieldCipher
from foundation.jobs import Worker
from foundation.settings import Settings, load_settings
from keys.assembly import assemble
from signing.assembly import assemble_signing
from signing.intentions import SealIntentions
from signing.workshop import Workshop
from tests.signing.conftest import OneCode
from tests.support.gate import ONE_AT_A_TIME, full_gate
from tests.support.seal_officers import Officers
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 600
LONGEST_WORK_SECONDS = 0.8
KILLED_EARLY = 0.15


class SameProcess(Workshop):
    """Prepares documents in the worker itself, so that a kill meets that too."""

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with ONE_AT_A_TIME:
            return function(*args, **kwargs)


async def work(settings: Settings, at: datetime, ready: int) -> None:
    """Work the queue off, after a byte to `ready`."""
    clock = FixedClock(at)
    database = Database(settings.database_url, pool_size=8)
    cipher = FieldCipher(settings.field_key_map(), settings.index_key_bytes() or b"")
    keys = assemble(settings, database, clock, cipher, intentions=SealIntentions())
    await keys.service.load()
    signing = assemble_signing(
        settings,
        database,
        clock=clock,
        audit=Audit(clock),
        cipher=cipher,
        blobs=BlobStore.from_settings(settings, cipher),
        directory=Directory(database),
        keys=keys,
        self_check=FastSelfCheck(),
        full_gate=full_gate(keys, clock),
        second_factors=OneCode(),
        officers=Officers(),
        workshop=SameProcess(),
    )
    os.write(ready, b".")
    await Worker(database, settings.database_url, signing.job_handlers()).run()


async def waiting(url: str) -> int:
    """Return how many items are not done."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        # A killed worker's jobs come back when its heartbeat is old; here nobody waits that long.
        await connection.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE status = 'picked'")
        return int(await connection.fetchval("SELECT count(*) FROM batch_items WHERE state = 'waiting'"))
    finally:
        await connection.close()


def main() -> int:
    """Kill so many workers, then let the last one finish."""
    settings = load_settings()
    kills, at = int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]).astimezone(UTC)
    chance = random.Random(20261122)  # noqa: S311 - moments, not secrets
    deadline = None
    while asyncio.run(waiting(settings.database_url)):
        told, tells = os.pipe()
        child = os.fork()
        if child == 0:
            asyncio.run(work(settings, at, tells))
            os._exit(0)
        os.close(tells)
        if kills > 0:
            kills -= 1
            if chance.random() >= KILLED_EARLY:
                os.read(told, 1)
            time.sleep(chance.uniform(0, LONGEST_WORK_SECONDS))
        else:
            deadline = deadline or time.monotonic() + PATIENCE_SECONDS
            while asyncio.run(waiting(settings.database_url)) and time.monotonic() < deadline:
                time.sleep(0.5)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
        if deadline is not None and time.monotonic() >= deadline:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
