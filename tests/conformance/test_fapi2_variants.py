"""FAPI 2.0 with mutual TLS, FAPI-CIBA in ping mode, front-channel logout: the variants of the plans beside them."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt as pyjwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from foundation.errors import TrustServiceError
from foundation.outbound import OutboundClient, OutboundResponse
from idp.oauth import access_tokens, client_authentication, sender, token_endpoint
from idp.oauth.client import AuthenticationMethod, GrantType
from idp.oauth.decoupled import Decoupled
from idp.oauth.logout import Logout
from idp.oauth.model import EndpointRequest, EndpointResponse, SenderProof
from tests.conformance.broken import always, always_async, discovery_with, patched
from tests.conformance.fapi_plan import USERINFO, fapi, refused
from tests.conformance.op import NOTICED, Module, Op, Plan
from tests.conformance.test_fapi2_requests import refused_object, signing
from tests.conformance.test_fapi_ciba import approve, ask
from tests.idp.oauth.support import ISSUER, Pkce, Walk, answered, authorize_parameters, body, register, registration

MTLS = Plan("FAPI 2.0 Security Profile: mutual TLS")
MORE = Plan("FAPI 2.0: further modules")
PING = Plan("FAPI-CIBA: ping mode")
FRONT = Plan("OpenID Connect: Front-Channel Logout")
PAGE = "https://food.example.gov.cn/frontchannel"


# Mutual TLS: the certificate a trusted proxy verified


def certificate(common_name: str) -> tuple[bytes, str]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=900))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.DER), name.rfc4514_string()


OWN, OWN_NAME = certificate("food.example.gov.cn")
OTHER, _ = certificate("land.example.gov.cn")


class TlsClient:
    """A FAPI client that proves itself and binds its tokens by its certificate."""

    def __init__(self, op: Op, client_id: str) -> None:
        self.op, self.client_id = op, client_id

    def request(self, path: str, certificate_der: bytes | None = OWN, /, **given: str) -> EndpointRequest:
        parameters = tuple({"client_id": self.client_id, **given}.items())
        return EndpointRequest(parameters, url=ISSUER + path, certificate_der=certificate_der)

    async def code(self, pkce: Pkce) -> str:
        asked = {name: value for name, value in authorize_parameters(self.client_id, pkce) if name != "client_id"}
        pushed = body(await self.op.provider.push(self.request("/oauth/par", **asked)))
        given = (("client_id", self.client_id), ("request_uri", pushed["request_uri"]))
        return answered(await self.op.provider.authorize(given, self.op.person))["code"]

    async def redeem(self, code: str, pkce: Pkce, certificate_der: bytes | None = OWN) -> dict[str, Any]:
        redirect_uri = dict(authorize_parameters(self.client_id, pkce))["redirect_uri"]
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        request = self.request("/oauth/token", certificate_der, **given, code_verifier=pkce.verifier)
        return body(await self.op.provider.token(request))


async def tls(op: Op) -> TlsClient:
    metadata = {
        "fapi": True,
        "tls_client_certificate_bound_access_tokens": True,
        "tls_client_auth_subject_dn": OWN_NAME,
    }
    made = await register(op.clients, registration(authentication=AuthenticationMethod.TLS, metadata=metadata))
    return TlsClient(op, made.client_id)


@MTLS.module("FAPI2SPFinalHappyFlow (mTLS)", broken=patched(sender.SenderCheck, "confirmation", always_async(None)))
async def mtls_happy_flow(op: Op) -> None:
    client, pkce = await tls(op), Pkce.new()
    answer = await client.redeem(await client.code(pkce), pkce)
    claims = pyjwt.decode(answer["access_token"], options={"verify_signature": False})
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(OWN).digest()).rstrip(b"=").decode()
    assert claims["cnf"] == {"x5t#S256": thumbprint}
    proof = SenderProof("GET", USERINFO, certificate_der=OWN)
    assert "sub" in body(await op.provider.userinfo(answer["access_token"], proof))


@MTLS.module(
    "FAPI2SPFinalEnsureHolderOfKeyRequired (mTLS)",
    broken=patched(access_tokens, "confirmation_matches", always(True)),
)
async def mtls_holder_of_key(op: Op) -> None:
    client, pkce = await tls(op), Pkce.new()
    token = (await client.redeem(await client.code(pkce), pkce))["access_token"]
    for shown in (OTHER, None):
        with pytest.raises(TrustServiceError):
            await op.provider.userinfo(token, SenderProof("GET", USERINFO, certificate_der=shown))


@MTLS.module(
    "FAPI2SPFinalEnsureClientCertificateInTokenEndpoint (mTLS)",
    broken=patched(client_authentication, "_check_certificate", lambda client, *_: client),
)
async def mtls_certificate_needed(op: Op) -> None:
    client, pkce = await tls(op), Pkce.new()
    code = await client.code(pkce)
    for shown in (OTHER, None):
        await refused(client.redeem(code, pkce, shown), "invalid_client")


# Modules of the Message Signing plan that stand in no other file


@MORE.module(
    "FAPI2SPFinalEnsureSignedRequestObjectWithRS256Fails",
    broken=discovery_with(request_object_signing_alg_values_supported=["ES256", "RS256"]),
)
async def object_rs256(op: Op) -> None:
    assert "RS256" not in op.provider.discovery()["request_object_signing_alg_values_supported"]
    client = await signing(op)
    forged = ".".join((_b64(b'{"alg":"RS256","typ":"oauth-authz-req+jwt"}'), _b64(b"{}"), "AAAA"))
    given = {"client_id": client.client.client_id, "request": forged}
    await refused(client.call("/oauth/par", given), "invalid_request_object")


@MORE.module(
    "FAPI2SPFinalTestClaimsParameterIdentityClaims",
    broken=patched(token_endpoint.TokenEndpoint, "_id_token_claims", always_async({})),
)
async def identity_claims(op: Op) -> None:
    client = await fapi(op)
    asked = json.dumps({"id_token": {"name": {"essential": True}}})
    tokens = await client.tokens(op.person, claims=asked)
    assert pyjwt.decode(tokens["id_token"], options={"verify_signature": False})["name"] == "陈伟"


@MORE.module(
    "FAPI2SPFinalParWithoutDuplicateParameters",
    broken=discovery_with(pushed_authorization_request_endpoint=None),
)
async def par_without_duplicates(op: Op) -> None:
    assert op.provider.discovery()["pushed_authorization_request_endpoint"].startswith(ISSUER)
    client, pkce = await fapi(op), Pkce.new()
    request_uri = await client.push(pkce)
    assert "code" in await client.authorize(request_uri, op.person)


@MORE.module(
    "FAPI2SPFinalEnsureRequestObjectWithLongState (signed)",
    broken=patched(sender.SenderCheck, "proof", always_async(None)),
)
async def object_bad_state(op: Op) -> None:
    await refused_object(op, state="s" * 5000)
    client = await fapi(op)
    tokens = await client.tokens(op.person, state="s" * 384)
    assert tokens["token_type"] == "DPoP"


# CIBA ping: the client is told once the person answered


async def pinged(op: Op, told: list[tuple[str, dict[str, str], bytes]]) -> Any:  # noqa: ANN401 - a FAPI client
    async def request(self: OutboundClient, method: str, url: str, **named: Any) -> OutboundResponse:  # noqa: ANN401
        del self, method
        told.append((url, dict(named["headers"]), named["content"]))
        return OutboundResponse(204, {}, b"")

    op.monkeypatch.setattr(OutboundClient, "request", request)
    metadata = {
        "backchannel_token_delivery_mode": "ping",
        "backchannel_client_notification_endpoint": "https://food.example.gov.cn/ping",
    }
    grants = frozenset({GrantType.CIBA, GrantType.REFRESH_TOKEN})
    return await fapi(op, redirect_uris=(), grant_types=grants, metadata=metadata)


@PING.module("FAPICIBAID1PingSuccess", broken=patched(Decoupled, "ping", always_async(None)))
async def ping_success(op: Op) -> None:
    told: list[tuple[str, dict[str, str], bytes]] = []
    client = await pinged(op, told)
    started = await ask(client, client_notification_token="a token of the client's")
    await approve(op)
    handler = op.provider.job_handlers()["idp.ciba_ping"].run
    await handler({"request": hashlib.sha256(started["auth_req_id"].encode()).hexdigest()})
    assert len(told) == 1
    url, headers, content = told[0]
    assert url == "https://food.example.gov.cn/ping"
    assert headers["Authorization"] == "Bearer a token of the client's"
    assert json.loads(content) == {"auth_req_id": started["auth_req_id"]}


@PING.module(
    "FAPICIBAID1EnsureClientNotificationTokenRequired",
    broken=patched(Decoupled, "ciba", always_async(EndpointResponse({"auth_req_id": "x"}))),
)
async def ping_token_needed(op: Op) -> None:
    client = await pinged(op, [])
    await refused(ask(client), "invalid_request")
    await refused(ask(client, client_notification_token="x" * 1025), "invalid_request")


# Front-channel logout


async def framed(op: Op, **metadata: Any) -> tuple[tuple[str, ...], dict[str, Any]]:  # noqa: ANN401 - any member
    asking = registration(metadata={"frontchannel_logout_uri": PAGE, **metadata})
    walk = Walk(op.provider, await register(op.clients, asking))
    tokens = await walk.tokens(op.person)
    frames = await op.provider.front_channel(op.person.session_id or "")
    return frames, pyjwt.decode(tokens["id_token"], options={"verify_signature": False})


@FRONT.module(
    "OIDCCFrontChannelDiscoveryEndpointVerification", broken=discovery_with(frontchannel_logout_supported=None)
)
async def front_discovery(op: Op) -> None:
    document = op.provider.discovery()
    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True


@FRONT.module("OIDCCFrontChannelLogout", broken=patched(Logout, "front_channel", always_async(())))
async def front_channel(op: Op) -> None:
    frames, claims = await framed(op, frontchannel_logout_session_required=True)
    assert len(frames) == 1
    assert dict(parse_qsl(urlsplit(frames[0]).query)) == {"iss": ISSUER, "sid": claims["sid"]}


@FRONT.module(
    "OIDCCFrontChannelLogoutWithoutSession",
    broken=patched(Logout, "front_channel", always_async((PAGE + "?sid=another",))),
)
async def front_channel_plain(op: Op) -> None:
    assert (await framed(op))[0] == (PAGE,)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


EVERY = [module for plan in (MTLS, MORE, PING, FRONT) for module in plan.modules]
IDS = [module.name for module in EVERY]


@pytest.mark.parametrize("module", EVERY, ids=IDS)
async def test_module_passes(module: Module, op: Op) -> None:
    await module.run(op)


@pytest.mark.parametrize("module", EVERY, ids=IDS)
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    module.broken(monkeypatch)
    with pytest.raises(NOTICED):
        await module.run(op)
