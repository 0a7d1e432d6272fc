"""RFC 9068 access tokens, checked for the resources they open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from foundation.principal import Principal, PrincipalKind
from idp.oauth.dpop import (
    BadProof,
    NonceNeeded,
    certificate_confirmation,
    check_proof,
    confirmation_matches,
    current_nonce,
)
from idp.oauth.errors import DpopNonceNeeded, InvalidAccessToken
from idp.oauth.grant_statements import HotGrants
from idp.oauth.repository import Grants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.clock import Clock
    from foundation.database import Database
    from idp.oauth.client import Client
    from idp.oauth.clients import ClientService
    from idp.oauth.mint import Mint
    from idp.oauth.model import SenderProof
    from idp.oauth.ports import MandateRegister
    from idp.oauth.revocations import Revocations
    from idp.oauth.token_verifier import TokenVerifier


class AccessTokens:
    """Checks our own access tokens, on the common path without a round trip."""

    def __init__(
        self,
        issuer: str,
        verifier: TokenVerifier,
        clients: ClientService,
        revocations: Revocations,
        database: Database,
        clock: Clock,
        mint: Callable[[], Awaitable[Mint]],
        mandates: MandateRegister,
    ) -> None:
        """Take what tells whether a token is genuine, and whether what it rests on still stands."""
        self.api_audience = f"{issuer}/api"
        self.userinfo_audience = f"{issuer}/oauth/userinfo"
        self._verifier = verifier
        self._clients = clients
        self._revocations = revocations
        self._database = database
        self._hot = HotGrants(database)
        self._clock = clock
        self._mint = mint
        self._mandates = mandates

    async def authenticate(self, token: str, *, audience: str, proof: SenderProof | None = None) -> Principal:
        """Return who an access token speaks for.

        A client credentials token gives `PrincipalKind.CLIENT` with the client's organisation and the
        token's scopes; a user token gives the account. Withdrawn grants and suspended clients are
        refused within a second.

        Args:
            token: the credential after `Bearer` or `DPoP`, unverified.
            audience: the resource asked, such as `api_audience`.
            proof: DPoP headers or client certificate that came along.

        Raises: InvalidAccessToken; ServiceUnavailable when revocations cannot be read.
        """
        claims = await self.claims(token, audience=audience, proof=proof)
        client = await self._clients.get(claims["client_id"])
        if client is None:
            raise InvalidAccessToken("The client of the access token is not active.")
        if "gid" in claims:
            return await self._user(claims, client)
        return Principal(
            kind=PrincipalKind.CLIENT,
            subject_id=client.client_id,
            organisation_code=client.organisation_code,
            client_id=client.client_id,
            scopes=frozenset(claims["scope"].split()) & client.scopes,
            sender_constrained="cnf" in claims,
            channel=client.channel,
            proof=proof.dpop[0] if proof is not None and proof.dpop else None,
        )

    async def claims(self, token: str, *, audience: str, proof: SenderProof | None = None) -> dict[str, Any]:
        """Return the claims of a token that is genuine, current, unrevoked and meant for `audience`."""
        claims = self._verifier.access_token(token, self._clock.now())
        if claims.get("aud") != audience:
            raise InvalidAccessToken("The access token is meant for another resource.")
        if await self._revocations.includes(claims["jti"], claims.get("gid", ""), *claims.get("rests_on", ())):
            raise InvalidAccessToken("The access token was revoked.")
        if "mandate" in claims and not await self._mandates.stands(claims["mandate"]):
            raise InvalidAccessToken("The mandate behind the access token is not in force.")
        if "cnf" in claims:
            await self._check_sender(claims["cnf"], token, proof)
        return claims

    async def _check_sender(self, bound: dict[str, Any], token: str, proof: SenderProof | None) -> None:
        """Refuse a bound token without its key; a DPoP proof is used up here."""
        if proof is None:
            raise InvalidAccessToken("The access token is bound to a key.")
        if "jkt" not in bound:
            shown = certificate_confirmation(proof.certificate_der) if proof.certificate_der else None
            if not confirmation_matches(bound, shown):
                raise InvalidAccessToken("The access token is bound to another certificate.")
            return
        mint, now = await self._mint(), self._clock.now()
        try:
            checked = check_proof(proof.dpop, proof.method, proof.url, mint, now, access_token=token)
        except NonceNeeded as error:
            raise DpopNonceNeeded(current_nonce(mint, now)) from error
        except BadProof as error:
            raise InvalidAccessToken(str(error)) from error
        if not confirmation_matches(bound, checked.confirmation):
            raise InvalidAccessToken("The access token is bound to another key.")
        if not await self._hot.use_once(checked.use_hash, checked.expires_at):
            raise InvalidAccessToken("The DPoP proof was used before.")

    async def _user(self, claims: dict[str, Any], client: Client) -> Principal:
        async with self._database.read() as connection:
            grant = await Grants(connection).find(claims["gid"])
        if grant is None or not grant.live(self._clock.now()):
            raise InvalidAccessToken("The access token was revoked.")
        details = claims.get("authorization_details")
        return Principal(
            kind=grant.subject_kind,
            subject_id=grant.account_id,
            person_id=await self._mandates.person_of(grant.account_id) if details else None,
            # An officer works for the own department, not for the one whose system was given the token.
            organisation_code=None if grant.subject_kind is PrincipalKind.OFFICER else client.organisation_code,
            client_id=grant.client_id,
            actor_id=grant.actor_id,
            scopes=frozenset(claims["scope"].split()),
            acr=grant.acr,
            amr=grant.amr,
            auth_time=datetime.fromtimestamp(claims["auth_time"], UTC),
            session_id=grant.session_id,
            channel=client.channel,
            sender_constrained="cnf" in claims,
            grant_id=grant.grant_id,
            authorization=details[0] if details else None,
        )
