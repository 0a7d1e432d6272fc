"""The OpenID Provider's use cases, one method an endpoint; no HTTP here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.jobs import PeriodicJob
from foundation.outbound import OutboundClient
from idp.oauth.access_tokens import AccessTokens
from idp.oauth.acts import AuthorisedActs
from idp.oauth.applications import Applications
from idp.oauth.authorization import Authorization
from idp.oauth.client_authentication import ClientAuthentication
from idp.oauth.decoupled import Decoupled
from idp.oauth.discovery import metadata
from idp.oauth.exchange import TokenExchange
from idp.oauth.logout import Logout
from idp.oauth.parts import Parts
from idp.oauth.pushed import PushedRequests
from idp.oauth.registration import Registration
from idp.oauth.repository import Grants
from idp.oauth.revocations import Revocations
from idp.oauth.token_endpoint import TokenEndpoint
from idp.oauth.token_status import TokenStatus
from idp.oauth.token_verifier import TokenVerifier
from idp.oauth.upstream import Upstreams
from idp.oauth.userinfo import UserInfo

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.jobs import JobHandler
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.oauth.client import Client
    from idp.oauth.clients import ClientService
    from idp.oauth.logout import LogoutRequest
    from idp.oauth.model import (
        AuthorizationOutcome,
        AuthorizationResponse,
        ConsentPage,
        EndpointRequest,
        EndpointResponse,
        Parameters,
        SenderProof,
    )
    from idp.oauth.ports import MandateRegister, Signer, Subjects
    from idp.oauth.waiting import Question
    from idp.ports import Vouchers


class OpenIdProvider:
    """OpenID Connect Core 1.0 and OAuth 2.0 with the hardening of RFC 9700.

    `access_tokens` is the same checker every protected resource of ours uses; `registration`
    serves clients that register themselves; `acts` uses up what a token bound to one act allows;
    `applications` is a person's list of who holds what; `upstreams` are other providers to sign in by.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        cache: Cache,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        signer: Signer,
        clients: ClientService,
        subjects: Subjects,
        mandates: MandateRegister,
        vouchers: Vouchers,
    ) -> None:
        """Build the endpoints; nothing is read yet."""
        self._certificates = bool(settings.trusted_proxies)
        self._vouches = any(one.vouches for one in settings.upstream_providers)
        verifier = TokenVerifier(settings.issuer, signer)
        self._parts = Parts(
            settings.issuer,
            database=database,
            cache=cache,
            clock=clock,
            audit=audit,
            cipher=cipher,
            signer=signer,
            verifier=verifier,
            clients=clients,
            subjects=subjects,
        )
        authentication = ClientAuthentication(settings.issuer, clients, database, clock)
        revocations = Revocations(database, clock)
        self.access_tokens = AccessTokens(
            settings.issuer, verifier, clients, revocations, database, clock, self._parts.mint, mandates
        )
        self._pushed = PushedRequests(self._parts, authentication)
        self._authorization = Authorization(self._parts, self._pushed)
        self._token = TokenEndpoint(self._parts, authentication, TokenExchange(self._parts, mandates))
        self._status = TokenStatus(self._parts, authentication, mandates)
        self.acts = AuthorisedActs(self._parts, mandates)
        self._outbound = OutboundClient(settings.outbound_networks)
        self.upstreams = Upstreams(self._parts, self._outbound, settings.upstream_providers, vouchers)
        self._logout = Logout(self._parts, self._outbound)
        self.registration = Registration(self._parts)
        self.applications = Applications(self._parts)
        self._decoupled = Decoupled(self._parts, authentication, self._outbound)
        self._userinfo = UserInfo(self._parts, self.access_tokens)

    def discovery(self) -> dict[str, Any]:
        """Return the metadata of OpenID Connect Discovery 1.0 and RFC 8414."""
        return metadata(
            self._parts.issuer,
            self._parts.signer.algorithms(),
            certificates=self._certificates,
            vouches=self._vouches,
        )

    def jwks(self) -> dict[str, Any]:
        """Return the public signing keys."""
        return self._parts.signer.jwks()

    async def authorize(self, parameters: Parameters, principal: Principal | None) -> AuthorizationOutcome:
        """Begin an authorization; raises AuthorizationRefused. `principal` is the session's, if there is one."""
        return await self._authorization.begin(parameters, principal)

    async def remember(self, parameters: Parameters) -> str:
        """Check a posted request and keep it; returns the interaction to resume. Raises AuthorizationRefused."""
        return await self._authorization.remember(parameters)

    async def resume(self, interaction_id: str, principal: Principal | None) -> AuthorizationOutcome:
        """Go on after a sign-in; raises InteractionExpired, AuthorizationRefused."""
        return await self._authorization.resume(interaction_id, principal)

    async def consent_page(self, interaction_id: str, principal: Principal) -> ConsentPage:
        """Return what to ask the person; raises InteractionExpired."""
        return await self._authorization.consent_page(interaction_id, principal)

    async def decide(self, interaction_id: str, principal: Principal, *, approved: bool) -> AuthorizationOutcome:
        """Take the person's answer, once; raises InteractionExpired, AuthorizationRefused."""
        return await self._authorization.decide(interaction_id, principal, approved=approved)

    async def client_of(self, interaction_id: str) -> Client | None:
        """Return the client whose request is in progress, None when it is over."""
        return await self._authorization.client_of(interaction_id)

    async def cancel(self, interaction_id: str) -> AuthorizationResponse:
        """Give up a sign-in the person declined: `access_denied` to the client. Raises InteractionExpired."""
        return await self._authorization.cancel(interaction_id)

    async def token(self, request: EndpointRequest) -> EndpointResponse:
        """Answer the token endpoint; raises OAuthError."""
        return await self._token.answer(request)

    async def push(self, request: EndpointRequest) -> EndpointResponse:
        """Answer RFC 9126; raises OAuthError."""
        return await self._pushed.push(request)

    async def introspect(self, request: EndpointRequest) -> EndpointResponse:
        """Answer RFC 7662; raises OAuthError."""
        return await self._status.introspect(request)

    async def revoke(self, request: EndpointRequest) -> EndpointResponse:
        """Answer RFC 7009; raises OAuthError."""
        return await self._status.revoke(request)

    async def device(self, request: EndpointRequest) -> EndpointResponse:
        """Answer the device authorization endpoint (RFC 8628); raises OAuthError."""
        return await self._decoupled.device(request)

    async def ciba(self, request: EndpointRequest) -> EndpointResponse:
        """Answer the backchannel authentication endpoint (CIBA); raises OAuthError."""
        return await self._decoupled.ciba(request)

    async def question_of_code(self, typed: str, principal: Principal) -> str:
        """Return the question a typed user code stands for; raises InvalidInput, TooManyRequests."""
        return await self._decoupled.question_of_code(typed, principal)

    async def questions(self, principal: Principal) -> tuple[Question, ...]:
        """Return the open questions other devices put to a person."""
        return await self._decoupled.questions(principal)

    async def question(self, question_id: str, principal: Principal) -> Question:
        """Return one open question; raises NotFound."""
        return await self._decoupled.question(question_id, principal)

    async def answer_question(self, question_id: str, principal: Principal, *, approved: bool) -> None:
        """Take a person's answer, once; raises NotFound, StepUpRequired."""
        await self._decoupled.answer(question_id, principal, approved=approved)

    async def check_logout(self, parameters: Parameters, principal: Principal | None) -> LogoutRequest:
        """Check an end-session request; raises OAuthError. Ending the session is the session service's."""
        return await self._logout.check(parameters, principal)

    async def front_channel(self, session_id: str) -> tuple[str, ...]:
        """Return the logout pages to load when a session ends (front-channel logout)."""
        return await self._logout.front_channel(session_id)

    async def keep_logout(self, parameters: Parameters) -> str:
        """Keep an end-session request for a few minutes; returns its identifier."""
        return await self._logout.keep(parameters)

    async def kept_logout(self, logout_id: str) -> Parameters:
        """Return a kept end-session request; raises InteractionExpired."""
        return await self._logout.kept(logout_id)

    def job_handlers(self) -> dict[str, JobHandler]:
        """Return the handlers of the provider's jobs."""
        return {**self._logout.job_handlers(), **self._decoupled.job_handlers()}

    def periodic_jobs(self) -> dict[str, PeriodicJob]:
        """Return the provider's housekeeping."""
        return {"idp.oauth_purge": PeriodicJob(self._purge, timedelta(hours=1))}

    async def _purge(self) -> None:
        async with self._parts.database.transaction() as connection:
            await Grants(connection).purge(self._parts.clock.now())

    async def close(self) -> None:
        """Close the connections to clients."""
        await self._outbound.close()

    async def userinfo(self, token: str, proof: SenderProof | None = None) -> EndpointResponse:
        """Answer the userinfo endpoint; raises InvalidAccessToken, InsufficientScope."""
        return await self._userinfo.answer(token, proof)
