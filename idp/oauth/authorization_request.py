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

from idp.oauth.errors import AuthorizationRefused
from idp.oauth.model import USER_SCOPES, AuthorizationResponse, ResponseMode
from idp.oauth.server import Facts, Request, Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from idp.oauth.client import Client
    from idp.oauth.mint import Mint
    from idp.oauth.model import Parameters

MAX_PARAMETERS = 40
MAX_TOTAL = 16_384
MAX_VALUE = 2_048
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
LEVELS = ("L0", "L1", "L2", "L3", "L4")
_UNSUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked request; `acr` is the least level that satisfies one of `acr_values`."""

    client: Client
    redirect_uri: str
    scope: str
    mode: ResponseMode
    state: str | None
    nonce: str | None
    code_challenge: str
    prompts: frozenset[str]
    max_age: int | None
    acr: str | None
    login_hint: str | None
    ui_locales: str | None
    id_token_hint: str | None
    claims: Mapping[str, Any] | None
    raw: Parameters

    @property
    def scopes(self) -> frozenset[str]:
        """Return the requested scopes."""
        return frozenset(self.scope.split())

    def answer(self, issuer: str, **parameters: str) -> AuthorizationResponse:
        """Return an answer for the client with `state` and `iss` (RFC 9207)."""
        return respond(self.redirect_uri, self.mode, self.state, issuer, parameters)

    def refuse(self, issuer: str, error: str, description: str) -> AuthorizationRefused:
        """Return an error that goes to the proven redirect_uri."""
        refused = AuthorizationRefused(error, description)
        refused.response = self.answer(issuer, **refused.body())
        return refused


def respond(
    redirect_uri: str, mode: ResponseMode, state: str | None, issuer: str, parameters: Mapping[str, str]
) -> AuthorizationResponse:
    """Return an answer with `state`, if the client sent one, and `iss`."""
    pairs = [*parameters.items(), *([("state", state)] if state is not None else []), ("iss", issuer)]
    return AuthorizationResponse(redirect_uri, tuple(pairs), mode)


def client_id_of(parameters: Parameters) -> str:
    """Return the one client_id of a request that is not oversized; raises AuthorizationRefused."""
    if len(parameters) > MAX_PARAMETERS or sum(len(name) + len(value) for name, value in parameters) > MAX_TOTAL:
        raise AuthorizationRefused("invalid_request", "The request is too large.")
    named = [value for name, value in parameters if name == "client_id"]
    if len(named) != 1:
        raise AuthorizationRefused("invalid_request", "Exactly one client_id is needed.")
    return named[0]


def check(parameters: Parameters, client: Client | None, mint: Mint, now: datetime) -> AuthorizationRequest:
    """Return the checked request; raises AuthorizationRefused, with an answer once the address is proven."""
    if client is None:
        raise AuthorizationRefused("invalid_client", "There is no such client.")
    addresses = [value for name, value in parameters if name == "redirect_uri"]
    if len(addresses) != 1 or not client.check_redirect_uri(addresses[0]):
        raise AuthorizationRefused("invalid_request", "The redirect_uri is missing or not registered.")
    data = dict(parameters)
    proven = _Proven(addresses[0], _mode(data), data.get("state"), mint.issuer)
    if len(data) != len(parameters):
        raise proven.refuse("invalid_request", "A parameter is repeated.")
    _check_shape(data, proven)
    scope = " ".join(value for value in data.get("scope", "").split() if value in USER_SCOPES)
    known = {**data, "scope": scope}
    try:
        Server(client).get_consent_grant(Request(tuple(known.items()), Facts(client, now, mint), method="GET"))
    except OAuth2Error as error:
        raise proven.refuse(error.error, error.get_error_description() or "") from error
    return AuthorizationRequest(
        client=client,
        redirect_uri=addresses[0],
        scope=scope,
        mode=proven.mode,
        state=data.get("state"),
        nonce=data.get("nonce"),
        code_challenge=data["code_challenge"],
        prompts=_prompts(data, proven),
        max_age=_max_age(data, proven),
        acr=_acr(data.get("acr_values", "")),
        login_hint=data.get("login_hint"),
        ui_locales=data.get("ui_locales"),
        id_token_hint=data.get("id_token_hint"),
        claims=_claims(data, proven),
        raw=parameters,
    )


@dataclass(frozen=True, slots=True)
class _Proven:
    redirect_uri: str
    mode: ResponseMode
    state: str | None
    issuer: str

    def refuse(self, error: str, description: str) -> AuthorizationRefused:
        refused = AuthorizationRefused(error, description)
        refused.response = respond(self.redirect_uri, self.mode, self.state, self.issuer, refused.body())
        return refused


def _mode(data: Mapping[str, str]) -> ResponseMode:
    """Return the wanted mode; a mode we do not know is refused in the default one."""
    wanted = data.get("response_mode", "query")
    return ResponseMode(wanted) if wanted in set(ResponseMode) else ResponseMode.QUERY


def _check_shape(data: Mapping[str, str], proven: _Proven) -> None:
    if "response_type" not in data:
        raise proven.refuse("invalid_request", "The response_type is missing.")
    if data["response_type"] != "code":
        raise proven.refuse("unsupported_response_type", "Only response_type code is supported.")
    for name, error in _UNSUPPORTED.items():
        if name in data:
            raise proven.refuse(error, f"The parameter {name} is not supported.")
    if data.get("response_mode", "query") not in set(ResponseMode):
        raise proven.refuse("invalid_request", "The response_mode is not supported.")
    if any(len(value) > MAX_VALUE for name, value in data.items() if name not in {"claims", "id_token_hint"}):
        raise proven.refuse("invalid_request", "A parameter is too long.")
    if any(not value.isprintable() for name, value in data.items() if name in {"state", "nonce"}):
        raise proven.refuse("invalid_request", "The state or nonce holds control characters.")
    if "openid" not in data.get("scope", "").split():
        raise proven.refuse("invalid_scope", "The scope must hold openid.")


def _prompts(data: Mapping[str, str], proven: _Proven) -> frozenset[str]:
    prompts = frozenset(data.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise proven.refuse("invalid_request", "The prompt is not supported.")
    return prompts


def _max_age(data: Mapping[str, str], proven: _Proven) -> int | None:
    if "max_age" not in data:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", data["max_age"]):
        raise proven.refuse("invalid_request", "The max_age must be a number of seconds.")
    return int(data["max_age"])


def _acr(acr_values: str) -> str | None:
    """Return the least of the wanted levels we know; the others are voluntary and ignored."""
    return min((value for value in acr_values.split() if value in LEVELS), default=None)


def _claims(data: Mapping[str, str], proven: _Proven) -> Mapping[str, Any] | None:
    if "claims" not in data:
        return None
    try:
        claims = json.loads(data["claims"])
    except (ValueError, RecursionError) as error:
        raise proven.refuse("invalid_request", "The claims parameter is not JSON.") from error
    members = claims.values() if isinstance(claims, dict) else [None]
    if any(not isinstance(member, dict) for member in members):
        raise proven.refuse("invalid_request", "The claims parameter must be an object of objects.")
    return dict(claims)
