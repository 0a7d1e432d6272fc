"""The known attacks on an OpenID Provider: which tests stand against each, and those that stood nowhere yet."""

from __future__ import annotations

import hmac
import json
import re
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from foundation.errors import InvalidInput, NotFound
from idp.oauth.clients import GrantType
from idp.oauth.errors import AuthorizationRefused, InvalidAccessToken, OAuthError
from idp.oauth.model import EndpointRequest, ResponseMode
from keys.jws import b64url
from tests.idp.oauth.fapi_support import FapiClient
from tests.idp.oauth.support import ISSUER, REDIRECT_URI, Pkce, Walk, answered, authorize_parameters, body, person

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from tests.idp.oauth.support import LocalSigner

DOCUMENT = Path(__file__).parents[3] / "docs" / "conformance.md"
OWN = "idp.oauth.test_known_attacks"
FLOW, CLIENTS, FAPI = "idp.oauth.test_code_flow", "idp.oauth.test_clients", "idp.oauth.test_fapi"
PAGES = "api.test_page_attacks"
HTTP, LOGOUT, DECOUPLED = "idp.oauth.test_http", "idp.oauth.test_logout", "idp.oauth.test_decoupled"
ATTACKS: dict[str, tuple[tuple[str, str], ...]] = {
    "code injection": (
        (OWN, "test_a_code_is_worthless_in_another_flow_of_its_own_client"),
        (FLOW, "test_code_of_another_client_is_refused_and_stays_the_owners"),
        (FAPI, "test_code_is_bound_to_the_key_of_the_push"),
    ),
    "code replay": (
        (FLOW, "test_reused_code_ends_what_it_gave_and_only_that"),
        ("idp.oauth.test_single_use_processes", "test_hundred_parallel_uses_give_one_success_each"),
    ),
    "mix-up": ((OWN, "test_every_answer_names_its_issuer"), (FLOW, "test_bad_request_is_told_to_the_proven_address")),
    "PKCE downgrade": (
        (OWN, "test_pkce_is_never_talked_down"),
        (FLOW, "test_bad_request_is_told_to_the_proven_address"),
    ),
    "redirect tricks": (
        (OWN, "test_a_redirect_uri_that_only_looks_like_the_registered_one_is_not_redirected_to"),
        (OWN, "test_tricks_are_not_registered_either"),
        (FLOW, "test_unproven_address_is_never_redirected_to"),
    ),
    "algorithm confusion and none": (
        (OWN, "test_a_forged_access_token_opens_nothing"),
        (OWN, "test_a_forged_dpop_proof_proves_nothing"),
        (CLIENTS, "test_algorithm_confusion_and_embedded_keys_are_refused"),
        (FAPI, "test_unsigned_request_object_is_refused"),
    ),
    "embedded jwk": (
        (OWN, "test_a_forged_access_token_opens_nothing"),
        (CLIENTS, "test_algorithm_confusion_and_embedded_keys_are_refused"),
    ),
    "unknown crit": (
        (OWN, "test_a_forged_access_token_opens_nothing"),
        (OWN, "test_a_forged_dpop_proof_proves_nothing"),
        (CLIENTS, "test_unknown_critical_extension_is_refused"),
    ),
    "stale or future iat, nbf, exp": (
        (CLIENTS, "test_private_key_jwt_is_strict"),
        (CLIENTS, "test_tampered_expired_and_foreign_tokens_are_refused"),
        (FAPI, "test_bad_request_object_is_never_answered_by_redirect"),
        (FAPI, "test_bad_proof_is_refused_at_the_token_endpoint"),
    ),
    "duplicated parameters": (
        (FLOW, "test_repeated_parameter_is_refused"),
        (FLOW, "test_repeated_or_unknown_client_is_never_redirected"),
        (CLIENTS, "test_repeated_and_oversized_parameters_are_refused"),
    ),
    "client impersonation": (
        (OWN, "test_knowing_a_client_id_is_not_being_the_client"),
        (CLIENTS, "test_only_the_registered_method_and_only_one"),
        (CLIENTS, "test_wrong_secret_and_unknown_client_look_alike"),
    ),
    "open redirect at logout": ((LOGOUT, "test_logout_is_no_open_redirect"),),
    "CSRF on consent": (
        (FLOW, "test_consent_is_asked_once_remembered_and_bound_to_the_session"),
        (PAGES, "test_consent_is_given_by_our_own_page_in_the_same_session_only"),
    ),
    "CSRF on logout": ((LOGOUT, "test_without_hint_the_person_is_asked_and_the_form_is_guarded"),),
    "session fixation": (
        ("idp.people.test_sessions", "test_signing_in_opens_a_session_whose_secret_is_stored_hashed"),
        (PAGES, "test_a_session_known_before_sign_in_is_not_the_one_after_it"),
    ),
    "clickjacking": (
        ("api.test_problems", "test_every_answer_carries_the_security_headers"),
        ("idp.oauth.test_front_channel", "test_the_pages_of_the_sessions_clients_are_loaded_with_iss_and_sid"),
        (PAGES, "test_no_page_stands_in_a_frame"),
    ),
    "markup and hidden characters on the pages": (
        (PAGES, "test_hostile_text_is_shown_as_text_or_not_at_all"),
        (HTTP, "test_form_post_escapes_what_the_client_sent"),
    ),
    "token substitution across clients": (
        (OWN, "test_one_kind_of_token_is_no_other"),
        ("idp.oauth.test_refresh", "test_another_clients_refresh_token_is_refused_and_unharmed"),
        ("idp.oauth.test_exchange", "test_tokens_of_other_clients_are_no_subjects_and_no_actors"),
        ("idp.oauth.test_exchange", "test_an_id_token_is_no_credential"),
        (FLOW, "test_user_token_opens_userinfo_and_nothing_else"),
    ),
    "DPoP replay": ((FAPI, "test_proof_is_used_once_also_in_parallel"),),
    "mismatched htu, htm, ath": (
        (FAPI, "test_bound_token_is_worthless_without_its_key"),
        (FAPI, "test_bad_proof_is_refused_at_the_token_endpoint"),
    ),
    "device-code phishing": (
        (OWN, "test_a_typed_code_allows_nothing_until_the_person_says_so"),
        (DECOUPLED, "test_guessing_user_codes_is_limited"),
        (DECOUPLED, "test_fast_polling_is_slowed_down_and_the_code_expires"),
    ),
    "oversized requests": (
        (HTTP, "test_oversized_body_is_refused"),
        (CLIENTS, "test_repeated_and_oversized_parameters_are_refused"),
        (OWN, "test_an_endless_request_object_is_refused_before_it_is_read"),
    ),
}
KEY = ECKey.generate_key("P-256", {"kid": "intruder"})


def test_each_line_names_tests_that_exist() -> None:
    for line, tests in ATTACKS.items():
        for module, name in tests:
            assert callable(getattr(import_module(f"tests.{module}"), name, None)), (line, module, name)


def test_the_document_lists_each_line_with_its_tests() -> None:
    section = DOCUMENT.read_text().split("## Known attacks")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| (`.+`) \|$", section, flags=re.MULTILINE)
    assert dict(rows) == {
        line: ", ".join(f"`{module.rpartition('.')[2]}::{name}`" for module, name in tests)
        for line, tests in ATTACKS.items()
    }


async def refused(pending: Any, *errors: str) -> None:  # noqa: ANN401 - an awaitable
    with pytest.raises(OAuthError) as refusal:
        await pending
    assert refusal.value.error in errors


async def test_a_code_is_worthless_in_another_flow_of_its_own_client(walk: Walk, chen: Principal) -> None:
    """The intruder puts a stolen code into an answer to his own browser: the client redeems it with his verifier."""
    victims, intruders = Pkce.new(), Pkce.new()
    stolen = await walk.code(chen, victims)
    await walk.code(chen, intruders)
    await refused(walk.redeem(stolen, intruders), "invalid_grant")
    assert "access_token" in await walk.redeem(stolen, victims)


@pytest.mark.parametrize("mode", [*ResponseMode, "jwt"])
async def test_every_answer_names_its_issuer(walk: Walk, chen: Principal, mode: str) -> None:
    def issuer_of(told: dict[str, str]) -> object:
        signed = told.get("response")
        return pyjwt.decode(signed, options={"verify_signature": False})["iss"] if signed else told["iss"]

    asked = walk.asking(response_mode=mode)
    assert issuer_of(answered(await walk.provider.authorize(asked, chen))) == ISSUER
    with pytest.raises(AuthorizationRefused) as refusal:
        await walk.provider.authorize((*asked, ("prompt", "dance")), chen)
    assert refusal.value.response is not None
    assert issuer_of(dict(refusal.value.response.parameters)) == ISSUER
    assert walk.provider.discovery()["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("public", [False, True])
async def test_pkce_is_never_talked_down(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, *, public: bool
) -> None:
    walk = await Walk.begun(provider, clients, public=public)
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    await refused(walk.redeem(code, pkce, code_verifier=pkce.challenge), "invalid_grant")  # as `plain` would take
    without = [pair for pair in walk.redemption(code, pkce).parameters if pair[0] != "code_verifier"]
    request = EndpointRequest(tuple(without), authorization=walk.redemption(code, pkce).authorization)
    await refused(provider.token(request), "invalid_grant", "invalid_request")
    for changes in ({"code_challenge_method": "plain", "code_challenge": pkce.verifier}, {"code_challenge": ""}):
        with pytest.raises(AuthorizationRefused) as refusal:
            await walk.code(chen, pkce, **changes)
        assert refusal.value.error == "invalid_request"
    assert "access_token" in await walk.redeem(code, pkce)


TRICKS = [
    "https://food.example.gov.cn./callback",
    "https://food.example.gov.cn:8443/callback",
    "https://food.example.gov.cn:/callback",
    "https://food.example.gov.cn/Callback",
    "HTTPS://food.example.gov.cn/callback",
    "https://food.example.gov.cn//callback",
    "https://food.example.gov.cn/./callback",
    "https://food.example.gov.cn/x/../callback",
    "https://food.example.gov.cn/callback;x",
    "https://food.example.gov.cn/callback?",
    "https://food.example.gov.cn/callback#",
    "https://food.example.gov.cn\\@evil.example/callback",
    "https://user:pass@food.example.gov.cn/callback",
    "https://food.example.gov.cn%2eevil.example/callback",
    "https://food.example.gov.cn.evil.example/callback",
    "https://food\u3002example.gov.cn/callback",
    "https://\uff46ood.example.gov.cn/callback",
    "https://xn--fod-jbd.example.gov.cn/callback",
    "https://food.example.gov.cn/callback\n",
    " https://food.example.gov.cn/callback",
    "https://food.example.gov.cn/callback%00",
    "//food.example.gov.cn/callback",
    "javascript:alert(1)//https://food.example.gov.cn/callback",
]


@pytest.mark.parametrize("redirect_uri", TRICKS, ids=range(len(TRICKS)))
async def test_a_redirect_uri_that_only_looks_like_the_registered_one_is_not_redirected_to(
    walk: Walk, chen: Principal, redirect_uri: str
) -> None:
    asked = walk.asking(redirect_uri=redirect_uri)
    with pytest.raises(AuthorizationRefused) as refusal:
        await walk.provider.authorize(asked, chen)
    assert refusal.value.response is None
    await refused(walk.provider.push(walk.request(**dict(asked))), "invalid_request")
    with pytest.raises(OAuthError):
        await walk.redeem(await walk.code(chen, pkce := Pkce.new()), pkce, redirect_uri=redirect_uri)


async def test_tricks_are_not_registered_either(provider: OpenIdProvider, clients: ClientService) -> None:
    for redirect_uri in (
        "https://user:pass@food.example.gov.cn/callback",
        "https://food.example.gov.cn/x/../callback",
        "https://food\u3002example.gov.cn/callback",
        "https://food.example.gov.cn/callback#",
        "https://food.example.gov.cn/callback\n",
        "//food.example.gov.cn/callback",
        "javascript:alert(1)",
    ):
        with pytest.raises(InvalidInput):
            await Walk.begun(provider, clients, redirect_uris=(redirect_uri,))


def forged(token: str, key_pem: bytes) -> list[str]:
    """Return a token's claims under every header an intruder can sign for."""
    claims = json.loads(pyjwt.utils.base64url_decode(token.split(".")[1]))
    kept = {name: value for name, value in pyjwt.get_unverified_header(token).items() if name in {"kid", "typ"}}

    def by_own_key(**header: Any) -> str:  # noqa: ANN401 - any header
        return jws.serialize_compact({"alg": "ES256", **kept, **header}, json.dumps(claims), KEY, ["ES256"])

    def under(header: dict[str, Any], mac: bytes | None = None) -> str:
        signing_input = f"{b64url(json.dumps(header).encode())}.{token.split('.')[1]}"
        tag = b"" if mac is None else hmac.digest(mac, signing_input.encode(), "sha256")
        return f"{signing_input}.{b64url(tag)}"

    return [
        under({**kept, "alg": "none"}),
        under({**kept, "alg": "NONE"}),
        under({**kept, "alg": "HS256"}, key_pem),
        under({**kept, "alg": "ES256", "crit": ["x"], "x": 1}),
        by_own_key(),
        by_own_key(kid="intruder"),
        by_own_key(jwk=KEY.as_dict(private=False)),
        by_own_key(jwk=KEY.as_dict(private=False), kid="intruder"),
        by_own_key(jku="https://evil.example/jwks.json"),
        by_own_key(x5u="https://evil.example/cert.pem"),
    ]


async def test_a_forged_access_token_opens_nothing(walk: Walk, chen: Principal, signer: LocalSigner) -> None:
    good = (await walk.tokens(chen))["access_token"]
    tokens = forged(good, signer.key("ES256").as_pem(private=False))
    head, claims, tag = good.split(".")
    critical = json.loads(pyjwt.utils.base64url_decode(head)) | {"crit": ["x"], "x": 1}
    tokens.append(f"{b64url(json.dumps(critical).encode())}.{claims}.{tag}")
    for token in tokens:
        with pytest.raises(InvalidAccessToken):
            await walk.provider.userinfo(token)
        assert await walk.introspect(token) == {"active": False}
    assert "sub" in body(await walk.provider.userinfo(good))


async def test_a_forged_dpop_proof_proves_nothing(
    provider: OpenIdProvider, clients: ClientService, clock: FixedClock
) -> None:
    client = await FapiClient.make(provider, clients, clock)
    await client.push(Pkce.new())
    good = client.proof(f"{ISSUER}/oauth/token")
    header, claims = pyjwt.get_unverified_header(good), good.split(".")[1]
    for changes in ({"alg": "none"}, {"alg": "HS256"}, {"crit": ["x"], "x": 1}, {"jwk": KEY.as_dict(private=False)}):
        changed = b64url(json.dumps({**header, **changes}).encode())
        for tag in (good.split(".")[2], ""):
            request = client.request("/oauth/token", {"grant_type": "x"}, dpop=(f"{changed}.{claims}.{tag}",))
            await refused(provider.token(request), "invalid_dpop_proof")
    mac_key = {"kty": "oct", "k": "AAAA"}
    secret = b64url(json.dumps({**header, "alg": "HS256", "jwk": mac_key}).encode()) + "." + claims
    tag = b64url(hmac.digest(b"\0\0\0", secret.encode(), "sha256"))
    await refused(
        provider.token(client.request("/oauth/token", {"grant_type": "x"}, dpop=(f"{secret}.{tag}",))),
        "invalid_dpop_proof",
    )


async def test_knowing_a_client_id_is_not_being_the_client(walk: Walk, chen: Principal) -> None:
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    named = (("client_id", walk.client.client_id),)
    for path, given in (
        (walk.provider.token, walk.redemption(code, pkce).parameters),
        (walk.provider.push, authorize_parameters("x", pkce)),
        (walk.provider.revoke, (("token", "x"),)),
        (walk.provider.introspect, (("token", "x"),)),
    ):
        kept = tuple(pair for pair in given if pair[0] != "client_id")
        await refused(path(EndpointRequest((*kept, *named))), "invalid_client")
    assert "access_token" in await walk.redeem(code, pkce)


async def test_one_kind_of_token_is_no_other(
    provider: OpenIdProvider, clients: ClientService, walk: Walk, chen: Principal
) -> None:
    got = await walk.tokens(chen, scope="openid offline_access")
    other = await Walk.begun(provider, clients)
    for token in (got["id_token"], got["refresh_token"]):
        with pytest.raises(InvalidAccessToken):
            await provider.userinfo(token)
    hint = walk.asking(id_token_hint=got["access_token"], prompt="none")
    with pytest.raises(AuthorizationRefused) as refusal:
        await provider.authorize(hint, chen)
    assert refusal.value.error == "invalid_request"
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    for token in (got["access_token"], got["id_token"], code):
        await refused(walk.refresh(token), "invalid_grant")
    await refused(walk.redeem(got["refresh_token"], pkce), "invalid_grant")
    for token in (got["access_token"], got["refresh_token"]):
        assert await other.introspect(token) == {"active": False}
    theirs = pyjwt.decode(got["access_token"], options={"verify_signature": False})
    assert (theirs["client_id"], theirs["aud"]) == (walk.client.client_id, f"{ISSUER}/oauth/userinfo")


async def test_a_typed_code_allows_nothing_until_the_person_says_so(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, clock: FixedClock
) -> None:
    """Somebody who was talked into typing a code sees who asks, and may still refuse; nobody answers for him."""
    grants = frozenset({GrantType.DEVICE})
    kiosk = await Walk.begun(
        provider, clients, public=True, redirect_uris=(), grant_types=grants, client_name="街道自助机"
    )
    given = body(await provider.device(kiosk.request(scope="openid")))
    assert given["expires_in"] <= 600
    poll = kiosk.request(grant_type=GrantType.DEVICE.value, device_code=given["device_code"])
    question_id = await provider.question_of_code(given["user_code"], chen)
    assert (await provider.question(question_id, chen)).client_name == "街道自助机"
    await refused(provider.token(poll), "authorization_pending")
    await provider.answer_question(question_id, chen, approved=False)
    clock.advance(timedelta(seconds=given["interval"] + 1))
    await refused(provider.token(poll), "access_denied")
    stranger = person(clock.now(), "acc_zhao", session_id="ses_zhao")
    with pytest.raises((NotFound, InvalidInput)):
        await provider.answer_question(question_id, stranger, approved=True)
    clock.advance(timedelta(seconds=given["interval"] + 1))
    await refused(provider.token(poll), "access_denied", "invalid_grant")


async def test_an_endless_request_object_is_refused_before_it_is_read(walk: Walk, chen: Principal) -> None:
    endless = "e30." + "A" * 200_000 + ".x"
    for given in (
        {"request": endless},
        {"claims": endless},
        {"state": endless},
        {"redirect_uri": REDIRECT_URI + endless},
    ):
        asked = walk.asking(**given)
        with pytest.raises(AuthorizationRefused):
            await walk.provider.authorize(asked, chen)
        await refused(walk.provider.push(walk.request(**dict(asked))), "invalid_request", "invalid_request_object")
