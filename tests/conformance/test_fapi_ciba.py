"""FAPI-CIBA: the general modules, in poll mode with DPoP and private_key_jwt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest

from foundation.errors import NotFound
from idp.oauth import (
    sender,
    token_endpoint,
)
from idp.oauth.client import GrantType
from idp.oauth.decoupled import Decoupled
from idp.oauth.model import EndpointRequest, EndpointResponse
from idp.oauth.waiting_repository import WaitingRequests
from tests.conformance.broken import all_of, always, always_async, discovery_with, patched, with_claim
from tests.conformance.fapi_plan import fapi, refused
from tests.conformance.op import NOTICED, Module, Op, Plan
from tests.idp.oauth.support import ISSUER, body

if TYPE_CHECKING:
    from tests.idp.oauth.fapi_support import FapiClient

CIBA = Plan("FAPI-CIBA: general modules")


# CIBA


async def hotline(op: Op) -> FapiClient:
    grants = frozenset({GrantType.CIBA, GrantType.REFRESH_TOKEN})
    return await fapi(op, redirect_uris=(), grant_types=grants)


async def ask(client: FapiClient, **changes: str | None) -> dict[str, Any]:
    given = {"scope": "openid profile", "login_hint": "chenwei", "binding_message": "1234", **changes}
    present = {name: value for name, value in given.items() if value is not None}
    return body(await client.provider.ciba(client.request("/oauth/bc-authorize", present, dpop=())))


async def collect(client: FapiClient, auth_req_id: str, **changes: str) -> dict[str, Any]:
    given = {"grant_type": GrantType.CIBA.value, "auth_req_id": auth_req_id, **changes}
    return body(await client.call("/oauth/token", given))


async def approve(op: Op) -> None:
    (question,) = await op.provider.questions(op.person)
    await op.provider.answer_question(question.question_id, op.person, approved=True)


LAX_CIBA = patched(Decoupled, "ciba", always_async(EndpointResponse({"auth_req_id": "x"})))
EAGER = patched(token_endpoint, "_require_answered", always(None))


@CIBA.module(
    "FAPICIBAID1DiscoveryEndpointVerification", broken=discovery_with(backchannel_authentication_endpoint=None)
)
async def ciba_discovery(op: Op) -> None:
    document = op.provider.discovery()
    assert document["backchannel_authentication_endpoint"].startswith(ISSUER)
    assert {"poll", "ping"} == set(document["backchannel_token_delivery_modes_supported"])
    assert GrantType.CIBA.value in document["grant_types_supported"]


@CIBA.module("FAPICIBAID1", broken=with_claim("sub", "somebody"))
async def ciba(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client)
    assert request["expires_in"] > 0
    await refused(collect(client, request["auth_req_id"]), "authorization_pending")
    await approve(op)
    op.clock.advance(timedelta(seconds=6))
    tokens = await collect(client, request["auth_req_id"])
    claims = pyjwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert (await client.userinfo(tokens["access_token"]))["sub"] == claims["sub"]


@CIBA.module("FAPICIBAID1UserRejectsAuthentication", broken=EAGER)
async def ciba_rejected(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client)
    (question,) = await op.provider.questions(op.person)
    await op.provider.answer_question(question.question_id, op.person, approved=False)
    await refused(collect(client, request["auth_req_id"]), "access_denied")


@CIBA.module(
    "FAPICIBAID1MultipleCallToTokenEndpoint",
    broken=patched(WaitingRequests, "polled", always_async(None)),
)
async def ciba_multiple_calls(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client)
    await refused(collect(client, request["auth_req_id"]), "authorization_pending")
    await refused(collect(client, request["auth_req_id"]), "slow_down")


@CIBA.module("FAPICIBAID1AuthReqIdExpired", broken=EAGER)
async def ciba_expired(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client, requested_expiry="30")
    assert request["expires_in"] == 30
    op.clock.advance(timedelta(seconds=31))
    await refused(collect(client, request["auth_req_id"]), "expired_token")
    with pytest.raises((NotFound, ValueError)):
        await approve(op)


@CIBA.module("FAPICIBAID1EnsureRequestedExpiryAsStringSucceeds", broken=LAX_CIBA)
async def ciba_expiry_as_string(op: Op) -> None:
    assert (await ask(await hotline(op), requested_expiry="60"))["expires_in"] == 60


@CIBA.module(
    "FAPICIBAID1EnsureAuthorizationRequestWithBindingMessageSucceeds",
    broken=patched(Decoupled, "questions", always_async(())),
)
async def ciba_binding_message(op: Op) -> None:
    await ask(await hotline(op), binding_message="1234")
    assert [question.binding_message for question in await op.provider.questions(op.person)] == ["1234"]


@CIBA.module("FAPICIBAID1EnsureAuthorizationRequestWithPotentiallyBadBindingMessage", broken=LAX_CIBA)
async def ciba_bad_binding_message(op: Op) -> None:
    await refused(ask(await hotline(op), binding_message="x" * 500 + "\n"), "invalid_binding_message")


@CIBA.module("FAPICIBAID1EnsureAuthorizationRequestWithMultipleHintsFails", broken=LAX_CIBA)
async def ciba_multiple_hints(op: Op) -> None:
    await refused(ask(await hotline(op), id_token_hint="x"), "invalid_request")
    await refused(ask(await hotline(op), login_hint=None), "invalid_request")


@CIBA.module(
    "FAPICIBAID1EnsureOtherScopeOrderSucceeds", broken=patched(Decoupled, "ciba", always_async(EndpointResponse({})))
)
async def ciba_scope_order(op: Op) -> None:
    assert "auth_req_id" in await ask(await hotline(op), scope="profile openid")


@CIBA.module(
    "FAPICIBAID1EnsureWrongAuthenticationRequestIdInTokenEndpointRequest",
    broken=all_of(EAGER, patched(token_endpoint.TokenEndpoint, "_collect", always_async({}))),
)
async def ciba_wrong_id(op: Op) -> None:
    client = await hotline(op)
    await ask(client)
    await refused(collect(client, "wrong"), "invalid_grant")


@CIBA.module(
    "FAPICIBAID1EnsureWrongClientIdInTokenEndpointRequest",
    broken=patched(token_endpoint.TokenEndpoint, "_collect", always_async({})),
)
async def ciba_wrong_client(op: Op) -> None:
    client, other = await hotline(op), await hotline(op)
    request = await ask(client)
    await approve(op)
    await refused(collect(other, request["auth_req_id"]), "invalid_grant")


@CIBA.module("FAPICIBAID1EnsureWrongClientIdInBackchannelAuthorizationRequest", broken=LAX_CIBA)
async def ciba_wrong_client_at_start(op: Op) -> None:
    client, other = await hotline(op), await hotline(op)
    await refused(ask(client, client_id=other.client.client_id), "invalid_client")


@CIBA.module("FAPICIBAID1EnsureWithoutClientAssertionInBackchannelAuthorizationRequestFails", broken=LAX_CIBA)
async def ciba_without_assertion(op: Op) -> None:
    client = await hotline(op)
    given = (("client_id", client.client.client_id), ("scope", "openid"), ("login_hint", "chenwei"))
    await refused(op.provider.ciba(EndpointRequest(given)), "invalid_client")


@CIBA.module(
    "FAPICIBAID1EnsureMTLSHolderOfKeyRequired (DPoP)",
    broken=patched(sender.SenderCheck, "confirmation", always_async(None)),
)
async def ciba_holder_of_key(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client)
    await approve(op)
    given = {"grant_type": GrantType.CIBA.value, "auth_req_id": request["auth_req_id"]}
    await refused(op.provider.token(client.request("/oauth/token", given, dpop=())), "invalid_dpop_proof")


@CIBA.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.run(op)


@CIBA.parametrize()
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    module.broken(monkeypatch)
    with pytest.raises(NOTICED):
        await module.run(op)
