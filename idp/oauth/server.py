"""Authlib's server core over facts already read.

Nothing here does I/O: a `Request` carries the facts in and collects the effects; the caller
writes them afterwards in one transaction. Where Authlib is too lenient for us it is overridden,
and each override says what it closes.
"""

from __future__ import annotations

import hmac
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc6749.hooks import hooked
from authlib.oauth2.rfc6749.requests import OAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7636.challenge import create_s256_code_challenge
from authlib.oidc.core.grants.code import OpenIDToken

from idp.oauth.client import GrantType
from idp.oauth.errors import OAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authlib.oauth2.base import OAuth2Error

    from idp.oauth.client import Client
    from idp.oauth.grant import Grant, RefreshToken
    from idp.oauth.mint import Mint
    from idp.oauth.model import Parameters

CLIENT_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "none"]
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read before the decision: the proven client, the code's or refresh token's grant, the time."""

    client: Client
    now: datetime
    mint: Mint
    grant: Grant | None = None
    refresh_token: RefreshToken | None = None
    new_code: str | None = None
    confirmation: Mapping[str, str] | None = None
    audience: str | None = None
    id_token_claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rotates(self) -> bool:
        """Tell whether refresh tokens change at each use: those that anybody could use who finds one."""
        return self.client.public and self.confirmation is None


@dataclass(slots=True)
class Effects:
    """What the decision asks to write."""

    consume_code: Grant | None = None
    consume_refresh_token: RefreshToken | None = None
    refresh_token: str | None = None
    authorization_code: str | None = None


class Payload(OAuth2Payload):  # type: ignore[misc] # Authlib ships no types
    """Parameters, each once; the caller refused duplicates."""

    def __init__(self, parameters: Parameters) -> None:
        """Index the parameters."""
        self._data = dict(parameters)

    @property
    def data(self) -> dict[str, str]:
        """Return the parameters."""
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        """Return the parameters as Authlib looks for duplicates in them."""
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class Request(OAuth2Request):  # type: ignore[misc] # Authlib ships no types
    """A request free of any framework, with its facts and effects."""

    def __init__(self, parameters: Parameters, facts: Facts, *, method: str = "POST") -> None:
        """Take checked parameters; transport security is the settings' and proxy's business."""
        super().__init__(method, "https://provider.invalid/", headers={})
        self.payload = Payload(parameters)
        self.facts = facts
        self.effects = Effects()

    @property
    def form(self) -> dict[str, str]:
        """Return the body's parameters."""
        data: dict[str, str] = self.payload.data
        return data


class Server(AuthorizationServer):  # type: ignore[misc] # Authlib ships no types
    """Authlib's dispatcher for one request.

    Authlib asks for clients by identifier alone, so the server is told which client is known.
    """

    def __init__(self, client: Client) -> None:
        """Register our grants; the client is a fact already read."""
        super().__init__()
        self._client = client
        self.register_grant(AuthorizationCodeGrant, [PkceS256(required=True), IdTokens()])
        self.register_grant(RefreshTokenGrant, [IdTokens()])
        self.register_grant(ClientCredentialsGrant)
        self.register_grant(DeviceGrant, [IdTokens()])
        self.register_grant(CibaGrant, [IdTokens()])

    def query_client(self, client_id: str) -> Client | None:
        """Return the client this request is about."""
        return self._client if client_id == self._client.client_id else None

    def create_oauth2_request(self, request: Request) -> Request:
        """Take our request as it is."""
        return request

    def authenticate_client(self, request: Request, methods: list[str], endpoint: str = "token") -> Client:
        """Return the client proven beforehand; proving it needs I/O (keys, single-use assertions)."""
        client = request.facts.client
        if not any(client.check_endpoint_auth_method(method, endpoint) for method in methods):
            raise OAuthError("invalid_client", "The client may not use this grant with its authentication method.")
        request.auth_method = client.authentication.value
        return client

    def validate_requested_scope(self, scope: str | None) -> None:
        """Leave scopes to the client's registration, which is narrower than the server's list."""

    def send_signal(self, name: str, *_args: object, **_kwargs: object) -> None:
        """Send nothing; Authlib calls this for frameworks."""

    def save_token(self, _token: dict[str, Any], _request: Request) -> None:
        """Store nothing: access tokens are self-contained, refresh tokens are effects already."""

    def handle_response(self, _status: int, body: Any, _headers: Any) -> Any:  # noqa: ANN401 - Authlib's own shape
        """Return the body; status and headers are the HTTP face's."""
        return body

    def handle_error_response(self, _request: Request, error: OAuth2Error) -> NoReturn:
        """Raise, so that nothing is written. Authlib would return the refusal like a success."""
        raise translated(error) from error


def translated(error: OAuth2Error) -> OAuthError:
    """Return our error for one of Authlib's."""
    return OAuthError(error.error, error.get_error_description() or "")


class PkceS256(CodeChallenge):  # type: ignore[misc] # Authlib ships no types
    """RFC 7636 with S256 for every client; Authlib would take `plain`, or nothing from confidential clients."""

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:  # noqa: ANN401, ARG002 - Authlib's hook
        """Refuse a request without an S256 challenge."""
        data = grant.request.payload.data
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with code_challenge_method S256 is required.")
        if not _CHALLENGE.fullmatch(data.get("code_challenge", "")):
            raise InvalidRequestError("The code_challenge is missing or not an S256 challenge.")

    def validate_code_verifier(self, grant: Any, result: object) -> None:  # noqa: ANN401, ARG002 - Authlib's hook
        """Compare in constant time; a missing verifier is refused for every client."""
        verifier = grant.request.form.get("code_verifier", "")
        if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
            raise InvalidRequestError("The code_verifier is missing or malformed.")
        challenge = grant.request.authorization_code.code_challenge or ""
        if not hmac.compare_digest(create_s256_code_challenge(verifier), challenge):
            raise InvalidGrantError("The code_verifier does not match.")


class IdTokens(OpenIDToken):  # type: ignore[misc] # Authlib ships no types
    """Adds the ID token to answers whose scope holds `openid`."""

    def encode_id_token(self, token: dict[str, Any], request: Request) -> str:
        """Return the ID token of the request's grant."""
        facts = request.facts
        grant = facts.grant or (facts.refresh_token.grant if facts.refresh_token else None)
        if grant is None:
            message = "an ID token needs a grant"
            raise RuntimeError(message)
        nonce = grant.nonce if facts.refresh_token is None else None
        return facts.mint.id_token(
            facts.client, grant, token["access_token"], nonce=nonce, now=facts.now, extra=facts.id_token_claims
        )


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib ships no types
    """RFC 6749 section 4.1 for users; code and tokens are effects."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    @staticmethod
    def validate_authorization_redirect_uri(request: Request, client: Client) -> str:
        """Return the address the caller has proven; Authlib echoes a bad one and fails on non-ASCII."""
        redirect_uri: str = request.payload.redirect_uri
        if not client.check_redirect_uri(redirect_uri):
            raise InvalidRequestError("The redirect_uri is not registered.")
        return redirect_uri

    def generate_authorization_code(self) -> str:
        """Return the code the caller drew."""
        if self.request.facts.new_code is None:
            message = "the caller draws the code"
            raise RuntimeError(message)
        code: str = self.request.facts.new_code
        return code

    def save_authorization_code(self, code: str, request: Request) -> None:
        """Leave storing to the effects."""
        request.effects.authorization_code = code

    def query_authorization_code(self, _code: str, client: Client) -> Grant | None:
        """Return the grant read beforehand, if this client may redeem it."""
        facts: Facts = self.request.facts
        if facts.grant is None or not facts.grant.redeemable_by(client.client_id, facts.now):
            return None
        return facts.grant

    def delete_authorization_code(self, authorization_code: Grant) -> None:
        """Ask for the one-time consumption."""
        self.request.effects.consume_code = authorization_code

    def authenticate_user(self, authorization_code: Grant) -> str:
        """Return the account; whether it still stands is asked with the effects."""
        return authorization_code.account_id

    def generate_token(self, user: str, scope: str, *, include_refresh_token: bool, **_: object) -> dict[str, Any]:
        """Mint an access token for userinfo and, for offline access, a refresh token."""
        facts: Facts = self.request.facts
        if facts.grant is None or user != facts.grant.account_id:
            message = "a user token needs its grant"
            raise RuntimeError(message)
        return _user_answer(self.request, facts.grant, scope, refresh=include_refresh_token)


def _user_answer(request: Request, grant: Grant, scope: str, *, refresh: bool) -> dict[str, Any]:
    """Return a token answer over a person's grant, with a refresh token for offline access."""
    facts = request.facts
    token = facts.mint.user_token(facts.client, grant, scope, facts.now, facts.confirmation, audience=facts.audience)
    if refresh and "offline_access" in scope.split():
        token["refresh_token"] = request.effects.refresh_token = facts.mint.new_refresh_token()
    return token


class DeviceGrant(grants.BaseGrant, grants.TokenEndpointMixin):  # type: ignore[misc] # Authlib ships no types
    """RFC 8628: the person answered on another device; the caller read the approved grant."""

    GRANT_TYPE = GrantType.DEVICE.value
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def validate_token_request(self) -> None:
        """Require the grant that the caller read."""
        self.request.client = self.authenticate_token_endpoint_client()
        if self.request.facts.grant is None:
            raise InvalidGrantError("The request is unknown or was used before.")

    @hooked  # type: ignore[untyped-decorator] # Authlib ships no types
    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Mint the tokens of the grant."""
        grant: Grant = self.request.facts.grant
        refresh = self.request.client.check_grant_type(GrantType.REFRESH_TOKEN.value)
        token = _user_answer(self.request, grant, grant.scope, refresh=refresh)
        return 200, token, self.TOKEN_RESPONSE_HEADER


class CibaGrant(DeviceGrant):
    """OpenID Connect CIBA: the same, asked for by the hotline."""

    GRANT_TYPE = GrantType.CIBA.value


class RefreshTokenGrant(grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib ships no types
    """RFC 6749 section 6; rotates for public clients only, as FAPI 2.0 wants."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def authenticate_refresh_token(self, _refresh_token: str) -> RefreshToken | None:
        """Return the token read beforehand, if it may be used now."""
        facts: Facts = self.request.facts
        token = facts.refresh_token
        return token if token is not None and token.usable(facts.now) else None

    def authenticate_user(self, refresh_token: RefreshToken) -> str:
        """Return the account."""
        return refresh_token.grant.account_id

    def issue_token(self, _user: str, refresh_token: RefreshToken) -> dict[str, Any]:
        """Mint an access token; a public client also gets the one successor of its refresh token."""
        facts: Facts = self.request.facts
        scope = self.request.payload.scope or refresh_token.get_scope()
        token = facts.mint.user_token(
            facts.client, refresh_token.grant, scope, facts.now, facts.confirmation, audience=facts.audience
        )
        presented = self.request.form["refresh_token"]
        if facts.rotates:
            presented = self.request.effects.refresh_token = facts.mint.successor(presented)
        token["refresh_token"] = presented
        return token

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """Ask for the consumption of a rotated token."""
        if self.request.facts.rotates:
            self.request.effects.consume_refresh_token = refresh_token


class ClientCredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc] # Authlib ships no types
    """RFC 6749 section 4.4; nothing is stored."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS[:-1]

    def validate_requested_scope(self) -> None:
        """Keep to the client's registered scopes for our own resources."""
        if not self.request.facts.client.own_scopes.issuperset((self.request.payload.scope or "").split()):
            raise InvalidScopeError("The scope exceeds the registration of the client.")

    def generate_token(self, scope: str | None = None, **_: object) -> dict[str, Any]:
        """Mint an access token for our API; all registered scopes when none is named."""
        facts: Facts = self.request.facts
        granted = " ".join((scope or "").split()) or " ".join(sorted(facts.client.own_scopes))
        return facts.mint.client_token(facts.client, granted, facts.now, facts.confirmation)
