"""What can go wrong with people, each with a name of its own."""

from __future__ import annotations

from enum import StrEnum

from foundation.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotPermitted,
    TooManyRequests,
)


class UsernameTaken(Conflict):
    """Another account already uses this username."""


class PasswordFlaw(StrEnum):
    """Why a password is refused, for whoever has to choose a better one."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    ACCOUNT_NAME = "account_name"
    COMMON = "common"
    DATE = "date"
    SEQUENCE = "sequence"
    KEYBOARD = "keyboard"
    GUESSABLE = "guessable"


class WeakPassword(InvalidInput):
    """The password is too short, too common or too easily guessed; `flaw` says which."""

    def __init__(self, detail: str = "", *, field: str | None = None, flaw: PasswordFlaw) -> None:
        """Keep what is wrong with it."""
        super().__init__(detail, field=field)
        self.flaw = flaw


class SignInRefused(NotAuthenticated):
    """The name or the password is wrong; which of them is never said."""


class SecondFactorRefused(NotAuthenticated):
    """The one-time code is wrong, was used before, or no second factor is set up."""


class SecondFactorRequired(NotAuthenticated):
    """The password was right and the account asks for a one-time code as well."""


class SignInThrottled(TooManyRequests):
    """Too many attempts for this name, or from this source."""


class MessageJustSent(SignInThrottled):
    """A short message went to this number less than a minute ago."""


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
