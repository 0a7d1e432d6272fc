"""A FAPI 2.0 client: private_key_jwt, pushed requests, DPoP with the server's nonce."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.jwk import ECKey

from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.clients import AuthenticationMethod
from idp.oauth.errors import DpopNonceNeeded, OAuthError
from idp.oauth.model import EndpointRequest, SenderProof
from tests.idp.oauth.support import ISSUER, Pkce, answered, authorize_parameters, body, register, registration

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService, RegisteredClient
    from idp.oauth.model import EndpointResponse, Parameters
    from idp.oauth.provider import OpenIdProvider

CLIENT_KEY = ECKey.generate_key("P-256", {"kid": "client"})


def signed(claims: dict[str, Any], key: ECKey = CLIENT_KEY, /, **header: Any) -> str:  # noqa: ANN401 - any header
    protected = {"alg": "ES256", "kid": key.kid, **header}
    present = {name: value for name, value in protected.items() if value is not None}
    return jws.serialize_compact(present, json.dumps(claims), key, ["ES256"])


def fapi_registration(**changes: Any) -> Any:  # noqa: ANN401 - any field
    metadata = {"fapi": True, "dpop_bound_access_tokens": True, **changes.pop("metadata", {})}
    return registration(
        authentication=AuthenticationMethod.PRIVATE_KEY_JWT,
        jwks={"keys": [CLIENT_KEY.as_dict(private=False)]},
        metadata=metadata,
        **changes,
    )


@dataclass
class FapiClient:
    """One client and its DPoP key."""

    provider: OpenIdProvider
    clock: Clock
    client: RegisteredClient
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    nonce: str | None = None

    @classmethod
    async def make(
        cls,
        provider: OpenIdProvider,
        clients: ClientService,
        clock: Clock,
        **changes: Any,  # noqa: ANN401 - any field
    ) -> FapiClient:
        return cls(provider, clock, await register(clients, fapi_registration(**changes)))

    def proof(self, url: str, method: str = "POST", *, token: str | None = None, **changes: Any) -> str:  # noqa: ANN401
        claims: dict[str, Any] = {
            "htm": method,
            "htu": url,
            "iat": int(self.clock.now().timestamp()),
            "jti": secrets.token_urlsafe(12),
            "nonce": self.nonce,
        }
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        header = changes.pop("header", {})
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        jwk = {name: value for name, value in self.key.as_dict(private=False).items() if name != "kid"}
        return signed(claims, self.key, **{"typ": "dpop+jwt", "jwk": jwk, "kid": None, **header})

    def assertion(self) -> str:
        now = int(self.clock.now().timestamp())
        who = self.client.client_id
        return signed(
            {"iss": who, "sub": who, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(12)}
        )

    def request(self, path: str, parameters: dict[str, str], **changes: Any) -> EndpointRequest:  # noqa: ANN401
        url = ISSUER + path
        own = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        dpop = changes.pop("dpop", (self.proof(url),))
        return EndpointRequest(tuple({**parameters, **own}.items()), url=url, dpop=dpop, **changes)

    async def call(self, path: str, parameters: dict[str, str]) -> EndpointResponse:
        """Call an endpoint, taking the nonce when told to."""
        use = {"/oauth/token": self.provider.token, "/oauth/par": self.provider.push}[path]
        try:
            return await use(self.request(path, parameters))
        except OAuthError as error:
            if error.error != "use_dpop_nonce":
                raise
            self.nonce = dict(error.headers)["dpop-nonce"]
            return await use(self.request(path, parameters))

    def parameters(self, pkce: Pkce, **changes: str | None) -> Parameters:
        return authorize_parameters(self.client.client_id, pkce, **changes)

    async def push(self, pkce: Pkce, **changes: str | None) -> str:
        answer = await self.call("/oauth/par", dict(self.parameters(pkce, **changes)))
        assert answer.status == 201
        return str(body(answer)["request_uri"])

    async def authorize(self, request_uri: str, principal: Principal) -> dict[str, str]:
        parameters = (("client_id", self.client.client_id), ("request_uri", request_uri))
        return answered(await self.provider.authorize(parameters, principal))

    async def tokens(self, principal: Principal, **changes: str | None) -> dict[str, Any]:
        pkce = Pkce.new()
        code = (await self.authorize(await self.push(pkce, **changes), principal))["code"]
        redirect_uri = dict(self.parameters(pkce))["redirect_uri"]
        return body(
            await self.call(
                "/oauth/token",
                {
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": redirect_uri,
                    "code_verifier": pkce.verifier,
                },
            )
        )

    async def userinfo(self, token: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any claim
        url = f"{ISSUER}/oauth/userinfo"
        try:
            proof = self.proof(url, "GET", token=token, **changes)
            return body(await self.provider.userinfo(token, SenderProof("GET", url, (proof,))))
        except DpopNonceNeeded as error:
            self.nonce = error.nonce
            proof = self.proof(url, "GET", token=token, **changes)
            return body(await self.provider.userinfo(token, SenderProof("GET", url, (proof,))))
