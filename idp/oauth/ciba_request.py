"""Signed authentication requests of CIBA (Core, section 7.1.1). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from idp.oauth.client_authentication import CREDENTIALS
from idp.oauth.errors import AuthorizationRefused, OAuthError
from idp.oauth.grant import digest
from idp.oauth.request_object import OWN, SKEW, signed_claims, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.client import Client


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parameters a client signed, and what its one use is known by until when."""

    parameters: Mapping[str, str] = field(repr=False)
    use_hash: bytes
    expires_at: datetime


def open_signed(parameters: Mapping[str, str], client: Client, issuer: str, now: datetime) -> SignedRequest | None:
    """Return what a client signed, None when it need not sign and did not; raises OAuthError `invalid_request`.

    Nothing of the request stands outside the object, so that what was signed is all that was asked.
    """
    wanted = client.metadata.backchannel_authentication_request_signing_alg
    if "request" not in parameters:
        if wanted is not None:
            raise OAuthError("invalid_request", "The client is registered to sign its authentication requests.")
        return None
    if parameters.keys() - CREDENTIALS - {"request", "client_id"}:
        raise OAuthError("invalid_request", "Parameters of a signed authentication request stand inside it.")
    try:
        claims = signed_claims(parameters["request"], client, issuer, now, wanted)
    except AuthorizationRefused as refused:
        raise OAuthError("invalid_request", refused.description) from refused
    jti, issued = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not jti:
        raise OAuthError("invalid_request", "The signed authentication request needs a jti.")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or issued > now.timestamp() + SKEW.seconds:
        raise OAuthError("invalid_request", "The iat of the signed authentication request is missing or in the future.")
    told = {name: text_of(value) for name, value in claims.items() if name not in OWN}
    use_hash = digest(f"ciba request\0{client.client_id}\0{jti}")
    return SignedRequest(told, use_hash, datetime.fromtimestamp(claims["exp"], UTC))
