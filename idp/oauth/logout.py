"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0) and back-channel logout tokens.

The browser is sent on only to an address registered for a client that is proven by an ID token
of ours or named beside an exact match; without a hint for this very session the person is asked
first, so that another site cannot sign people out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqlalchemy import select

from foundation.errors import UpstreamUnavailable
from foundation.ids import new_secret
from foundation.jobs import JobHandler
from idp.oauth.errors import InteractionExpired, InvalidAccessToken, OAuthError
from idp.oauth.grant import digest
from idp.oauth.tables import oauth_grants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.outbound import OutboundClient
    from foundation.principal import Principal
    from idp.oauth.client import Client
    from idp.oauth.model import Parameters
    from idp.oauth.parts import Parts

LOGOUT_JOB = "idp.backchannel_logout"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_SECONDS = 120
KEPT_SECONDS = 600
MAX_PARAMETERS = 12
MAX_TOTAL = 12_288


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A checked request: where to go afterwards, and whether the person must confirm first."""

    address: str | None
    client_name: str | None
    confirm: bool


class Logout:
    """Use cases of ending a session at a client's wish."""

    def __init__(self, parts: Parts, outbound: OutboundClient) -> None:
        """Take the shared collaborators and the way out."""
        self._parts = parts
        self._outbound = outbound

    async def check(self, parameters: Parameters, principal: Principal | None) -> LogoutRequest:
        """Check an end-session request; raises OAuthError, and nobody is redirected then."""
        if len(parameters) > MAX_PARAMETERS or sum(len(name) + len(value) for name, value in parameters) > MAX_TOTAL:
            raise OAuthError("invalid_request", "The request is too large.")
        data = dict(parameters)
        if len(data) != len(parameters):
            raise OAuthError("invalid_request", "A parameter is repeated.")
        hint = self._hint(data)
        client = await self._client(data, hint)
        address = _address(data, client)
        confirmed = principal is None or (client is not None and await self._same_session(hint, client, principal))
        return LogoutRequest(address, client.client_name if client else None, not confirmed)

    async def keep(self, parameters: Parameters) -> str:
        """Keep a request for a few minutes and return its identifier."""
        logout_id = new_secret()
        value = json.dumps(parameters, ensure_ascii=False).encode("utf-8", "surrogatepass")
        await self._parts.cache.put(_key(logout_id), value, ttl_seconds=KEPT_SECONDS)
        return logout_id

    async def kept(self, logout_id: str) -> Parameters:
        """Return a kept request; raises InteractionExpired."""
        value = await self._parts.cache.get(_key(logout_id))
        if value is None:
            raise InteractionExpired("This request is unknown or took too long.")
        return tuple((name, text) for name, text in json.loads(value.decode("utf-8", "surrogatepass")))

    def _hint(self, data: Mapping[str, str]) -> dict[str, Any] | None:
        if "id_token_hint" not in data:
            return None
        try:
            return self._parts.verifier.id_token_hint(data["id_token_hint"])
        except InvalidAccessToken as error:
            raise OAuthError("invalid_request", "The id_token_hint is not an ID token of this service.") from error

    async def _client(self, data: Mapping[str, str], hint: Mapping[str, Any] | None) -> Client | None:
        named = data.get("client_id")
        if hint is not None and named is not None and hint.get("aud") != named:
            raise OAuthError("invalid_request", "The client_id differs from the id_token_hint.")
        client_id = named if hint is None else hint.get("aud")
        client = None if client_id is None else await self._parts.clients.get(str(client_id))
        if client is None and client_id is not None:
            raise OAuthError("invalid_request", "There is no such client.")
        return client

    async def _same_session(self, hint: Mapping[str, Any] | None, client: Client, principal: Principal) -> bool:
        if hint is None or principal.session_id is None:
            return False
        mint = await self._parts.mint()
        return bool(hint.get("sid") == mint.session(client.client_id, principal.session_id))

    async def front_channel(self, session_id: str) -> tuple[str, ...]:
        """Return the logout pages of the session's clients, with `iss` and `sid` for those that need them.

        Standard: OpenID Connect Front-Channel Logout 1.0, section 3.
        """
        grants, mint = oauth_grants.c, await self._parts.mint()
        query = select(grants.client_id).distinct().where(grants.session_id == session_id)
        async with self._parts.database.read() as connection:
            client_ids = sorted((await connection.execute(query)).scalars())
        pages = []
        for client_id in client_ids:
            client = await self._parts.clients.get(client_id)
            if client is None or client.metadata.frontchannel_logout_uri is None:
                continue
            uri, told = client.metadata.frontchannel_logout_uri, {}
            if client.metadata.frontchannel_logout_session_required:
                told = {"iss": self._parts.issuer, "sid": mint.session(client_id, session_id)}
            pages.append(uri if not told else f"{uri}{'&' if '?' in uri else '?'}{urlencode(told)}")
        return tuple(pages)

    def job_handlers(self) -> dict[str, JobHandler]:
        """Return what tells clients about ended sessions, with retries."""
        return {LOGOUT_JOB: JobHandler(self.tell_client)}

    async def tell_client(self, payload: Mapping[str, Any]) -> None:
        """Send one logout token; raises UpstreamUnavailable so that the job is tried again."""
        client = await self._parts.clients.get(payload["client_id"])
        if client is None or client.metadata.backchannel_logout_uri is None:
            return
        token = await self.logout_token(client, payload["account_id"], payload["session_id"])
        answer = await self._outbound.request(
            "POST",
            client.metadata.backchannel_logout_uri,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode({"logout_token": token}).encode(),
        )
        if answer.status not in {200, 204}:
            raise UpstreamUnavailable("The client did not accept the logout token.")

    async def logout_token(self, client: Client, account_id: str, session_id: str) -> str:
        """Return a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4)."""
        mint = await self._parts.mint()
        issued_at = int(self._parts.clock.now().timestamp())
        claims = {
            "iss": self._parts.issuer,
            "aud": client.client_id,
            "iat": issued_at,
            "exp": issued_at + LOGOUT_TOKEN_SECONDS,
            "jti": new_secret(128),
            "events": {LOGOUT_EVENT: {}},
            "sub": mint.subject(client.sector_identifier, account_id),
            "sid": mint.session(client.client_id, session_id),
        }
        return self._parts.signer.sign(claims, typ="logout+jwt", algorithm=client.id_token_algorithm)


def _key(logout_id: str) -> str:
    return f"oauth:logout:{digest(logout_id).hex()}"


def _address(data: Mapping[str, str], client: Client | None) -> str | None:
    wanted = data.get("post_logout_redirect_uri")
    if wanted is None:
        return None
    if client is None or wanted not in client.metadata.post_logout_redirect_uris:
        raise OAuthError("invalid_request", "The post_logout_redirect_uri is not registered.")
    if "state" not in data:
        return wanted
    return f"{wanted}{'&' if '?' in wanted else '?'}{urlencode({'state': data['state']}, errors='surrogatepass')}"
