"""The code flow from request to userinfo, and how it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from jose import jwt as jose_jwt  # type: ignore[import-untyped] # python-jose ships no types

from foundation.errors import InvalidInput
from idp.oauth.errors import AuthorizationRefused, InteractionExpired, InvalidAccessToken, OAuthError
from idp.oauth.mint import half_hash
from idp.oauth.model import ConsentNeeded, ResponseMode, SignInNeeded
from tests.idp.oauth.support import (
    ISSUER,
    LAND_BUREAU,
    PUBLIC,
    REDIRECT_URI,
    Pkce,
    Walk,
    answered,
    authorize_parameters,
    body,
    person,
    register,
    registration,
)

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from tests.idp.oauth.support import KnownSubjects, LocalSigner


async def test_signed_in_person_gets_code_state_and_issuer(walk: Walk, chen: Principal) -> None:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new())
    answer = answered(await walk.provider.authorize(parameters, chen))
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "af0ifjsldkj"
    assert answer["iss"] == ISSUER


async def test_id_token_validates_with_python_jose_and_pyjwt(
    walk: Walk, chen: Principal, signer: LocalSigner, clock: FixedClock
) -> None:
    tokens = await walk.tokens(chen, scope="openid profile")
    key = next(key for key in walk.provider.jwks()["keys"] if key["alg"] == "ES256")
    options: Any = {"verify_exp": False, "verify_iat": False}
    expected = {"audience": walk.client.client_id, "issuer": ISSUER}
    by_jose = jose_jwt.decode(
        tokens["id_token"], key, algorithms=["ES256"], access_token=tokens["access_token"], options=options, **expected
    )
    by_pyjwt = pyjwt.decode(
        tokens["id_token"],
        pyjwt.PyJWK(key),
        algorithms=["ES256"],
        options=options,
        **expected,  # type: ignore[arg-type]
    )
    assert by_jose == by_pyjwt
    assert by_jose["nonce"] == "n-0S6_WzA2Mj"
    assert by_jose["acr"] == "L2"
    assert by_jose["amr"] == ["pwd", "otp"]
    assert by_jose["auth_time"] == int(clock.now().timestamp())
    assert by_jose["exp"] - by_jose["iat"] == 300
    assert pyjwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"
    assert signer.algorithms()[0] == "ES256"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256", "RS256"])
async def test_client_chooses_id_token_algorithm(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, algorithm: str
) -> None:
    walk = Walk(provider, await register(clients, registration(id_token_algorithm=algorithm)))
    tokens = await walk.tokens(chen)
    key = next(key for key in provider.jwks()["keys"] if key["alg"] == algorithm)
    claims = pyjwt.decode(
        tokens["id_token"],
        pyjwt.PyJWK(key),
        algorithms=[algorithm],
        audience=walk.client.client_id,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["at_hash"] == half_hash(tokens["access_token"], algorithm)


async def test_userinfo_tells_what_the_scope_opens(walk: Walk, chen: Principal) -> None:
    tokens = await walk.tokens(chen, scope="openid profile real_name")
    told = body(await walk.provider.userinfo(tokens["access_token"]))
    assert told["name"] == "陈伟"
    assert "verified_claims" in told
    assert "phone_number" not in told
    assert told["sub"] == pyjwt.decode(tokens["id_token"], options={"verify_signature": False})["sub"]
    assert "acc_chenwei" not in str(tokens) + str(told)


async def test_user_token_opens_userinfo_and_nothing_else(walk: Walk, chen: Principal) -> None:
    tokens = await walk.tokens(chen)
    access = walk.provider.access_tokens
    principal = await access.authenticate(tokens["access_token"], audience=access.userinfo_audience)
    assert principal.subject_id == "acc_chenwei"
    with pytest.raises(InvalidAccessToken):
        await access.authenticate(tokens["access_token"], audience=access.api_audience)


async def test_subject_differs_by_sector_and_stays_within_one(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    async def sub(**changes: Any) -> str:  # noqa: ANN401 - any field
        walk = Walk(provider, await register(clients, registration(**changes)))
        redirect = changes.get("redirect_uris", (REDIRECT_URI,))[0]
        pkce = Pkce.new()
        code = await walk.code(chen, pkce, redirect_uri=redirect)
        tokens = await walk.redeem(code, pkce, redirect_uri=redirect)
        claims = pyjwt.decode(tokens["id_token"], options={"verify_signature": False})
        return str(claims["sub"])

    first, second = await sub(), await sub()
    other = await sub(redirect_uris=("https://land.example.gov.cn/cb",), organisation_code=LAND_BUREAU)
    assert first == second
    assert first != other


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "A" * 43 + "\n"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"claims": "[1]"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"id_token_hint": "e30.e30.e30"}, "invalid_request"),
        ({"nonce": "x" * 3000}, "invalid_request"),
    ],
)
async def test_bad_request_is_told_to_the_proven_address(
    walk: Walk, chen: Principal, changes: dict[str, str | None], error: str
) -> None:
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize(authorize_parameters(walk.client.client_id, Pkce.new(), **changes), chen)
    response = refused.value.response
    assert response is not None
    assert response.redirect_uri == REDIRECT_URI
    told = dict(response.parameters)
    assert told["error"] == error
    assert told["state"] == "af0ifjsldkj"
    assert told["iss"] == ISSUER
    assert '"' not in told.get("error_description", "")


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "",
        "https://evil.example/callback",
        REDIRECT_URI + "/",
        REDIRECT_URI + "?a=1",
        REDIRECT_URI + "#f",
        REDIRECT_URI + "/../x",
        "https://food.example.gov.cn:443/callback",
        "https://FOOD.example.gov.cn/callback",
        "https://food.example.gov.cn@evil.example/callback",
        "https://food.example.gov.cn/callback\u200b",
        "https://fооd.example.gov.cn/callback",
        "http://food.example.gov.cn/callback",
        "https://food.example.gov.cn/%63allback",
    ],
)
async def test_unproven_address_is_never_redirected_to(walk: Walk, chen: Principal, redirect_uri: str | None) -> None:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new(), redirect_uri=redirect_uri)
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize(parameters, chen)
    assert refused.value.response is None


async def test_repeated_or_unknown_client_is_never_redirected(walk: Walk, chen: Principal) -> None:
    good = authorize_parameters(walk.client.client_id, Pkce.new())
    for bad in [
        (*good, ("client_id", walk.client.client_id)),
        (*good, ("redirect_uri", REDIRECT_URI)),
        tuple(pair for pair in good if pair[0] != "client_id"),
        authorize_parameters("cli_unknown", Pkce.new()),
        (*good, *((f"p{number}", "x") for number in range(50))),
    ]:
        with pytest.raises(AuthorizationRefused) as refused:
            await walk.provider.authorize(bad, chen)
        assert refused.value.response is None


@pytest.mark.parametrize("name", ["state", "nonce", "scope", "code_challenge", "code_challenge_method", "prompt"])
async def test_repeated_parameter_is_refused(walk: Walk, chen: Principal, name: str) -> None:
    good = authorize_parameters(walk.client.client_id, Pkce.new(), prompt="login")
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize((*good, (name, "login")), chen)
    assert refused.value.response is not None
    assert refused.value.error == "invalid_request"


async def test_unknown_scope_is_ignored_and_unregistered_scope_refused(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    walk = Walk(provider, await register(clients, registration(scopes=frozenset({"openid"}))))
    assert (await walk.tokens(chen, scope="openid email"))["scope"] == "openid"
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.code(chen, Pkce.new(), scope="openid phone")
    assert refused.value.error == "invalid_scope"


@pytest.mark.parametrize("mode", list(ResponseMode))
async def test_response_mode_is_kept_for_answer_and_error(walk: Walk, chen: Principal, mode: ResponseMode) -> None:
    pkce = Pkce.new()
    outcome = await walk.provider.authorize(
        authorize_parameters(walk.client.client_id, pkce, response_mode=mode.value), chen
    )
    assert getattr(outcome, "mode", None) is mode
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.code(chen, pkce, response_mode=mode.value, prompt="dance")
    assert refused.value.response is not None
    assert refused.value.response.mode is mode


async def test_stranger_signs_in_first_and_prompt_none_says_so(walk: Walk, chen: Principal) -> None:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new())
    outcome = await walk.provider.authorize(parameters, None)
    assert isinstance(outcome, SignInNeeded)
    assert "code" in answered(await walk.provider.resume(outcome.interaction_id, chen))
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize((*parameters, ("prompt", "none")), None)
    assert refused.value.error == "login_required"


async def test_prompt_login_and_max_age_want_a_fresh_sign_in(walk: Walk, chen: Principal, clock: FixedClock) -> None:
    clock.advance(timedelta(minutes=5))
    for changes in ({"prompt": "login"}, {"max_age": "60"}, {"prompt": "select_account"}):
        outcome = await walk.provider.authorize(
            authorize_parameters(walk.client.client_id, Pkce.new(), **changes), chen
        )
        assert isinstance(outcome, SignInNeeded)
        assert outcome.forced
        assert isinstance(await walk.provider.resume(outcome.interaction_id, chen), SignInNeeded)
        fresh = person(clock.now(), session_id="ses_2")
        assert "code" in answered(await walk.provider.resume(outcome.interaction_id, fresh))
    assert "code" in answered(
        await walk.provider.authorize(authorize_parameters(walk.client.client_id, Pkce.new(), max_age="600"), chen)
    )


async def test_acr_values_step_the_session_up(walk: Walk, clock: FixedClock) -> None:
    weak = person(clock.now(), acr="L1")
    parameters = authorize_parameters(walk.client.client_id, Pkce.new(), acr_values="urn:other L3 L2")
    outcome = await walk.provider.authorize(parameters, weak)
    assert isinstance(outcome, SignInNeeded)
    assert (outcome.step_up, outcome.acr) == (True, "L2")
    assert "code" in answered(await walk.provider.resume(outcome.interaction_id, person(clock.now(), acr="L2")))
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize((*parameters, ("prompt", "none")), weak)
    assert refused.value.error == "interaction_required"


async def test_id_token_hint_of_somebody_else_wants_that_person(walk: Walk, chen: Principal, clock: FixedClock) -> None:
    hint = (await walk.tokens(chen))["id_token"]
    clock.advance(timedelta(days=1))
    own = authorize_parameters(walk.client.client_id, Pkce.new(), id_token_hint=hint, prompt="none")
    assert "code" in answered(await walk.provider.authorize(own, chen))
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize(own, person(clock.now(), "acc_zhao"))
    assert refused.value.error == "login_required"


async def test_consent_is_asked_once_remembered_and_bound_to_the_session(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, clock: FixedClock
) -> None:
    walk = Walk(provider, await register(clients, registration(pre_approved=False)))
    parameters = authorize_parameters(walk.client.client_id, Pkce.new())
    asked = await provider.authorize(parameters, chen)
    assert isinstance(asked, ConsentNeeded)
    page = await provider.consent_page(asked.interaction_id, chen)
    assert (page.client_name, page.scopes) == ("食品经营许可系统", ("openid", "profile"))

    with pytest.raises(InteractionExpired):
        await provider.decide(asked.interaction_id, person(clock.now(), session_id="ses_other"), approved=True)
    assert "code" in answered(await provider.decide(asked.interaction_id, chen, approved=True))
    with pytest.raises(InteractionExpired):
        await provider.decide(asked.interaction_id, chen, approved=True)
    assert "code" in answered(await provider.authorize(parameters, chen))
    wider = authorize_parameters(walk.client.client_id, Pkce.new(), scope="openid profile phone")
    assert isinstance(await provider.authorize(wider, chen), ConsentNeeded)
    with pytest.raises(AuthorizationRefused) as refused:
        await provider.authorize((*wider, ("prompt", "none")), chen)
    assert refused.value.error == "consent_required"


async def test_declined_consent_is_told_to_the_client(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    walk = Walk(provider, await register(clients, registration(pre_approved=False)))
    asked = await provider.authorize(authorize_parameters(walk.client.client_id, Pkce.new()), chen)
    assert isinstance(asked, ConsentNeeded)
    with pytest.raises(AuthorizationRefused) as refused:
        await provider.decide(asked.interaction_id, chen, approved=False)
    assert refused.value.error == "access_denied"
    assert refused.value.response is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": ""},
        {"code_verifier": "short"},
        {"redirect_uri": "https://food.example.gov.cn/other"},
        {"redirect_uri": ""},
        {"code": "unknown"},
        {"code": ""},
    ],
)
async def test_wrong_redemption_is_refused_and_leaves_the_code_usable(
    walk: Walk, chen: Principal, changes: dict[str, str]
) -> None:
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    with pytest.raises(OAuthError) as refused:
        await walk.redeem(code, pkce, **changes)
    assert refused.value.error in {"invalid_grant", "invalid_request"}
    assert "access_token" in await walk.redeem(code, pkce)


async def test_code_of_another_client_is_refused_and_stays_the_owners(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    owner, thief = Walk(provider, await register(clients)), Walk(provider, await register(clients))
    pkce = Pkce.new()
    code = await owner.code(chen, pkce)
    with pytest.raises(OAuthError) as refused:
        await thief.redeem(code, pkce)
    assert refused.value.error == "invalid_grant"
    assert "access_token" in await owner.redeem(code, pkce)


async def test_expired_code_is_refused(walk: Walk, chen: Principal, clock: FixedClock) -> None:
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    clock.advance(timedelta(seconds=61))
    with pytest.raises(OAuthError) as refused:
        await walk.redeem(code, pkce)
    assert refused.value.error == "invalid_grant"


async def test_reused_code_ends_what_it_gave_and_only_that(walk: Walk, chen: Principal) -> None:
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    tokens, other = await walk.redeem(code, pkce), await walk.tokens(chen)
    assert (await walk.introspect(tokens["access_token"]))["active"] is True
    with pytest.raises(OAuthError) as refused:
        await walk.redeem(code, pkce)
    assert refused.value.error == "invalid_grant"
    assert await walk.introspect(tokens["access_token"]) == {"active": False}
    assert (await walk.introspect(other["access_token"]))["active"] is True
    with pytest.raises(InvalidAccessToken):
        await walk.provider.userinfo(tokens["access_token"])


async def test_closed_account_gets_no_tokens_and_loses_userinfo(
    walk: Walk, chen: Principal, subjects: KnownSubjects
) -> None:
    tokens = await walk.tokens(chen)
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    subjects.people.clear()
    with pytest.raises(OAuthError) as refused:
        await walk.redeem(code, pkce)
    assert refused.value.error == "invalid_grant"
    with pytest.raises(InvalidAccessToken):
        await walk.provider.userinfo(tokens["access_token"])


async def test_public_client_redeems_without_secret_and_never_uses_client_credentials(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    walk = Walk(provider, await register(clients, registration(**PUBLIC)), public=True)
    assert "access_token" in await walk.tokens(chen)
    with pytest.raises(OAuthError) as refused:
        await provider.token(walk.request(grant_type="client_credentials"))
    assert refused.value.error == "invalid_client"
    with pytest.raises(InvalidInput):
        await register(clients, registration(**PUBLIC, grant_types=frozenset({"client_credentials"})))
