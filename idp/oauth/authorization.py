"""The authorization endpoint: from request to code, across sign-in and consent.

A request in progress is kept in the cache for minutes under a random identifier, with the raw
parameters; each step checks them afresh. Losing it costs a restart, never a second use: the code
itself is born in one insert.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foundation import channels
from foundation.audit import AuditEvent
from foundation.errors import NotAuthenticated
from foundation.ids import new_id, new_secret
from idp.oauth.authorization_request import AuthorizationRequest, check, client_id_of
from idp.oauth.claims_request import named_subject
from idp.oauth.errors import AuthorizationRefused, InteractionExpired, InvalidAccessToken
from idp.oauth.grant import CODE_LIFETIME, DECOUPLED_LIFETIME, GRANT_LIFETIME, USER_TOKEN_LIFETIME, Grant, digest
from idp.oauth.model import AuthorizationResponse, ConsentNeeded, ConsentPage, SignInNeeded
from idp.oauth.repository import Grants
from idp.oauth.request_object import Received, open_request
from idp.oauth.server import Facts, Request, Server

if TYPE_CHECKING:
    from foundation.principal import Principal
    from idp.oauth.client import Client
    from idp.oauth.model import AuthorizationOutcome, Parameters
    from idp.oauth.parts import Parts
    from idp.oauth.pushed import PushedRequests

INTERACTION_SECONDS = 900
CODE_BITS = 256


@dataclass(frozen=True, slots=True)
class Interaction:
    """A request in progress: its parameters, when it began, and the session that was asked for consent."""

    interaction_id: str
    received: Received
    started_at: datetime
    asked_session_id: str | None = None


class Authorization:
    """Use cases of the authorization endpoint."""

    def __init__(self, parts: Parts, pushed: PushedRequests) -> None:
        """Take the shared collaborators and the requests pushed beforehand."""
        self._parts = parts
        self._pushed = pushed

    async def begin(self, parameters: Parameters, principal: Principal | None) -> AuthorizationOutcome:
        """Begin an authorization; raises AuthorizationRefused."""
        now = self._parts.clock.now()
        request = await self._checked(await self._receive(parameters, now), now)
        return await self._go_on(request, Interaction(new_secret(), request.received, now), principal, now)

    async def remember(self, parameters: Parameters) -> str:
        """Check a request and keep it; returns the interaction to resume. Raises AuthorizationRefused."""
        now = self._parts.clock.now()
        request = await self._checked(await self._receive(parameters, now), now)
        interaction = Interaction(new_secret(), request.received, now)
        await self._save(interaction)
        return interaction.interaction_id

    async def resume(self, interaction_id: str, principal: Principal | None) -> AuthorizationOutcome:
        """Go on after a sign-in; raises InteractionExpired, AuthorizationRefused."""
        interaction = await self._load(interaction_id)
        now = self._parts.clock.now()
        request = await self._checked(interaction.received, now)
        return await self._go_on(request, interaction, principal, now)

    async def consent_page(self, interaction_id: str, principal: Principal) -> ConsentPage:
        """Return what to ask the person; raises InteractionExpired unless this session is the one asked."""
        interaction = await self._load(interaction_id)
        _require_asked(interaction, principal)
        request = await self._checked(interaction.received, self._parts.clock.now())
        return ConsentPage(
            interaction_id=interaction_id,
            client_name=request.client.client_name,
            organisation_code=request.client.organisation_code,
            redirect_host=urlsplit(request.target.redirect_uri).hostname or "",
            scopes=tuple(sorted(request.asks)),
            purpose=(request.details or [{}])[0].get("purpose"),
            detail=request.details[0] if request.details else None,
        )

    async def decide(self, interaction_id: str, principal: Principal, *, approved: bool) -> AuthorizationOutcome:
        """Take the person's answer once; raises InteractionExpired, AuthorizationRefused."""
        # 1 only the session that was asked may answer; 2 the answer uses the question up
        interaction = await self._load(interaction_id)
        _require_asked(interaction, principal)
        if await self._parts.cache.take(_key(interaction_id)) is None:
            raise InteractionExpired("This request was already answered.")
        now = self._parts.clock.now()
        request = await self._checked(interaction.received, now)
        if not approved:
            raise request.target.refuse("access_denied", "The person declined.")
        async with self._parts.database.transaction() as connection:
            grants = Grants(connection)
            before = await grants.consented_scopes(principal.subject_id, request.client.client_id)
            await grants.remember_consent(principal.subject_id, request.client.client_id, before | request.asks, now)
            given = {"scopes": sorted(request.asks), "authorization_details": request.details}
            event = AuditEvent("idp.consent", "client", request.client.client_id, given)
            await self._parts.audit.record(connection, channels.through(principal, request.client.channel), event)
        return await self._issue(request, principal, now)

    async def client_of(self, interaction_id: str) -> Client | None:
        """Return the client whose request is in progress, None when it is over.

        A kiosk, a window's system or the hotline pushed the request itself: nobody else's browser can
        begin one in its name (`ClientMetadata.pushed_only`).
        """
        try:
            received = (await self._load(interaction_id)).received
        except InteractionExpired:
            return None
        return await self._parts.clients.get(client_id_of(received.parameters))

    async def cancel(self, interaction_id: str) -> AuthorizationResponse:
        """Give up a sign-in: `access_denied` for the client. Raises InteractionExpired."""
        interaction = await self._load(interaction_id)
        if await self._parts.cache.take(_key(interaction_id)) is None:
            raise InteractionExpired("This request is over.")
        request = await self._checked(interaction.received, self._parts.clock.now())
        refused = request.target.refuse("access_denied", "The person gave up the sign-in.")
        if refused.response is None:
            raise refused
        return refused.response

    async def _receive(self, parameters: Parameters, now: datetime) -> Received:
        """Return a request fetched by its request_uri or taken out of its request object."""
        client = await self._parts.clients.get(client_id_of(parameters))
        if client is None:
            return Received(parameters)
        request_uris = [value for name, value in parameters if name == "request_uri"]
        if request_uris:
            return await self._pushed.fetch(client, request_uris[0])
        return open_request(parameters, client, self._parts.issuer, now)

    async def _checked(self, received: Received, now: datetime) -> AuthorizationRequest:
        client = await self._parts.clients.get(client_id_of(received.parameters))
        return check(received, client, await self._parts.mint(), now)

    async def _go_on(
        self, request: AuthorizationRequest, interaction: Interaction, principal: Principal | None, now: datetime
    ) -> AuthorizationOutcome:
        needed = self._sign_in_needed(request, interaction, principal, now)
        if needed is not None:
            if "none" in request.prompts:
                error = "interaction_required" if needed.step_up else "login_required"
                raise request.target.refuse(error, "The person must act first.")
            await self._save(interaction)
            return needed
        if principal is None:
            raise NotAuthenticated("A session is needed.")
        if await self._consent_needed(request, principal):
            if "none" in request.prompts:
                raise request.target.refuse("consent_required", "The person must consent first.")
            await self._save(replace(interaction, asked_session_id=principal.session_id))
            return ConsentNeeded(interaction.interaction_id)
        return await self._issue(request, principal, now)

    def _sign_in_needed(
        self, request: AuthorizationRequest, interaction: Interaction, principal: Principal | None, now: datetime
    ) -> SignInNeeded | None:
        needed = SignInNeeded(
            interaction.interaction_id,
            acr=request.acr,
            login_hint=request.login_hint,
            ui_locales=request.ui_locales,
        )
        if principal is None or principal.auth_time is None or principal.session_id is None:
            return needed
        renewed = principal.auth_time >= interaction.started_at.replace(microsecond=0)
        too_old = request.max_age is not None and now - principal.auth_time > timedelta(seconds=request.max_age)
        if (request.prompts & {"login", "select_account"} or too_old) and not renewed:
            return replace(needed, forced=True)
        if self._hint_differs(request, principal):
            return replace(needed, forced=True)
        if request.acr is not None and principal.acr < request.acr:
            return replace(needed, step_up=True)
        return None

    def _hint_differs(self, request: AuthorizationRequest, principal: Principal) -> bool:
        """Tell whether the client names somebody else; a hint that is not ours is refused."""
        own = self._parts.loaded_mint().subject(request.client.sector_identifier, principal.subject_id)
        if named_subject(request.claims) not in {None, own}:
            return True
        if request.id_token_hint is None:
            return False
        try:
            hinted = self._parts.verifier.id_token_hint(request.id_token_hint)
        except InvalidAccessToken as error:
            raise request.target.refuse("invalid_request", "The id_token_hint is not ours.") from error
        return bool(hinted.get("sub") != own)

    async def _consent_needed(self, request: AuthorizationRequest, principal: Principal) -> bool:
        # An act is asked for each time: no consent given before covers it.
        if "consent" in request.prompts or request.details is not None:
            return True
        if request.client.pre_approved:
            return False
        async with self._parts.database.read() as connection:
            allowed = await Grants(connection).consented_scopes(principal.subject_id, request.client.client_id)
        return not request.asks <= allowed

    async def _issue(self, request: AuthorizationRequest, principal: Principal, now: datetime) -> AuthorizationResponse:
        """Let Authlib decide over the facts, then store the grant and its code in one insert."""
        facts = Facts(request.client, now, self._parts.loaded_mint(), new_code=new_secret(CODE_BITS))
        pure = Request(request.received.parameters, facts, method="GET")
        pure.payload.data["scope"] = request.scope
        server = Server(request.client)
        server.create_authorization_response(pure, principal.subject_id, server.get_authorization_grant(pure))
        code = pure.effects.authorization_code
        if code is None:
            raise AuthorizationRefused("server_error", "No code was made.")
        pushed, grant = request.received.pushed, _grant(request, principal, now)
        if pushed is None:
            await self._parts.hot.add(grant, code_hash=digest(code), now=now)
            return request.target.answer(code=code)
        async with self._parts.database.transaction() as connection:
            grants = Grants(connection)
            if not await grants.complete_pushed(pushed, now):
                raise request.target.refuse("invalid_request_uri", "The request_uri was used before.")
            await grants.add(grant, code_hash=digest(code), now=now)
        return request.target.answer(code=code)

    async def _save(self, interaction: Interaction) -> None:
        stored = {
            "parameters": interaction.received.parameters,
            "signed": interaction.received.signed,
            "pushed": None if interaction.received.pushed is None else interaction.received.pushed.hex(),
            "jkt": interaction.received.jkt,
            "started_at": interaction.started_at.timestamp(),
            "asked_session_id": interaction.asked_session_id,
        }
        value = json.dumps(stored, ensure_ascii=False).encode("utf-8", "surrogatepass")
        await self._parts.cache.put(_key(interaction.interaction_id), value, ttl_seconds=INTERACTION_SECONDS)

    async def _load(self, interaction_id: str) -> Interaction:
        value = await self._parts.cache.get(_key(interaction_id))
        if value is None:
            raise InteractionExpired("This request is unknown or took too long; begin again at the application.")
        stored: dict[str, Any] = json.loads(value.decode("utf-8", "surrogatepass"))
        parameters = tuple((name, text) for name, text in stored["parameters"])
        started_at = datetime.fromtimestamp(stored["started_at"], UTC)
        pushed = None if stored["pushed"] is None else bytes.fromhex(stored["pushed"])
        received = Received(parameters, stored["signed"], pushed, stored["jkt"])
        return Interaction(interaction_id, received, started_at, stored["asked_session_id"])


def _grant(request: AuthorizationRequest, principal: Principal, now: datetime) -> Grant:
    return replace(
        new_grant(request.client.client_id, principal, request.scope, now),
        session_id=principal.session_id,
        redirect_uri=request.target.redirect_uri,
        nonce=request.nonce,
        code_challenge=request.code_challenge,
        code_expires_at=now + CODE_LIFETIME,
        claims=request.claims,
        code_jkt=request.dpop_jkt,
        resource=request.resource,
        authorization_details=request.details,
    )


def new_grant(client_id: str, principal: Principal, scope: str, now: datetime) -> Grant:
    """Return a grant by the one who is signed in, not bound to a session and without a code."""
    if principal.auth_time is None:
        raise NotAuthenticated("A session is needed.")
    offline = "offline_access" in scope.split()
    return Grant(
        grant_id=new_id("gra"),
        client_id=client_id,
        account_id=principal.subject_id,
        subject_kind=principal.kind,
        actor_id=principal.actor_id,
        session_id=None,
        scope=scope,
        redirect_uri=None,
        nonce=None,
        code_challenge=None,
        code_expires_at=None,
        code_consumed_at=None,
        auth_time=principal.auth_time,
        acr=principal.acr,
        amr=principal.amr,
        claims=None,
        expires_at=now + (GRANT_LIFETIME if offline else DECOUPLED_LIFETIME + USER_TOKEN_LIFETIME),
        revoked_at=None,
    )


def _require_asked(interaction: Interaction, principal: Principal) -> None:
    if interaction.asked_session_id is None or interaction.asked_session_id != principal.session_id:
        raise InteractionExpired("This question was put to another session.")


def _key(interaction_id: str) -> str:
    return f"oauth:interaction:{digest(interaction_id).hex()}"
