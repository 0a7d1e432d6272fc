"""The userinfo endpoint (OpenID Connect Core, section 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.oauth.claims_request import scopes_needed, select, wanted
from idp.oauth.errors import InsufficientScope, InvalidAccessToken
from idp.oauth.model import EndpointResponse

if TYPE_CHECKING:
    from idp.oauth.access_tokens import AccessTokens
    from idp.oauth.model import SenderProof
    from idp.oauth.parts import Parts


class UserInfo:
    """Tells a client about the person who granted it access."""

    def __init__(self, parts: Parts, access_tokens: AccessTokens) -> None:
        """Take the shared collaborators and the token check."""
        self._parts = parts
        self._access_tokens = access_tokens

    async def answer(self, token: str, proof: SenderProof | None) -> EndpointResponse:
        """Return the claims the token's scope opens; raises InvalidAccessToken, InsufficientScope."""
        audience = self._access_tokens.userinfo_audience
        claims = await self._access_tokens.claims(token, audience=audience, proof=proof)
        scopes = frozenset(claims["scope"].split())
        if "openid" not in scopes:
            raise InsufficientScope("openid")
        grant = await self._parts.hot.standing(claims["gid"], self._parts.clock.now())
        if grant is None:
            raise InvalidAccessToken("The access token was revoked.")
        asked = wanted(grant.claims, "userinfo")
        known = await self._parts.subjects.claims(grant, scopes | scopes_needed(grant.claims, "userinfo"))
        client = await self._parts.clients.get(grant.client_id)
        if known is None or client is None:
            raise InvalidAccessToken("The account or client may no longer sign in.")
        told = {**select(known, scopes, asked), "sub": claims["sub"]}
        signed = (await self._parts.mint()).userinfo(client, told)
        return EndpointResponse(told) if signed is None else EndpointResponse(signed, media_type="application/jwt")
