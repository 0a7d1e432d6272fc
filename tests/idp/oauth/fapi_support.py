"""A FAPI 2.0 client in every variant: private_key_jwt or a certificate, tokens bound by DPoP or the certificate."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey

from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.client_metadata import PING, POLL
from idp.oauth.clients import AuthenticationMethod
from idp.oauth.dpop import certificate_confirmation
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
NOTIFICATION_TOKEN = "a token of the client's"
CERTIFICATE_KEY = ec.generate_private_key(ec.SECP256R1())


class Binding(StrEnum):
    """To what a client's tokens are bound, by the name the plans use."""

    DPOP = "DPoP"
    MTLS = "mTLS"


@dataclass(frozen=True)
class Variant:
    """How a client proves itself, to what its tokens are bound, and how it learns of a CIBA answer."""

    authentication: AuthenticationMethod = AuthenticationMethod.PRIVATE_KEY_JWT
    binding: Binding = Binding.DPOP
    delivery: str = POLL

    def __str__(self) -> str:
        return f"{self.authentication} + {self.binding}, {self.delivery}"

    @property
    def asserts(self) -> bool:
        """Tell whether the client proves itself by an assertion."""
        return self.authentication is AuthenticationMethod.PRIVATE_KEY_JWT

    @property
    def dpop(self) -> bool:
        """Tell whether tokens are bound by DPoP."""
        return self.binding is Binding.DPOP

    @property
    def pings(self) -> bool:
        """Tell whether the client is told of a CIBA answer."""
        return self.delivery == PING

    @property
    def certified(self) -> bool:
        """Tell whether the client comes over mutual TLS at all."""
        return not (self.asserts and self.dpop)


PLAIN = Variant()


def certificate(common_name: str) -> tuple[bytes, str]:
    """Return a certificate as a trusted proxy passes it on, and its subject."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(CERTIFICATE_KEY.public_key())
    built = builder.serial_number(x509.random_serial_number())
    built = built.not_valid_before(now).not_valid_after(now + timedelta(days=900))
    return built.sign(CERTIFICATE_KEY, hashes.SHA256()).public_bytes(Encoding.DER), name.rfc4514_string()


def signed(claims: dict[str, Any], key: ECKey = CLIENT_KEY, /, **header: Any) -> str:  # noqa: ANN401 - any header
    protected = {"alg": "ES256", "kid": key.kid, **header}
    present = {name: value for name, value in protected.items() if value is not None}
    return jws.serialize_compact(present, json.dumps(claims), key, ["ES256"])


def fapi_registration(variant: Variant = PLAIN, **changes: Any) -> Any:  # noqa: ANN401 - any field
    bound = "dpop_bound_access_tokens" if variant.dpop else "tls_client_certificate_bound_access_tokens"
    metadata = {"fapi": True, bound: True, **changes.pop("metadata", {})}
    values = {"authentication": variant.authentication, "jwks": {"keys": [CLIENT_KEY.as_dict(private=False)]}}
    return registration(**{**values, **changes, "metadata": metadata})


@dataclass
class FapiClient:
    """One client, its DPoP key and its certificate."""

    provider: OpenIdProvider
    clock: Clock
    client: RegisteredClient
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    nonce: str | None = None
    variant: Variant = PLAIN
    certificate_der: bytes | None = None

    @classmethod
    async def make(
        cls,
        provider: OpenIdProvider,
        clients: ClientService,
        clock: Clock,
        variant: Variant = PLAIN,
        **changes: Any,  # noqa: ANN401 - any field
    ) -> FapiClient:
        shown = None
        if variant.certified:
            shown, subject = certificate(f"{secrets.token_hex(8)}.example.gov.cn")
            changes["metadata"] = {"tls_client_auth_subject_dn": subject, **changes.get("metadata", {})}
        made = await register(clients, fapi_registration(variant, **changes))
        return cls(provider, clock, made, variant=variant, certificate_der=shown)

    @property
    def token_type(self) -> str:
        return "DPoP" if self.variant.dpop else "Bearer"

    @property
    def confirmation(self) -> dict[str, str]:
        """Return the `cnf` the client's tokens must carry."""
        if self.variant.dpop:
            return {"jkt": self.key.thumbprint()}
        assert self.certificate_der is not None
        return certificate_confirmation(self.certificate_der)

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
        own = {"client_id": self.client.client_id}
        if self.variant.asserts:
            own = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        shown = {"dpop": (self.proof(url),) if self.variant.dpop else (), "certificate_der": self.certificate_der}
        return EndpointRequest(tuple({**own, **parameters}.items()), url=url, **{**shown, **changes})

    def unproven(self, path: str, parameters: dict[str, str]) -> EndpointRequest:
        """Return a request of the authenticated client that shows no key or certificate for tokens to be bound to."""
        request = self.request(path, parameters, dpop=())
        return request if self.variant.dpop else replace(request, certificate_der=None)

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
        if not self.variant.dpop:
            return body(await self.provider.userinfo(token, SenderProof("GET", url, (), self.certificate_der)))
        try:
            proof = self.proof(url, "GET", token=token, **changes)
            return body(await self.provider.userinfo(token, SenderProof("GET", url, (proof,))))
        except DpopNonceNeeded as error:
            self.nonce = error.nonce
            proof = self.proof(url, "GET", token=token, **changes)
            return body(await self.provider.userinfo(token, SenderProof("GET", url, (proof,))))
