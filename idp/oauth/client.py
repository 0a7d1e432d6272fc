"""A client as the provider sees it, and the rules a registration must keep. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foundation import channels
from foundation.errors import InvalidInput
from foundation.principal import Principal, PrincipalKind
from idp.oauth.client_metadata import (
    FAPI_ALGORITHMS,
    SIGNING_ALGORITHMS,
    ClientMetadata,
    check_address,
    read_metadata,
)
from idp.oauth.jwe import encryption_key
from idp.oauth.model import BOUND_SCOPES, CLIENT_SCOPES, USER_SCOPES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.principal import Channel

MAX_NAME = 100
MAX_REDIRECT_URIS = 20
PRIVATE_JWK_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class AuthenticationMethod(StrEnum):
    """How a client proves itself (`token_endpoint_auth_method`)."""

    SECRET_BASIC = "client_secret_basic"  # noqa: S105 - a registered method name
    SECRET_POST = "client_secret_post"  # noqa: S105 - a registered method name
    PRIVATE_KEY_JWT = "private_key_jwt"
    TLS = "tls_client_auth"
    NONE = "none"


class GrantType(StrEnum):
    """The grants a client may be registered for."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
    CIBA = "urn:openid:params:grant-type:ciba"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a registered grant name
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a registered grant name


class ClientStatus(StrEnum):
    """Whether a client may act."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """What an operator or department asks for; checked by `check_registration`.

    `organisation_code` is the credit code of the tenant every scope of the client binds to.
    `pre_approved` spares first-party clients of the city the consent page.
    """

    client_name: str
    organisation_code: str
    redirect_uris: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    authentication: AuthenticationMethod = AuthenticationMethod.SECRET_BASIC
    jwks: Mapping[str, Any] | None = None
    sector_identifier: str | None = None
    pre_approved: bool = False
    id_token_algorithm: str = "ES256"  # noqa: S105 - an algorithm name
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client; the methods named as Authlib's `ClientMixin` are what its grants call."""

    client_id: str
    client_name: str
    organisation_code: str
    status: ClientStatus
    authentication: AuthenticationMethod
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str]
    grant_types: frozenset[str]
    sector_identifier: str
    pre_approved: bool
    id_token_algorithm: str
    jwks: Mapping[str, Any] | None
    secret_hash: bytes | None
    previous_secret_hash: bytes | None
    previous_secret_expires_at: datetime | None
    metadata: ClientMetadata

    @property
    def public(self) -> bool:
        """Tell whether the client cannot keep a secret."""
        return self.authentication is AuthenticationMethod.NONE

    @property
    def active(self) -> bool:
        """Tell whether the client may act at all."""
        return self.status is ClientStatus.ACTIVE

    @property
    def channel(self) -> Channel:
        """Return where acts through the client come in."""
        return channels.of_client(self.metadata.channel)

    def principal(self) -> Principal:
        """Return the client as the actor of what it does at the endpoints."""
        return Principal(PrincipalKind.CLIENT, self.client_id, client_id=self.client_id, channel=self.channel)

    @property
    def own_scopes(self) -> frozenset[str]:
        """Return the scopes the client may use in its own name."""
        return self.scopes & CLIENT_SCOPES

    def secret_matches(self, unverified_secret: str, now: datetime) -> bool:
        """Compare a secret with the present and, while it overlaps, the previous one, in constant time."""
        digest = hash_secret(unverified_secret)
        matches = self.secret_hash is not None and hmac.compare_digest(digest, self.secret_hash)
        overlaps = self.previous_secret_expires_at is not None and now < self.previous_secret_expires_at
        if self.previous_secret_hash is not None and overlaps:
            matches |= hmac.compare_digest(digest, self.previous_secret_hash)
        return matches

    def get_client_id(self) -> str:
        """Return the identifier."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Return nothing: a request names its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the requested scope, or None when any part of it is not registered."""
        wanted = (scope or "").split()
        return " ".join(dict.fromkeys(wanted)) if self.scopes.issuperset(wanted) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare exactly, character by character (RFC 9700 section 4.1.3)."""
        return redirect_uri in self.redirect_uris

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Accept the one registered method, at every endpoint."""
        return method == self.authentication.value

    def check_response_type(self, response_type: str) -> bool:
        """Accept `code` from clients registered for it."""
        return response_type == "code" and GrantType.AUTHORIZATION_CODE in self.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Accept registered grants."""
        return grant_type in self.grant_types


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a client secret: these are 256 random bits, so one SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def check_registration(registration: ClientRegistration) -> tuple[str, ClientMetadata]:
    """Check the rules and return sector identifier and metadata; raises InvalidInput naming the field."""
    _check_name(registration.client_name)
    _check_grants(registration)
    _check_scopes(registration)
    for uri in registration.redirect_uris:
        check_redirect_uri_form(uri)
    if registration.id_token_algorithm not in SIGNING_ALGORITHMS:
        raise InvalidInput(f"Must be one of {', '.join(SIGNING_ALGORITHMS)}.", field="id_token_algorithm")
    _check_jwks(registration)
    metadata = read_metadata(registration.metadata)
    _check_profile(registration, metadata)
    return _sector(registration), metadata


def check_redirect_uri_form(uri: str) -> None:
    """Refuse addresses that could be misread or abused; raises InvalidInput."""
    check_address(uri, "redirect_uris")
    if any(segment in {".", ".."} for segment in urlsplit(uri).path.split("/")):
        raise InvalidInput("Must have no . or .. in its path.", field="redirect_uris")


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"Must have 1 to {MAX_NAME} printable characters.", field="client_name")


def _check_grants(registration: ClientRegistration) -> None:
    grants = registration.grant_types
    if not grants or not grants <= set(GrantType):
        raise InvalidInput(f"Must be among {', '.join(GrantType)}.", field="grant_types")
    public = registration.authentication is AuthenticationMethod.NONE
    if public and grants & {GrantType.CLIENT_CREDENTIALS, GrantType.TOKEN_EXCHANGE}:
        raise InvalidInput("A public client cannot use client_credentials or exchange tokens.", field="grant_types")
    with_code = GrantType.AUTHORIZATION_CODE in grants
    if with_code != bool(registration.redirect_uris) or len(registration.redirect_uris) > MAX_REDIRECT_URIS:
        raise InvalidInput(
            f"The code grant needs 1 to {MAX_REDIRECT_URIS} redirect URIs, other grants none.", field="redirect_uris"
        )


def _check_scopes(registration: ClientRegistration) -> None:
    unknown = registration.scopes - USER_SCOPES - CLIENT_SCOPES
    if unknown:
        raise InvalidInput("Holds a scope this service does not know.", field="scopes")
    if registration.scopes & CLIENT_SCOPES and GrantType.CLIENT_CREDENTIALS not in registration.grant_types:
        raise InvalidInput("Scopes of the service's own resources need client_credentials.", field="scopes")


def _check_jwks(registration: ClientRegistration) -> None:
    needed = registration.authentication is AuthenticationMethod.PRIVATE_KEY_JWT
    if registration.jwks is None:
        if needed:
            raise InvalidInput("private_key_jwt needs the client's public keys.", field="jwks")
        return
    keys = registration.jwks.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise InvalidInput("Must be a JWK set with at least one key.", field="jwks")
    if any(PRIVATE_JWK_MEMBERS & key.keys() or key.get("kty") not in {"EC", "RSA", "OKP"} for key in keys):
        raise InvalidInput("Must hold public EC, RSA or OKP keys only.", field="jwks")


def _check_profile(registration: ClientRegistration, metadata: ClientMetadata) -> None:
    """Hold clients to what their metadata promises, and to what their scopes demand."""
    method = registration.authentication
    if registration.scopes & BOUND_SCOPES and not metadata.sender_constrained:
        raise InvalidInput(
            f"{', '.join(sorted(BOUND_SCOPES))} needs tokens bound to a key: dpop_bound_access_tokens or mutual TLS.",
            field="scopes",
        )
    _check_front_channel(registration, metadata)
    if metadata.channel and method is AuthenticationMethod.NONE and registration.redirect_uris:
        raise InvalidInput("A browser is led to a kiosk's sign-in by a client that proves itself.", field="channel")
    if method is AuthenticationMethod.TLS and not metadata.tls_client_auth_subject_dn:
        raise InvalidInput("tls_client_auth needs the certificate's subject.", field="tls_client_auth_subject_dn")
    if metadata.fapi and method not in {AuthenticationMethod.PRIVATE_KEY_JWT, AuthenticationMethod.TLS}:
        raise InvalidInput("FAPI clients use private_key_jwt or tls_client_auth.", field="token_endpoint_auth_method")
    if metadata.fapi and registration.id_token_algorithm not in FAPI_ALGORITHMS:
        raise InvalidInput("FAPI clients do not use RS256.", field="id_token_algorithm")
    if metadata.fapi and not (metadata.dpop_bound_access_tokens or metadata.tls_client_certificate_bound_access_tokens):
        raise InvalidInput("FAPI clients name how tokens are bound.", field="dpop_bound_access_tokens")
    needs_keys = (
        metadata.id_token_encrypted_response_alg
        or metadata.userinfo_encrypted_response_alg
        or metadata.require_signed_request_object
        or metadata.backchannel_authentication_request_signing_alg
    )
    if needs_keys and registration.jwks is None:
        raise InvalidInput("Encryption and signed requests need the client's public keys.", field="jwks")
    for algorithm in (metadata.id_token_encrypted_response_alg, metadata.userinfo_encrypted_response_alg):
        if algorithm is not None:
            encryption_key(registration.jwks, algorithm)


def _check_front_channel(registration: ClientRegistration, metadata: ClientMetadata) -> None:
    """Keep the logout page on an origin of the client's (Front-Channel Logout 1.0, section 2)."""
    if metadata.frontchannel_logout_uri is None:
        return
    origins = {urlsplit(uri)[:2] for uri in registration.redirect_uris}
    if urlsplit(metadata.frontchannel_logout_uri)[:2] not in origins:
        raise InvalidInput("Must lie on the origin of a redirect URI.", field="frontchannel_logout_uri")


def _sector(registration: ClientRegistration) -> str:
    """Return what pairwise subjects are made for: a named sector, or the one redirect host."""
    if registration.sector_identifier:
        return registration.sector_identifier
    hosts = {urlsplit(uri).hostname or "" for uri in registration.redirect_uris}
    if len(hosts) > 1:
        raise InvalidInput("Redirect URIs on several hosts need a sector identifier.", field="sector_identifier")
    return hosts.pop() if hosts else ""
