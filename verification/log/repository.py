"""SQL of the log: which audit rows are final, leaves, tiles, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert

from foundation.tables import audit_log
from verification.log.cosignatures import Cosignature
from verification.tables import log_checkpoints, log_cosignatures, log_leaves, log_tiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from verification.log.merkle import TileKey

_LOCK = 0x48554655_4C4F47
_FINAL = text(
    """
    SELECT least(
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        (
            SELECT min(running::text::bigint) FROM pg_snapshot_xip(pg_current_snapshot()) AS running
            WHERE NOT EXISTS (
                SELECT FROM pg_stat_activity
                WHERE backend_xid = running::xid
                AND datid <> (SELECT oid FROM pg_database WHERE datname = current_database())
            )
        )
    )
    """
)
"""Below this number every transaction of this database has ended.

A running transaction counts unless it is seen to belong to another database of the server: one
that cannot be seen, or ended between two looks, holds the log back until the next.
"""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as signed."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class LogRepository:
    """Statements on the caller's connection."""

    connection: AsyncConnection

    async def try_lock(self) -> bool:
        """Take the one place at the end of the tree until this transaction ends; tell whether it was free."""
        statement = select(func.pg_try_advisory_xact_lock(_LOCK))
        return bool((await self.connection.execute(statement)).scalar_one())

    async def size(self) -> int:
        """Return the number of leaves."""
        statement = select(func.coalesce(func.max(log_leaves.c.leaf_index) + 1, 0))
        return int((await self.connection.execute(statement)).scalar_one())

    async def next_rows(self, limit: int) -> list[tuple[int, int, bytes]]:
        """Return the next audit rows in their final order: transaction, number, commitment.

        Rows of transactions older than every running one here can gain no neighbour before them:
        whatever commits later has a higher transaction number. So the order is stable, no row
        is ever passed over, and an issuing transaction never waits for the tree.
        """
        final = (await self.connection.execute(_FINAL)).scalar_one()
        last = (
            select(audit_log.c.transaction_id, audit_log.c.audit_id)
            .join(log_leaves, log_leaves.c.audit_id == audit_log.c.audit_id)
            .order_by(log_leaves.c.leaf_index.desc())
            .limit(1)
        )
        row = (await self.connection.execute(last)).one_or_none()
        reached = (0, 0) if row is None else (row.transaction_id, row.audit_id)
        place = tuple_(audit_log.c.transaction_id, audit_log.c.audit_id)
        statement = (
            select(audit_log.c.transaction_id, audit_log.c.audit_id, audit_log.c.commitment)
            .where(place > tuple_(*reached), audit_log.c.transaction_id < final)
            .order_by(audit_log.c.transaction_id, audit_log.c.audit_id)
            .limit(limit)
        )
        return [tuple(row) for row in await self.connection.execute(statement)]

    async def append(self, size: int, rows: list[tuple[int, int, bytes]]) -> None:
        """Store leaves from `size` on."""
        values = [
            {"leaf_index": size + offset, "audit_id": audit_id, "commitment": commitment}
            for offset, (_, audit_id, commitment) in enumerate(rows)
        ]
        await self.connection.execute(insert(log_leaves), values)

    async def tiles(self, keys: Iterable[TileKey]) -> dict[TileKey, bytes]:
        """Return the tiles there are among the given keys."""
        wanted = tuple_(log_tiles.c.level, log_tiles.c.tile_index).in_(list(keys))
        rows = await self.connection.execute(
            select(log_tiles.c.level, log_tiles.c.tile_index, log_tiles.c.hashes).where(wanted)
        )
        return {(row.level, row.tile_index): bytes(row.hashes) for row in rows}

    async def store_tiles(self, tiles: Mapping[TileKey, bytes]) -> None:
        """Store tiles; a longer one replaces its own beginning."""
        values = [{"level": level, "tile_index": index, "hashes": data} for (level, index), data in tiles.items()]
        statement = insert(log_tiles)
        upsert = statement.on_conflict_do_update(
            index_elements=[log_tiles.c.level, log_tiles.c.tile_index], set_={"hashes": statement.excluded.hashes}
        )
        await self.connection.execute(upsert, values)

    async def entries(self, start: int, end: int) -> list[bytes]:
        """Return the commitments of leaves `[start, end)`."""
        chosen = (log_leaves.c.leaf_index >= start, log_leaves.c.leaf_index < end)
        statement = select(log_leaves.c.commitment).where(*chosen).order_by(log_leaves.c.leaf_index)
        return [bytes(value) for value in (await self.connection.execute(statement)).scalars()]

    async def leaf_of(self, audit_id: int) -> int | None:
        """Return the leaf of an audit row, None while it waits."""
        statement = select(log_leaves.c.leaf_index).where(log_leaves.c.audit_id == audit_id)
        return (await self.connection.execute(statement)).scalar_one_or_none()

    async def latest_checkpoint(self) -> StoredCheckpoint | None:
        """Return the checkpoint of the largest tree."""
        statement = select(log_checkpoints).order_by(log_checkpoints.c.tree_size.desc()).limit(1)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else StoredCheckpoint(row.tree_size, bytes(row.root_hash), row.note)

    async def store_checkpoint(self, checkpoint: StoredCheckpoint, signed_at: datetime) -> None:
        """Store a checkpoint; the first of a size stays."""
        statement = insert(log_checkpoints).values(
            tree_size=checkpoint.size, root_hash=checkpoint.root, note=checkpoint.note, signed_at=signed_at
        )
        await self.connection.execute(statement.on_conflict_do_nothing())

    async def witnessed_checkpoint(self) -> StoredCheckpoint | None:
        """Return the largest checkpoint that any witness cosigned."""
        largest = select(func.max(log_cosignatures.c.tree_size)).scalar_subquery()
        row = (
            await self.connection.execute(select(log_checkpoints).where(log_checkpoints.c.tree_size == largest))
        ).one_or_none()
        return None if row is None else StoredCheckpoint(row.tree_size, bytes(row.root_hash), row.note)

    async def first_witnessed(self, leaf_index: int) -> StoredCheckpoint | None:
        """Return the smallest cosigned checkpoint of a tree with this leaf, with its cosignatures."""
        sizes = select(func.min(log_cosignatures.c.tree_size)).where(log_cosignatures.c.tree_size > leaf_index)
        chosen = log_checkpoints.c.tree_size == sizes.scalar_subquery()
        row = (await self.connection.execute(select(log_checkpoints).where(chosen))).one_or_none()
        if row is None:
            return None
        lines = [one.line for one in await self.cosignatures(row.tree_size)]
        return StoredCheckpoint(row.tree_size, bytes(row.root_hash), row.note + "".join(lines))

    async def cosignatures(self, size: int) -> list[Cosignature]:
        """Return the cosignatures of the checkpoint of this size, by witness."""
        chosen = log_cosignatures.c.tree_size == size
        statement = select(log_cosignatures).where(chosen).order_by(log_cosignatures.c.witness)
        return [Cosignature(row.witness, row.line, row.signed_at) for row in await self.connection.execute(statement)]

    async def last_seen(self) -> dict[str, tuple[int, datetime]]:
        """Return each witness's largest cosigned size, and when it signed that."""
        table = log_cosignatures
        statement = select(table.c.witness, table.c.tree_size, table.c.signed_at).ext(distinct_on(table.c.witness))
        rows = await self.connection.execute(statement.order_by(table.c.witness, table.c.tree_size.desc()))
        return {row.witness: (row.tree_size, row.signed_at) for row in rows}

    async def store_cosignature(self, size: int, cosignature: Cosignature) -> None:
        """Store a witness's cosignature; its first of a size stays."""
        statement = insert(log_cosignatures).values(
            tree_size=size, witness=cosignature.witness, line=cosignature.line, signed_at=cosignature.signed_at
        )
        await self.connection.execute(statement.on_conflict_do_nothing())
