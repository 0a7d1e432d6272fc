"""OpenID Connect Core: Basic Certification Profile (`oidcc-basic-certification-test-plan`), with PKCE added."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from idp.oauth import (
    authorization,
    authorization_request,
    claims_request,
    grant,
    grant_statements,
    mint,
    server,
    userinfo,
)
from idp.oauth.client import AuthenticationMethod, Client
from idp.oauth.errors import OAuthError
from idp.oauth.model import AuthorizationResponse, EndpointRequest, ResponseMode, SignInNeeded
from idp.oauth.request_object import Received
from idp.oauth.token_verifier import TokenVerifier
from tests.conformance.broken import all_of, always, always_async, discovery_with, patched, with_claim, without
from tests.conformance.op import Break, Module, Op, Plan
from tests.idp.oauth.support import REDIRECT_URI, Pkce, answered, authorize_parameters, person

if TYPE_CHECKING:
    from tests.idp.oauth.support import KnownSubjects

BASIC = Plan("OpenID Connect Core: Basic")
FORM = {"content-type": "application/x-www-form-urlencoded"}


@BASIC.module("OIDCCServerTest", broken=with_claim("nonce", "another"))
async def server_test(op: Op) -> None:
    pkce = Pkce.new()
    answer = await op.answer(pkce)
    assert answer["state"] == "af0ifjsldkj"
    tokens = await op.walk.redeem(answer["code"], pkce)
    assert tokens["token_type"] == "Bearer"
    claims = op.verified(tokens["id_token"])
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert claims["at_hash"] == mint.half_hash(tokens["access_token"], "ES256")
    assert (await op.userinfo(tokens["access_token"]))["sub"] == claims["sub"]


@BASIC.module("OIDCCResponseTypeMissing", broken=patched(authorization_request, "_check_shape", always(None)))
async def response_type_missing(op: Op) -> None:
    await op.refused_there("invalid_request", response_type=None)


@BASIC.module("OIDCCIdTokenSignature", broken=patched(TokenVerifier, "_verify", always({"iss": "", "iat": 0})))
async def id_token_signature(op: Op) -> None:
    token = (await op.walk.tokens(op.person))["id_token"]
    op.verified(token)
    head, _, rest = token.partition(".")
    forged = head + "." + rest[:-8] + "AAAAAAAA"
    await op.refused_there("invalid_request", id_token_hint=forged)


@BASIC.module("OIDCCIdTokenUnsigned", broken=discovery_with(id_token_signing_alg_values_supported=["ES256", "none"]))
async def id_token_unsigned(op: Op) -> None:
    assert "none" not in op.provider.discovery()["id_token_signing_alg_values_supported"]


def _other_sub() -> object:
    async def answer(self: userinfo.UserInfo, token: str, proof: object) -> object:
        from idp.oauth.model import EndpointResponse  # noqa: PLC0415 - of the broken provider alone

        return EndpointResponse({"sub": "somebody", "proof": proof is None, "token": bool(token), "of": id(self)})

    return answer


OTHER_SUB = patched(userinfo.UserInfo, "answer", _other_sub())


async def _userinfo_by(op: Op, method: str, *, in_body: bool) -> None:
    tokens = await op.walk.tokens(op.person)
    token = tokens["access_token"]
    if in_body:
        answer = await op.http.request(method, "/oauth/userinfo", content=f"access_token={token}", headers=FORM)
    else:
        answer = await op.http.request(method, "/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["sub"] == op.verified(tokens["id_token"])["sub"]


@BASIC.module("OIDCCUserInfoGet", broken=OTHER_SUB)
async def userinfo_get(op: Op) -> None:
    await _userinfo_by(op, "GET", in_body=False)


@BASIC.module("OIDCCUserInfoPostHeader", broken=OTHER_SUB)
async def userinfo_post_header(op: Op) -> None:
    await _userinfo_by(op, "POST", in_body=False)


@BASIC.module("OIDCCUserInfoPostBody", broken=OTHER_SUB)
async def userinfo_post_body(op: Op) -> None:
    await _userinfo_by(op, "POST", in_body=True)


@BASIC.module("OIDCCEnsureRequestWithoutNonceSucceedsForCodeFlow", broken=with_claim("nonce", "invented"))
async def without_nonce(op: Op) -> None:
    assert "nonce" not in op.verified((await op.walk.tokens(op.person, nonce=None))["id_token"])


NO_CLAIMS = patched(userinfo, "select", always({}))


@BASIC.module("OIDCCScopeProfile", broken=NO_CLAIMS)
async def scope_profile(op: Op) -> None:
    assert (await op.userinfo((await op.walk.tokens(op.person, scope="openid profile"))["access_token"]))["name"]


@BASIC.module("OIDCCScopePhone", broken=NO_CLAIMS)
async def scope_phone(op: Op) -> None:
    told = await op.userinfo((await op.walk.tokens(op.person, scope="openid phone"))["access_token"])
    assert told["phone_number"] == "+8613800000001"
    assert "name" not in told


@BASIC.module("OIDCCScopeAll", broken=NO_CLAIMS)
async def scope_all(op: Op) -> None:
    tokens = await op.walk.tokens(op.person, scope="openid profile email address phone")
    told = await op.userinfo(tokens["access_token"])
    assert {"name", "phone_number"} <= told.keys()
    assert tokens["scope"] == "openid profile phone"


@BASIC.module("OIDCEnsureOtherScopeOrderSucceeds", broken=patched(server.IdTokens, "process_token", always(None)))
async def other_scope_order(op: Op) -> None:
    op.verified((await op.walk.tokens(op.person, scope="profile openid"))["id_token"])


async def _ignored(op: Op, **changes: str) -> None:
    assert "code" in await op.answer(None, **changes)


def _refusing(name: str) -> Break:
    """Break a provider so that it refuses a parameter it should ignore."""
    sound = authorization_request._check_shape

    def check(data: dict[str, str], target: authorization_request.Target) -> None:
        if name in data:
            raise target.refuse("invalid_request", "I do not know this.")
        sound(data, target)

    return patched(authorization_request, "_check_shape", check)


@BASIC.module("OIDCCDisplayPage", broken=_refusing("display"))
async def display_page(op: Op) -> None:
    await _ignored(op, display="page")


@BASIC.module("OIDCCDisplayPopup", broken=_refusing("display"))
async def display_popup(op: Op) -> None:
    await _ignored(op, display="popup")


@BASIC.module("OIDCCPromptLogin", broken=patched(authorization.Authorization, "_sign_in_needed", always(None)))
async def prompt_login(op: Op) -> None:
    first = op.verified((await op.walk.tokens(op.person))["id_token"])["auth_time"]
    op.clock.advance(timedelta(seconds=10))
    pkce = Pkce.new()
    needed = await op.outcome(pkce, prompt="login")
    assert isinstance(needed, SignInNeeded)
    assert needed.forced
    again = person(op.clock.now(), session_id="ses_2")
    code = answered(await op.provider.resume(needed.interaction_id, again))["code"]
    assert op.verified((await op.walk.redeem(code, pkce))["id_token"])["auth_time"] > first


@BASIC.module("OIDCCPromptNoneNotLoggedIn", broken=patched(authorization_request, "_prompts", always(frozenset())))
async def prompt_none_not_logged_in(op: Op) -> None:
    op.person = None  # type: ignore[assignment] # nobody is signed in
    await op.refused_there("login_required", prompt="none")


@BASIC.module("OIDCCPromptNoneLoggedIn", broken=with_claim("auth_time", 1))
async def prompt_none_logged_in(op: Op) -> None:
    first = op.verified((await op.walk.tokens(op.person))["id_token"])
    second = op.verified((await op.walk.tokens(op.person, prompt="none"))["id_token"])
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])
    assert second["auth_time"] == int(op.clock.now().timestamp())


@BASIC.module("OIDCCMaxAge1", broken=patched(authorization_request, "_max_age", always(None)))
async def max_age_1(op: Op) -> None:
    op.clock.advance(timedelta(seconds=3))
    needed = await op.outcome(max_age="1")
    assert isinstance(needed, SignInNeeded)


@BASIC.module("OIDCCMaxAge10000", broken=without("auth_time"))
async def max_age_10000(op: Op) -> None:
    first = op.verified((await op.walk.tokens(op.person))["id_token"])
    op.clock.advance(timedelta(seconds=3))
    second = op.verified((await op.walk.tokens(op.person, max_age="10000"))["id_token"])
    assert first["auth_time"] == second["auth_time"]


@BASIC.module("OIDCCEnsureRequestWithUnknownParameterSucceeds", broken=_refusing("extra"))
async def unknown_parameter(op: Op) -> None:
    await _ignored(op, extra="foobar")


@BASIC.module("OIDCCIdTokenHint", broken=patched(authorization.Authorization, "_hint_differs", always(True)))
async def id_token_hint(op: Op) -> None:
    hint = (await op.walk.tokens(op.person))["id_token"]
    assert "code" in await op.answer(id_token_hint=hint, prompt="none")


@BASIC.module("OIDCCLoginHint", broken=_refusing("login_hint"))
async def login_hint(op: Op) -> None:
    await _ignored(op, login_hint="buffy@example.com")


@BASIC.module("OIDCCUiLocales", broken=_refusing("ui_locales"))
async def ui_locales(op: Op) -> None:
    await _ignored(op, ui_locales="se")


@BASIC.module("OIDCCClaimsLocales", broken=_refusing("claims_locales"))
async def claims_locales(op: Op) -> None:
    await _ignored(op, claims_locales="se")


@BASIC.module("OIDCCEnsureRequestWithAcrValuesSucceeds", broken=without("acr"))
async def acr_values(op: Op) -> None:
    offered = op.provider.discovery()["acr_values_supported"]
    claims = op.verified((await op.walk.tokens(op.person, acr_values=" ".join(offered[1:3])))["id_token"])
    assert claims["acr"] in offered[1:]


CODE_FOREVER = all_of(
    patched(grant_statements.HotGrants, "redeem", always_async(True)),
    patched(grant.Grant, "redeemable_by", always(True)),
)


async def _reused(op: Op, after: timedelta) -> None:
    pkce = Pkce.new()
    code = (await op.answer(pkce))["code"]
    tokens = await op.walk.redeem(code, pkce)
    op.clock.advance(after)
    with pytest.raises(OAuthError) as refused:
        await op.walk.redeem(code, pkce)
    assert refused.value.error == "invalid_grant"
    assert await op.walk.introspect(tokens["access_token"]) == {"active": False}


@BASIC.module("OIDCCAuthCodeReuse", broken=CODE_FOREVER)
async def code_reuse(op: Op) -> None:
    await _reused(op, timedelta())


@BASIC.module("OIDCCAuthCodeReuseAfter30Seconds", broken=CODE_FOREVER)
async def code_reuse_after_30_seconds(op: Op) -> None:
    await _reused(op, timedelta(seconds=30))


ANY_ADDRESS = patched(Client, "check_redirect_uri", always(True))


@BASIC.module("OIDCCEnsureRegisteredRedirectUri", broken=ANY_ADDRESS)
async def registered_redirect_uri(op: Op) -> None:
    await op.refused_here(redirect_uri=REDIRECT_URI + "?foo=bar")
    await op.refused_here(redirect_uri="https://evil.example/callback")


@BASIC.module(
    "OIDCCEnsurePostRequestSucceeds",
    broken=patched(authorization.Authorization, "_save", always_async(None)),
)
async def post_request(op: Op) -> None:
    parameters = dict(authorize_parameters(op.walk.client.client_id, Pkce.new()))
    answer = await op.http.post("/oauth/authorize", data=parameters)
    assert answer.status_code == 303
    interaction_id = answer.headers["location"].removeprefix("/oauth/continue/")
    assert "code" in answered(await op.provider.resume(interaction_id, op.person))


@BASIC.module("OIDCCServerTestClientSecretPost", broken=patched(Client, "secret_matches", always(None)))
async def client_secret_post(op: Op) -> None:
    walk = await op.client(authentication=AuthenticationMethod.SECRET_POST)
    pkce = Pkce.new()
    code = await walk.code(op.person, pkce)
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": pkce.verifier,
        "client_id": walk.client.client_id,
    }
    with pytest.raises(OAuthError):
        await op.provider.token(EndpointRequest(tuple({**given, "client_secret": "wrong"}.items())))
    answer = await op.provider.token(
        EndpointRequest(tuple({**given, "client_secret": str(walk.client.client_secret)}.items()))
    )
    op.verified(dict(answer.body)["id_token"], walk)  # type: ignore[arg-type]


UNSIGNED_PASSES = patched(authorization, "open_request", lambda parameters, *_: Received(parameters))


@BASIC.module("OIDCCRequestUriUnsignedSupportedCorrectlyOrRejectedAsUnsupported", broken=UNSIGNED_PASSES)
async def request_uri_unsigned(op: Op) -> None:
    refused = await op.refusal(request_uri="https://client.example/request.jwt")
    assert (refused.error, refused.response) == ("request_uri_not_supported", None)
    assert op.provider.discovery()["request_uri_parameter_supported"] is False
    assert (await op.refusal(request="eyJhbGciOiJub25lIn0.e30.")).error == "invalid_request_object"


@BASIC.module("OIDCCUnsignedRequestObjectSupportedCorrectlyOrRejectedAsUnsupported", broken=UNSIGNED_PASSES)
async def unsigned_request_object(op: Op) -> None:
    refused = await op.refusal(request="eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6ImluIn0.")
    assert (refused.error, refused.response) == ("invalid_request_object", None)


@BASIC.module("OIDCCClaimsEssential", broken=patched(userinfo, "wanted", always({})))
async def claims_essential(op: Op) -> None:
    claims = json.dumps({"userinfo": {"name": {"essential": True}}})
    tokens = await op.walk.tokens(op.person, scope="openid", claims=claims)
    assert (await op.userinfo(tokens["access_token"]))["name"]
    assert claims_request.wanted(json.loads(claims), "id_token") == {}


@BASIC.module("OIDCCEnsureRequestObjectWithRedirectUri", broken=UNSIGNED_PASSES)
async def request_object_with_redirect_uri(op: Op) -> None:
    refused = await op.refusal(request="e30.e30.e30", redirect_uri=REDIRECT_URI)
    assert (refused.error, refused.response) == ("invalid_request_object", None)


@BASIC.module("OIDCCRefreshToken", broken=with_claim("sub", "somebody"))
async def refresh_token(op: Op) -> None:
    first = await op.walk.tokens(op.person, scope="openid offline_access")
    second = await op.walk.refresh(first["refresh_token"])
    before, after = op.verified(first["id_token"]), op.verified(second["id_token"])
    assert (before["sub"], before["auth_time"]) == (after["sub"], after["auth_time"])
    assert (await op.userinfo(second["access_token"]))["sub"] == after["sub"]
    other = await op.client()
    with pytest.raises(OAuthError) as refused:
        await other.refresh(first["refresh_token"])
    assert refused.value.error == "invalid_grant"


NO_VERIFIER = patched(server.PkceS256, "validate_code_verifier", always(None))


@BASIC.module("OIDCCEnsureRequestWithValidPkceSucceeds", broken=NO_VERIFIER)
async def valid_pkce(op: Op) -> None:
    pkce = Pkce.new()
    code = (await op.answer(pkce))["code"]
    with pytest.raises(OAuthError):
        await op.walk.redeem(code, Pkce.new())
    assert "access_token" in await op.walk.redeem(code, pkce)


def _query_only() -> Break:
    target = authorization_request.Target
    sound = target.answer

    def answer(self: authorization_request.Target, **parameters: str) -> AuthorizationResponse:
        return replace(sound(self, **parameters), mode=ResponseMode.QUERY)

    return patched(target, "answer", answer)


@BASIC.module("oidcc-formpost-basic: OIDCCServerTest", broken=_query_only())
async def form_post(op: Op) -> None:
    outcome = await op.outcome(response_mode="form_post")
    assert getattr(outcome, "mode", None) is ResponseMode.FORM_POST


@BASIC.parametrize()
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@BASIC.parametrize()
async def test_module_notices_a_broken_provider(
    module: Module, op: Op, monkeypatch: pytest.MonkeyPatch, subjects: KnownSubjects
) -> None:
    assert subjects.people
    await module.notices(op, monkeypatch)
