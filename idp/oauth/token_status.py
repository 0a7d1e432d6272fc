"""Introspection (RFC 7662) and revocation (RFC 7009), asked of the database and not of a cache."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.grant import digest
from idp.oauth.model import EndpointResponse
from idp.oauth.repository import Grants
from idp.oauth.tables import oauth_grants
from idp.oauth.token_endpoint import single_parameters

if TYPE_CHECKING:
    from idp.oauth.client import Client
    from idp.oauth.client_authentication import ClientAuthentication
    from idp.oauth.model import EndpointRequest
    from idp.oauth.parts import Parts
    from idp.oauth.ports import MandateRegister

INTROSPECTION_TYPE = "application/token-introspection+jwt"
INACTIVE = {"active": False}
TOLD = (
    *("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "auth_time", "acr", "amr"),
    *("act", "may_act", "cnf", "authorization_details"),
)


class TokenStatus:
    """Tells clients about their own tokens, and ends them.

    A client learns and ends only what was issued to it; another's token is answered like an
    unknown one.
    """

    def __init__(self, parts: Parts, authentication: ClientAuthentication, mandates: MandateRegister) -> None:
        """Take the shared collaborators and the register that delegated tokens rest on."""
        self._parts = parts
        self._authentication = authentication
        self._mandates = mandates

    async def introspect(self, endpoint_request: EndpointRequest) -> EndpointResponse:
        """Return the state of a token; raises OAuthError."""
        client, token = await self._asked(endpoint_request)
        if client.public:
            raise OAuthError("invalid_client", "A public client may not introspect.")
        access = await self._access_token(client, token)
        told = access or await self._refresh_token(client, token) or INACTIVE
        if client.metadata.introspection_signed_response_alg or INTROSPECTION_TYPE in endpoint_request.accept:
            signed = (await self._parts.mint()).introspection(client, told, self._parts.clock.now())
            return EndpointResponse(signed, media_type=INTROSPECTION_TYPE)
        return EndpointResponse(told)

    async def revoke(self, endpoint_request: EndpointRequest) -> EndpointResponse:
        """End a token; an unknown one is as good as ended. Raises OAuthError.

        A refresh token takes its whole grant with it, an access token goes alone.
        """
        client, token = await self._asked(endpoint_request)
        now = self._parts.clock.now()
        actor = client.principal()
        claims = self._own_claims(client, token)
        async with self._parts.database.transaction() as connection:
            grants = Grants(connection)
            if claims is not None:
                await grants.announce([claims["jti"]], now, datetime.fromtimestamp(claims["exp"], UTC))
                event = AuditEvent("idp.token_revoke", "access_token", claims["jti"])
                await self._parts.audit.record(connection, actor, event)
            else:
                found = await grants.refresh_token(digest(token))
                if found is not None and found.check_client(client):
                    await grants.revoke(oauth_grants.c.grant_id == found.grant.grant_id, now)
                    event = AuditEvent("idp.grant_revoke", "grant", found.grant.grant_id)
                    await self._parts.audit.record(connection, actor, event)
        return EndpointResponse("")

    async def _asked(self, endpoint_request: EndpointRequest) -> tuple[Client, str]:
        parameters = single_parameters(endpoint_request)
        client = await self._authentication.authenticate(endpoint_request, parameters)
        if "token" not in parameters:
            raise OAuthError("invalid_request", "The token is missing.")
        return client, parameters["token"]

    def _own_claims(self, client: Client, token: str) -> dict[str, Any] | None:
        try:
            claims = self._parts.verifier.access_token(token, self._parts.clock.now())
        except InvalidAccessToken:
            return None
        return claims if claims["client_id"] == client.client_id else None

    async def _access_token(self, client: Client, token: str) -> dict[str, Any] | None:
        claims, now = self._own_claims(client, token), self._parts.clock.now()
        if claims is None:
            return None
        identifiers = [claims["jti"], *([claims["gid"]] if "gid" in claims else []), *claims.get("rests_on", ())]
        if not await self._parts.hot.tokens_stand(identifiers, client.client_id, now):
            return None
        if "mandate" in claims and not await self._mandates.stands(claims["mandate"]):
            return None
        told = {name: claims[name] for name in TOLD if name in claims}
        return {"active": True, "token_type": "DPoP" if "jkt" in told.get("cnf", {}) else "Bearer", **told}

    async def _refresh_token(self, client: Client, token: str) -> dict[str, Any] | None:
        found = await self._parts.hot.refresh_token(digest(token))
        now = self._parts.clock.now()
        if found is None or not found.check_client(client) or not found.usable(now):
            return None
        if not await self._parts.hot.tokens_stand([found.grant.grant_id], client.client_id, now):
            return None
        mint = await self._parts.mint()
        return {
            "active": True,
            "iss": self._parts.issuer,
            "sub": mint.subject(client.sector_identifier, found.grant.account_id),
            "client_id": client.client_id,
            "scope": found.grant.scope,
            "exp": int(found.expires_at.timestamp()),
        }
