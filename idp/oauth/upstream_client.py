"""Authlib's OAuth client over our one way out: discovery, code with PKCE, and the ID token that comes back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.common.urls import add_params_to_qs
from authlib.oauth2.client import OAuth2Client

from foundation.errors import UpstreamUnavailable
from foundation.ids import new_secret
from idp.oauth.client import AuthenticationMethod
from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.errors import UpstreamRefused
from idp.oauth.jose import BadSignature, header_of, key_set, verify
from idp.oauth.mint import half_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.clock import Clock
    from foundation.outbound import OutboundClient
    from foundation.settings import UpstreamProvider
    from idp.oauth.ports import Signer

METADATA_SECONDS = 600
MAX_ID_TOKEN = 16_384
LEEWAY_SECONDS = 30
ASSERTION_SECONDS = 60
# A type of its own: what our token key signs here is taken for no token of ours.
ASSERTION_TYP = "client-authentication+jwt"
ALGORITHMS = ("ES256", "PS256", "EdDSA", "RS256")
OK = 200


@dataclass(frozen=True, slots=True)
class Known:
    """What a provider says about itself, and its keys."""

    metadata: Mapping[str, Any]
    jwks: Mapping[str, Any]
    read_at: float


class UpstreamClient(OAuth2Client):  # type: ignore[misc] # Authlib ships no types
    """One provider as its client sees it; calls leave through the outbound client only."""

    def __init__(
        self, provider: UpstreamProvider, outbound: OutboundClient, redirect_uri: str, signer: Signer, clock: Clock
    ) -> None:
        """Take the provider's settings, the address it sends browsers back to, and who signs assertions."""
        super().__init__(
            None,
            provider.client_id,
            None if provider.client_secret is None else provider.client_secret.get_secret_value(),
            token_endpoint_auth_method=provider.authentication,
            scope=provider.scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        self.provider = provider
        self._outbound = outbound
        self._signer, self._clock = signer, clock
        self._known: Known | None = None
        self.register_client_auth_method((AuthenticationMethod.PRIVATE_KEY_JWT.value, self._assert))

    async def about(self, *, fresh: bool = False) -> Known:
        """Return metadata and keys, read again when old or when `fresh` ones are wanted; raises UpstreamUnavailable."""
        known = self._known
        if known is None or fresh or time.monotonic() - known.read_at > METADATA_SECONDS:
            metadata = await self._get(f"{self.provider.issuer}/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if metadata.get("issuer") != self.provider.issuer or not all(
                isinstance(metadata.get(name), str) for name in needed
            ):
                raise UpstreamUnavailable("The other provider's metadata is not its own.")
            known = self._known = Known(metadata, await self._get(metadata["jwks_uri"]), time.monotonic())
        return known

    async def redeem(self, code: str, code_verifier: str) -> dict[str, Any]:
        """Exchange a code for tokens; raises UpstreamUnavailable, UpstreamRefused."""
        about = await self.about()
        token: dict[str, Any] = await self.fetch_token(
            about.metadata["token_endpoint"],
            grant_type="authorization_code",
            code=code,
            code_verifier=code_verifier,
            redirect_uri=self.redirect_uri,
        )
        return token

    async def id_token_claims(self, token: Mapping[str, Any], nonce: str, now: datetime) -> dict[str, Any]:
        """Return the claims of the ID token after every check of OpenID Connect Core, section 3.1.3.7."""
        unverified = token.get("id_token")
        if not isinstance(unverified, str) or len(unverified) > MAX_ID_TOKEN:
            raise UpstreamRefused("The other provider sent no ID token.")
        claims, algorithm = await self._verified(unverified)
        moment, audience = now.timestamp(), claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        rules = {
            "iss": claims.get("iss") == self.provider.issuer,
            "aud": self.client_id in named and (len(named) == 1 or claims.get("azp") == self.client_id),
            "azp": claims.get("azp", self.client_id) == self.client_id,
            "exp": _is_number(claims.get("exp")) and moment < claims["exp"] + LEEWAY_SECONDS,
            "iat": _is_number(claims.get("iat")) and claims["iat"] - LEEWAY_SECONDS <= moment,
            "nonce": hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()),
            "sub": isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255,  # noqa: PLR2004 - Core, section 2
            "at_hash": "at_hash" not in claims
            or claims["at_hash"] == half_hash(str(token.get("access_token", "")), algorithm),
        }
        broken = next((name for name, kept in rules.items() if not kept), None)
        if broken is not None:
            raise UpstreamRefused(f"The {broken} of the other provider's ID token is not what it must be.")
        return claims

    def _assert(
        self, _client: object, _method: str, uri: str, headers: Mapping[str, str], body: str
    ) -> tuple[str, Mapping[str, str], str]:
        """Add a client assertion (RFC 7523, section 2.2), as Authlib's methods do; `uri` is the token endpoint."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.provider.issuer if self.provider.assertion_audience == "issuer" else uri,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": new_secret(),
        }
        proof = [
            ("client_id", self.client_id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", self._signer.sign(claims, typ=ASSERTION_TYP)),
        ]
        return uri, headers, add_params_to_qs(body, proof)

    async def _verified(self, token: str) -> tuple[dict[str, Any], str]:
        for fresh in (False, True):  # a key we have not seen may be new: look once more
            known = await self.about(fresh=fresh)
            try:
                algorithm = str(header_of(token).get("alg"))
                return verify(token, key_set(known.jwks), ALGORITHMS), algorithm
            except BadSignature as error:
                refusal = error
        raise UpstreamRefused("The other provider's ID token does not verify.") from refusal

    async def _fetch_token(
        self,
        url: str,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        auth: Any = None,  # noqa: ANN401 - Authlib's
        method: str = "POST",
        **_: object,
    ) -> dict[str, Any]:
        """Send Authlib's token request; what it authenticates with is its own doing."""
        address, prepared, content = auth.prepare(method, url, dict(headers or {}), body)
        answer = await self._outbound.request(method, address, headers=prepared, content=content.encode())
        found = _object(answer.body)
        if answer.status != OK or "error" in found:
            raise UpstreamRefused("The other provider did not take the code.")
        return found

    async def _get(self, address: str) -> dict[str, Any]:
        answer = await self._outbound.request("GET", address, headers={"Accept": "application/json"})
        if answer.status != OK:
            raise UpstreamUnavailable("The other provider does not answer.")
        return _object(answer.body)


def browser_digest(secret: str) -> str:
    """Return what is kept of the secret that ties an attempt to one browser."""
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()).decode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamUnavailable("The other provider's answer is no JSON.") from error
    if not isinstance(found, dict):
        raise UpstreamUnavailable("The other provider's answer is no JSON object.")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
