"""FAPI 2.0 Security Profile: negative tests of the token endpoint, client assertions, refresh."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from idp.oauth import (
    access_tokens,
    client_authentication,
    dpop,
    grant,
    grant_statements,
    sender,
    server,
)
from idp.oauth.client import AuthenticationMethod
from idp.oauth.errors import InvalidAccessToken
from idp.oauth.model import EndpointRequest, SenderProof
from tests.conformance.broken import all_of, always, always_async, patched
from tests.conformance.fapi_plan import (
    ANY_ALGORITHM,
    ANY_KEY,
    BOTH_KEYS,
    URL,
    USERINFO,
    VARIANTS,
    asserting,
    coded,
    dpop_bound,
    fapi,
    redemption,
    refused,
    rs256_assertion,
    unproven_errors,
)
from tests.conformance.op import Module, Op, Plan
from tests.idp.oauth.fapi_support import CLIENT_KEY, FapiClient, signed
from tests.idp.oauth.support import ISSUER, Pkce, body

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

    from idp.oauth.client import Client

TOKENS = Plan("FAPI 2.0: token endpoint and client assertions", VARIANTS)
FAR = datetime(2030, 1, 1, tzinfo=UTC)


# Negative tests for the token endpoint


# What the client shows counts for whichever client it names.
ANY_NAME = all_of(
    patched(
        client_authentication,
        "presented_proof",
        lambda _, parameters: (
            client_authentication._assertion(parameters)
            if "client_assertion" in parameters
            else client_authentication.Presented(AuthenticationMethod.NONE, parameters["client_id"], "")
        ),
    ),
    patched(client_authentication, "_check_certificate", lambda client, *_: client),
)


@TOKENS.module("FAPI2SPFinalEnsureClientIdInTokenEndpoint", broken=ANY_NAME)
async def client_id_at_token(op: Op) -> None:
    client, other, pkce = await fapi(op), await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    await refused(
        client.call("/oauth/token", redemption(code, pkce, client_id=other.client.client_id)), "invalid_client"
    )


UNBOUND = all_of(
    patched(sender.SenderCheck, "confirmation", always_async(None)),
    patched(client_authentication, "_check_certificate", lambda client, *_: client),
)
"""A provider that binds tokens to nothing, and takes no offence at a missing certificate."""


@TOKENS.module("FAPI2SPFinalEnsureHolderOfKeyRequired", broken=UNBOUND)
async def holder_of_key(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    await refused(op.provider.token(client.unproven("/oauth/token", redemption(code, pkce))), *unproven_errors(op))
    token = (await client.tokens(op.person))["access_token"]
    with pytest.raises(InvalidAccessToken):
        await op.provider.userinfo(token, SenderProof("GET", USERINFO))


@TOKENS.module(
    "FAPI2SPFinalEnsureAuthorizationCodeIsBoundToClient",
    broken=all_of(
        patched(grant.Grant, "redeemable_by", always(True)),
        patched(grant_statements.HotGrants, "redeem", always_async(True)),
        ANY_KEY,
    ),
)
async def code_bound_to_client(op: Op) -> None:
    client, other, pkce = await fapi(op), await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    await refused(other.call("/oauth/token", redemption(code, pkce)), "invalid_grant")


@TOKENS.module(
    "FAPI2SPFinalAttemptReuseAuthorizationCodeAfterOneSecond",
    broken=all_of(
        patched(grant.Grant, "redeemable_by", always(True)),
        patched(grant_statements.HotGrants, "redeem", always_async(True)),
    ),
)
async def code_reuse(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    token = body(await client.call("/oauth/token", redemption(code, pkce)))["access_token"]
    op.clock.advance(timedelta(seconds=1))
    await refused(client.call("/oauth/token", redemption(code, pkce)), "invalid_grant")
    with pytest.raises(InvalidAccessToken):
        await client.userinfo(token)


@TOKENS.module(
    "FAPI2SPFinalAttemptToUseExpiredAuthCode",
    broken=all_of(
        patched(grant.Grant, "redeemable_by", always(True)),
        patched(grant_statements.HotGrants, "redeem", always_async(True)),
    ),
)
async def expired_code(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    op.clock.advance(timedelta(seconds=61))
    await refused(client.call("/oauth/token", redemption(code, pkce)), "invalid_grant")


def asserted(client: FapiClient, *, key: ECKey = CLIENT_KEY, **changes: Any) -> EndpointRequest:  # noqa: ANN401
    now, who = int(client.clock.now().timestamp()), client.client.client_id
    claims = {"iss": who, "sub": who, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(8)}
    token = signed({name: value for name, value in {**claims, **changes}.items() if value is not None}, key)
    request = client.request("/oauth/par", dict(client.parameters(Pkce.new())))
    pairs = [
        ("client_assertion", token) if name == "client_assertion" else (name, value)
        for name, value in request.parameters
    ]
    return replace(request, parameters=tuple(pairs))


async def refused_assertion(op: Op, **changes: Any) -> None:  # noqa: ANN401 - any claim
    client = await fapi(op)
    await client.push(Pkce.new())
    await refused(op.provider.push(asserted(client, **changes)), "invalid_client")


async def _any_assertion(self: client_authentication.ClientAuthentication, client: Client, assertion: str) -> None:
    assert self is not None
    assert client is not None
    assert assertion


LAX_ASSERTIONS = patched(client_authentication.ClientAuthentication, "_check_assertion", _any_assertion)


@TOKENS.module("FAPI2SPFinalEnsureSignedClientAssertionWithRS256Fails", only=asserting, broken=ANY_ALGORITHM)
async def assertion_rs256(op: Op) -> None:
    client, pkce = await fapi(op, jwks=BOTH_KEYS), Pkce.new()
    given = {**redemption(await coded(op, client, pkce), pkce), "client_assertion": rs256_assertion(op, client)}
    await refused(client.call("/oauth/token", given), "invalid_client")
    assert "RS256" not in op.provider.discovery()["token_endpoint_auth_signing_alg_values_supported"]


@TOKENS.module(
    "FAPI2SPFinalEnsureClientAssertionInTokenEndpoint",
    only=asserting,
    broken=patched(
        client_authentication.ClientAuthentication,
        "authenticate",
        lambda self, *_: self._clients.get(_STORED["client_id"]),
    ),
)
async def assertion_needed(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    _STORED["client_id"] = client.client.client_id
    code = (await op.answer(pkce))["code"]
    given = tuple({**redemption(code, pkce), "client_id": client.client.client_id}.items())
    shown = (client.proof(URL),) if op.variant.dpop else ()
    request = EndpointRequest(given, url=URL, dpop=shown, certificate_der=client.certificate_der)
    await refused(op.provider.token(request), "invalid_client")


_STORED: dict[str, str] = {}


@TOKENS.module("FAPI2SPFinalEnsureClientAssertionWithExpIs5MinutesInPastFails", only=asserting, broken=LAX_ASSERTIONS)
async def assertion_expired(op: Op) -> None:
    await refused_assertion(op, exp=int(op.clock.now().timestamp()) - 300)


@TOKENS.module("FAPI2SPFinalEnsureClientAssertionWithWrongAudFails", only=asserting, broken=LAX_ASSERTIONS)
async def assertion_wrong_aud(op: Op) -> None:
    await refused_assertion(op, aud="https://other.example")


@TOKENS.module(
    "FAPI2SPFinalEnsureClientAssertionWithNoSubFails",
    only=asserting,
    broken=patched(
        client_authentication,
        "presented_proof",
        lambda _, parameters: client_authentication.Presented(
            AuthenticationMethod.PRIVATE_KEY_JWT, parameters["client_id"], "x"
        ),
    ),
)
async def assertion_without_sub(op: Op) -> None:
    client = await fapi(op)
    client.nonce = dpop.current_nonce(await op.provider._parts.mint(), op.clock.now())
    refusal = await refused(op.provider.push(asserted(client, sub=None)), "invalid_client")
    assert "malformed" in refusal.description


@TOKENS.module(
    "FAPI2SPFinalPAREnsureJWTClientAssertionWithIatNbf8SecondsInTheFutureIsAccepted",
    only=asserting,
    broken=patched(client_authentication, "LEEWAY", timedelta()),
)
async def assertion_soon(op: Op) -> None:
    client = await fapi(op)
    await client.push(Pkce.new())
    soon = int(op.clock.now().timestamp()) + 8
    assert (await op.provider.push(asserted(client, iat=soon, nbf=soon))).status == 201


@TOKENS.module(
    "FAPI2SPFinalPAREnsureJWTClientAssertionWithIatNbfOver60SecondsInTheFutureFails",
    only=asserting,
    broken=LAX_ASSERTIONS,
)
async def assertion_later(op: Op) -> None:
    later = int(op.clock.now().timestamp()) + 70
    await refused_assertion(op, iat=later, nbf=later)


@TOKENS.module("FAPI2SPFinalPAREndpointAsArrayAudienceFails", only=asserting, broken=LAX_ASSERTIONS)
async def array_audience(op: Op) -> None:
    await refused_assertion(op, aud=[f"{ISSUER}/oauth/par"])
    await refused_assertion(op, aud=[ISSUER])


@TOKENS.module("FAPI2SPFinalPAREndpointAsAudienceFails", only=asserting, broken=LAX_ASSERTIONS)
async def par_audience(op: Op) -> None:
    await refused_assertion(op, aud=f"{ISSUER}/oauth/par")


@TOKENS.module("FAPI2SPFinalPARTokenEndpointAsAudienceFails", only=asserting, broken=LAX_ASSERTIONS)
async def token_audience(op: Op) -> None:
    await refused_assertion(op, aud=f"{ISSUER}/oauth/token")


@TOKENS.module(
    "FAPI2SPFinalDpopNegativeTests",
    only=dpop_bound,
    broken=patched(
        access_tokens, "check_proof", lambda *_, **__: dpop.Proof(_STORED["jkt"], secrets.token_bytes(32), FAR)
    ),
)
async def dpop_negative(op: Op) -> None:
    client = await fapi(op)
    token = (await client.tokens(op.person))["access_token"]
    _STORED["jkt"] = client.key.thumbprint()
    other = FapiClient(op.provider, op.clock, client.client, nonce=client.nonce)  # another key
    for proof in (
        SenderProof("GET", USERINFO),
        SenderProof("GET", USERINFO, (other.proof(USERINFO, "GET", token=token),)),
        SenderProof("GET", USERINFO, (client.proof(USERINFO, "GET"),)),
        SenderProof("GET", USERINFO, (client.proof(USERINFO, "POST", token=token),)),
        SenderProof("GET", USERINFO, (client.proof(URL, "GET", token=token),)),
    ):
        with pytest.raises(InvalidAccessToken):
            await op.provider.userinfo(token, proof)


@TOKENS.module("FAPI2SPFinalRefreshToken", broken=patched(server.Facts, "rotates", property(always(True))))
async def refresh_token(op: Op) -> None:
    client = await fapi(op)
    first = await client.tokens(op.person, scope="openid offline_access")
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = body(await client.call("/oauth/token", again))
    assert second["refresh_token"] == first["refresh_token"]
    assert (await client.userinfo(second["access_token"]))["sub"]
    nameless = {**again, "client_id": client.client.client_id}
    anybody = EndpointRequest(tuple(nameless.items()), url=URL, dpop=(client.proof(URL),) if op.variant.dpop else ())
    await refused(op.provider.token(anybody), "invalid_client")
    await refused(op.provider.token(client.unproven("/oauth/token", again)), *unproven_errors(op))
    other = await fapi(op)
    await refused(other.call("/oauth/token", again), "invalid_grant")


@TOKENS.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@TOKENS.parametrize()
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
