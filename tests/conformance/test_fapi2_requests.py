"""FAPI 2.0: signed request objects (Message Signing), pushed requests, negative authorization requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt as pyjwt
import pytest
from joserfc.jwk import ECKey

from idp.oauth import (
    authorization_request,
    pushed,
    repository,
    request_object,
    server,
)
from idp.oauth.client import Client
from idp.oauth.errors import AuthorizationRefused
from idp.oauth.model import SignInNeeded
from tests.conformance.broken import all_of, always, always_async, patched
from tests.conformance.fapi_plan import LAX_PUSH, VARIANTS, fapi, refused
from tests.conformance.op import Module, Op, Plan
from tests.idp.oauth.fapi_support import CLIENT_KEY, FapiClient, signed
from tests.idp.oauth.support import ISSUER, REDIRECT_URI, Pkce, answered, authorize_parameters, body

REQUESTS = Plan("FAPI 2.0: authorization requests, signed and pushed", VARIANTS)


# Message signing: request objects


async def signing(op: Op) -> FapiClient:
    return await fapi(op, metadata={"require_signed_request_object": True})


def request_of(
    op: Op, client: FapiClient, *, key: ECKey = CLIENT_KEY, header: dict[str, Any] | None = None, **changes: object
) -> str:
    now = int(op.clock.now().timestamp())
    who = client.client.client_id
    claims = {**dict(authorize_parameters(who, Pkce.new())), "iss": who, "aud": ISSUER, "nbf": now, "exp": now + 300}
    present = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return signed(present, key, **(header or {"typ": "oauth-authz-req+jwt"}))


async def pushed_object(op: Op, client: FapiClient, token: str, **outside: str) -> dict[str, str]:
    given = {"client_id": client.client.client_id, "request": token, **outside}
    request_uri = str(body(await client.call("/oauth/par", given))["request_uri"])
    return await client.authorize(request_uri, op.person)


async def refused_object(op: Op, **changes: Any) -> None:  # noqa: ANN401 - any claim
    client = await signing(op)
    await refused(
        pushed_object(op, client, request_of(op, client, **changes)), "invalid_request_object", "invalid_request"
    )


def _lenient(**kept: object) -> Any:  # noqa: ANN401 - a break
    """Break the provider so that request objects pass unverified."""

    def opened(token: str, *_: object) -> dict[str, Any]:
        claims: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
        return {**claims, **kept}

    return patched(request_object, "_verified", opened)


LENIENT = _lenient()


@REQUESTS.module(
    "FAPI2SPFinalEnsureServerAcceptsRequestObjectWithMultipleAud",
    broken=patched(request_object, "_check_times", lambda claims, _: claims["jti"]),
)
async def multiple_aud(op: Op) -> None:
    client = await signing(op)
    assert "code" in await pushed_object(op, client, request_of(op, client, aud=[ISSUER, "https://other.example"]))


@REQUESTS.module(
    "FAPI2SPFinalEnsureRequestObjectWithNbf8SecondsInTheFutureIsAccepted",
    broken=patched(request_object, "SKEW", timedelta()),
)
async def nbf_soon(op: Op) -> None:
    client = await signing(op)
    nbf = int(op.clock.now().timestamp()) + 8
    assert "code" in await pushed_object(op, client, request_of(op, client, nbf=nbf))


OUTSIDE_COUNTS = patched(
    pushed, "open_request", lambda parameters, *_: request_object.Received(parameters, signed=True)
)


@REQUESTS.module("FAPI2SPFinalEnsureDifferentNonceInsideAndOutsideRequestObject", broken=OUTSIDE_COUNTS)
async def nonce_inside(op: Op) -> None:
    client = await signing(op)
    assert "code" in await pushed_object(op, client, request_of(op, client), nonce="outside")


@REQUESTS.module("FAPI2SPFinalEnsureDifferentStateInsideAndOutsideRequestObject", broken=OUTSIDE_COUNTS)
async def state_inside(op: Op) -> None:
    client = await signing(op)
    assert (await pushed_object(op, client, request_of(op, client, state="in"), state="out"))["state"] == "in"


@REQUESTS.module("FAPI2SPFinalStateOnlyOutsideRequestObjectNotUsed", broken=OUTSIDE_COUNTS)
async def state_outside(op: Op) -> None:
    client = await signing(op)
    assert "state" not in await pushed_object(op, client, request_of(op, client, state=None), state="out")


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithoutExpFails", broken=LENIENT)
async def object_without_exp(op: Op) -> None:
    await refused_object(op, exp=None)


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithoutNbfFails", broken=LENIENT)
async def object_without_nbf(op: Op) -> None:
    await refused_object(op, nbf=None)


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithoutRedirectUriFails", broken=_lenient(redirect_uri=REDIRECT_URI))
async def object_without_redirect_uri(op: Op) -> None:
    await refused_object(op, redirect_uri=None)


@REQUESTS.module("FAPI2SPFinalEnsureExpiredRequestObjectFails", broken=LENIENT)
async def object_expired(op: Op) -> None:
    await refused_object(op, exp=int(op.clock.now().timestamp()) - 5 * 60)


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithBadAudFails", broken=LENIENT)
async def object_bad_aud(op: Op) -> None:
    await refused_object(op, aud="https://other.example")


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithExpOver60Fails", broken=LENIENT)
async def object_exp_over_60(op: Op) -> None:
    await refused_object(op, exp=int(op.clock.now().timestamp()) + 70 * 60)


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithNbfOver60Fails", broken=LENIENT)
async def object_nbf_over_60(op: Op) -> None:
    await refused_object(op, nbf=int(op.clock.now().timestamp()) - 70 * 60)


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectSignatureAlgorithmIsNotNone", broken=LENIENT)
async def object_unsigned(op: Op) -> None:
    client = await signing(op)
    token = "eyJhbGciOiJub25lIn0." + request_of(op, client).split(".")[1] + "."
    await refused(pushed_object(op, client, token), "invalid_request_object")


@REQUESTS.module("FAPI2SPFinalEnsureRequestObjectWithInvalidSignatureFails", broken=LENIENT)
async def object_bad_signature(op: Op) -> None:
    client = await signing(op)
    token = request_of(op, client)
    await refused(pushed_object(op, client, token[:-8] + "AAAAAAAA"), "invalid_request_object")


@REQUESTS.module("FAPI2SPFinalEnsureMatchingKeyInAuthorizationRequest", broken=LENIENT)
async def object_of_another_key(op: Op) -> None:
    await refused_object(op, key=ECKey.generate_key("P-256", {"kid": "client"}))


@REQUESTS.module(
    "FAPI2SPFinalEnsureUnsignedRequestAtParEndpointFails",
    broken=patched(authorization_request, "_check_origin", always(None)),
)
async def unsigned_at_par(op: Op) -> None:
    await refused((await signing(op)).push(Pkce.new()), "invalid_request")


# Negative tests for the authorization request


@REQUESTS.module("FAPI2SPFinalEnsureRegisteredRedirectUri", broken=patched(Client, "check_redirect_uri", always(True)))
async def registered_redirect_uri(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), redirect_uri="https://evil.example/"), "invalid_request")


@REQUESTS.module(
    "FAPI2SPFinalEnsureUnsignedAuthorizationRequestWithoutUsingParFails",
    broken=patched(authorization_request, "_check_origin", always(None)),
)
async def without_par(op: Op) -> None:
    client = await fapi(op)
    with pytest.raises(AuthorizationRefused):
        await op.provider.authorize(client.parameters(Pkce.new()), op.person)


@REQUESTS.module("FAPI2SPFinalEnsureRedirectUriInAuthorizationRequest", broken=_lenient())
async def redirect_uri_needed(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), redirect_uri=None), "invalid_request")
    await refused_object(op, aud="x", redirect_uri="https://evil.example/")
    client = await signing(op)
    await refused(pushed_object(op, client, request_of(op, client, iss="x")), "invalid_request_object")


NO_SHAPE = all_of(
    patched(authorization_request, "_check_shape", always(None)), patched(Client, "check_response_type", always(True))
)


def _any_response_type() -> Any:  # noqa: ANN401 - a break
    return all_of(NO_SHAPE, patched(server.AuthorizationCodeGrant, "check_authorization_endpoint", always(True)))


@REQUESTS.module("FAPI2SPFinalEnsureResponseTypeCodeIdTokenFails", broken=_any_response_type())
async def code_id_token(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), response_type="code id_token"), "unsupported_response_type")


@REQUESTS.module("FAPI2SPFinalEnsureResponseTypeTokenFails", broken=_any_response_type())
async def response_type_token(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), response_type="token"), "unsupported_response_type")


# PAR


@REQUESTS.module(
    "FAPI2SPFinalPAREnsureServerAcceptsReusedRequestUriBeforeAuthenticationCompletion",
    broken=patched(repository.Grants, "pushed", always_async(None)),
)
async def reload(op: Op) -> None:
    client = await fapi(op)
    parameters = (("client_id", client.client.client_id), ("request_uri", await client.push(Pkce.new())))
    assert isinstance(await op.provider.authorize(parameters, None), SignInNeeded)
    assert "code" in answered(await op.provider.authorize(parameters, op.person))


@REQUESTS.module(
    "FAPI2SPFinalPARAttemptReuseRequestUri", broken=patched(repository.Grants, "complete_pushed", always_async(True))
)
async def reuse_request_uri(op: Op) -> None:
    client = await fapi(op)
    request_uri = await client.push(Pkce.new())
    assert "code" in await client.authorize(request_uri, op.person)
    with pytest.raises(AuthorizationRefused):
        await client.authorize(request_uri, op.person)


async def _fetch_as_if_fresh(_: pushed.PushedRequests, client: Client, request_uri: str) -> request_object.Received:
    return request_object.Received(authorize_parameters(client.client_id, Pkce.new()), pushed=request_uri[:32].encode())


ANY_URI = all_of(
    patched(pushed.PushedRequests, "fetch", _fetch_as_if_fresh),
    patched(repository.Grants, "complete_pushed", always_async(True)),
)


@REQUESTS.module("FAPI2SPFinalPARAttemptToUseExpiredRequestUri", broken=ANY_URI)
async def expired_request_uri(op: Op) -> None:
    client = await fapi(op)
    request_uri = await client.push(Pkce.new())
    op.clock.advance(timedelta(seconds=91))
    with pytest.raises(AuthorizationRefused):
        await client.authorize(request_uri, op.person)


@REQUESTS.module("FAPI2SPFinalPAREnsureRequestUriIsBoundToClient", broken=ANY_URI)
async def request_uri_of_another(op: Op) -> None:
    client, other = await fapi(op), await fapi(op)
    request_uri = await client.push(Pkce.new())
    with pytest.raises(AuthorizationRefused):
        await other.authorize(request_uri, op.person)


@REQUESTS.module("FAPI2SPFinalPARRejectRequestUriInParAuthorizationFormParams", broken=LAX_PUSH)
async def request_uri_in_push(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), request_uri=pushed.PREFIX + "x"), "invalid_request")


@REQUESTS.module("FAPI2SPFinalPARRejectRequestUriInParAuthorizationRequest", broken=LENIENT)
async def request_uri_in_object(op: Op) -> None:
    await refused_object(op, request_uri=pushed.PREFIX + "x")


@REQUESTS.module("FAPI2SPFinalPARRejectInvalidHttpVerb", broken=LAX_PUSH)
async def par_verb(op: Op) -> None:
    assert (await op.http.get("/oauth/par")).status_code == 405
    answer = await op.http.post("/oauth/par", data={"client_id": "x"})
    assert answer.status_code == 401


@REQUESTS.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@REQUESTS.parametrize()
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
