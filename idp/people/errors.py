"""What can go wrong with people, each with a name of its own."""

from __future__ import annotations

from foundation.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotPermitted,
    TooManyRequests,
)


class UsernameTaken(Conflict):
    """Another account already uses this username."""


class WeakPassword(InvalidInput):
    """The password is too short, too common or too easily guessed."""


class SignInRefused(NotAuthenticated):
    """The name or the password is wrong; which of them is never said."""


class SecondFactorRefused(NotAuthenticated):
    """The one-time code is wrong, was used before, or no second factor is set up."""


class SecondFactorRequired(NotAuthenticated):
    """The password was right and the account asks for a one-time code as well."""


class SignInThrottled(TooManyRequests):
    """Too many attempts for this name, or from this source."""


class RealNameQuotaExhausted(TooManyRequests):
    """One more attempt could make the authority lock the card, or the day's share is used up."""


class RealNameConflict(Conflict):
    """The proof contradicts what is already proven: another person, or the same number with another name."""


class AuthorityMissing(NotPermitted):
    """The officer does not hold this authority for this district and matter."""


class AccountClosed(NotAuthenticated):
    """The account was closed or suspended."""


class MandateRefused(NotPermitted):
    """The mandate does not cover the act, or is no longer in force; `reason` says why, in one word."""

    def __init__(self, detail: str = "", *, reason: str) -> None:
        """Keep the reason, a value of `mandate.Refusal` or another single word."""
        super().__init__(detail)
        self.reason = reason


class CodeRefused(NotAuthenticated):
    """The one-time code is wrong, too old, used, or was guessed at too often."""


class RecoveryRefused(NotAuthenticated):
    """Account, elements and code do not fit together; which of them is never said."""


class PasskeyRefused(NotAuthenticated):
    """The passkey's answer is wrong, for another challenge, or of a key we do not know."""
