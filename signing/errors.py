"""Everything that sealing refuses, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    NotPermitted,
    ServiceUnavailable,
    TrustServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signing.model import Finding


class SealNotFound(NotFound):
    """There is no such seal, or the caller may not know that there is."""


class SealedDocumentNotFound(NotFound):
    """There is no such sealed document, or it belongs to another organisation."""


class IntentionNotFound(NotFound):
    """There is no such prepared sealing, or it belongs to somebody else."""


class SealNotPinned(Conflict):
    """Nobody signs for a batch, and two operators have not declared this seal to need no proof in the signer."""


class SealStateConflict(Conflict):
    """The seal's state does not allow this step of its life."""


class SealNotActive(Conflict):
    """The seal is not active: not yet made and filed, suspended or cancelled."""


class IntentionExpired(Conflict):
    """The prepared sealing was not confirmed in time; prepare it again."""


class IntentionSpent(Conflict):
    """The prepared sealing was already confirmed, withdrawn or failed."""


class SealUseNotGranted(NotPermitted):
    """The caller holds no grant of this seal for this matter at this time."""


class FourEyesRequired(NotPermitted):
    """Who applied for a seal may not approve it."""


class SecondFactorRequired(NotPermitted):
    """An officer seals with a second factor only."""


class UnsealablePdf(InvalidInput):
    """The document cannot be sealed as it is."""


class NotAPdfDocument(UnsealablePdf):
    """The bytes are no PDF."""


class BrokenPdf(UnsealablePdf):
    """The document's structure is damaged."""


class EncryptedPdf(UnsealablePdf):
    """The document is encrypted."""


class HybridCrossReference(UnsealablePdf):
    """The document has both kinds of cross-reference, which readers resolve differently."""


class BrokenExistingSignature(UnsealablePdf):
    """The document carries a signature whose bytes were altered."""


class CertifiedAgainstChange(UnsealablePdf):
    """An earlier certification forbids the change that sealing makes."""


class UnexaminablePdf(UnsealablePdf):
    """Examining the document took more time or memory than is allowed."""


class RefusedByVerification(UnsealablePdf):
    """The sealed document would not pass verification; nothing left and the intention says why."""


class PdfTooLarge(LimitExceeded):
    """The document is larger, longer or deeper than the stated limit."""


class ActiveContent(UnsealablePdf):
    """The document holds something that could change its meaning after sealing."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; the sentence names the first of them."""
        first = findings[0]
        more = "" if len(findings) == 1 else f" (and {len(findings) - 1} more)"
        super().__init__(f"The document cannot be sealed as it is: {first}{more}.", field="document")
        self.findings = tuple(findings)


class BadPlacement(InvalidInput):
    """The seal does not fit where it was asked for."""


class KeywordNotFound(BadPlacement):
    """The keyword does not occur on the page where the seal was to go."""


class GlyphMissing(InvalidInput):
    """No font holds this character; the sentence names it."""


class SealingFailed(TrustServiceError):
    """The sealed document did not pass the self-check; nothing left and the intention says why."""


class SealKeyUnusable(ServiceUnavailable):
    """The seal's key or certificate cannot be used now."""
