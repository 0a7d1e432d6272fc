"""Dynamic client registration and management (RFC 7591, RFC 7592, OpenID Connect Registration 1.0).

An operator hands a department an initial access token, good for a few registrations of that
organisation within a few days. What is registered this way may sign people in; the scopes of the
service's own resources are given by an operator only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput
from foundation.ids import new_id, new_secret
from foundation.principal import Principal, PrincipalKind
from idp.oauth.client import AuthenticationMethod, ClientRegistration, ClientStatus, check_registration, hash_secret
from idp.oauth.client_metadata import MEMBERS
from idp.oauth.client_repository import Clients
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.grant import digest
from idp.oauth.model import CLIENT_SCOPES, USER_SCOPES, EndpointResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.client import Client
    from idp.oauth.parts import Parts

SECRET_METHODS = frozenset({AuthenticationMethod.SECRET_BASIC, AuthenticationMethod.SECRET_POST})
POLICY_REFUSED = frozenset({"fapi", "channel"})
_STANDARD = {"subject_type": "pairwise", "response_types": ["code"]}


class Registration:
    """Use cases of clients that register themselves."""

    def __init__(self, parts: Parts) -> None:
        """Take the shared collaborators."""
        self._parts = parts

    async def create(self, initial_token: str, unverified: Mapping[str, Any]) -> EndpointResponse:
        """Register a client; raises InvalidAccessToken, OAuthError."""
        now = self._parts.clock.now()
        async with self._parts.database.transaction() as connection:
            clients = Clients(connection)
            # Used up in the same transaction: a refused registration gives the use back.
            organisation_code = await clients.use_initial_token(digest(initial_token), now)
            if organisation_code is None:
                raise InvalidAccessToken("The initial access token is unknown, expired or used up.")
            registration = registration_from(unverified, organisation_code)
            checked = _checked(registration)
            client_id, management = new_id("cli"), new_secret()
            secret = new_secret() if registration.authentication in SECRET_METHODS else None
            secret_hash = None if secret is None else hash_secret(secret)
            await clients.add(client_id, registration, checked, secret_hash, now)
            await clients.set_management_token(client_id, digest(management), now)
            actor = Principal(PrincipalKind.CLIENT, client_id, organisation_code=organisation_code)
            event = AuditEvent("idp.client_self_register", "client", client_id, {"organisation": organisation_code})
            await self._parts.audit.record(connection, actor, event)
            client = await clients.find(client_id)
        answer = self._answer(client, secret) | {"registration_access_token": management}
        return EndpointResponse(answer | {"client_id_issued_at": int(now.timestamp())}, status=201)

    async def read(self, client_id: str, management_token: str) -> EndpointResponse:
        """Return a client's registration to itself; raises InvalidAccessToken."""
        return EndpointResponse(self._answer(await self._own(client_id, management_token), None))

    async def replace(self, client_id: str, management_token: str, unverified: Mapping[str, Any]) -> EndpointResponse:
        """Replace a client's registration; raises InvalidAccessToken, OAuthError."""
        client = await self._own(client_id, management_token)
        if unverified.get("client_id") != client_id:
            raise OAuthError("invalid_client_metadata", "The client_id differs.")
        registration = registration_from(unverified, client.organisation_code)
        if registration.authentication is not client.authentication:
            raise OAuthError("invalid_client_metadata", "The authentication method cannot change; register anew.")
        checked, now = _checked(registration), self._parts.clock.now()
        async with self._parts.database.transaction() as connection:
            await Clients(connection).replace(client_id, registration, checked, now)
            actor = Principal(PrincipalKind.CLIENT, client_id, organisation_code=client.organisation_code)
            await self._parts.audit.record(connection, actor, AuditEvent("idp.client_self_change", "client", client_id))
            changed = await Clients(connection).find(client_id)
        return EndpointResponse(self._answer(changed, None))

    async def remove(self, client_id: str, management_token: str) -> EndpointResponse:
        """End a client; its record stays for the audit. Raises InvalidAccessToken."""
        client = await self._own(client_id, management_token)
        async with self._parts.database.transaction() as connection:
            await Clients(connection).set_status(client_id, ClientStatus.SUSPENDED, self._parts.clock.now())
            actor = Principal(PrincipalKind.CLIENT, client_id, organisation_code=client.organisation_code)
            await self._parts.audit.record(connection, actor, AuditEvent("idp.client_self_remove", "client", client_id))
        return EndpointResponse("", status=204)

    async def _own(self, client_id: str, management_token: str) -> Client:
        async with self._parts.database.read() as connection:
            client = await Clients(connection).managed_by(client_id, digest(management_token))
        if client is None or not client.active:
            raise InvalidAccessToken("The registration access token is not for this client.")
        return client

    def _answer(self, client: Client | None, secret: str | None) -> dict[str, Any]:
        if client is None:
            message = "a client just stored is missing"
            raise RuntimeError(message)
        told: dict[str, Any] = {
            **client.metadata.stored(),
            "client_id": client.client_id,
            "client_name": client.client_name,
            "redirect_uris": list(client.redirect_uris),
            "grant_types": sorted(client.grant_types),
            "response_types": ["code"] if client.redirect_uris else [],
            "scope": " ".join(sorted(client.scopes)),
            "token_endpoint_auth_method": client.authentication.value,
            "id_token_signed_response_alg": client.id_token_algorithm,
            "subject_type": "pairwise",
            "registration_client_uri": f"{self._parts.issuer}/oauth/register/{client.client_id}",
        }
        if client.jwks is not None:
            told["jwks"] = dict(client.jwks)
        if secret is not None:
            told |= {"client_secret": secret, "client_secret_expires_at": 0}
        return told


def registration_from(unverified: Mapping[str, Any], organisation_code: str) -> ClientRegistration:
    """Return the registration a JSON document asks for; members nobody knows are ignored, as RFC 7591 says.

    Raises: OAuthError.
    """
    for name in ("jwks_uri", "sector_identifier_uri", "request_uris", "software_statement"):
        if unverified.get(name):
            raise OAuthError("invalid_client_metadata", f"The member {name} is not supported.")
    for name, only in _STANDARD.items():
        if unverified.get(name, only) not in (only, [] if name == "response_types" else only):
            raise OAuthError("invalid_client_metadata", f"The member {name} has an unsupported value.")
    uris, grants, jwks = (unverified.get(name) for name in ("redirect_uris", "grant_types", "jwks"))
    if not _is_texts(uris) or not _is_texts(grants) or not isinstance(jwks, dict | None):
        raise OAuthError("invalid_client_metadata", "A member has the wrong type.")
    scopes = frozenset(_text(unverified, "scope", "openid profile").split())
    try:
        method = AuthenticationMethod(_text(unverified, "token_endpoint_auth_method", "client_secret_basic"))
    except ValueError as error:
        raise OAuthError("invalid_client_metadata", "The token_endpoint_auth_method is not supported.") from error
    return ClientRegistration(
        client_name=_text(unverified, "client_name", ""),
        organisation_code=organisation_code,
        redirect_uris=tuple(uris or ()),
        scopes=(scopes & USER_SCOPES) if not scopes & CLIENT_SCOPES else scopes,
        grant_types=frozenset(grants or ("authorization_code",)),
        authentication=method,
        jwks=jwks,
        id_token_algorithm=_text(unverified, "id_token_signed_response_alg", "ES256"),
        metadata={name: value for name, value in unverified.items() if name in MEMBERS - POLICY_REFUSED},
    )


def _checked(registration: ClientRegistration) -> Any:  # noqa: ANN401 - what check_registration returns
    if registration.scopes & CLIENT_SCOPES or "client_credentials" in registration.grant_types:
        raise OAuthError("invalid_client_metadata", "Scopes of the service itself are given by an operator.")
    try:
        return check_registration(registration)
    except InvalidInput as error:
        kind = "invalid_redirect_uri" if error.field == "redirect_uris" else "invalid_client_metadata"
        raise OAuthError(kind, f"{error.field}: {error.detail}") from error


def _is_texts(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _text(unverified: Mapping[str, Any], name: str, default: str) -> str:
    value = unverified.get(name, default)
    if not isinstance(value, str):
        raise OAuthError("invalid_client_metadata", f"The member {name} must be text.")
    return value
