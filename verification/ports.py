"""What verification needs from strangers; `hufu/wiring.py` joins them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import date, datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class LicenceRecord:
    """One licence version as the vault holds it at the moment asked for.

    `state` is a word of docs/architecture.md ("Licence states"); expiry may be left to
    the dates. `holder_names` and `holder_codes` are only ever compared, never told.
    `metadata` holds the GB/T 36903 short names and texts attached to the PDF.
    `document_sha256` are the digests of every sealed PDF made of this version.
    """

    identifier: str
    type_code: str
    type_name: str
    issuer_code: str
    issuer_name: str
    valid_from: date | None
    valid_to: date | None
    state: str
    state_effective_at: datetime | None
    holder_names: tuple[str, ...] = field(repr=False)
    holder_codes: tuple[str, ...] = field(repr=False)
    metadata: Mapping[str, str] = field(repr=False, default_factory=dict)
    document_sha256: tuple[bytes, ...] = ()
    status_list: int | None = None
    status_index: int | None = None


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """The 2-bit status value of one licence in one status list."""

    status_list: int
    index: int
    value: int


class LicenceRecords(Protocol):
    """The vault's records, read on the caller's connection."""

    async def find(
        self,
        connection: AsyncConnection,
        identifier: str,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> LicenceRecord | None:
        """Return the version named by a canonical identifier, or None.

        Args:
            connection: the caller's.
            identifier: canonical text, `1.2.156.3005.2.…`, upper case.
            at: the state as it was in force then; now when None.
            known_at: as the records knew it then; now when None.
        """

    async def find_document(self, connection: AsyncConnection, sha256: bytes) -> str | None:
        """Return the identifier of the licence whose sealed PDF has this digest, or None."""


class LicenceStatuses(Protocol):
    """Status values for the status lists."""

    def not_valid(self, connection: AsyncConnection, status_list: int) -> AsyncIterator[StatusEntry]:
        """Yield every entry of a list whose value is not 0; unused indexes stay out."""

    async def lists(self, connection: AsyncConnection) -> Mapping[int, int]:
        """Return the size (entries) of each status list in use, by its number."""
