"""Modules of FAPI 2.0 that stand in no other file, and front-channel logout."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt as pyjwt
import pytest

from idp.oauth import authorization_request, token_endpoint
from idp.oauth.logout import Logout
from tests.conformance.broken import always, always_async, discovery_with, patched
from tests.conformance.fapi_plan import VARIANTS, fapi, redemption, refused
from tests.conformance.op import Module, Op, Plan
from tests.conformance.test_fapi2_requests import pushed_object, refused_object, request_of, signing
from tests.idp.oauth.support import ISSUER, Pkce, Walk, body, register, registration

MORE = Plan("FAPI 2.0: further modules", VARIANTS)
FRONT = Plan("OpenID Connect: Front-Channel Logout")
PAGE = "https://food.example.gov.cn/frontchannel"


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
    broken=patched(authorization_request, "_check_shape", always(None)),
)
async def object_bad_state(op: Op) -> None:
    await refused_object(op, state="s" * 5000)
    client = await signing(op)
    token = request_of(op, client, state="s" * 384)
    assert (await pushed_object(op, client, token))["state"] == "s" * 384


@MORE.module("FAPI2SPFinalHappyFlow (JARM)", broken=patched(authorization_request, "SIGNED_MODES", {}))
async def signed_answer(op: Op) -> None:
    client, pkce = await signing(op), Pkce.new()
    token = request_of(op, client, response_mode="jwt", code_challenge=pkce.challenge)
    answer = await pushed_object(op, client, token)
    assert set(answer) == {"response"}
    walk = Walk(op.provider, client.client)
    told = op.verified_answer(answer["response"], walk)
    assert told["state"] == "af0ifjsldkj"
    tokens = body(await client.call("/oauth/token", redemption(told["code"], pkce)))
    assert tokens["token_type"] == client.token_type


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


EVERY = [module for plan in (MORE, FRONT) for module in plan.modules]
IDS = [module.name for module in EVERY]


@pytest.mark.parametrize("module", EVERY, ids=IDS)
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@pytest.mark.parametrize("module", EVERY, ids=IDS)
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
