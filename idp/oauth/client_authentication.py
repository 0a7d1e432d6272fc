"""Proves which client speaks at a back-channel endpoint.

One method a request, and only the registered one. A wrong client identifier and a wrong secret
get the same answer. `private_key_jwt` (RFC 7523, FAPI 2.0): the audience is our issuer as a string
and nothing else, so that an assertion meant for another server or endpoint is worthless here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from cryptography import x509

from idp.oauth.client import AuthenticationMethod, Client
from idp.oauth.errors import OAuthError
from idp.oauth.grant import digest
from idp.oauth.grant_statements import HotGrants
from idp.oauth.jose import BadSignature, claims_of, header_of, key_set, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.clock import Clock
    from foundation.database import Database
    from idp.oauth.clients import ClientService
    from idp.oauth.model import EndpointRequest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""Parameters that prove the client and are no part of what it asks for."""
ASSERTION_ALGORITHMS = ["ES256", "EdDSA", "Ed25519", "PS256"]
ASSERTION_TYPES = frozenset({"jwt", "client-authentication+jwt"})
ASSERTION_MAX_LIFETIME = timedelta(minutes=10)
LEEWAY = timedelta(seconds=30)
MAX_ASSERTION = 8_192


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request offers as proof, unverified."""

    method: AuthenticationMethod
    client_id: str
    credential: str


class ClientAuthentication:
    """Checks clients' proofs."""

    def __init__(self, issuer: str, clients: ClientService, database: Database, clock: Clock) -> None:
        """Take the issuer, which is the one audience of assertions."""
        self._issuer = issuer
        self._clients = clients
        self._hot = HotGrants(database)
        self._clock = clock

    async def authenticate(self, request: EndpointRequest, parameters: Mapping[str, str]) -> Client:
        """Return the proven client, or the public client that named itself. Raises OAuthError `invalid_client`."""
        presented = presented_proof(request.authorization, parameters)
        # No client is named so, and a database refuses to be asked for some of these characters.
        client = await self._clients.get(presented.client_id) if presented.client_id.isprintable() else None
        if client is not None and client.authentication is AuthenticationMethod.TLS:
            return _check_certificate(client, presented, request.certificate_der)
        if client is None or client.authentication is not presented.method:
            raise _refused()
        if presented.method is AuthenticationMethod.PRIVATE_KEY_JWT:
            await self._check_assertion(client, presented.credential)
        elif presented.method is not AuthenticationMethod.NONE and not client.secret_matches(
            presented.credential, self._clock.now()
        ):
            raise _refused()
        return client

    async def _check_assertion(self, client: Client, assertion: str) -> None:
        """Verify an assertion and use it up; it commits at once, so a refused request burns it too."""
        expires_at = check_assertion(assertion, client, self._issuer, self._clock.now())
        key = digest(f"assertion\0{client.client_id}\0{_claims(assertion)['jti']}")
        if not await self._hot.use_once(key, expires_at):
            raise _refused("The client assertion was used before.")


def _check_certificate(client: Client, presented: Presented, certificate_der: bytes | None) -> Client:
    """Compare the subject of a certificate the trusted proxy verified (RFC 8705 section 2.1)."""
    if presented.method is not AuthenticationMethod.NONE or certificate_der is None:
        raise _refused()
    try:
        subject = x509.load_der_x509_certificate(certificate_der).subject.rfc4514_string()
    except ValueError as error:
        raise _refused() from error
    if subject != client.metadata.tls_client_auth_subject_dn:
        raise _refused()
    return client


def presented_proof(authorization: str | None, parameters: Mapping[str, str]) -> Presented:
    """Return the one proof a request offers; raises OAuthError when there is none or more than one."""
    offers: list[Presented] = []
    if authorization is not None:
        offers.append(_basic(authorization))
    if "client_secret" in parameters:
        secret = parameters["client_secret"]
        offers.append(Presented(AuthenticationMethod.SECRET_POST, parameters.get("client_id", ""), secret))
    if "client_assertion" in parameters or "client_assertion_type" in parameters:
        offers.append(_assertion(parameters))
    if not offers and "client_id" in parameters:
        offers.append(Presented(AuthenticationMethod.NONE, parameters["client_id"], ""))
    if len(offers) != 1:
        raise _refused("Exactly one form of client authentication is needed.")
    if parameters.get("client_id", offers[0].client_id) != offers[0].client_id:
        raise _refused("The client_id differs from the authenticated client.")
    return offers[0]


def check_assertion(assertion: str, client: Client, issuer: str, now: datetime) -> datetime:
    """Verify signature and claims of a `private_key_jwt` and return when it expires. Raises OAuthError."""
    try:
        claims = verify(assertion, key_set(client.jwks or {}), ASSERTION_ALGORITHMS)
        typ = header_of(assertion).get("typ", "JWT")
    except BadSignature as error:
        raise _refused("The client assertion does not verify.") from error
    if not isinstance(typ, str) or typ.lower() not in ASSERTION_TYPES:
        raise _refused("The client assertion has a foreign typ.")
    if claims.get("aud") != issuer:
        raise _refused("The aud of the client assertion must be the issuer, as a string.")
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise _refused("The iss and sub of the client assertion must be the client_id.")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise _refused("The client assertion needs a jti.")
    return _check_times(claims, now)


def _check_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    if any(isinstance(value, bool) or not isinstance(value, int | float | None) for value in times.values()):
        raise _refused("The client assertion has malformed times.")
    try:
        moments = {name: datetime.fromtimestamp(value, UTC) for name, value in times.items() if value is not None}
    except (ValueError, OverflowError, OSError) as error:
        raise _refused("The client assertion has malformed times.") from error
    expires_at = moments.get("exp")
    if expires_at is None or not now - LEEWAY < expires_at <= now + ASSERTION_MAX_LIFETIME + LEEWAY:
        raise _refused("The client assertion is expired, or lives too long.")
    if any(moments[name] > now + LEEWAY for name in ("nbf", "iat") if name in moments):
        raise _refused("The client assertion is not valid yet.")
    return expires_at + LEEWAY


def _basic(authorization: str) -> Presented:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _refused("The Authorization header must use the Basic scheme.")
    try:
        name, separator, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise _refused("The Authorization header is malformed.") from error
    if not separator:
        raise _refused("The Authorization header is malformed.")
    # Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1).
    return Presented(AuthenticationMethod.SECRET_BASIC, unquote_plus(name), unquote_plus(secret))


def _assertion(parameters: Mapping[str, str]) -> Presented:
    assertion = parameters.get("client_assertion", "")
    if parameters.get("client_assertion_type") != ASSERTION_TYPE or len(assertion) > MAX_ASSERTION:
        raise _refused("The client assertion is malformed.")
    subject = _claims(assertion).get("sub")
    if not isinstance(subject, str):
        raise _refused("The client assertion is malformed.")
    return Presented(AuthenticationMethod.PRIVATE_KEY_JWT, subject, assertion)


def _claims(assertion: str) -> dict[str, Any]:
    try:
        return claims_of(assertion)
    except BadSignature as error:
        raise _refused("The client assertion is malformed.") from error


def _refused(description: str = "Client authentication failed.") -> OAuthError:
    return OAuthError("invalid_client", description)
