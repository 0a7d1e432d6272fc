"""FAPI 2.0 Security Profile: well-behaved clients, DPoP, PKCE."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import jwt as pyjwt
import pytest
from joserfc.jwk import ECKey

from idp.oauth import (
    access_tokens,
    authorization,
    authorization_request,
    dpop,
    grant,
    pushed,
    sender,
    server,
)
from idp.oauth.errors import InvalidAccessToken
from idp.oauth.model import SignInNeeded
from tests.conformance.broken import always, always_async, discovery_with, patched, with_claim
from tests.conformance.fapi_plan import (
    ANY_KEY,
    LAX_PUSH,
    USERINFO,
    VARIANTS,
    coded,
    dpop_bound,
    fapi,
    redemption,
    refused,
)
from tests.conformance.op import Module, Op, Plan
from tests.idp.oauth.support import ISSUER, Pkce, answered, body

FAPI = Plan("FAPI 2.0 Security Profile: flow, DPoP, PKCE", VARIANTS)


@FAPI.module(
    "FAPI2SPFinalDiscoveryEndpointVerification", broken=discovery_with(dpop_signing_alg_values_supported=["RS256"])
)
async def discovery(op: Op) -> None:
    document = op.provider.discovery()
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["pushed_authorization_request_endpoint"].startswith(ISSUER)
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert op.variant.authentication in document["token_endpoint_auth_methods_supported"]
    assert document["tls_client_certificate_bound_access_tokens"] is True
    for name in ("dpop", "request_object", "token_endpoint_auth"):
        offered = set(document[f"{name}_signing_alg_values_supported"])
        assert offered <= {"ES256", "PS256", "EdDSA", "Ed25519"}


@FAPI.module("FAPI2SPFinalHappyFlow", broken=patched(sender.SenderCheck, "confirmation", always_async({"jkt": "x"})))
async def happy_flow(op: Op) -> None:
    client = await fapi(op)
    pkce = Pkce.new()
    answer = await client.authorize(await client.push(pkce), op.person)
    assert (answer["iss"], answer["state"]) == (ISSUER, "af0ifjsldkj")
    tokens = body(await client.call("/oauth/token", redemption(answer["code"], pkce)))
    assert tokens["token_type"] == client.token_type
    bound = pyjwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert bound["cnf"] == client.confirmation
    claims = pyjwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert (await client.userinfo(tokens["access_token"]))["sub"] == claims["sub"]


@FAPI.module(
    "FAPI2SPFinalUserRejectsAuthentication", broken=patched(authorization.Authorization, "cancel", always_async(None))
)
async def user_rejects(op: Op) -> None:
    client = await fapi(op)
    parameters = (("client_id", client.client.client_id), ("request_uri", await client.push(Pkce.new())))
    needed = await op.provider.authorize(parameters, None)
    assert isinstance(needed, SignInNeeded)
    told = answered(await op.provider.cancel(needed.interaction_id))
    assert (told["error"], told["iss"]) == ("access_denied", ISSUER)


@FAPI.module(
    "FAPI2SPFinalEnsureAuthorizationRequestWithoutStateSuccess",
    broken=patched(authorization_request, "_check_shape", lambda data, _: data["state"]),
)
async def without_state(op: Op) -> None:
    client = await fapi(op)
    assert "state" not in await client.authorize(await client.push(Pkce.new(), state=None), op.person)


@FAPI.module("FAPI2SPFinalEnsureAuthorizationRequestWithoutNonceSuccess", broken=with_claim("nonce", "x"))
async def without_nonce(op: Op) -> None:
    tokens = await (await fapi(op)).tokens(op.person, nonce=None)
    assert "nonce" not in pyjwt.decode(tokens["id_token"], options={"verify_signature": False})


@FAPI.module("FAPI2SPFinalEnsureAuthorizationRequestWith64CharNonceSuccess", broken=with_claim("nonce", "x"))
async def nonce_of_64(op: Op) -> None:
    nonce = "n" * 64
    tokens = await (await fapi(op)).tokens(op.person, nonce=nonce)
    assert pyjwt.decode(tokens["id_token"], options={"verify_signature": False})["nonce"] == nonce


@FAPI.module(
    "FAPI2SPFinalEnsureOtherScopeOrderSucceeds", broken=patched(server.IdTokens, "process_token", always(None))
)
async def other_scope_order(op: Op) -> None:
    assert "id_token" in await (await fapi(op)).tokens(op.person, scope="profile openid")


async def _asked_userinfo(op: Op, scheme: str) -> int:
    client = await fapi(op)
    token = (await client.tokens(op.person))["access_token"]
    headers = {"authorization": f"{scheme} {token}"}
    if op.variant.dpop:
        headers["dpop"] = client.proof(USERINFO, "GET", token=token)
    else:
        headers["client-cert"] = f":{base64.b64encode(client.certificate_der or b'').decode()}:"
    return (await op.http.get("/oauth/userinfo", headers=headers)).status_code


@FAPI.module(
    "FAPI2SPFinalAccessTokenTypeHeaderCaseSensitivity",
    broken=patched(access_tokens, "confirmation_matches", always(False)),
)
async def header_case(op: Op) -> None:
    own = "DPoP" if op.variant.dpop else "Bearer"
    assert [await _asked_userinfo(op, scheme) for scheme in (own, own.lower(), own.upper())] == [200, 200, 200]


ANY_PROOF_TIME = patched(dpop, "_holds", always(True))


@FAPI.module("FAPI2SPFinalCheckDpopProofNbfExp", only=dpop_bound, broken=ANY_PROOF_TIME)
async def dpop_nbf_exp(op: Op) -> None:
    client = await fapi(op)
    token = (await client.tokens(op.person))["access_token"]
    now = int(op.clock.now().timestamp())
    await client.userinfo(token, nbf=now, exp=now + 60)
    for times in ({"exp": now - 5}, {"nbf": now + 120}):
        with pytest.raises(InvalidAccessToken):
            await client.userinfo(token, **times)


@FAPI.module(
    "FAPI2SPFinalEnsureDpopProofWithIat10SecondsBeforeSucceeds",
    only=dpop_bound,
    broken=patched(dpop, "PROOF_AGE", timedelta(seconds=1)),
)
async def dpop_before(op: Op) -> None:
    client = await fapi(op)
    token = (await client.tokens(op.person))["access_token"]
    assert await client.userinfo(token, iat=int(op.clock.now().timestamp()) - 10)


@FAPI.module(
    "FAPI2SPFinalEnsureDpopProofWithIat10SecondsAfterSucceeds",
    only=dpop_bound,
    broken=patched(dpop, "PROOF_AHEAD", timedelta()),
)
async def dpop_after(op: Op) -> None:
    client = await fapi(op)
    token = (await client.tokens(op.person))["access_token"]
    assert await client.userinfo(token, iat=int(op.clock.now().timestamp()) + 10)


@FAPI.module(
    "FAPI2SPFinalEnsureMismatchedDpopJktFails",
    only=dpop_bound,
    broken=patched(
        pushed,
        "check",
        lambda received, client, mint, now: authorization_request.check(
            replace(received, parameters=tuple(p for p in received.parameters if p[0] != "dpop_jkt")),
            client,
            mint,
            now,
        ),
    ),
)
async def mismatched_jkt_at_par(op: Op) -> None:
    client = await fapi(op)
    await refused(client.push(Pkce.new(), dpop_jkt="A" * 43), "invalid_dpop_proof")


@FAPI.module("FAPI2SPFinalEnsureTokenEndpointFailsWithMismatchedDpopProofJkt", only=dpop_bound, broken=ANY_KEY)
async def mismatched_proof_at_token(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    client.key = ECKey.generate_key("P-256", auto_kid=True)
    await refused(client.call("/oauth/token", redemption(code, pkce)), "invalid_grant")


@FAPI.module("FAPI2SPFinalEnsureTokenEndpointFailsWithMismatchedDpopJkt", only=dpop_bound, broken=ANY_KEY)
async def mismatched_jkt_at_token(op: Op) -> None:
    pkce = Pkce.new()
    code = (await op.answer(pkce, dpop_jkt="A" * 43))["code"]
    await refused(op.walk.redeem(code, pkce), "invalid_grant")


@FAPI.module(
    "FAPI2SPFinalEnsureDpopProofAtParEndpointBindingSuccess",
    only=dpop_bound,
    broken=patched(grant.Grant, "accepts", always(False)),
)
async def proof_at_par_binds(op: Op) -> None:
    tokens = await (await fapi(op)).tokens(op.person)
    assert tokens["token_type"] == "DPoP"


@FAPI.module(
    "FAPI2SPFinalEnsureDpopAuthCodeBindingSuccess",
    only=dpop_bound,
    broken=patched(grant.Grant, "accepts", always(False)),
)
async def jkt_binds(op: Op) -> None:
    client = await fapi(op)
    assert "id_token" in await client.tokens(op.person, dpop_jkt=client.key.thumbprint())


@FAPI.module(
    "FAPI2SPFinalEnsureAuthorizationRequestWithLongNonce",
    broken=patched(authorization_request, "_check_shape", always(None)),
)
async def long_nonce(op: Op) -> None:
    assert "id_token" in await (await fapi(op)).tokens(op.person, nonce="n" * 384)
    await refused((await fapi(op)).push(Pkce.new(), nonce="n" * 5000), "invalid_request")


@FAPI.module(
    "FAPI2SPFinalEnsureAuthorizationRequestWithLongState",
    broken=patched(authorization_request, "_check_shape", always(None)),
)
async def long_state(op: Op) -> None:
    client = await fapi(op)
    assert (await client.authorize(await client.push(Pkce.new(), state="s" * 384), op.person))["state"] == "s" * 384
    await refused(client.push(Pkce.new(), state="s" * 5000), "invalid_request")


# PKCE


@FAPI.module("FAPI2SPFinalPAREnsurePKCERequired", broken=LAX_PUSH)
async def pkce_required(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), code_challenge=None, code_challenge_method=None), "invalid_request")


NO_VERIFIER = patched(server.PkceS256, "validate_code_verifier", always(None))


@FAPI.module("FAPI2SPFinalPAREnsurePKCECodeVerifierRequired", broken=NO_VERIFIER)
async def verifier_required(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    await refused(
        client.call("/oauth/token", redemption(code, pkce, code_verifier="")), "invalid_request", "invalid_grant"
    )


@FAPI.module("FAPI2SPFinalPARIncorrectPKCECodeVerifierRejected", broken=NO_VERIFIER)
async def wrong_verifier(op: Op) -> None:
    client, pkce = await fapi(op), Pkce.new()
    code = await coded(op, client, pkce)
    await refused(client.call("/oauth/token", redemption(code, Pkce.new())), "invalid_grant")


@FAPI.module("FAPI2SPFinalPAREnsurePlainPKCERejected", broken=LAX_PUSH)
async def plain_pkce(op: Op) -> None:
    await refused((await fapi(op)).push(Pkce.new(), code_challenge_method="plain"), "invalid_request")


@FAPI.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@FAPI.parametrize()
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
