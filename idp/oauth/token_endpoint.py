"""The token endpoint: facts, decision by Authlib's grants, effects.

An answer leaves only after its effects are committed; a statement that meets nothing means
that somebody was faster or a fact was withdrawn meanwhile, and refuses.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2.base import OAuth2Error

from foundation.audit import AuditEvent
from idp.oauth.authorization_details import same_details
from idp.oauth.claims_request import scopes_needed, select, wanted
from idp.oauth.client import GrantType
from idp.oauth.dpop import current_nonce
from idp.oauth.errors import OAuthError
from idp.oauth.grant import REFRESH_RETRY_WINDOW, digest
from idp.oauth.model import EndpointResponse
from idp.oauth.repository import Grants
from idp.oauth.sender import SenderCheck
from idp.oauth.server import Facts, Request, Server, translated
from idp.oauth.tables import oauth_grants
from idp.oauth.target import check_target, named_target, targets_of
from idp.oauth.waiting import WaitingKind, WaitingState
from idp.oauth.waiting_repository import WaitingRequests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from idp.oauth.client_authentication import ClientAuthentication
    from idp.oauth.exchange import TokenExchange
    from idp.oauth.grant import Grant, RefreshToken
    from idp.oauth.model import EndpointRequest
    from idp.oauth.parts import Parts
    from idp.oauth.waiting import Waiting

REFRESH_IDLE = timedelta(days=14)
MAX_PARAMETERS = 30
MAX_TOTAL = 32_768


def single_parameters(request: EndpointRequest) -> dict[str, str]:
    """Return the parameters of a back-channel request; raises OAuthError when one repeats or all are too large."""
    if len(request.parameters) > MAX_PARAMETERS:
        raise OAuthError("invalid_request", "The request has too many parameters.")
    if sum(len(name) + len(value) for name, value in request.parameters) > MAX_TOTAL:
        raise OAuthError("invalid_request", "The request is too large.", status=413)
    parameters = dict(request.parameters)
    if len(parameters) != len(request.parameters):
        raise OAuthError("invalid_request", "A parameter is repeated.")
    return {name: value for name, value in parameters.items() if value}


KINDS = {GrantType.DEVICE: WaitingKind.DEVICE, GrantType.CIBA: WaitingKind.CIBA}


def _require_answered(waiting: Waiting, now: datetime, *, too_soon: bool) -> None:
    """Raise what a poll gets before the person approved (RFC 8628 section 3.5, CIBA section 11)."""
    if now >= waiting.expires_at:
        raise OAuthError("expired_token", "The request expired.")
    if waiting.state is WaitingState.DENIED:
        raise OAuthError("access_denied", "The person declined.")
    if waiting.state is WaitingState.PENDING:
        raise OAuthError("slow_down" if too_soon else "authorization_pending", "The person has not answered yet.")
    if waiting.state is WaitingState.CONSUMED:
        raise OAuthError("invalid_grant", "The request was used before.")


def _audience(parameters: Mapping[str, str], facts: Facts) -> str | None:
    """Return what the new token is for; raises OAuthError for a stranger (RFC 8707, RFC 9396 section 6)."""
    grant = facts.grant or (facts.refresh_token.grant if facts.refresh_token else None)
    if grant is None and parameters.get("grant_type") != GrantType.CLIENT_CREDENTIALS:
        return None
    own = None if grant is None else grant.authorization_details
    if "authorization_details" in parameters and not same_details(parameters["authorization_details"], own):
        raise OAuthError("invalid_authorization_details", "The authorization_details are not those granted.")
    allowed = (facts.mint.api_audience,) if grant is None else targets_of(grant, facts.mint)
    return check_target(named_target(parameters), allowed)


class TokenEndpoint:
    """Answers token requests."""

    def __init__(self, parts: Parts, authentication: ClientAuthentication, exchange: TokenExchange) -> None:
        """Take the shared collaborators and the exchange, which is a use case of its own."""
        self._parts = parts
        self._authentication = authentication
        self._sender = SenderCheck(parts)
        self._exchange = exchange

    async def answer(self, endpoint_request: EndpointRequest) -> EndpointResponse:
        """Return a token answer; raises OAuthError."""
        parameters = single_parameters(endpoint_request)
        client = await self._authentication.authenticate(endpoint_request, parameters)
        confirmation = await self._sender.confirmation(client, endpoint_request)
        facts = Facts(client, self._parts.clock.now(), await self._parts.mint(), confirmation=confirmation)
        answer = await self._granted(parameters, facts)
        if not endpoint_request.dpop:
            return answer
        return replace(answer, headers=(("dpop-nonce", current_nonce(facts.mint, facts.now)),))

    async def _granted(self, parameters: dict[str, str], facts: Facts) -> EndpointResponse:
        grant_type = parameters.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "The grant_type is missing.")
        if grant_type == GrantType.AUTHORIZATION_CODE:
            return EndpointResponse(await self._redeem(parameters, facts))
        if grant_type == GrantType.REFRESH_TOKEN:
            return EndpointResponse(await self._refresh(parameters, facts))
        if grant_type in {GrantType.DEVICE, GrantType.CIBA}:
            return EndpointResponse(await self._collect(parameters, facts, GrantType(grant_type)))
        if grant_type == GrantType.TOKEN_EXCHANGE:
            return await self._exchange.answer(parameters, facts)
        return EndpointResponse(self._decide(parameters, facts)[0])

    def _decide(self, parameters: Mapping[str, str], facts: Facts) -> tuple[dict[str, Any], Request]:
        facts = replace(facts, audience=_audience(parameters, facts))
        pure = Request(tuple(parameters.items()), facts)
        try:
            body: dict[str, Any] = Server(facts.client).create_token_response(pure)
        except OAuth2Error as error:
            raise translated(error) from error
        return body, pure

    async def _redeem(self, parameters: Mapping[str, str], facts: Facts) -> dict[str, Any]:
        grant = await self._parts.hot.by_code(digest(parameters.get("code", "")))
        if grant is not None and grant.client_id == facts.client.client_id and grant.code_consumed_at is not None:
            await self._end_family(facts, grant, "idp.code_reused")
            raise OAuthError("invalid_grant", "The code was used before.")
        told = await self._id_token_claims(grant)
        body, pure = self._decide(parameters, replace(facts, grant=grant, id_token_claims=told or {}))
        if pure.effects.consume_code is None or grant is None:
            raise OAuthError("invalid_grant", "The code is not valid.")
        if not grant.accepts(facts.confirmation):
            raise OAuthError("invalid_grant", "The code is bound to another key.")
        if told is None:
            raise OAuthError("invalid_grant", "The account may no longer sign in.")
        if not await self._write_redemption(grant, pure.effects.refresh_token, facts):
            await self._lost_race(grant, facts)
        return body

    async def _write_redemption(self, grant: Grant, refresh_token: str | None, facts: Facts) -> bool:
        now = facts.now
        bound_to = facts.confirmation if facts.client.public else None
        refresh = None
        if refresh_token is not None:
            refresh = digest(refresh_token), min(REFRESH_IDLE, grant.expires_at - now)
        return await self._parts.hot.redeem(grant, now, bound_to, refresh)

    async def _lost_race(self, grant: Grant, facts: Facts) -> None:
        """Refuse; if the code was used meanwhile this is reuse, and what it gave ends."""
        async with self._parts.database.read() as connection:
            current = await Grants(connection).find(grant.grant_id)
        if current is not None and current.code_consumed_at is not None:
            await self._end_family(facts, grant, "idp.code_reused")
        raise OAuthError("invalid_grant", "The code was used before or is no longer valid.")

    async def _collect(self, parameters: Mapping[str, str], facts: Facts, grant_type: GrantType) -> dict[str, Any]:
        """Answer a poll for what a person decides on another device."""
        if not facts.client.check_grant_type(grant_type):
            raise OAuthError("unauthorized_client", "The client is not registered for this grant.")
        name = "device_code" if grant_type is GrantType.DEVICE else "auth_req_id"
        async with self._parts.database.read() as connection:
            requests = WaitingRequests(connection)
            waiting = await requests.find(digest(parameters.get(name, "")))
            if waiting is None or waiting.client_id != facts.client.client_id or waiting.kind != KINDS[grant_type]:
                raise OAuthError("invalid_grant", f"The {name} is unknown.")
            too_soon = waiting.too_soon(facts.now)
            await requests.polled(waiting, facts.now, too_soon=too_soon)
            _require_answered(waiting, facts.now, too_soon=too_soon)
            grant = await Grants(connection).find(waiting.grant_id or "")
        told = await self._id_token_claims(grant)
        if grant is None or told is None:
            raise OAuthError("invalid_grant", "The account may no longer sign in.")
        body, pure = self._decide(parameters, replace(facts, grant=grant))
        async with self._parts.database.transaction() as connection:
            if not await WaitingRequests(connection).consume(waiting, facts.now):
                raise OAuthError("invalid_grant", f"The {name} was used before.")
            if not await Grants(connection).bind(grant, facts.confirmation if facts.client.public else None, facts.now):
                raise OAuthError("invalid_grant", "The grant was withdrawn.")
            if pure.effects.refresh_token is not None:
                lifetime = min(REFRESH_IDLE, grant.expires_at - facts.now)
                token_hash = digest(pure.effects.refresh_token)
                await Grants(connection).add_refresh_token(token_hash, grant.grant_id, 0, facts.now, lifetime)
        return body

    async def _refresh(self, parameters: Mapping[str, str], facts: Facts) -> dict[str, Any]:
        token = await self._parts.hot.refresh_token(digest(parameters.get("refresh_token", "")))
        if token is not None and token.check_client(facts.client) and self._reused(token, facts):
            await self._end_family(facts, token.grant, "idp.refresh_token_reused")
            raise OAuthError("invalid_grant", "The refresh token was used before.")
        told = await self._id_token_claims(token.grant if token else None)
        body, pure = self._decide(parameters, replace(facts, refresh_token=token, id_token_claims=told or {}))
        if token is None or not token.grant.accepts_refresh(facts.confirmation):
            raise OAuthError("invalid_grant", "The refresh token is bound to another key.")
        if told is None:
            raise OAuthError("invalid_grant", "The refresh token is not valid.")
        if not await self._write_refresh(token, pure, facts):
            raise OAuthError("invalid_grant", "The refresh token is no longer valid.")
        return body

    @staticmethod
    def _reused(token: RefreshToken, facts: Facts) -> bool:
        """Tell whether a rotated token comes back after the time a lost answer would explain."""
        return token.consumed_at is not None and facts.now - token.consumed_at > REFRESH_RETRY_WINDOW

    async def _write_refresh(self, token: RefreshToken, pure: Request, facts: Facts) -> bool:
        successor = pure.effects.refresh_token
        if pure.effects.consume_refresh_token is None or successor is None:
            return await self._parts.hot.stands(token.grant.grant_id, facts.now)
        lifetime = min(REFRESH_IDLE, token.grant.expires_at - facts.now)
        return await self._parts.hot.rotate(token, facts.now, REFRESH_RETRY_WINDOW, (digest(successor), lifetime))

    async def _id_token_claims(self, grant: Grant | None) -> dict[str, Any] | None:
        """Return the claims asked for in the ID token; None when the subject may no longer sign in."""
        if grant is None:
            return None
        known = await self._parts.subjects.claims(grant, scopes_needed(grant.claims, "id_token"))
        return None if known is None else select(known, frozenset(), wanted(grant.claims, "id_token"))

    async def _end_family(self, facts: Facts, grant: Grant, action: str) -> None:
        """End a grant and everything it gave, and commit that before the refusal is told."""
        async with self._parts.database.transaction() as connection:
            if await Grants(connection).revoke(oauth_grants.c.grant_id == grant.grant_id, facts.now):
                actor = facts.client.principal()
                await self._parts.audit.record(connection, actor, AuditEvent(action, "grant", grant.grant_id))
