"""No receipt without its row: a service that is killed has answered nothing that is not on record."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import TYPE_CHECKING

from sqlalchemy import select

from foundation.tables import audit_log
from hufu.surroundings import environment_of
from tests.verification.test_service import keys as keys  # noqa: PLC0414 - a fixture

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.settings import Settings
    from keys.assembly import Keys

ANSWERS = (40, 117)
"""After so many answers the process is killed, in the middle of others."""


async def test_every_answered_receipt_has_its_row_after_a_kill(
    settings: Settings, database: Database, clock: FixedClock, keys: Keys
) -> None:
    del keys  # made the keystore that the killed processes open
    answered: list[bytes] = []
    for answers in ANSWERS:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.verification.answering",
            clock.now().isoformat(),
            env=environment_of(settings),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        answered += [await process.stdout.readline() for _ in range(answers)]
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
        answered += [line + b"\n" for line in rest.split(b"\n")[:-1]]
    assert len(answered) >= sum(ANSWERS)
    async with database.read() as connection:
        rows = (await connection.execute(select(audit_log.c.audit_id, audit_log.c.commitment))).all()
    stored = {row.audit_id: bytes(row.commitment) for row in rows}
    for line in answered:
        number, commitment = line.split()
        assert stored[int(number)] == base64.urlsafe_b64decode(commitment + b"=")
