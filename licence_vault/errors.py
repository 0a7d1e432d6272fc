"""What the vault refuses, by name."""

from __future__ import annotations

from foundation.errors import Conflict, InvalidInput, LimitExceeded, NotFound, ServiceUnavailable, TooManyRequests


class UnknownLicenceType(NotFound):
    """No published type has this code."""


class LicenceNotFound(NotFound):
    """There is no such licence, or the caller may not know that there is."""


class InvalidFace(InvalidInput):
    """Face data breaks the type's schema; `field` is the path, `detail` the rule in Chinese and English."""


class InvalidHolder(InvalidInput):
    """A holder's name, code type or code is wrong for the type, or its check digit is."""


class InvalidLicenceIdentifier(InvalidInput):
    """The text is not an identifier of GB/T 36904."""


class InvalidTypeDefinition(InvalidInput):
    """A type's schema or template is not acceptable."""


class MissingGlyph(InvalidInput):
    """No installed font draws a character; `detail` names it with its code point."""


class FaceTooLarge(LimitExceeded):
    """Face data, a name or the resulting QR code is over its limit."""


class IdempotencyMismatch(Conflict):
    """The idempotency key was used before with other data."""


class IssueInProgress(Conflict):
    """The same request is being issued by another process right now; ask again shortly."""


class StateTransitionRefused(Conflict):
    """The licence's states so far do not allow this one."""


class NoUsableSeal(Conflict):
    """The issuing authority has no active seal that may be used for this licence."""


class SerialsExhausted(Conflict):
    """All serial numbers of this type, issuer and year are taken."""


class AccessQuotaExceeded(TooManyRequests):
    """The operator has read more licences than the quota allows; the reading stops here."""


class RenderingFailed(ServiceUnavailable):
    """The face could not be rendered within its limits."""


class ShowNotFound(NotFound):
    """The code or show is unknown, spent, expired, or somebody else's."""


class ShowNotReleased(Conflict):
    """The holder has not released the show, or it is over or was collected before."""
