"""Typed errors shared by all packages.

A service raises a named error; `api/problems.py` maps each class to a status, a
`type` and a title (RFC 9457). `detail` is written for the caller and carries no
personal data; the cause is chained and goes to the log.
"""

from __future__ import annotations


class TrustServiceError(Exception):
    """Base of every error a use case raises on purpose."""

    def __init__(self, detail: str = "", *, field: str | None = None) -> None:
        """Keep what may be told to the caller.

        Args:
            detail: one sentence for the caller, without personal data.
            field: path of the offending input field, such as `face.holder_name`.
        """
        super().__init__(detail)
        self.detail = detail
        self.field = field


class InvalidInput(TrustServiceError):
    """A field breaks a rule; `field` names it, `detail` names the rule."""


class NotFound(TrustServiceError):
    """There is no such object, or the caller may not know that there is."""


class Conflict(TrustServiceError):
    """The object's state does not allow this act, or somebody else was first."""


class NotAuthenticated(TrustServiceError):
    """No valid session or token came with the request."""


class NotPermitted(TrustServiceError):
    """The caller is known but lacks the scope, authority or tenancy."""


class StepUpRequired(NotPermitted):
    """The sign-in or real-name level is too weak for this act (RFC 9470)."""

    def __init__(self, detail: str = "", *, acr_values: str | None = None, max_age: int | None = None) -> None:
        """Say what would suffice."""
        super().__init__(detail)
        self.acr_values = acr_values
        self.max_age = max_age


class TooManyRequests(TrustServiceError):
    """A throttle or quota is exhausted."""

    def __init__(self, detail: str = "", *, retry_after_seconds: int = 60) -> None:
        """Say when to come back."""
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class LimitExceeded(TrustServiceError):
    """The input is larger, deeper or longer than a stated limit."""


class UpstreamUnavailable(TrustServiceError):
    """An authority or server outside Hufu did not answer properly in time."""


class ServiceUnavailable(TrustServiceError):
    """A part of Hufu itself (database, cache, signer) is not reachable now."""
