"""Intentions as the signer process sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from signing.model import IntentionState
from signing.tables import seal_intentions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def stands(connection: AsyncConnection, key_id: str, digest: bytes) -> bool:
    """Tell whether a committed, unfinished intention asks this key to sign this digest."""
    table = seal_intentions
    statement = select(table.c.intention_id).where(
        table.c.key_id == key_id,
        table.c.to_be_signed_digest == digest,
        table.c.state == IntentionState.INTENDED,
    )
    return (await connection.execute(statement.limit(1))).first() is not None
