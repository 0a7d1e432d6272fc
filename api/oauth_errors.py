"""Refusals of the OAuth endpoints in the forms their RFCs give them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from foundation.errors import NotAuthenticated, ServiceUnavailable, TooManyRequests, TrustServiceError
from idp.oauth.errors import DpopNonceNeeded, InsufficientScope, OAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGGER = logging.getLogger("hufu.api")
REALM = "hufu"
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


def endpoint_error(error: TrustServiceError, *, used_authorization_header: bool) -> Response:
    """Return RFC 6749 section 5.2 form; a client that tried HTTP authentication is challenged."""
    headers = dict(NO_STORE)
    if isinstance(error, OAuthError):
        if error.error == "invalid_client" and used_authorization_header:
            headers["www-authenticate"] = f'Basic realm="{REALM}"'
        return _json(error.body(), error.status, headers | dict(error.headers))
    if isinstance(error, TooManyRequests):
        headers["retry-after"] = str(error.retry_after_seconds)
        return _json(OAuthError("slow_down", "Too many requests.").body(), 429, headers)
    if isinstance(error, ServiceUnavailable):
        LOGGER.error("oauth endpoint unavailable", exc_info=error)
        headers["retry-after"] = "1"
        return _json(OAuthError("temporarily_unavailable", "Try again in a moment.").body(), 503, headers)
    raise error


def resource_error(error: TrustServiceError, *, token_sent: bool, scheme: str = "Bearer") -> Response:
    """Return RFC 6750 section 3 form for a protected resource of the provider itself."""
    if isinstance(error, InsufficientScope):
        challenge = f'{scheme} realm="{REALM}", error="insufficient_scope", scope="{error.scope}"'
        return Response(status_code=403, headers={**NO_STORE, "www-authenticate": challenge})
    if isinstance(error, DpopNonceNeeded):
        challenge = f'DPoP realm="{REALM}", error="use_dpop_nonce"'
        return Response(status_code=401, headers={**NO_STORE, "www-authenticate": challenge, "dpop-nonce": error.nonce})
    if isinstance(error, NotAuthenticated):
        reason = ', error="invalid_token"' if token_sent else ""
        return Response(status_code=401, headers={**NO_STORE, "www-authenticate": f'{scheme} realm="{REALM}"{reason}'})
    return endpoint_error(error, used_authorization_header=False)


def _json(body: Mapping[str, str], status: int, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, dict(headers), media_type="application/json")
