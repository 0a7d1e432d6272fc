"""Waiting for the log: a row waits for every older transaction of its database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from foundation.database import Database
    from verification.log.service import TransparencyLog

PATIENCE_SECONDS = 30
LEFT = "SELECT (SELECT count(*) FROM audit_log) - (SELECT count(*) FROM transparency_leaves)"


async def sequence_all(log: TransparencyLog, database: Database) -> None:
    """Sequence until every audit row is in the tree."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await log.sequence()
            async with database.read() as connection:
                if (await connection.execute(text(LEFT))).scalar_one() == 0:
                    return
            await asyncio.sleep(0.05)
