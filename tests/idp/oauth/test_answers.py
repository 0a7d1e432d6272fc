"""Claims asked for by name, verified claims as asked, signed and encrypted answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from foundation.errors import InvalidInput
from idp.oauth.claims_request import verified_as_asked
from idp.oauth.client_metadata import ENCRYPTION_ALGORITHMS, ENCRYPTION_METHODS
from idp.oauth.errors import AuthorizationRefused
from idp.oauth.model import ConsentNeeded, SignInNeeded
from tests.idp.oauth.support import ISSUER, Pkce, Walk, authorize_parameters, body, register, registration

if TYPE_CHECKING:
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from tests.idp.oauth.support import LocalSigner

EC_KEY = ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"})
RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa", "use": "enc"})
KNOWN = {
    "verification": {"trust_framework": "cn_hufu_real_name", "assurance_level": "L2", "time": "2026-03-01T00:00:00Z"},
    "claims": {"name": "陈伟", "citizen_id_number": "x"},
}


def decoded(token: str) -> dict[str, Any]:
    return dict(pyjwt.decode(token, options={"verify_signature": False}))


async def test_named_claims_come_where_they_were_asked_for(walk: Walk, chen: Principal) -> None:
    claims = json.dumps({"id_token": {"phone_number": None}, "userinfo": {"name": {"essential": True}}})
    tokens = await walk.tokens(chen, scope="openid", claims=claims)
    id_token = decoded(tokens["id_token"])
    assert id_token["phone_number"] == "+8613800000001"
    assert "name" not in id_token
    told = body(await walk.provider.userinfo(tokens["access_token"]))
    assert told["name"] == "陈伟"
    assert "phone_number" not in told


async def test_named_claims_never_replace_our_own(walk: Walk, chen: Principal) -> None:
    claims = json.dumps({"id_token": {"sub": None, "iss": {"value": "x"}, "auth_time": {"essential": True}}})
    id_token = decoded((await walk.tokens(chen, claims=claims))["id_token"])
    assert id_token["iss"] == ISSUER


async def test_claims_beyond_the_registration_and_unasked_consent(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    narrow = Walk(provider, await register(clients, registration(scopes=frozenset({"openid"}))))
    claims = json.dumps({"userinfo": {"verified_claims": {"verification": {}, "claims": {"name": None}}}})
    with pytest.raises(AuthorizationRefused) as refused:
        await narrow.code(chen, Pkce.new(), scope="openid", claims=claims)
    assert refused.value.error == "invalid_request"
    asking = Walk(provider, await register(clients, registration(pre_approved=False)))
    outcome = await provider.authorize(
        authorize_parameters(asking.client.client_id, Pkce.new(), scope="openid", claims=claims), chen
    )
    assert isinstance(outcome, ConsentNeeded)
    assert "real_name" in (await provider.consent_page(outcome.interaction_id, chen)).scopes


@pytest.mark.parametrize(
    "claims",
    [
        [],
        {"userinfo": []},
        {"userinfo": {"name": "x"}},
        {"userinfo": {"verified_claims": {}}},
        {"userinfo": {"verified_claims": {"verification": {}, "claims": {}}}},
        {"userinfo": {"verified_claims": {"verification": [], "claims": {"name": None}}}},
        {"id_token": {f"c{number}": None for number in range(60)}},
    ],
)
async def test_malformed_claims_request_is_refused(walk: Walk, chen: Principal, claims: Any) -> None:  # noqa: ANN401
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.code(chen, Pkce.new(), claims=json.dumps(claims))
    assert refused.value.error == "invalid_request"


async def test_client_may_insist_on_subject_and_level(walk: Walk, chen: Principal) -> None:
    sub = decoded((await walk.tokens(chen))["id_token"])["sub"]
    same = json.dumps({"id_token": {"sub": {"value": sub}}})
    other = json.dumps({"id_token": {"sub": {"value": "somebody"}}})
    higher = json.dumps({"id_token": {"acr": {"essential": True, "values": ["L3"]}}})
    assert await walk.code(chen, Pkce.new(), claims=same, prompt="none")
    for claims in (other, higher):
        parameters = authorize_parameters(walk.client.client_id, Pkce.new(), claims=claims)
        assert isinstance(await walk.provider.authorize(parameters, chen), SignInNeeded)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            {"verification": {"trust_framework": None}, "claims": {"name": None}},
            {"verification": {"trust_framework": "cn_hufu_real_name"}, "claims": {"name": "陈伟"}},
        ),
        (
            {
                "verification": {"trust_framework": {"value": "cn_hufu_real_name"}, "time": None},
                "claims": {"name": None},
            },
            {
                "verification": {"trust_framework": "cn_hufu_real_name", "time": "2026-03-01T00:00:00Z"},
                "claims": {"name": "陈伟"},
            },
        ),
        ({"verification": {"trust_framework": {"value": "de_aml"}}, "claims": {"name": None}}, None),
        ({"verification": {"trust_framework": {"values": ["de_aml", "eidas"]}}, "claims": {"name": None}}, None),
        ({"verification": {"policy": {"essential": True}}, "claims": {"name": None}}, None),
        ({"verification": {}, "claims": {"nationality": None}}, None),
    ],
)
def test_verified_claims_tell_what_was_asked_and_no_more(request_: dict[str, Any], expected: object) -> None:
    assert verified_as_asked(KNOWN, request_) == expected
    assert verified_as_asked(KNOWN, [request_]) == expected


@pytest.mark.parametrize("algorithm", ENCRYPTION_ALGORITHMS)
@pytest.mark.parametrize("method", ENCRYPTION_METHODS)
async def test_encrypted_id_token_and_userinfo(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, signer: LocalSigner, algorithm: str, method: str
) -> None:
    asked = registration(
        jwks={"keys": [EC_KEY.as_dict(private=False), RSA_KEY.as_dict(private=False)]},
        metadata={
            "id_token_encrypted_response_alg": algorithm,
            "id_token_encrypted_response_enc": method,
            "userinfo_signed_response_alg": "ES256",
            "userinfo_encrypted_response_alg": algorithm,
            "userinfo_encrypted_response_enc": method,
        },
    )
    walk = Walk(provider, await register(clients, asked))
    tokens = await walk.tokens(chen)
    answer = await provider.userinfo(tokens["access_token"])
    assert answer.media_type == "application/jwt"
    key = RSA_KEY if algorithm.startswith("RSA") else EC_KEY
    for token in (tokens["id_token"], str(answer.body)):
        opened = jwe.decrypt_compact(token, key, algorithms=[algorithm, method])
        assert opened.headers()["cty"] == "JWT"
        assert opened.plaintext is not None
        claims = pyjwt.decode(
            opened.plaintext,
            pyjwt.PyJWK(signer.key("ES256").as_dict(private=False)),
            algorithms=["ES256"],
            audience=walk.client.client_id,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims["iss"] == ISSUER


async def test_encryption_without_a_fitting_key_is_refused_at_registration(clients: ClientService) -> None:
    asked = registration(
        jwks={"keys": [EC_KEY.as_dict(private=False)]}, metadata={"id_token_encrypted_response_alg": "RSA-OAEP-256"}
    )
    with pytest.raises(InvalidInput) as refused:
        await register(clients, asked)
    assert refused.value.field == "jwks"


async def test_introspection_is_signed_on_request(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, signer: LocalSigner
) -> None:
    walk = Walk(provider, await register(clients))
    token = (await walk.tokens(chen))["access_token"]
    request = replace(walk.request(token=token), accept="application/token-introspection+jwt")
    answer = await provider.introspect(request)
    assert answer.media_type == "application/token-introspection+jwt"
    assert pyjwt.get_unverified_header(str(answer.body))["typ"] == "token-introspection+jwt"
    claims = pyjwt.decode(
        str(answer.body),
        pyjwt.PyJWK(signer.key("ES256").as_dict(private=False)),
        algorithms=["ES256"],
        audience=walk.client.client_id,
        issuer=ISSUER,
        options={"verify_iat": False},
    )
    assert claims["token_introspection"]["active"] is True
    assert "exp" not in claims
