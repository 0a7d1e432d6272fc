"""Checks an authorization request. Pure: the client is a fact already read.

Order is the security argument: 1 the client is known, 2 the redirect_uri is one of its own,
character by character; only then are errors sent to that address.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.base import OAuth2Error

from idp.oauth.authorization_details import BadDetails, parse_details
from idp.oauth.claims_request import BadClaimsRequest, asked_levels, check_claims_request, scopes_needed
from idp.oauth.errors import AddressNotRegistered, AuthorizationRefused, ClientUnknown, OAuthError
from idp.oauth.model import SIGNED_MODES, USER_SCOPES, AuthorizationResponse, ResponseMode
from idp.oauth.server import Facts, Request, Server
from idp.oauth.target import named_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from idp.oauth.client import Client
    from idp.oauth.mint import Mint
    from idp.oauth.model import Parameters
    from idp.oauth.request_object import Received

MAX_PARAMETERS = 40
MAX_TOTAL = 16_384
MAX_VALUE = 2_048
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
LEVELS = ("L0", "L1", "L2", "L3", "L4")
_UNSUPPORTED = {
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The proven address of a client, and how to answer there."""

    client: Client
    redirect_uri: str
    mode: ResponseMode
    signed: bool
    state: str | None
    mint: Mint
    now: datetime

    def answer(self, **parameters: str) -> AuthorizationResponse:
        """Return an answer with `state` and `iss` (RFC 9207), as one JWT where the client wants that (JARM)."""
        told = {**parameters, **({"state": self.state} if self.state is not None else {})}
        if self.signed:
            response = self.mint.authorization_response(self.client, told, self.now)
            return AuthorizationResponse(self.redirect_uri, (("response", response),), self.mode)
        return AuthorizationResponse(self.redirect_uri, (*told.items(), ("iss", self.mint.issuer)), self.mode)

    def refuse(self, error: str, description: str) -> AuthorizationRefused:
        """Return an error that goes to the proven address."""
        refused = AuthorizationRefused(error, description)
        refused.response = self.answer(**refused.body())
        return refused


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked request; `acr` is the least level that satisfies one of `acr_values`.

    `details` is the one act asked for, `resource` the one audience named.
    """

    target: Target
    received: Received
    scope: str
    nonce: str | None
    code_challenge: str
    prompts: frozenset[str]
    max_age: int | None
    acr: str | None
    login_hint: str | None
    ui_locales: str | None
    id_token_hint: str | None
    claims: Mapping[str, Any] | None
    dpop_jkt: str | None
    resource: str | None = None
    details: list[dict[str, Any]] | None = None

    @property
    def client(self) -> Client:
        """Return the client that asks."""
        return self.target.client

    @property
    def scopes(self) -> frozenset[str]:
        """Return the requested scopes."""
        return frozenset(self.scope.split())

    @property
    def asks(self) -> frozenset[str]:
        """Return everything a consent must cover: the scopes, and those of claims asked for by name."""
        return self.scopes | scopes_needed(self.claims)


def client_id_of(parameters: Parameters) -> str:
    """Return the one client_id of a request that is not oversized; raises AuthorizationRefused."""
    if len(parameters) > MAX_PARAMETERS or sum(len(name) + len(value) for name, value in parameters) > MAX_TOTAL:
        raise AuthorizationRefused("invalid_request", "The request is too large.")
    named = [value for name, value in parameters if name == "client_id"]
    if len(named) != 1:
        raise AuthorizationRefused("invalid_request", "Exactly one client_id is needed.")
    return named[0]


def check(received: Received, client: Client | None, mint: Mint, now: datetime) -> AuthorizationRequest:
    """Return the checked request; raises AuthorizationRefused, with an answer once the address is proven."""
    if client is None:
        raise ClientUnknown("invalid_client", "There is no such client.")
    addresses = [value for name, value in received.parameters if name == "redirect_uri"]
    if len(addresses) != 1 or not client.check_redirect_uri(addresses[0]):
        raise AddressNotRegistered("invalid_request", "The redirect_uri is missing or not registered.")
    data = dict(received.parameters)
    wanted = data.get("response_mode", "query")
    mode = SIGNED_MODES.get(wanted) or (ResponseMode(wanted) if wanted in set(ResponseMode) else ResponseMode.QUERY)
    target = Target(client, addresses[0], mode, wanted in SIGNED_MODES, data.get("state"), mint, now)
    if len(data) != len(received.parameters):
        raise target.refuse("invalid_request", "A parameter is repeated.")
    _check_origin(client, received, target)
    _check_shape(data, target)
    scope = " ".join(value for value in data["scope"].split() if value in USER_SCOPES)
    try:
        Server(client).get_consent_grant(
            Request(tuple({**data, "scope": scope}.items()), Facts(client, now, mint), method="GET")
        )
    except OAuth2Error as error:
        raise target.refuse(error.error, error.get_error_description() or "") from error
    claims = _claims(data, target)
    if not scopes_needed(claims) <= client.scopes:
        raise target.refuse("invalid_request", "The claims parameter exceeds the registration of the client.")
    return AuthorizationRequest(
        target=target,
        received=received,
        scope=scope,
        nonce=data.get("nonce"),
        code_challenge=data["code_challenge"],
        prompts=_prompts(data, target),
        max_age=_max_age(data, target),
        acr=_acr((*data.get("acr_values", "").split(), *asked_levels(claims))),
        login_hint=data.get("login_hint"),
        ui_locales=data.get("ui_locales"),
        id_token_hint=data.get("id_token_hint"),
        claims=claims,
        dpop_jkt=received.jkt or _thumbprint(data, target),
        details=(details := _details(data, target)),
        resource=_resource(data, details, target),
    )


def _check_origin(client: Client, received: Received, target: Target) -> None:
    """Hold clients to the way of asking they registered for."""
    if client.metadata.pushed_only and received.pushed is None:
        raise target.refuse("invalid_request", "This client must push its authorization requests.")
    if client.metadata.require_signed_request_object and not received.signed:
        raise target.refuse("invalid_request", "This client must sign its authorization requests.")


def _thumbprint(data: Mapping[str, str], target: Target) -> str | None:
    """Return the key the code is to be bound to (RFC 9449 section 10)."""
    jkt = data.get("dpop_jkt")
    if jkt is not None and not re.fullmatch(r"[A-Za-z0-9_-]{43}", jkt):
        raise target.refuse("invalid_request", "The dpop_jkt is not a thumbprint.")
    return jkt


def _check_shape(data: Mapping[str, str], target: Target) -> None:
    if "response_type" not in data:
        raise target.refuse("invalid_request", "The response_type is missing.")
    if data["response_type"] != "code":
        raise target.refuse("unsupported_response_type", "Only response_type code is supported.")
    for name, error in _UNSUPPORTED.items():
        if name in data:
            raise target.refuse(error, f"The parameter {name} is not supported.")
    if data.get("response_mode", "query") not in {*ResponseMode, *SIGNED_MODES}:
        raise target.refuse("invalid_request", "The response_mode is not supported.")
    if any(len(value) > MAX_VALUE for name, value in data.items() if name not in {"claims", "id_token_hint"}):
        raise target.refuse("invalid_request", "A parameter is too long.")
    if any(not value.isprintable() for name, value in data.items() if name in {"state", "nonce"}):
        raise target.refuse("invalid_request", "The state or nonce holds control characters.")
    if "openid" not in data.get("scope", "").split():
        raise target.refuse("invalid_scope", "The scope must hold openid.")


def _prompts(data: Mapping[str, str], target: Target) -> frozenset[str]:
    prompts = frozenset(data.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise target.refuse("invalid_request", "The prompt is not supported.")
    return prompts


def _max_age(data: Mapping[str, str], target: Target) -> int | None:
    if "max_age" not in data:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", data["max_age"]):
        raise target.refuse("invalid_request", "The max_age must be a number of seconds.")
    return int(data["max_age"])


def _details(data: Mapping[str, str], target: Target) -> list[dict[str, Any]] | None:
    """Return the one act asked for (RFC 9396)."""
    if "authorization_details" not in data:
        return None
    allowed = target.client.metadata.authorization_details_types
    try:
        return parse_details(data["authorization_details"], target.now, allowed)
    except BadDetails as error:
        raise target.refuse("invalid_authorization_details", str(error)) from error


def _resource(data: Mapping[str, str], details: object, target: Target) -> str | None:
    """Return the one resource named (RFC 8707), if it is one that this request can open."""
    opened = {target.mint.userinfo_audience, *([target.mint.api_audience] if details else [])}
    try:
        named = named_target(data)
    except OAuthError as error:
        raise target.refuse(error.error, error.description) from error
    if named is not None and named not in opened:
        raise target.refuse("invalid_target", "The resource is unknown, or not opened by this request.")
    return named


def _acr(acr_values: Iterable[str]) -> str | None:
    """Return the least of the wanted levels we know; the others are voluntary and ignored."""
    return min((value for value in acr_values if value in LEVELS), default=None)


def _claims(data: Mapping[str, str], target: Target) -> Mapping[str, Any] | None:
    if "claims" not in data:
        return None
    try:
        claims = json.loads(data["claims"])
    except (ValueError, RecursionError) as error:
        raise target.refuse("invalid_request", "The claims parameter is not JSON.") from error
    try:
        return check_claims_request(claims)
    except BadClaimsRequest as error:
        raise target.refuse("invalid_request", str(error)) from error
