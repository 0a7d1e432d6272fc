"""Issuing, reading and changing licences: one method per use case."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.principal import Principal
    from licence_vault.changing import LicenceChanger
    from licence_vault.issuing import LicenceIssuer
    from licence_vault.model import (
        AccessReceipt,
        Holder,
        IssueRequest,
        Licence,
        LicenceDocument,
        Purpose,
        Revision,
        StateChange,
        StateRecord,
    )
    from licence_vault.reading import LicenceReader
    from licence_vault.repository import StoredLicence


class LicenceService:
    """The vault's use cases; each owns its transaction and commits before it answers."""

    def __init__(
        self, database: Database, *, issuer: LicenceIssuer, reader: LicenceReader, changer: LicenceChanger
    ) -> None:
        self._database = database
        self._issuer = issuer
        self._reader = reader
        self._changer = changer

    async def issue(self, principal: Principal, request: IssueRequest) -> Licence:
        """Check, number, render, seal and store a licence; it can be verified when this returns.

        The same idempotency key with equal data returns the licence it got before.

        Raises: NotPermitted, InvalidInput (InvalidFace, InvalidHolder, MissingGlyph among them),
            FaceTooLarge, NoUsableSeal, IdempotencyMismatch, IssueInProgress, SerialsExhausted, RenderingFailed.
        """
        return await self._view(await self._issuer.issue(principal, request))

    async def revise(self, principal: Principal, identifier: str, revision: Revision) -> Licence:
        """Issue a new version (change, extension, correction); the old one becomes superseded with it.

        Raises: what `issue` raises, LicenceNotFound, StateTransitionRefused, Conflict.
        """
        return await self._view(await self._issuer.revise(principal, identifier, revision))

    async def get(self, principal: Principal, identifier: str, purpose: Purpose | None = None) -> Licence:
        """Return a licence to its holder or an entitled department, leaving a receipt.

        A department reading another's licence needs a complete purpose that the type's sharing list covers;
        it gets the fields listed there, within its quota, and the holder is told.

        Raises: InvalidLicenceIdentifier; LicenceNotFound, also for another department's licence; AccessQuotaExceeded.
        """
        return await self._reader.get(principal, identifier, purpose)

    async def face_pdf(self, principal: Principal, identifier: str, purpose: Purpose | None = None) -> LicenceDocument:
        """Return the sealed PDF, leaving a receipt; raises LicenceNotFound, NotPermitted."""
        return await self._reader.face_pdf(principal, identifier, purpose)

    async def of_holder(self, principal: Principal, *, limit: int = 100) -> tuple[Licence, ...]:
        """Return the licences of the signed-in person, newest first."""
        return await self._reader.of_holder(principal, limit=limit)

    async def of_holder_ex_officio(
        self, principal: Principal, holder: Holder, type_code: str, purpose: Purpose
    ) -> tuple[Licence, ...]:
        """Return a holder's licences of a type to a department with a case, within its quota; the holder is told.

        Of `holder` only code type and code count. Raises: NotPermitted, InvalidInput, UnknownLicenceType,
        AccessQuotaExceeded.
        """
        return await self._reader.of_holder_ex_officio(principal, holder, type_code, purpose)

    async def of_issuer(self, principal: Principal, *, limit: int = 50) -> tuple[Licence, ...]:
        """Return the newest licences of the officer's or client's own organisation; raises NotPermitted."""
        return await self._reader.of_issuer(principal, limit=limit)

    async def change_state(self, principal: Principal, identifier: str, change: StateChange) -> Licence:
        """Record a change of state by the issuing authority.

        Raises: NotPermitted, InvalidLicenceIdentifier, LicenceNotFound, InvalidInput, StateTransitionRefused.
        """
        return await self._view(await self._changer.change_state(principal, identifier, change))

    async def history(self, principal: Principal, identifier: str) -> tuple[StateRecord, ...]:
        """Return every recorded state, oldest first; raises LicenceNotFound."""
        return await self._reader.history(principal, identifier)

    async def accesses(
        self, principal: Principal, *, include_own: bool = False, limit: int = 100
    ) -> tuple[AccessReceipt, ...]:
        """Return who looked at the signed-in person's licences, newest first."""
        return await self._reader.accesses(principal, include_own=include_own, limit=limit)

    async def _view(self, stored: StoredLicence) -> Licence:
        async with self._database.read() as connection:
            return (await self._reader.views(connection, [stored]))[0]
