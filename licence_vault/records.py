"""What a verifier may know of stored licences, read over the caller's connection.

`hufu/wiring.py` adapts this to the port that `verification` declares. Reading here
leaves no access receipt: a verdict shows nothing personal, and the holder data it
carries is for comparing with what the asker supplies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.encryption import FieldCipher
    from licence_vault.model import Holder, LicenceState


@dataclass(frozen=True, slots=True)
class LicenceFacts:
    """A stored licence at one moment of valid time, as known at one moment of recorded time."""

    identifier: str
    type_code: str
    type_name: str
    issuer_code: str
    issuer_name: str
    holders: tuple[Holder, ...]
    face: Mapping[str, Any]
    issued_on: date
    valid_from: date
    valid_to: date | None
    state: LicenceState
    state_effective_at: datetime
    state_reason: str
    superseded_by: str | None
    status_list: int
    status_index: int
    document_digest: str
    qr_text: str


class LicenceRecords:
    """Facts about licences for verification."""

    def __init__(self, cipher: FieldCipher, clock: Clock) -> None:
        self._cipher = cipher
        self._clock = clock

    async def find(
        self,
        connection: AsyncConnection,
        identifier: str,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> LicenceFacts | None:
        """Return a licence with its state at `at` as recorded by `known_at` (both now when None)."""
        raise NotImplementedError

    async def find_by_digest(self, connection: AsyncConnection, digest: str) -> str | None:
        """Return the identifier of the licence whose sealed PDF has this SHA-256 (hex)."""
        raise NotImplementedError

    async def status_values(self, connection: AsyncConnection, status_list: int) -> Mapping[int, int]:
        """Return the non-zero status values of a list now, by index (docs/architecture.md)."""
        raise NotImplementedError

    async def status_lists(self, connection: AsyncConnection) -> tuple[tuple[int, int], ...]:
        """Return number and capacity of every list whose epoch has not wholly expired."""
        raise NotImplementedError
