"""What the vault needs from packages it does not know; `hufu/wiring.py` joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal


@dataclass(frozen=True, slots=True)
class HolderCode:
    """A code by which licences name somebody: annex-A type (`111`, `001`, …) and normalised value."""

    code_type: str
    code: str


class HolderCodes(Protocol):
    """Tells which codes belong to a proven person or enterprise; joined to `idp`."""

    async def of_person(self, connection: AsyncConnection, person_id: str) -> tuple[HolderCode, ...]:
        """Return every document number the person has proven; empty when unknown."""


class HolderAccounts(Protocol):
    """Finds whom to tell about a holder's licence; joined to `idp`."""

    async def of_holder(self, connection: AsyncConnection, holder: HolderCode) -> tuple[str, ...]:
        """Return the ids of the accounts whose proven person carries this code."""


class Mandates(Protocol):
    """Tells whether one may act for another; joined to `idp`."""

    async def covers(
        self, connection: AsyncConnection, *, agent_id: str, person_id: str, type_code: str, at: datetime
    ) -> bool:
        """Tell whether a live mandate lets the agent see the person's licences of this type."""


@dataclass(frozen=True, slots=True)
class SealPlace:
    """Where the seal goes: page from 1, lower-left corner and size in points."""

    page: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class SealedFace:
    """What came back from sealing."""

    document_id: str
    pdf: bytes
    seal_id: str


class Sealer(Protocol):
    """Applies the issuing authority's seal to a rendered face; joined to `signing`."""

    async def usable_seal(self, principal: Principal, organisation_code: str, seal_id: str | None) -> str:
        """Return the id of the seal that will be used; raises NoUsableSeal."""

    async def seal(
        self, principal: Principal, seal_id: str, pdf: bytes, *, place: SealPlace, matter_code: str | None
    ) -> SealedFace:
        """Seal a face at its place, with a timestamp where one can be had."""
