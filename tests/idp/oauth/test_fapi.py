"""FAPI 2.0: pushed and signed requests, sender-constrained tokens, signed answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from joserfc.jwk import ECKey

from foundation.errors import InvalidInput
from idp.oauth.clients import AuthenticationMethod
from idp.oauth.errors import AuthorizationRefused, DpopNonceNeeded, InvalidAccessToken, OAuthError
from idp.oauth.model import EndpointRequest, SenderProof, SignInNeeded
from tests.idp.oauth.fapi_support import CLIENT_KEY, FapiClient, certificate, fapi_registration, signed
from tests.idp.oauth.support import (
    ISSUER,
    PUBLIC,
    REDIRECT_URI,
    Pkce,
    answered,
    authorize_parameters,
    body,
    department,
    register,
    registration,
)

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from tests.idp.oauth.support import Walk


@pytest.fixture
async def fapi(provider: OpenIdProvider, clients: ClientService, clock: FixedClock) -> FapiClient:
    return await FapiClient.make(provider, clients, clock)


async def test_whole_flow_gives_dpop_bound_tokens(fapi: FapiClient, chen: Principal) -> None:
    tokens = await fapi.tokens(chen)
    assert tokens["token_type"] == "DPoP"
    claims = pyjwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": fapi.key.thumbprint()}
    assert (await fapi.userinfo(tokens["access_token"]))["sub"] == claims["sub"]


async def test_bound_token_is_worthless_without_its_key(fapi: FapiClient, chen: Principal) -> None:
    token = (await fapi.tokens(chen))["access_token"]
    url = f"{ISSUER}/oauth/userinfo"
    thief = FapiClient(fapi.provider, fapi.clock, fapi.client, nonce=fapi.nonce)
    good = fapi.proof(url, "GET", token=token)
    for proof in (
        None,
        SenderProof("GET", url),
        SenderProof("GET", url, (thief.proof(url, "GET", token=token),)),
        SenderProof("GET", url, (good, good)),
        SenderProof("POST", url, (fapi.proof(url, "GET", token=token),)),
        SenderProof("GET", url, (fapi.proof(f"{ISSUER}/api", "GET", token=token),)),
        SenderProof("GET", url, (fapi.proof(url, "GET"),)),
        SenderProof("GET", url, (fapi.proof(url, "GET", token=token + "x"),)),
    ):
        with pytest.raises(InvalidAccessToken):
            await fapi.provider.userinfo(token, proof)


async def test_proof_is_used_once_also_in_parallel(fapi: FapiClient, chen: Principal) -> None:
    token = (await fapi.tokens(chen))["access_token"]
    url = f"{ISSUER}/oauth/userinfo"
    proof = SenderProof("GET", url, (fapi.proof(url, "GET", token=token),))
    outcomes = await asyncio.gather(*(fapi.provider.userinfo(token, proof) for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": "https://evil.example/oauth/token"},
        {"htu": f"{ISSUER}/oauth/par"},
        {"htu": None},
        {"iat": 1},
        {"iat": 4_000_000_000},
        {"iat": "now"},
        {"iat": None},
        {"iat": True},
        {"jti": None},
        {"jti": "x" * 500},
        {"header": {"typ": "JWT"}},
        {"header": {"jwk": None}},
        {"header": {"jwk": ECKey.generate_key("P-256").as_dict(private=False)}},
        {"header": {"jwk": ECKey.generate_key("P-256").as_dict(private=True)}},
    ],
)
async def test_bad_proof_is_refused_at_the_token_endpoint(fapi: FapiClient, changes: dict[str, Any]) -> None:
    await fapi.push(Pkce.new())
    url = f"{ISSUER}/oauth/token"
    try:
        proof = fapi.proof(url, **changes)
    except ValueError:
        proof = "not.a.proof"
    with pytest.raises(OAuthError) as refused:
        await fapi.provider.token(fapi.request("/oauth/token", {"grant_type": "x"}, dpop=(proof,)))
    assert refused.value.error == "invalid_dpop_proof"


async def test_stale_nonce_is_answered_with_a_fresh_one(fapi: FapiClient, chen: Principal, clock: FixedClock) -> None:
    token = (await fapi.tokens(chen))["access_token"]
    url = f"{ISSUER}/oauth/userinfo"
    clock.advance(timedelta(minutes=9))
    await fapi.userinfo(token)
    fapi.nonce = "made-up"
    with pytest.raises(DpopNonceNeeded) as needed:
        await fapi.provider.userinfo(token, SenderProof("GET", url, (fapi.proof(url, "GET", token=token),)))
    assert needed.value.nonce


async def test_client_bound_to_keys_gets_nothing_without_proof(fapi: FapiClient) -> None:
    with pytest.raises(OAuthError) as refused:
        await fapi.provider.token(fapi.request("/oauth/token", {"grant_type": "x"}, dpop=()))
    assert refused.value.error == "invalid_dpop_proof"


async def test_unpushed_request_of_a_fapi_client_is_refused(fapi: FapiClient, chen: Principal) -> None:
    with pytest.raises(AuthorizationRefused) as refused:
        await fapi.provider.authorize(fapi.parameters(Pkce.new()), chen)
    assert refused.value.error == "invalid_request"
    assert refused.value.response is not None


async def test_request_uri_is_for_one_completed_authorization(fapi: FapiClient, chen: Principal) -> None:
    request_uri = await fapi.push(Pkce.new(), prompt="login")
    parameters = (("client_id", fapi.client.client_id), ("request_uri", request_uri))
    first = await fapi.provider.authorize(parameters, None)
    reloaded = await fapi.provider.authorize(parameters, None)
    assert isinstance(first, SignInNeeded)
    assert isinstance(reloaded, SignInNeeded)
    outcomes = await asyncio.gather(
        *(fapi.provider.resume(each.interaction_id, chen) for each in (first, reloaded) * 5), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    with pytest.raises(AuthorizationRefused) as refused:
        await fapi.provider.authorize(parameters, chen)
    assert (refused.value.error, refused.value.response) == ("invalid_request_uri", None)


async def test_request_uri_expires_and_belongs_to_its_client(
    fapi: FapiClient, provider: OpenIdProvider, clients: ClientService, chen: Principal, clock: FixedClock
) -> None:
    request_uri = await fapi.push(Pkce.new())
    thief = await FapiClient.make(provider, clients, clock)
    for uri in (request_uri, "urn:ietf:params:oauth:request_uri:unknown", "https://evil.example/request.jwt"):
        with pytest.raises(AuthorizationRefused) as refused:
            await thief.authorize(uri, chen)
        assert refused.value.response is None
    clock.advance(timedelta(seconds=91))
    with pytest.raises(AuthorizationRefused):
        await fapi.authorize(request_uri, chen)


async def test_bad_push_is_told_at_once(fapi: FapiClient) -> None:
    for changes, error in (
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
    ):
        with pytest.raises(OAuthError) as refused:
            await fapi.push(Pkce.new(), **changes)
        assert refused.value.error == error


async def test_code_is_bound_to_the_key_of_the_push(fapi: FapiClient, chen: Principal) -> None:
    pkce = Pkce.new()
    code = (await fapi.authorize(await fapi.push(pkce), chen))["code"]
    fapi.key = ECKey.generate_key("P-256", auto_kid=True)
    with pytest.raises(OAuthError) as refused:
        await fapi.call(
            "/oauth/token",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT_URI,
                "code_verifier": pkce.verifier,
            },
        )
    assert refused.value.error == "invalid_grant"


async def test_public_clients_refresh_token_is_bound_and_does_not_rotate(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, clock: FixedClock
) -> None:
    client = await register(clients, registration(**PUBLIC, metadata={"dpop_bound_access_tokens": True}))
    player = FapiClient(provider, clock, client)
    pkce = Pkce.new()
    scope = "openid offline_access"
    code = answered(await provider.authorize(player.parameters(pkce, scope=scope), chen))["code"]
    url = f"{ISSUER}/oauth/token"

    async def ask(**parameters: str) -> dict[str, Any]:
        given = {"client_id": client.client_id, **parameters}
        return body(await provider.token(EndpointRequest(tuple(given.items()), url=url, dpop=(player.proof(url),))))

    with pytest.raises(OAuthError) as refused:
        await ask(grant_type="authorization_code")
    player.nonce = dict(refused.value.headers)["dpop-nonce"]
    redeemed = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": pkce.verifier}
    first = await ask(grant_type="authorization_code", **redeemed)
    second = await ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert second["refresh_token"] == first["refresh_token"]
    player.key = ECKey.generate_key("P-256", auto_kid=True)
    with pytest.raises(OAuthError) as refused:
        await ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert refused.value.error == "invalid_grant"


def request_object(who: str, clock: FixedClock, pkce: Pkce, *, key: ECKey = CLIENT_KEY, **changes: Any) -> str:  # noqa: ANN401
    now = int(clock.now().timestamp())
    header = changes.pop("header", {"typ": "oauth-authz-req+jwt"})
    claims = {
        **dict(authorize_parameters(who, pkce)),
        "iss": who,
        "aud": ISSUER,
        "nbf": now,
        "exp": now + 300,
        **changes,
    }
    return signed({name: value for name, value in claims.items() if value is not None}, key, **header)


@pytest.fixture
async def signing(clients: ClientService) -> str:
    asked = registration(
        jwks={"keys": [CLIENT_KEY.as_dict(private=False)]}, metadata={"require_signed_request_object": True}
    )
    return (await register(clients, asked)).client_id


async def test_signed_request_counts_and_what_stands_outside_does_not(
    provider: OpenIdProvider, chen: Principal, clock: FixedClock, signing: str
) -> None:
    token = request_object(signing, clock, Pkce.new(), state="inside", max_age=600)
    outcome = await provider.authorize(
        (("client_id", signing), ("request", token), ("state", "outside"), ("redirect_uri", "https://evil.example")),
        chen,
    )
    assert answered(outcome)["state"] == "inside"
    with pytest.raises(AuthorizationRefused) as refused:
        await provider.authorize(authorize_parameters(signing, Pkce.new()), chen)
    assert refused.value.error == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "cli_other"},
        {"client_id": "cli_other"},
        {"aud": "https://other.example"},
        {"aud": None},
        {"exp": None},
        {"nbf": None},
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"exp": 4_000_000_000},
        {"exp": True},
        {"request": "e30.e30.x"},
        {"request_uri": "urn:x"},
        {"key": ECKey.generate_key("P-256", {"kid": "client"})},
        {"header": {"typ": "at+jwt"}},
        {"header": {"kid": "unknown"}},
    ],
)
async def test_bad_request_object_is_never_answered_by_redirect(
    provider: OpenIdProvider, chen: Principal, clock: FixedClock, signing: str, changes: dict[str, Any]
) -> None:
    token = request_object(signing, clock, Pkce.new(), **changes)
    with pytest.raises(AuthorizationRefused) as refused:
        await provider.authorize((("client_id", signing), ("request", token)), chen)
    assert refused.value.error == "invalid_request_object"
    assert refused.value.response is None


async def test_unsigned_request_object_is_refused(
    provider: OpenIdProvider, chen: Principal, clock: FixedClock, signing: str
) -> None:
    payload = request_object(signing, clock, Pkce.new()).split(".")[1]
    with pytest.raises(AuthorizationRefused):
        await provider.authorize((("client_id", signing), ("request", f"eyJhbGciOiJub25lIn0.{payload}.")), chen)


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"])
async def test_answer_and_error_travel_signed(walk: Walk, chen: Principal, mode: str) -> None:
    pkce = Pkce.new()
    outcome = answered(
        await walk.provider.authorize(authorize_parameters(walk.client.client_id, pkce, response_mode=mode), chen)
    )
    assert set(outcome) == {"response"}
    key = next(key for key in walk.provider.jwks()["keys"] if key["alg"] == "ES256")
    claims = pyjwt.decode(
        outcome["response"],
        pyjwt.PyJWK(key),
        algorithms=["ES256"],
        audience=walk.client.client_id,
        issuer=ISSUER,
        options={"verify_exp": False},
    )
    assert claims["state"] == "af0ifjsldkj"
    assert "access_token" in await walk.redeem(claims["code"], pkce)
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.code(chen, pkce, response_mode=mode, prompt="dance")
    assert refused.value.response is not None
    assert [name for name, _ in refused.value.response.parameters] == ["response"]


async def test_certificate_authenticates_and_binds(provider: OpenIdProvider, clients: ClientService) -> None:
    asked = department(
        authentication=AuthenticationMethod.TLS,
        metadata={"tls_client_auth_subject_dn": "CN=bureau", "tls_client_certificate_bound_access_tokens": True},
    )
    client = await register(clients, asked)
    mine, other = certificate("bureau")[0], certificate("bureau")[0]
    parameters = (("grant_type", "client_credentials"), ("client_id", client.client_id))
    answer = body(await provider.token(EndpointRequest(parameters, certificate_der=mine)))
    assert answer["token_type"] == "Bearer"
    access = provider.access_tokens
    token, audience = answer["access_token"], access.api_audience
    principal = await access.authenticate(token, audience=audience, proof=SenderProof(certificate_der=mine))
    assert principal.sender_constrained
    for proof in (None, SenderProof(), SenderProof(certificate_der=other)):
        with pytest.raises(InvalidAccessToken):
            await access.authenticate(token, audience=audience, proof=proof)
    for wrong in (None, certificate("stranger")[0], b"no certificate"):
        with pytest.raises(OAuthError) as refused:
            await provider.token(EndpointRequest(parameters, certificate_der=wrong))
        assert refused.value.error == "invalid_client"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"authentication": AuthenticationMethod.SECRET_BASIC}, "token_endpoint_auth_method"),
        ({"id_token_algorithm": "RS256"}, "id_token_algorithm"),
        ({"metadata": {"dpop_bound_access_tokens": False}}, "dpop_bound_access_tokens"),
        ({"metadata": {"unknown": 1}}, "unknown"),
        ({"metadata": {"backchannel_logout_uri": "http://food.example/x"}}, "backchannel_logout_uri"),
        ({"metadata": {"post_logout_redirect_uris": "https://a.example"}}, "post_logout_redirect_uris"),
        ({"metadata": {"userinfo_signed_response_alg": "none"}}, "userinfo_signed_response_alg"),
        ({"metadata": {"backchannel_token_delivery_mode": "ping"}}, "backchannel_client_notification_endpoint"),
    ],
)
async def test_metadata_is_checked(clients: ClientService, changes: dict[str, Any], field: str) -> None:
    asked = {name: value for name, value in changes.items() if name != "authentication"}
    registered = fapi_registration(**asked)
    if "authentication" in changes:
        registered = registration(metadata={"fapi": True, "dpop_bound_access_tokens": True})
    with pytest.raises(InvalidInput) as refused:
        await register(clients, registered)
    assert refused.value.field == field
