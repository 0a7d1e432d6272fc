"""FAPI-CIBA: the general modules, polling and pinged, by assertion and by certificate.

The published plan binds tokens by mutual TLS; polling with DPoP is ours beside it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest

from foundation.errors import NotFound
from idp.oauth import client_authentication, sender, token_endpoint
from idp.oauth.client import GrantType
from idp.oauth.client_authentication import ClientAuthentication
from idp.oauth.decoupled import Decoupled
from idp.oauth.errors import OAuthError
from idp.oauth.grant import Grant
from idp.oauth.model import EndpointResponse
from idp.oauth.waiting_repository import WaitingRequests
from tests.conformance.broken import all_of, always, always_async, discovery_with, patched, with_claim
from tests.conformance.ciba_plan import VARIANTS, answer, ask, certified, collect, collection, hotline, pinging
from tests.conformance.fapi_plan import (
    ANY_ALGORITHM,
    BOTH_KEYS,
    asserting,
    refused,
    rs256_assertion,
    unproven_errors,
)
from tests.conformance.op import Module, Op, Plan
from tests.idp.oauth.support import ISSUER, body

if TYPE_CHECKING:
    from collections.abc import Mapping


CIBA = Plan("FAPI-CIBA: general modules", VARIANTS)


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
    await answer(op, request)
    op.clock.advance(timedelta(seconds=6))
    tokens = await collect(client, request["auth_req_id"])
    bound = pyjwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert (bound["cnf"], tokens["token_type"]) == (client.confirmation, client.token_type)
    claims = pyjwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert (await client.userinfo(tokens["access_token"]))["sub"] == claims["sub"]


@CIBA.module("FAPICIBAID1UserRejectsAuthentication", broken=EAGER)
async def ciba_rejected(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client)
    await answer(op, request, approved=False)
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
        await answer(op, request)


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
    await answer(op, request)
    await refused(collect(other, request["auth_req_id"]), "invalid_grant")


ANY_NAME = patched(client_authentication, "_check_certificate", lambda client, *_: client)


@CIBA.module("FAPICIBAID1EnsureWrongClientIdInTokenEndpointRequest (own certificate)", only=certified, broken=ANY_NAME)
async def ciba_wrong_name(op: Op) -> None:
    client, other = await hotline(op), await hotline(op)
    request = await ask(client)
    await refused(collect(client, request["auth_req_id"], client_id=other.client.client_id), "invalid_client")


@CIBA.module("FAPICIBAID1EnsureWrongClientIdInBackchannelAuthorizationRequest", broken=LAX_CIBA)
async def ciba_wrong_client_at_start(op: Op) -> None:
    client, other = await hotline(op), await hotline(op)
    await refused(ask(client, client_id=other.client.client_id), "invalid_client")


async def without_assertion(op: Op, path: str, **given: str) -> None:
    client = await hotline(op)
    request = client.request(path, given)
    kept = tuple(pair for pair in request.parameters if not pair[0].startswith("client_assertion"))
    nameless = replace(request, parameters=(*kept, ("client_id", client.client.client_id)))
    use = op.provider.token if path == "/oauth/token" else op.provider.ciba
    await refused(use(nameless), "invalid_client")


@CIBA.module(
    "FAPICIBAID1EnsureWithoutClientAssertionInBackchannelAuthorizationRequestFails", only=asserting, broken=LAX_CIBA
)
async def ciba_without_assertion(op: Op) -> None:
    await without_assertion(op, "/oauth/bc-authorize", scope="openid", login_hint="chenwei")


NAME_IS_ENOUGH = patched(
    ClientAuthentication,
    "authenticate",
    lambda self, _, parameters: self._clients.get(parameters["client_id"]),
)


@CIBA.module("FAPICIBAID1EnsureWithoutClientAssertionInTokenEndpointFails", only=asserting, broken=NAME_IS_ENOUGH)
async def ciba_without_assertion_at_token(op: Op) -> None:
    await without_assertion(op, "/oauth/token", **collection("x"))


def _refuses(*_: object) -> None:
    raise OAuthError("invalid_client", "The aud must be this endpoint.")


async def rs256(op: Op, path: str, **given: str) -> None:
    client = await hotline(op, jwks=BOTH_KEYS)
    request = client.request(path, {**given, "client_assertion": rs256_assertion(op, client)})
    use = op.provider.token if path == "/oauth/token" else op.provider.ciba
    await refused(use(request), "invalid_client")


@CIBA.module(
    "FAPICIBAID1EnsureClientAssertionSignatureAlgorithmInBackchannelAuthorizationRequestIsRS256Fails",
    only=asserting,
    broken=ANY_ALGORITHM,
)
async def ciba_rs256(op: Op) -> None:
    await rs256(op, "/oauth/bc-authorize", scope="openid", login_hint="chenwei")


@CIBA.module(
    "FAPICIBAID1EnsureClientAssertionSignatureAlgorithmInTokenEndpointRequestIsRS256Fails",
    only=asserting,
    broken=ANY_ALGORITHM,
)
async def ciba_rs256_at_token(op: Op) -> None:
    await rs256(op, "/oauth/token", **collection("x"))


@CIBA.module(
    "FAPICIBAID1EnsureClientAssertionWithIssAudToTokenEndpointSucceeds",
    only=asserting,
    broken=patched(client_authentication, "check_assertion", _refuses),
)
async def ciba_issuer_as_audience(op: Op) -> None:
    client = await hotline(op)
    assert pyjwt.decode(client.assertion(), options={"verify_signature": False})["aud"] == ISSUER
    request = await ask(client)
    await refused(collect(client, request["auth_req_id"]), "authorization_pending")


@CIBA.module("FAPICIBAID1RefreshToken", broken=patched(Grant, "accepts_refresh", always(False)))
async def ciba_refresh(op: Op) -> None:
    client, other = await hotline(op), await hotline(op)
    request = await ask(client, scope="openid profile offline_access")
    await answer(op, request)
    first = await collect(client, request["auth_req_id"])
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = body(await client.call("/oauth/token", again))
    assert (await client.userinfo(second["access_token"]))["sub"]
    await refused(other.call("/oauth/token", again), "invalid_grant")


@CIBA.module(
    "FAPICIBAID1EnsureMTLSHolderOfKeyRequired",
    broken=all_of(ANY_NAME, patched(sender.SenderCheck, "confirmation", always_async(None))),
)
async def ciba_holder_of_key(op: Op) -> None:
    client = await hotline(op)
    request = await ask(client)
    await answer(op, request)
    unproven = client.unproven("/oauth/token", collection(request["auth_req_id"]))
    await refused(op.provider.token(unproven), *unproven_errors(op))


# Ping: whatever the client's endpoint answers, it is told once and its tokens wait for it


def _insisting() -> Any:  # noqa: ANN401 - a break
    """Break the provider so that it tells a client again that did not like to be told."""
    sound = Decoupled.ping

    async def insist(self: Decoupled, payload: Mapping[str, Any]) -> None:
        await sound(self, payload)
        await sound(self, payload)

    return patched(Decoupled, "ping", insist)


NEVER_TOLD = patched(Decoupled, "ping", always_async(None))


async def collected_after(op: Op, status: int, content: bytes = b"") -> None:
    client = await hotline(op)
    request = await ask(client)
    op.notifications.answer(status, content)
    await answer(op, request)
    assert "id_token" in await collect(client, request["auth_req_id"])


@CIBA.module("FAPICIBAID1PingNotificationEndpointReturnsABody", only=pinging, broken=NEVER_TOLD)
async def ping_with_body(op: Op) -> None:
    await collected_after(op, 200, b"thank you")


@CIBA.module("FAPICIBAID1PingNotificationEndpointReturns401", only=pinging, broken=NEVER_TOLD)
async def ping_401(op: Op) -> None:
    await collected_after(op, 401)


@CIBA.module("FAPICIBAID1PingNotificationEndpointReturns403", only=pinging, broken=NEVER_TOLD)
async def ping_403(op: Op) -> None:
    await collected_after(op, 403)


@CIBA.module(
    "FAPICIBAID1PingNotificationEndpointReturns401AndRequireServerDoesNotRetry",
    only=pinging,
    broken=_insisting(),
)
async def ping_401_is_final(op: Op) -> None:
    await collected_after(op, 401)


@CIBA.module("FAPICIBAID1PingNotificationEndpointReturnsRedirectRequest", only=pinging, broken=NEVER_TOLD)
async def ping_redirect(op: Op) -> None:
    await collected_after(op, 301)


@CIBA.module("FAPICIBAID1EnsureClientNotificationTokenRequired", only=pinging, broken=LAX_CIBA)
async def ping_token_needed(op: Op) -> None:
    client = await hotline(op)
    await refused(ask(client, client_notification_token=None), "invalid_request")
    await refused(ask(client, client_notification_token="x" * 1025), "invalid_request")


@CIBA.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@CIBA.parametrize()
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
