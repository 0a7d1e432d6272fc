"""What verification needs from strangers; `hufu/wiring.py` joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from verification.receipt_papers import ReceiptPaper


class HolderRecord(Protocol):
    """One holder of a licence; only ever compared, never told."""

    @property
    def name(self) -> str:
        """Return the holder's name."""

    @property
    def code(self) -> str:
        """Return the holder's code in its normal form."""


class LicenceStanding(Protocol):
    """What a verdict by identifier needs of one licence version at the moment asked for.

    `state` is a word of docs/architecture.md ("Licence states").
    """

    @property
    def identifier(self) -> str:
        """Return the canonical identifier."""

    @property
    def type_code(self) -> str:
        """Return the 21-character code of the licence type."""

    @property
    def type_name(self) -> str:
        """Return the name of the licence type."""

    @property
    def issuer_code(self) -> str:
        """Return the issuer's credit code."""

    @property
    def issuer_name(self) -> str:
        """Return the issuer's name."""

    @property
    def holders(self) -> Sequence[HolderRecord]:
        """Return the holders."""

    @property
    def valid_from(self) -> date:
        """Return the first civil day of validity."""

    @property
    def valid_to(self) -> date | None:
        """Return the last civil day of validity; None when long-term."""

    @property
    def state(self) -> str:
        """Return the state in force at the moment asked for."""

    @property
    def state_effective_at(self) -> datetime | None:
        """Return since when that state holds."""


class LicenceRecord(LicenceStanding, Protocol):
    """One licence version as the vault holds it, with what its documents carry.

    `metadata` holds the GB/T 36903 short names and texts attached to the PDF. `document_sha256`
    are the digests of every sealed PDF made of this version.
    """

    @property
    def metadata(self) -> Mapping[str, str]:
        """Return the short names and texts as attached to the PDF."""

    @property
    def document_sha256(self) -> Sequence[bytes]:
        """Return the digests of the sealed PDFs."""


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

    async def current(self, identifier: str) -> LicenceStanding | None:
        """Return the version named by a canonical identifier as it stands now, or None; many share one read."""

    async def find_document(self, sha256: bytes) -> str | None:
        """Return the identifier of the licence whose sealed PDF has this digest, or None."""


class LicenceType(Protocol):
    """A type of the catalogue."""

    @property
    def code(self) -> str:
        """Return its 21-character code."""

    @property
    def name(self) -> str:
        """Return its name."""


class LicenceTypes(Protocol):
    """The catalogue."""

    async def types(self) -> Sequence[LicenceType]:
        """Return the current version of every published type."""


class StatusEntry(Protocol):
    """One place of a status list whose value is not 0."""

    @property
    def index(self) -> int:
        """Return the place."""

    @property
    def value(self) -> int:
        """Return the 2-bit value."""


class LicenceStatuses(Protocol):
    """Status values for the status lists."""

    def not_valid(self, connection: AsyncConnection, status_list: int) -> AsyncIterator[StatusEntry]:
        """Yield every entry of a list whose value is not 0; unused indexes stay out."""

    async def touched(self, connection: AsyncConnection, since: datetime) -> Collection[int]:
        """Return at least the lists in which a value changed since, by an act or by time passing."""

    async def lists(self, connection: AsyncConnection) -> Mapping[int, int]:
        """Return the size (entries) of each status list in use, by its number."""


class FreshFace(Protocol):
    """An unsealed face rendered from the record."""

    @property
    def pdf(self) -> bytes:
        """Return the document."""

    @property
    def exact(self) -> bool:
        """Tell whether engine and fonts are those the sealed one was made with."""


class FreshFaces(Protocol):
    """Renders a licence's face once more, for comparing; joined to the vault."""

    async def of(self, connection: AsyncConnection, identifier: str) -> FreshFace | None:
        """Return the face of a licence; None when it cannot be rendered now."""

    async def of_copy(
        self, connection: AsyncConnection, identifier: str, annotation: Mapping[str, str], *, code_text: str
    ) -> FreshFace | None:
        """Return the face of a purpose-bound copy; None when it cannot be rendered now.

        `annotation` is what the document says of itself (JZ*), not yet believed; `code_text` the genuine code it bears.
        """


class ReceiptPapers(Protocol):
    """Sets a receipt as a document with the signed text attached, and seals it; joined by `hufu`."""

    async def make(self, paper: ReceiptPaper) -> bytes:
        """Return the sealed PDF; raises ServiceUnavailable."""
