"""Errors of the OAuth endpoints, in the form RFC 6749 gives them.

`error_description` is printable ASCII without quotes or backslash (RFC 6749 section 5.2);
`api/oauth_errors.py` turns these into responses. An error of the authorization endpoint
carries the redirect only once client and `redirect_uri` are proven; without it the person
sees a page and nobody is redirected.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from foundation.errors import NotAuthenticated, NotPermitted, TrustServiceError

if TYPE_CHECKING:
    from idp.oauth.model import AuthorizationResponse

_NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_STATUS = {"invalid_client": 401, "invalid_token": 401, "insufficient_scope": 403, "temporarily_unavailable": 503}


class OAuthError(TrustServiceError):
    """A refusal of the token, introspection, revocation or pushed request endpoint."""

    def __init__(
        self,
        error: str,
        description: str = "",
        *,
        status: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep the code and a description made safe for headers and JSON alike.

        Args:
            error: a registered OAuth error code, such as `invalid_grant`.
            description: one sentence; characters RFC 6749 forbids become `?`.
            status: HTTP status; 400 unless the code has another by its RFC.
            headers: sent along, such as a fresh DPoP nonce.
        """
        self.error = error
        self.description = _NOT_ALLOWED.sub("?", description)
        self.status = status if status is not None else _STATUS.get(error, 400)
        self.headers = headers
        super().__init__(self.description)

    def body(self) -> dict[str, str]:
        """Return the JSON members of the answer."""
        return {"error": self.error} | ({"error_description": self.description} if self.description else {})


class AuthorizationRefused(OAuthError):
    """The authorization request is refused.

    `response` is the ready answer for the client, or None while client and redirect_uri are
    unproven: then the description is shown on a page of ours.
    """

    def __init__(self, error: str, description: str = "", *, response: AuthorizationResponse | None = None) -> None:
        """Keep the answer to redirect with, if there is a proven one."""
        super().__init__(error, description)
        self.response = response


class ClientUnknown(AuthorizationRefused):
    """The system that asks is not registered here, or suspended."""


class AddressNotRegistered(AuthorizationRefused):
    """The address to return to is not one of the client's own."""


class RequestSpent(AuthorizationRefused):
    """The pushed request is unknown, used, expired, or another client's."""


class UpstreamRefused(TrustServiceError):
    """Another provider's answer is not what it must be, or not for this browser."""


class InteractionExpired(TrustServiceError):
    """The sign-in or consent in progress is unknown, over, or belongs to another session."""


class InvalidAccessToken(NotAuthenticated):
    """The access token is malformed, forged, expired, revoked or meant for another resource (RFC 6750)."""


class DpopNonceNeeded(InvalidAccessToken):
    """The DPoP proof beside the access token lacks the current nonce (RFC 9449 section 9)."""

    def __init__(self, nonce: str) -> None:
        """Keep the nonce to use."""
        super().__init__("The DPoP proof needs the current nonce.")
        self.nonce = nonce


class InsufficientScope(NotPermitted):
    """The access token lacks a scope this resource needs (RFC 6750 section 3.1)."""

    def __init__(self, scope: str) -> None:
        """Name the scope that is missing."""
        super().__init__("The access token lacks a scope.")
        self.scope = scope
