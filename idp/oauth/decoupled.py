"""Sign-in on another device: device codes for kiosks (RFC 8628) and CIBA for the hotline.

The person answers on a page of ours, in a session of their own; the client polls meanwhile (or
is pinged). A login hint that fits nobody gets an answer like any other, and simply expires.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation import channels
from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotFound, StepUpRequired, TooManyRequests, UpstreamUnavailable
from foundation.ids import new_id, new_secret
from foundation.jobs import JobHandler, Jobs
from idp.oauth.authorization import new_grant
from idp.oauth.authorization_details import BadDetails, parse_details
from idp.oauth.authorization_request import LEVELS
from idp.oauth.ciba_request import open_signed
from idp.oauth.client import GrantType
from idp.oauth.client_metadata import PING
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.grant import digest
from idp.oauth.model import USER_SCOPES, EndpointResponse
from idp.oauth.repository import Grants
from idp.oauth.target import check_target, named_target
from idp.oauth.token_endpoint import single_parameters
from idp.oauth.waiting import (
    CIBA_LIFETIME,
    DEVICE_LIFETIME,
    POLL_INTERVAL,
    Question,
    Waiting,
    WaitingKind,
    WaitingState,
    new_user_code,
    normalised_user_code,
)
from idp.oauth.waiting_repository import WaitingRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.outbound import OutboundClient
    from foundation.principal import Principal
    from idp.oauth.client import Client
    from idp.oauth.client_authentication import ClientAuthentication
    from idp.oauth.model import EndpointRequest
    from idp.oauth.parts import Parts

PING_JOB = "idp.ciba_ping"
PING_CONTEXT = "oauth_waiting.notification_token"
GUESSES, GUESS_WINDOW_SECONDS = 10, 600
MAX_MESSAGE = 100
MAX_TOKEN = 1024
SERVER_FAILED = 500


class Decoupled:
    """Use cases of requests answered on another device."""

    def __init__(self, parts: Parts, authentication: ClientAuthentication, outbound: OutboundClient) -> None:
        """Take the shared collaborators and the way out for pings."""
        self._parts = parts
        self._authentication = authentication
        self._outbound = outbound

    async def device(self, request: EndpointRequest) -> EndpointResponse:
        """Answer the device authorization endpoint; raises OAuthError."""
        parameters = single_parameters(request)
        client = await self._client(request, parameters, GrantType.DEVICE)
        device_code, user_code = new_secret(), new_user_code()
        asked = await self._asked(client, parameters)
        waiting = self._waiting(
            WaitingKind.DEVICE, client, _scope(client, parameters), device_code, DEVICE_LIFETIME, **asked
        )
        async with self._parts.database.transaction() as connection:
            await WaitingRequests(connection).add(waiting, new_id("que"), digest(user_code))
        page = f"{self._parts.issuer}/device"
        return EndpointResponse(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={user_code}",
                "expires_in": DEVICE_LIFETIME.seconds,
                "interval": POLL_INTERVAL.seconds,
            }
        )

    async def ciba(self, request: EndpointRequest) -> EndpointResponse:
        """Answer the backchannel authentication endpoint; raises OAuthError."""
        given = single_parameters(request)
        client = await self._client(request, given, GrantType.CIBA)
        if client.public:
            raise OAuthError("unauthorized_client", "A public client may not use CIBA.")
        parameters = await self._opened(client, given)
        account_id = await self._hinted(client, parameters)
        auth_req_id = new_secret()
        waiting = self._waiting(
            WaitingKind.CIBA,
            client,
            _scope(client, parameters),
            auth_req_id,
            _lifetime(parameters),
            account_id=account_id,
            acr=min((value for value in parameters.get("acr_values", "").split() if value in LEVELS), default=None),
            binding_message=_message(parameters),
            notification_token=self._sealed_ping(client, parameters, auth_req_id),
            **await self._asked(client, parameters),
        )
        async with self._parts.database.transaction() as connection:
            await WaitingRequests(connection).add(waiting, new_id("que"), None)
            # The same row whether or not the hint fits somebody.
            event = AuditEvent("idp.ciba_ask", "client", client.client_id)
            await self._parts.audit.record(connection, client.principal(), event)
        expires_in = (waiting.expires_at - waiting.created_at).seconds
        return EndpointResponse(
            {"auth_req_id": auth_req_id, "expires_in": expires_in, "interval": POLL_INTERVAL.seconds}
        )

    async def question_of_code(self, typed: str, principal: Principal) -> str:
        """Return the question a typed user code stands for; raises InvalidInput, TooManyRequests.

        Guesses are counted before they are judged, for each session.
        """
        name = f"oauth:user-code:{principal.session_id}"
        if await self._parts.cache.count(name, window_seconds=GUESS_WINDOW_SECONDS) > GUESSES:
            raise TooManyRequests("Too many codes were tried.", retry_after_seconds=GUESS_WINDOW_SECONDS)
        code = normalised_user_code(typed)
        async with self._parts.database.read() as connection:
            found = await WaitingRequests(connection).question_of_code(digest(code), self._parts.clock.now())
        if not code or found is None:
            raise InvalidInput("The code is unknown or expired.", field="user_code")
        return found

    async def questions(self, principal: Principal) -> tuple[Question, ...]:
        """Return the open CIBA questions put to a person."""
        async with self._parts.database.read() as connection:
            found = await WaitingRequests(connection).open_of(principal.subject_id, self._parts.clock.now())
        return tuple([await self._question(question_id, waiting) for question_id, waiting in found])

    async def question(self, question_id: str, principal: Principal) -> Question:
        """Return one open question; raises NotFound when it is not this person's or is over."""
        return await self._question(question_id, await self._open(question_id, principal))

    async def answer(self, question_id: str, principal: Principal, *, approved: bool) -> None:
        """Take the person's answer, once; raises NotFound, StepUpRequired."""
        waiting = await self._open(question_id, principal)
        if approved and waiting.acr is not None and principal.acr < waiting.acr:
            raise StepUpRequired("A stronger proof of identity is asked for.", acr_values=waiting.acr)
        principal = await self._through(waiting, principal)
        now = self._parts.clock.now()
        grant = new_grant(waiting.client_id, principal, waiting.scope, now) if approved else None
        if grant is not None:
            details = waiting.authorization_details
            grant = replace(grant, resource=waiting.resource, authorization_details=details)
        state = WaitingState.APPROVED if approved else WaitingState.DENIED
        async with self._parts.database.transaction() as connection:
            if grant is not None:
                await Grants(connection).add(grant, code_hash=None, now=now)
            requests = WaitingRequests(connection)
            if not await requests.answer(question_id, state, grant.grant_id if grant else None, now):
                raise NotFound("This question was answered before or is over.")
            event = AuditEvent(f"idp.{waiting.kind}_{state}", "client", waiting.client_id)
            await self._parts.audit.record(connection, principal, event)
            if waiting.notification_token is not None:
                await Jobs().enqueue(connection, PING_JOB, {"request": waiting.request_hash.hex()})

    def job_handlers(self) -> dict[str, JobHandler]:
        """Return what pings clients."""
        return {PING_JOB: JobHandler(self.ping)}

    async def ping(self, payload: Mapping[str, Any]) -> None:
        """Tell a client that its request was answered; raises UpstreamUnavailable so that it is tried again.

        Only a server that failed is asked again. One that refused or redirected has answered: it is
        told no second time, and its tokens wait for it all the same (CIBA Core, section 10.2).
        """
        async with self._parts.database.read() as connection:
            waiting = await WaitingRequests(connection).find(bytes.fromhex(payload["request"]))
        client = None if waiting is None else await self._parts.clients.get(waiting.client_id)
        if waiting is None or waiting.notification_token is None or client is None:
            return
        endpoint = client.metadata.backchannel_client_notification_endpoint
        if endpoint is None:
            return
        opened = json.loads(self._parts.cipher.decrypt_bytes(waiting.notification_token, PING_CONTEXT))
        answer = await self._outbound.request(
            "POST",
            endpoint,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {opened['token']}"},
            content=json.dumps({"auth_req_id": opened["auth_req_id"]}).encode(),
        )
        if answer.status >= SERVER_FAILED:
            raise UpstreamUnavailable("The client could not take the notification.")

    async def _client(self, request: EndpointRequest, parameters: dict[str, str], grant: GrantType) -> Client:
        client = await self._authentication.authenticate(request, parameters)
        if not client.check_grant_type(grant):
            raise OAuthError("unauthorized_client", "The client is not registered for this grant.")
        return client

    async def _opened(self, client: Client, parameters: dict[str, str]) -> Mapping[str, str]:
        """Return what is asked for, from inside a signed request if there is one; raises OAuthError."""
        signed = open_signed(parameters, client, self._parts.issuer, self._parts.clock.now())
        if signed is None:
            return parameters
        if not await self._parts.hot.use_once(signed.use_hash, signed.expires_at):
            raise OAuthError("invalid_request", "The signed authentication request was used before.")
        return signed.parameters

    async def _hinted(self, client: Client, parameters: Mapping[str, str]) -> str | None:
        hints = [name for name in ("login_hint", "id_token_hint", "login_hint_token") if name in parameters]
        if len(hints) != 1 or hints[0] == "login_hint_token":
            raise OAuthError("invalid_request", "Exactly one of login_hint and id_token_hint is needed.")
        if hints[0] == "login_hint":
            return await self._parts.subjects.find(parameters["login_hint"])
        try:
            hint = self._parts.verifier.id_token_hint(parameters["id_token_hint"])
        except InvalidAccessToken as error:
            raise OAuthError("invalid_request", "The id_token_hint is not an ID token of this service.") from error
        if hint.get("aud") != client.client_id:
            raise OAuthError("invalid_request", "The id_token_hint was issued to another client.")
        return await self._account_of(client, str(hint["sub"]))

    async def _account_of(self, client: Client, sub: str) -> str | None:
        mint = await self._parts.mint()
        async with self._parts.database.read() as connection:
            accounts = await Grants(connection).accounts_of_client(client.client_id)
        return next((each for each in accounts if mint.subject(client.sector_identifier, each) == sub), None)

    async def _open(self, question_id: str, principal: Principal) -> Waiting:
        async with self._parts.database.read() as connection:
            waiting = await WaitingRequests(connection).by_question(question_id, self._parts.clock.now())
        foreign = (
            waiting is not None and waiting.kind is WaitingKind.CIBA and waiting.account_id != principal.subject_id
        )
        if waiting is None or foreign:
            raise NotFound("There is no such open question.")
        return waiting

    async def _through(self, waiting: Waiting, principal: Principal) -> Principal:
        """Return the person as acting where the request was begun: at a kiosk, on the hotline."""
        client = await self._parts.clients.get(waiting.client_id)
        if client is None:
            raise NotFound("There is no such open question.")
        return channels.through(principal, client.channel)

    async def _question(self, question_id: str, waiting: Waiting) -> Question:
        client = await self._parts.clients.get(waiting.client_id)
        if client is None:
            raise NotFound("There is no such open question.")
        return Question(
            question_id,
            waiting.kind,
            client.client_name,
            client.organisation_code,
            tuple(sorted(waiting.scope.split())),
            waiting.binding_message,
            waiting.created_at,
            waiting.authorization_details[0] if waiting.authorization_details else None,
        )

    async def _asked(self, client: Client, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the one act and the resource asked for; raises OAuthError."""
        mint, details = await self._parts.mint(), None
        if "authorization_details" in parameters:
            allowed = client.metadata.authorization_details_types
            try:
                details = parse_details(parameters["authorization_details"], self._parts.clock.now(), allowed)
            except BadDetails as error:
                raise OAuthError("invalid_authorization_details", str(error)) from error
        named = named_target(parameters)
        if named is not None:
            check_target(named, (mint.userinfo_audience, *([mint.api_audience] if details else [])))
        return {"authorization_details": details, "resource": named}

    def _waiting(
        self,
        kind: WaitingKind,
        client: Client,
        scope: str,
        secret: str,
        lifetime: timedelta,
        **more: Any,  # noqa: ANN401
    ) -> Waiting:
        now = self._parts.clock.now()
        values: dict[str, Any] = {"account_id": None, "acr": None, "binding_message": None, "notification_token": None}
        return Waiting(
            request_hash=digest(secret),
            kind=kind,
            client_id=client.client_id,
            scope=scope,
            state=WaitingState.PENDING,
            grant_id=None,
            created_at=now,
            expires_at=now + lifetime,
            last_polled_at=None,
            interval=POLL_INTERVAL,
            **{**values, **more},
        )

    def _sealed_ping(self, client: Client, parameters: Mapping[str, str], auth_req_id: str) -> bytes | None:
        if client.metadata.backchannel_token_delivery_mode != PING:
            return None
        token = parameters.get("client_notification_token", "")
        if not 0 < len(token) <= MAX_TOKEN or not token.isascii() or not token.isprintable():
            raise OAuthError("invalid_request", "The client_notification_token is missing or malformed.")
        stored = json.dumps({"token": token, "auth_req_id": auth_req_id}).encode()
        return self._parts.cipher.encrypt_bytes(stored, PING_CONTEXT)


def _scope(client: Client, parameters: Mapping[str, str]) -> str:
    wanted = [value for value in parameters.get("scope", "").split() if value in USER_SCOPES]
    if "openid" not in wanted or client.get_allowed_scope(" ".join(wanted)) is None:
        raise OAuthError("invalid_scope", "The scope must hold openid and stay within the registration.")
    return " ".join(dict.fromkeys(wanted))


def _message(parameters: Mapping[str, str]) -> str | None:
    message = parameters.get("binding_message")
    if message is not None and (len(message) > MAX_MESSAGE or not message.isprintable()):
        raise OAuthError("invalid_binding_message", f"At most {MAX_MESSAGE} printable characters.")
    return message


def _lifetime(parameters: Mapping[str, str]) -> timedelta:
    wanted = parameters.get("requested_expiry")
    if wanted is None:
        return CIBA_LIFETIME
    if not wanted.isascii() or not wanted.isdigit() or not int(wanted[:9]) > 0:
        raise OAuthError("invalid_request", "The requested_expiry must be a number of seconds.")
    return min(timedelta(seconds=int(wanted[:9])), CIBA_LIFETIME)
