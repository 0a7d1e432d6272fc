"""What the identity package needs from others, and its two halves from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class SessionObserver(Protocol):
    """Is told, in the ending transaction, which sessions ended: tokens go and clients are logged out."""

    async def sessions_ended(self, connection: AsyncConnection, session_ids: tuple[str, ...]) -> None:
        """Act on ended sessions; what is written here commits with the end itself."""
