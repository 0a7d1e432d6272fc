"""Intentions as the signer process sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from signing.model import IntentionState
from signing.tables import seal_intentions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class SealIntentions:
    """Joined to the port of the same name in `keys`: the signer looks before it signs."""

    async def covers(self, connection: AsyncConnection, *, intention_id: str, key_id: str, digest: bytes) -> bool:
        """Tell whether a committed, confirmed and unfinished intention names exactly this key and digest."""
        table = seal_intentions
        statement = select(table.c.intention_id).where(
            table.c.intention_id == intention_id,
            table.c.key_id == key_id,
            table.c.to_be_signed_digest == digest,
            table.c.state == IntentionState.INTENDED,
        )
        return (await connection.execute(statement)).first() is not None
