"""Sealing documents: policy, prepare, store the intention, sign, check, store the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.service import KeyService
    from keys.tsa import TimestampAuthority
    from signing.model import PreparedSealing, SealedDocument, SealRequest, SecondFactor
    from signing.ports import SecondFactors, SelfCheck
    from signing.seals import SealService


class SealingService:
    """Seals documents and keeps what left."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        blobs: BlobStore,
        seals: SealService,
        keys: KeyService,
        timestamps: TimestampAuthority,
        self_check: SelfCheck,
        second_factors: SecondFactors,
    ) -> None:
        """Take the collaborators."""

    async def seal(self, principal: Principal, request: SealRequest) -> SealedDocument:
        """Seal one document in one call.

        A department system needs scope `seal:apply` and its own organisation's seal; an officer
        needs a grant and `request.second_factor`.

        Raises: SealNotFound, SealNotActive, SealUseNotGranted, SecondFactorRequired, UnsealablePdf and
            its subclasses, PdfTooLarge, BadPlacement, SealKeyUnusable, SealingFailed.
        """

    async def seal_licence(self, principal: Principal, request: SealRequest) -> SealedDocument:
        """Seal a licence face for its issuing department, without a human second factor.

        `principal` is the department system, with scope `licence:issue` or `seal:apply`, or an officer
        with a grant acting through the issue desk, or the system itself re-rendering a stored licence.
        Recorded like every other use. Raises as `seal` does.
        """

    async def prepare(self, principal: Principal, request: SealRequest) -> PreparedSealing:
        """First half for the desk: show an officer exactly what would be sealed."""

    async def confirm(self, principal: Principal, intention_id: str, factor: SecondFactor) -> SealedDocument:
        """Second half: check the second factor and seal what was prepared.

        Raises: IntentionNotFound, IntentionExpired, IntentionSpent, SealNotActive, SealUseNotGranted,
            NotAuthenticated (wrong factor), SealKeyUnusable, SealingFailed.
        """

    async def withdraw(self, principal: Principal, intention_id: str) -> None:
        """Give a prepared sealing up."""

    async def document(self, principal: Principal, document_id: str) -> bytes:
        """Return a sealed document to its organisation; raises SealedDocumentNotFound."""
