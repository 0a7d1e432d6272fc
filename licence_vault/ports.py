"""What the vault needs from packages it does not know; `hufu/wiring.py` joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal


class HolderIndexes(Protocol):
    """Tells by which blind indexes licences name a person or enterprise; joined to `idp`.

    An index is `FieldCipher.blind_index(<normalised code>, "holder_code")`.
    """

    async def of_person(self, connection: AsyncConnection, person_id: str) -> tuple[bytes, ...]:
        """Return the index of every document number the person has proven; empty when unknown."""

    async def accounts_of(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        """Return the ids of the active accounts behind an index."""


class IssuingOfficers(Protocol):
    """Tells whether an officer may issue for the own organisation; joined to `idp`."""

    async def require_issuing(self, principal: Principal, matter_code: str | None) -> None:
        """Raise NotPermitted unless the officer holds the authority to issue, for this matter."""


class Mandates(Protocol):
    """Tells whether one may act for another; joined to `idp`."""

    async def covers(
        self, connection: AsyncConnection, *, agent_id: str, person_id: str, type_code: str, at: datetime
    ) -> bool:
        """Tell whether a live mandate lets the agent see the person's licences of this type."""
