"""Signed authorization requests (JAR, RFC 9101), and what arrives at the authorization endpoint. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from idp.oauth.client_metadata import FAPI_ALGORITHMS
from idp.oauth.errors import AuthorizationRefused
from idp.oauth.jose import BadSignature, header_of, key_set, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from idp.oauth.client import Client
    from idp.oauth.model import Parameters

TYPES = frozenset({"oauth-authz-req+jwt", "jwt"})
MAX_OBJECT = 12_288
MAX_AGE = timedelta(minutes=60)
SKEW = timedelta(seconds=10)
OWN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})


@dataclass(frozen=True, slots=True)
class Received:
    """An authorization request as it came: its parameters and what vouches for them.

    `pushed` is the hash of the request_uri it was fetched by, `jkt` the key a pushed request's
    DPoP proof bound the code to.
    """

    parameters: Parameters
    signed: bool = False
    pushed: bytes | None = None
    jkt: str | None = None


def open_request(parameters: Parameters, client: Client, issuer: str, now: datetime) -> Received:
    """Return a request with its request object opened, if it has one.

    With a request object nothing outside it counts but `client_id`, which must agree. A request
    object that fails is never answered by a redirect: the address stands inside it.
    Raises: AuthorizationRefused.
    """
    data = dict(parameters)
    if "request" not in data:
        return Received(parameters)
    if len(data) != len(parameters):
        raise AuthorizationRefused("invalid_request", "A parameter is repeated.")
    claims = _verified(data["request"], client, issuer, now)
    return Received(tuple((name, text_of(value)) for name, value in claims.items() if name not in OWN), signed=True)


def _verified(token: str, client: Client, issuer: str, now: datetime) -> dict[str, Any]:
    claims = signed_claims(token, client, issuer, now, client.metadata.request_object_signing_alg)
    if claims.get("client_id") != client.client_id:
        raise _refused("The iss and client_id of the request object must be the client.")
    return claims


def signed_claims(token: str, client: Client, issuer: str, now: datetime, wanted: str | None) -> dict[str, Any]:
    """Return what a client signed for us, now and by the algorithm it wanted; raises AuthorizationRefused."""
    try:
        if client.jwks is None or len(token) > MAX_OBJECT:
            raise _refused("The client has no keys for request objects, or the object is too large.")
        claims = verify(token, key_set(client.jwks), (wanted,) if wanted else FAPI_ALGORITHMS)
        typ = header_of(token).get("typ", "JWT")
    except BadSignature as error:
        raise _refused(str(error)) from error
    if not isinstance(typ, str) or typ.lower() not in TYPES:
        raise _refused("The request object has a foreign typ.")
    if "request" in claims or "request_uri" in claims:
        raise _refused("A request object holds no other.")
    if claims.get("iss") != client.client_id:
        raise _refused("The iss and client_id of the request object must be the client.")
    audience = claims.get("aud")
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise _refused("The request object is meant for another server.")
    _check_times(claims, now)
    return claims


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """Require a short, present validity (FAPI 2.0 Message Signing, section 5.3.1)."""
    moment = now.timestamp()
    expires, begins = claims.get("exp"), claims.get("nbf")
    if not _is_time(expires) or not _is_time(begins):
        raise _refused("The request object needs nbf and exp.")
    current = begins - SKEW.seconds <= moment < expires and moment - begins <= MAX_AGE.seconds
    if not current or expires - begins > MAX_AGE.seconds:
        raise _refused("The request object is expired, not valid yet, or lives too long.")


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: object) -> str:
    """Return a claim as the parameter it stands for: JSON for what is no string."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _refused(description: str) -> AuthorizationRefused:
    return AuthorizationRefused("invalid_request_object", description)
