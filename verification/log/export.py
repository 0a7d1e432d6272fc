"""Writes the log as files: the tlog-tiles layout, and the rows for an auditor who may see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import select

from foundation.tables import audit_log
from verification.log.layout import CHECKPOINT, entries_path, tile_path
from verification.log.merkle import TILE_WIDTH
from verification.tables import log_leaves

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.database import Database
    from verification.log.service import TransparencyLog

KEY_FILE = "key"
ROWS_FILE = "rows.ndjson"
CHUNK = 5_000


async def export_log(
    log: TransparencyLog, database: Database, directory: Path, *, with_rows: bool, witnessed: bool = False
) -> int:
    """Write the log as of its latest checkpoint, or the latest that was cosigned; return the tree size.

    The rows hold who did what, and their salts: they are for an auditor who may see them,
    never for publication.
    """
    checkpoint = await (log.witnessed_checkpoint() if witnessed else log.checkpoint())
    size = checkpoint.size
    _write(directory / KEY_FILE, (await log.verifier_key()).text.encode() + b"\n")
    for start in range(0, size, TILE_WIDTH):
        index, width = start // TILE_WIDTH, min(TILE_WIDTH, size - start)
        _write(directory / entries_path(index, width), await log.entries(index, width))
    level, count = 0, size
    while count:
        for start in range(0, count, TILE_WIDTH):
            index, width = start // TILE_WIDTH, min(TILE_WIDTH, count - start)
            _write(directory / tile_path(level, index, width), await log.tile(level, index, width))
        level, count = level + 1, count // TILE_WIDTH
    if with_rows:
        with (directory / ROWS_FILE).open("w", encoding="utf-8") as out:
            async for line in export_rows(database, size):
                out.write(line + "\n")
    # The checkpoint comes last: a directory that has one is whole.
    _write(directory / CHECKPOINT, checkpoint.note.encode())
    return size


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def export_rows(database: Database, size: int) -> AsyncIterator[str]:
    """Yield the rows behind the first `size` leaves as JSON lines, in the order of leaves."""
    columns = (
        log_leaves.c.leaf_index,
        audit_log.c.audit_id,
        audit_log.c.recorded_at,
        audit_log.c.actor,
        audit_log.c.action,
        audit_log.c.object_type,
        audit_log.c.object_id,
        audit_log.c.channel,
        audit_log.c.detail,
        audit_log.c.salt,
    )
    for start in range(0, size, CHUNK):
        part = (log_leaves.c.leaf_index >= start, log_leaves.c.leaf_index < min(size, start + CHUNK))
        statement = (
            select(*columns)
            .join(audit_log, audit_log.c.audit_id == log_leaves.c.audit_id)
            .where(*part)
            .order_by(log_leaves.c.leaf_index)
        )
        async with database.read() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        for row in rows:
            fields = dict(row)
            fields["recorded_at"] = row["recorded_at"].isoformat(timespec="microseconds")
            fields["salt"] = bytes(row["salt"]).hex()
            yield json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
