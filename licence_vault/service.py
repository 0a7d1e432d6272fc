"""Issuing, reading and changing licences: one method per use case."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.principal import Principal
    from licence_vault.model import (
        AccessReceipt,
        IssueRequest,
        Licence,
        LicenceDocument,
        Purpose,
        StateChange,
        StateRecord,
    )


class LicenceService:
    """The vault's use cases; each owns its transaction and commits before it answers."""

    async def issue(self, principal: Principal, request: IssueRequest) -> Licence:
        """Check, number, render, seal and store a licence; it can be verified when this returns.

        Raises: NotPermitted, UnknownLicenceType, InvalidFace, InvalidHolder, InvalidInput, MissingGlyph,
            FaceTooLarge, NoUsableSeal, IdempotencyMismatch, IssueInProgress, RenderingFailed.
        """
        raise NotImplementedError

    async def get(self, principal: Principal, identifier: str, purpose: Purpose | None = None) -> Licence:
        """Return a licence to its holder or an entitled department, leaving a receipt.

        Raises: LicenceNotFound, also for another department's licence.
        """
        raise NotImplementedError

    async def face_pdf(self, principal: Principal, identifier: str, purpose: Purpose | None = None) -> LicenceDocument:
        """Return the sealed PDF, leaving a receipt; raises LicenceNotFound."""
        raise NotImplementedError

    async def of_holder(self, principal: Principal) -> tuple[Licence, ...]:
        """Return the licences of the signed-in person, newest first."""
        raise NotImplementedError

    async def of_issuer(self, principal: Principal, *, limit: int = 50) -> tuple[Licence, ...]:
        """Return the newest licences of the officer's or client's own organisation."""
        raise NotImplementedError

    async def change_state(self, principal: Principal, identifier: str, change: StateChange) -> Licence:
        """Record a change of state by the issuing authority.

        Raises: NotPermitted, LicenceNotFound, InvalidInput, StateTransitionRefused.
        """
        raise NotImplementedError

    async def history(self, principal: Principal, identifier: str) -> tuple[StateRecord, ...]:
        """Return every recorded state, oldest first; raises LicenceNotFound."""
        raise NotImplementedError

    async def accesses(self, principal: Principal, *, limit: int = 100) -> tuple[AccessReceipt, ...]:
        """Return who looked at the signed-in person's licences, newest first."""
        raise NotImplementedError
