"""Config OP, Dynamic OP, RP-initiated and back-channel logout, Identity Assurance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt as pyjwt
import pytest
from joserfc.jwk import ECKey

from foundation.principal import SYSTEM
from idp.oauth import client, client_metadata, logout, registration, userinfo
from idp.oauth.client import AuthenticationMethod, Client
from idp.oauth.client_repository import Clients
from idp.oauth.clients import RegisteredClient
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.model import EndpointResponse
from tests.conformance.broken import all_of, always, always_async, discovery_with, patched, signed_claims, with_claim
from tests.conformance.op import Module, Op, Plan
from tests.idp.oauth.fapi_support import CLIENT_KEY, FapiClient
from tests.idp.oauth.support import FOOD_BUREAU, ISSUER, REDIRECT_URI, LocalSigner, Pkce, Walk, body

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = Plan("OpenID Connect Core: Config")
DYNAMIC = Plan("OpenID Connect Core: Dynamic")
LOGOUT = Plan("OpenID Connect: RP-Initiated and Back-Channel Logout")
ASSURANCE = Plan("OpenID Connect for Identity Assurance")
AFTER = "https://food.example.gov.cn/bye"
ASKED = {"client_name": "登记的系统", "redirect_uris": [REDIRECT_URI], "scope": "openid profile offline_access"}


@CONFIG.module("OIDCCDiscoveryEndpointVerification", broken=discovery_with(issuer="https://other.example"))
async def discovery_endpoint_verification(op: Op) -> None:
    answer = await op.http.get("/.well-known/openid-configuration")
    document = answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert document["issuer"] == ISSUER
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint"):
        assert document[name].startswith(ISSUER + "/")
    assert "openid" in document["scopes_supported"]
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["pairwise"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert {"sub", "name", "acr"} <= set(document["claims_supported"])
    assert document["claims_parameter_supported"] is True
    await op.walk.tokens(op.person)
    keys = (await op.http.get(urlsplit(document["jwks_uri"]).path)).json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) > 0
    assert all(not client.PRIVATE_JWK_MEMBERS & key.keys() for key in keys)


async def _registered(op: Op, **changes: object) -> Walk:
    token = await op.clients.initial_token(SYSTEM, FOOD_BUREAU)
    made = body(await op.provider.registration.create(token, {**ASKED, **changes}))
    return Walk(op.provider, RegisteredClient(made["client_id"], made.get("client_secret")))


async def _consented(op: Op, walk: Walk, **changes: str | None) -> dict[str, Any]:
    """Walk through sign-in and consent, which every client that registered itself needs."""
    from idp.oauth.model import ConsentNeeded  # noqa: PLC0415 - of this helper alone
    from tests.idp.oauth.support import answered, authorize_parameters  # noqa: PLC0415 - of this helper alone

    pkce = Pkce.new()
    outcome = await op.provider.authorize(authorize_parameters(walk.client.client_id, pkce, **changes), op.person)
    if isinstance(outcome, ConsentNeeded):
        outcome = await op.provider.decide(outcome.interaction_id, op.person, approved=True)
    redirect_uri = changes.get("redirect_uri") or REDIRECT_URI
    return await walk.redeem(answered(outcome)["code"], pkce, redirect_uri=redirect_uri)


async def _refused(op: Op, error: str, **changes: object) -> None:
    with pytest.raises(OAuthError) as refused:
        await _registered(op, **changes)
    assert refused.value.error == error


@DYNAMIC.module("OIDCCServerTest", broken=with_claim("iss", "https://other.example"))
async def registered_server_test(op: Op) -> None:
    walk = await _registered(op)
    op.verified((await _consented(op, walk))["id_token"], walk)


def _always_es256() -> Any:  # noqa: ANN401 - a break
    sign = LocalSigner.sign

    def other(self: LocalSigner, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        return sign(self, claims, typ=typ, algorithm="ES256" if algorithm else None)

    return patched(LocalSigner, "sign", other)


@DYNAMIC.module("OIDCCIdTokenRS256", broken=_always_es256())
async def id_token_rs256(op: Op) -> None:
    walk = await _registered(op, id_token_signed_response_alg="RS256")
    op.verified((await _consented(op, walk))["id_token"], walk, algorithm="RS256")


ANY_METADATA = all_of(
    patched(registration, "check_registration", always(("x.example", client_metadata.ClientMetadata()))),
    patched(registration, "_STANDARD", {}),
)


@DYNAMIC.module("OIDCCIdTokenUnsigned", broken=ANY_METADATA)
async def id_token_unsigned(op: Op) -> None:
    await _refused(op, "invalid_client_metadata", id_token_signed_response_alg="none")


@DYNAMIC.module("OIDCCUserInfoRS256", broken=_always_es256())
async def userinfo_rs256(op: Op) -> None:
    walk = await _registered(op, userinfo_signed_response_alg="RS256")
    tokens = await _consented(op, walk)
    answer = await op.http.get("/oauth/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert answer.headers["content-type"].startswith("application/jwt")
    header = pyjwt.get_unverified_header(answer.text)
    assert header["alg"] == "RS256"
    key = next(key for key in op.provider.jwks()["keys"] if key["kid"] == header["kid"])
    told = pyjwt.decode(
        answer.text, pyjwt.PyJWK(key, "RS256"), algorithms=["RS256"], audience=walk.client.client_id, issuer=ISSUER
    )
    assert told["sub"] == op.verified(tokens["id_token"], walk)["sub"]


ANY_ADDRESS = patched(Client, "check_redirect_uri", always(True))


@DYNAMIC.module("OIDCCEnsureRedirectUriInAuthorizationRequest", broken=ANY_ADDRESS)
async def redirect_uri_missing(op: Op) -> None:
    await op.refused_here(redirect_uri=None)
    await op.refused_here(redirect_uri="")


@DYNAMIC.module("OIDCCRedirectUriQueryOK", broken=patched(Client, "check_redirect_uri", always(False)))
async def redirect_uri_query_ok(op: Op) -> None:
    address = REDIRECT_URI + "?foo=bar"
    walk = await _registered(op, redirect_uris=[address])
    assert "id_token" in await _consented(op, walk, redirect_uri=address)


@DYNAMIC.module("OIDCCRedirectUriQueryMismatch", broken=ANY_ADDRESS)
async def redirect_uri_query_mismatch(op: Op) -> None:
    op.walk = await _registered(op, redirect_uris=[REDIRECT_URI + "?foo=bar"])
    await op.refused_here(redirect_uri=REDIRECT_URI + "?bar=foo")


@DYNAMIC.module("OIDCCRedirectUriQueryAdded", broken=ANY_ADDRESS)
async def redirect_uri_query_added(op: Op) -> None:
    await op.refused_here(redirect_uri=REDIRECT_URI + "?foo=bar")


@DYNAMIC.module("OIDCCRedirectUriRegFrag", broken=ANY_METADATA)
async def redirect_uri_fragment(op: Op) -> None:
    await _refused(op, "invalid_redirect_uri", redirect_uris=[REDIRECT_URI + "#foobar"])


@DYNAMIC.module("OIDCCRegistrationLogoUri", broken=patched(registration, "MEMBERS", frozenset({"logo_uri"})))
async def registration_logo_uri(op: Op) -> None:
    op.verified(
        (await _consented(op, walk := await _registered(op, logo_uri="https://a.example/x.png")))["id_token"], walk
    )


@DYNAMIC.module("OIDCCRegistrationPolicyUri", broken=patched(registration, "MEMBERS", frozenset({"policy_uri"})))
async def registration_policy_uri(op: Op) -> None:
    op.verified(
        (await _consented(op, walk := await _registered(op, policy_uri="https://a.example/p")))["id_token"], walk
    )


@DYNAMIC.module("OIDCCRegistrationTosUri", broken=patched(registration, "MEMBERS", frozenset({"tos_uri"})))
async def registration_tos_uri(op: Op) -> None:
    walk = await _registered(op, tos_uri="https://a.example/t")
    op.verified((await _consented(op, walk))["id_token"], walk)


@DYNAMIC.module("OIDCCServerRotateKeys", broken=patched(LocalSigner, "jwks", always({"keys": []})))
async def server_rotates_keys(op: Op) -> None:
    signer = op.provider._parts.signer
    assert isinstance(signer, LocalSigner)
    before = await op.walk.tokens(op.person)
    old_jwks = signer.jwks()
    old = signer._keys.pop("ES256")
    try:
        after = await op.walk.tokens(op.person)
        first = pyjwt.get_unverified_header(before["id_token"])["kid"]
        assert first != pyjwt.get_unverified_header(after["id_token"])["kid"]
        op.verified(after["id_token"])
        assert first in {key["kid"] for key in old_jwks["keys"]}
    finally:
        signer._keys["ES256"] = old


@DYNAMIC.module("OIDCCRefreshTokenRPKeyRotation", broken=patched(Clients, "replace", always_async(None)))
async def client_rotates_keys(op: Op) -> None:
    initial = await op.clients.initial_token(SYSTEM, FOOD_BUREAU)
    keyed = {
        **ASKED,
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": AuthenticationMethod.PRIVATE_KEY_JWT.value,
        "jwks": {"keys": [CLIENT_KEY.as_dict(private=False)]},
    }
    made = body(await op.provider.registration.create(initial, keyed))
    fresh = ECKey.generate_key("P-256", {"kid": "client"})
    rotated = {**keyed, "client_id": made["client_id"], "jwks": {"keys": [fresh.as_dict(private=False)]}}
    own, management = made["client_id"], made["registration_access_token"]
    changed = body(await op.provider.registration.replace(own, management, rotated))
    assert changed["jwks"]["keys"][0]["x"] == fresh.as_dict(private=False)["x"]
    player = FapiClient(op.provider, op.clock, RegisteredClient(own, None))
    with pytest.raises(OAuthError) as refused:
        await op.provider.token(player.request("/oauth/token", {"grant_type": "refresh_token"}, dpop=()))
    assert refused.value.error == "invalid_client"


@DYNAMIC.module(
    "OIDCCRegistrationJwksUri (refused, not supported)",
    broken=patched(registration.Registration, "create", always_async(EndpointResponse({"client_id": "x"}))),
)
async def registration_jwks_uri(op: Op) -> None:
    await _refused(op, "invalid_client_metadata", jwks_uri="https://a.example/jwks")


@DYNAMIC.module("OIDCCRegistrationSectorBad", broken=ANY_METADATA)
async def registration_sector_bad(op: Op) -> None:
    addresses = ["https://a.example/cb", "https://b.example/cb"]
    await _refused(op, "invalid_client_metadata", redirect_uris=addresses)


async def _leaving(op: Op, **parameters: str) -> logout.LogoutRequest:
    return await op.provider.check_logout(tuple(parameters.items()), op.person)


async def _hint(op: Op) -> str:
    op.walk = await op.client(metadata={"post_logout_redirect_uris": (AFTER,)})
    return str((await op.walk.tokens(op.person))["id_token"])


async def _not_left(op: Op, **parameters: str) -> None:
    with pytest.raises(OAuthError):
        await _leaving(op, **parameters)


ANYWHERE = patched(logout, "_address", lambda data, _: data.get("post_logout_redirect_uri"))


@LOGOUT.module("OIDCCRpInitiatedLogout", broken=patched(logout, "_address", always(None)))
async def rp_initiated_logout(op: Op) -> None:
    asked = await _leaving(op, id_token_hint=await _hint(op), post_logout_redirect_uri=AFTER, state="s 1")
    assert (asked.address, asked.confirm) == (f"{AFTER}?state=s+1", False)


@LOGOUT.module("OIDCCRpInitiatedLogoutBadPostLogoutRedirectUri", broken=ANYWHERE)
async def bad_post_logout_redirect_uri(op: Op) -> None:
    await _not_left(op, id_token_hint=await _hint(op), post_logout_redirect_uri="https://evil.example/")


@LOGOUT.module("OIDCCRpInitiatedLogoutQueryAddedToPostLogoutRedirectUri", broken=ANYWHERE)
async def query_added(op: Op) -> None:
    await _not_left(op, id_token_hint=await _hint(op), post_logout_redirect_uri=AFTER + "?foo=bar")


NO_HINT = patched(logout.Logout, "_hint", always(None))


@LOGOUT.module("OIDCCRpInitiatedLogoutModifiedIdTokenHint", broken=NO_HINT)
async def modified_id_token_hint(op: Op) -> None:
    hint = await _hint(op)
    await _not_left(op, id_token_hint=hint[:-6] + "AAAAAA")


@LOGOUT.module("OIDCCRpInitiatedLogoutBadIdTokenHint", broken=NO_HINT)
async def bad_id_token_hint(op: Op) -> None:
    await _not_left(op, id_token_hint="bad")


@LOGOUT.module("OIDCCRpInitiatedLogoutNoIdTokenHint", broken=ANYWHERE)
async def no_id_token_hint(op: Op) -> None:
    await _not_left(op, post_logout_redirect_uri=AFTER)


WITHOUT_ASKING = patched(logout.Logout, "check", always_async(logout.LogoutRequest(None, None, confirm=False)))


@LOGOUT.module("OIDCCRpInitiatedLogoutNoParams", broken=WITHOUT_ASKING)
async def no_params(op: Op) -> None:
    asked = await _leaving(op)
    assert (asked.address, asked.confirm) == (None, True)


@LOGOUT.module("OIDCCRpInitiatedLogoutOnlyState", broken=WITHOUT_ASKING)
async def only_state(op: Op) -> None:
    asked = await _leaving(op, state="abc")
    assert (asked.address, asked.confirm) == (None, True)


@LOGOUT.module("OIDCCRpInitiatedLogoutNoPostLogoutRedirectUri", broken=patched(logout, "_address", always(AFTER)))
async def no_post_logout_redirect_uri(op: Op) -> None:
    assert (await _leaving(op, id_token_hint=await _hint(op), state="abc")).address is None


@LOGOUT.module("OIDCCRpInitiatedLogoutNoState", broken=patched(logout, "_address", always(AFTER + "?state=")))
async def no_state(op: Op) -> None:
    assert (await _leaving(op, id_token_hint=await _hint(op), post_logout_redirect_uri=AFTER)).address == AFTER


@LOGOUT.module(
    "OIDCCBackChannelLogout (logout token)",
    broken=signed_claims(lambda claims: {**claims, "nonce": "x"}, typ="logout+jwt"),
)
async def backchannel_logout_token(op: Op) -> None:
    id_token = op.verified((await op.walk.tokens(op.person))["id_token"])
    registered = await op.clients.get(op.walk.client.client_id)
    assert registered is not None
    token = await op.provider._logout.logout_token(registered, op.person.subject_id, op.person.session_id or "")
    claims = op.verified(token)
    assert pyjwt.get_unverified_header(token)["typ"] == "logout+jwt"
    assert (claims["sub"], claims["sid"]) == (id_token["sub"], id_token["sid"])
    assert claims["events"] == {logout.LOGOUT_EVENT: {}}
    assert claims["jti"]
    assert "nonce" not in claims
    with pytest.raises(InvalidAccessToken):
        op.provider._parts.verifier.id_token_hint(token)


def _verified(verification: Mapping[str, Any], *names: str) -> str:
    asked = {"verification": verification, "claims": dict.fromkeys(names)}
    return json.dumps({"userinfo": {"verified_claims": asked}})


async def _assured(op: Op, claims: str) -> dict[str, Any]:
    op.provider._parts.subjects.people["acc_chenwei"]["verified_claims"] = {  # type: ignore[attr-defined]
        "verification": {"trust_framework": "cn_hufu_real_name", "time": "2026-03-01T00:00:00Z"},
        "claims": {"name": "陈伟", "citizen_id_number": "synthetic"},
    }
    return await op.userinfo((await op.walk.tokens(op.person, scope="openid", claims=claims))["access_token"])


EVERYTHING = patched(userinfo, "select", lambda known, *_: dict(known))


@ASSURANCE.module("EKYCHappyPathTest", broken=patched(userinfo, "select", always({})))
async def happy_path(op: Op) -> None:
    told = await _assured(op, _verified({"trust_framework": None}, "name"))
    assert told["verified_claims"] == {
        "verification": {"trust_framework": "cn_hufu_real_name"},
        "claims": {"name": "陈伟"},
    }


@ASSURANCE.module("EKYCTestUserinfoOnlyRequestedClaims", broken=EVERYTHING)
async def only_requested_claims(op: Op) -> None:
    told = await _assured(op, _verified({"trust_framework": None, "time": None}, "citizen_id_number"))
    assert told["verified_claims"]["claims"].keys() == {"citizen_id_number"}
    assert told["verified_claims"]["verification"].keys() == {"trust_framework", "time"}


@ASSURANCE.module("EKYCTestUnknownTrustFrameworkOmitsVerifiedClaims", broken=EVERYTHING)
async def unknown_trust_framework(op: Op) -> None:
    assert "verified_claims" not in await _assured(op, _verified({"trust_framework": {"value": "de_aml"}}, "name"))


@ASSURANCE.module("EKYCTestEssentialNotAvailableOmitsVerifiedClaims", broken=EVERYTHING)
async def essential_not_available(op: Op) -> None:
    asked = {"trust_framework": None, "verification_process": {"essential": True}}
    assert "verified_claims" not in await _assured(op, _verified(asked, "name"))


@ASSURANCE.module("EKYCTestDiscoveryMetadata", broken=discovery_with(verified_claims_supported=None))
async def assurance_metadata(op: Op) -> None:
    document = op.provider.discovery()
    assert document["verified_claims_supported"] is True
    assert "cn_hufu_real_name" in document["trust_frameworks_supported"]
    assert document["evidence_supported"] == ["electronic_record"]
    assert "population_register" in document["electronic_records_supported"]
    assert {"name", "citizen_id_number"} <= set(document["claims_in_verified_claims_supported"])


MODULES = [*CONFIG.modules, *DYNAMIC.modules, *LOGOUT.modules, *ASSURANCE.modules]
IDS = [f"{plan.title}: {module.name}" for plan in (CONFIG, DYNAMIC, LOGOUT, ASSURANCE) for module in plan.modules]


@pytest.mark.parametrize("module", MODULES, ids=IDS)
async def test_module_passes(module: Module, op: Op) -> None:
    await module.passes(op)


@pytest.mark.parametrize("module", MODULES, ids=IDS)
async def test_module_notices_a_broken_provider(module: Module, op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    await module.notices(op, monkeypatch)
