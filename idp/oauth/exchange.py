"""Token exchange (RFC 8693): somebody acts for the subject, openly; nobody becomes the subject.

What comes out always carries `act`. The actor is a person whom the mandate register, or the
client whom the subject token's own `may_act`, allows to act. The new token rests on everything it
was made of: each revocation of a token, grant or mandate behind it ends it too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.oauth.authorization_details import LICENCE_ACCESS, BadDetails, parse_details
from idp.oauth.client import GrantType
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.grant import USER_TOKEN_LIFETIME, Grant
from idp.oauth.model import EndpointResponse
from idp.oauth.repository import Grants
from idp.oauth.target import check_target, named_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.delegation import Delegation
    from idp.oauth.parts import Parts
    from idp.oauth.ports import MandateRegister
    from idp.oauth.server import Facts

ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a registered type name
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a registered type name
MANDATE = "urn:hufu:token-type:mandate"
"""Type of a subject token that is the identifier of a mandate; the actor token proves whose it is."""
MAX_ACTORS = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the new token will speak for: the grant it follows and what it rests on."""

    grant: Grant
    scope: frozenset[str]
    ends_at: datetime
    rests_on: tuple[str, ...]
    may_act: str | None = None
    client_id: str | None = None


class TokenExchange:
    """The exchange at the token endpoint."""

    def __init__(self, parts: Parts, mandates: MandateRegister) -> None:
        """Take the shared collaborators and the register."""
        self._parts = parts
        self._mandates = mandates

    async def answer(self, parameters: Mapping[str, str], facts: Facts) -> EndpointResponse:
        """Return a delegated token; raises OAuthError, never one that hides who acts."""
        if not facts.client.check_grant_type(GrantType.TOKEN_EXCHANGE):
            raise OAuthError("unauthorized_client", "The client is not registered for this grant.")
        if parameters.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise OAuthError("invalid_request", "Only access tokens are issued in an exchange.")
        # 1 who acts is proven; 2 whether the register or the token itself allows it; 3 what is left of the wish
        actor = await self._actor(parameters, facts)
        subject, delegation = await self._subject(parameters, facts, actor)
        chain = _chain(subject, delegation, actor, facts)
        grant = await self._grant(parameters, facts, subject, delegation, actor)
        grant = replace(grant, actors=chain, actor_id=None if actor is None else actor.grant.account_id)
        return EndpointResponse(await self._issue(grant, parameters, facts, (subject, actor)))

    async def _actor(self, parameters: Mapping[str, str], facts: Facts) -> Subject | None:
        """Return the person who acts, or None for the client itself."""
        if "actor_token" not in parameters:
            if "actor_token_type" in parameters:
                raise OAuthError("invalid_request", "The actor_token is missing.")
            return None
        _refuse_id_token(parameters.get("actor_token_type"))
        if parameters.get("actor_token_type") != ACCESS_TOKEN:
            raise OAuthError("invalid_request", "The actor_token_type is missing or not supported.")
        actor = await self._person(parameters["actor_token"], "actor_token", facts)
        if actor.grant.client_id != facts.client.client_id:
            raise OAuthError("invalid_request", "The actor_token was issued to another client.")
        if actor.grant.subject_kind is not PrincipalKind.PERSON or actor.grant.chain:
            raise OAuthError("invalid_request", "The actor_token must speak for one natural person alone.")
        return actor

    async def _subject(
        self, parameters: Mapping[str, str], facts: Facts, actor: Subject | None
    ) -> tuple[Subject, Delegation | None]:
        kind, token = parameters.get("subject_token_type"), parameters.get("subject_token")
        _refuse_id_token(kind)
        if token is None or kind not in {ACCESS_TOKEN, MANDATE}:
            raise OAuthError("invalid_request", "The subject_token or its type is missing or not supported.")
        if kind == MANDATE:
            return await self._mandated(token, actor)
        subject = await self._person(token, "subject_token", facts)
        if actor is None:
            if subject.may_act != facts.client.client_id:
                raise OAuthError("invalid_request", "Impersonation is refused: nothing names this client as actor.")
            return subject, None
        if facts.client.client_id not in (subject.client_id, subject.may_act):
            raise OAuthError("invalid_request", "The subject_token was issued to another client.")
        if actor.grant.account_id == subject.grant.account_id:
            raise OAuthError("invalid_request", "Nobody acts for himself.")
        delegation = await self._mandates.between(subject.grant.account_id, actor.grant.account_id)
        if delegation is None:
            raise OAuthError("invalid_request", "No mandate in force lets the actor act for the subject.")
        return subject, delegation

    async def _mandated(self, mandate_id: str, actor: Subject | None) -> tuple[Subject, Delegation]:
        """Return whom a mandate speaks for; its agent must be the actor."""
        if actor is None:
            raise OAuthError("invalid_request", "A mandate needs the actor_token of its agent.")
        delegation = await self._mandates.held(mandate_id, actor.grant.account_id)
        if delegation is None:
            raise OAuthError("invalid_request", "The mandate is unknown, not in force, or another agent's.")
        subject = replace(
            actor.grant, account_id=delegation.subject_id, subject_kind=delegation.subject_kind, actors=()
        )
        return Subject(subject, frozenset({"openid"}), delegation.valid_until, ()), delegation

    async def _person(self, token: str, name: str, facts: Facts) -> Subject:
        """Return whom an access token of ours speaks for, read from the database; raises OAuthError."""
        try:
            claims = self._parts.verifier.access_token(token, facts.now)
        except InvalidAccessToken as error:
            raise OAuthError("invalid_request", f"The {name} is not a valid access token of this service.") from error
        if "gid" not in claims:
            raise OAuthError("invalid_request", f"The {name} speaks for no person.")
        rests_on = (claims["jti"], claims["gid"], *claims.get("rests_on", ()))
        async with self._parts.database.read() as connection:
            grants = Grants(connection)
            grant = await grants.standing(claims["gid"], facts.now)
            revoked = await grants.revoked_among(rests_on)
        standing = grant is not None and await self._parts.subjects.claims(grant, ()) is not None
        mandate = claims.get("mandate")
        if grant is None or revoked or not standing or not (mandate is None or await self._mandates.stands(mandate)):
            raise OAuthError("invalid_request", f"The {name} was revoked.")
        ends_at = datetime.fromtimestamp(claims["exp"], UTC)
        may_act = claims.get("may_act", {}).get("sub")
        return Subject(grant, frozenset(claims["scope"].split()), ends_at, rests_on, may_act, claims["client_id"])

    async def _grant(
        self,
        parameters: Mapping[str, str],
        facts: Facts,
        subject: Subject,
        delegation: Delegation | None,
        actor: Subject | None,
    ) -> Grant:
        """Return the grant of the new token, narrowed to what is asked for and allowed."""
        authenticated = (actor or subject).grant
        return replace(
            subject.grant,
            grant_id=new_id("gra"),
            client_id=facts.client.client_id,
            session_id=None,
            scope=" ".join(sorted(_narrowed(parameters, facts, subject))),
            redirect_uri=None,
            nonce=None,
            code_challenge=None,
            code_expires_at=None,
            code_consumed_at=None,
            code_jkt=None,
            claims=None,
            confirmation=None,
            resource=None,
            authorization_details=_details(parameters, facts, delegation),
            mandate_id=subject.grant.mandate_id if delegation is None else delegation.mandate_id,
            auth_time=authenticated.auth_time,
            acr=authenticated.acr,
            amr=authenticated.amr,
            expires_at=min(
                facts.now + USER_TOKEN_LIFETIME,
                *(each.ends_at for each in (subject, actor) if each is not None),
                *(() if delegation is None else (delegation.valid_until,)),
            ),
        )

    async def _issue(
        self, grant: Grant, parameters: Mapping[str, str], facts: Facts, behind: tuple[Subject | None, ...]
    ) -> dict[str, Any]:
        mint = facts.mint
        allowed = (mint.api_audience,) if grant.authorization_details else (mint.userinfo_audience,)
        answer = mint.user_token(
            facts.client,
            grant,
            grant.scope,
            facts.now,
            facts.confirmation,
            audience=check_target(named_target(parameters), allowed),
            lifetime=int((grant.expires_at - facts.now).total_seconds()),
            rests_on=tuple(dict.fromkeys(name for each in behind if each is not None for name in each.rests_on)),
        )
        detail = {"subject": f"{grant.subject_kind}:{grant.account_id}", "actors": list(grant.chain)}
        async with self._parts.database.transaction() as connection:
            await Grants(connection).add(grant, code_hash=None, now=facts.now)
            event = AuditEvent("idp.token_exchange", "grant", grant.grant_id, {**detail, "mandate": grant.mandate_id})
            await self._parts.audit.record(connection, facts.client.principal(), event)
        return {**answer, "issued_token_type": ACCESS_TOKEN}


def _refuse_id_token(kind: str | None) -> None:
    """Say what to bring instead of an ID token, which is no credential (decision 0099); raises OAuthError."""
    if kind == ID_TOKEN:
        raise OAuthError("invalid_request", "ID tokens are not exchanged; use the access token issued with it.")


def _chain(subject: Subject, delegation: Delegation | None, actor: Subject | None, facts: Facts) -> tuple[str, ...]:
    """Return who acts, the last first: the actor, those who passed the mandate on, those of the subject token."""
    own = f"client:{facts.client.client_id}" if actor is None else f"account:{actor.grant.account_id}"
    earlier = () if delegation is None else delegation.earlier
    chain = (own, *earlier, *subject.grant.chain)
    if len(chain) > MAX_ACTORS:
        raise OAuthError("invalid_request", "Too many have acted one after the other.")
    return chain


def _narrowed(parameters: Mapping[str, str], facts: Facts, subject: Subject) -> frozenset[str]:
    """Return the scope asked for, within the subject's and the client's; a token is renewed by no exchange."""
    asked = frozenset(parameters["scope"].split()) if "scope" in parameters else None
    allowed = (subject.scope & facts.client.scopes) - {"offline_access"}
    if asked is not None and not asked <= allowed:
        raise OAuthError("invalid_scope", "The scope exceeds the subject_token or the registration of the client.")
    return allowed if asked is None else asked


def _details(parameters: Mapping[str, str], facts: Facts, delegation: Delegation | None) -> list[dict[str, Any]] | None:
    """Return the one licence access asked for, which only a mandate can give here."""
    if "authorization_details" not in parameters:
        return None
    if delegation is None:
        raise OAuthError("invalid_authorization_details", "Only a mandate gives details in an exchange.")
    allowed = facts.client.metadata.authorization_details_types
    try:
        details = parse_details(parameters["authorization_details"], facts.now, allowed)
    except BadDetails as error:
        raise OAuthError("invalid_authorization_details", str(error)) from error
    if details[0]["type"] != LICENCE_ACCESS or not delegation.covers(details[0]):
        raise OAuthError("invalid_authorization_details", "The mandate does not cover this act.")
    return details
