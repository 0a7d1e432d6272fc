"""Authorization details (RFC 9396): one licence, one document, asked each time, done once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest

from foundation.errors import NotPermitted
from idp.oauth.clients import GrantType
from idp.oauth.errors import AuthorizationRefused, InvalidAccessToken, OAuthError
from idp.oauth.model import ConsentNeeded
from tests.idp.oauth.fapi_support import FapiClient
from tests.idp.oauth.support import ISSUER, Pkce, Walk, answered, authorize_parameters, body, register, registration

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider

API, USERINFO = f"{ISSUER}/api", f"{ISSUER}/oauth/userinfo"
IDENTIFIER = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
LICENCE = {
    "type": "licence_access",
    "licence_identifier": IDENTIFIER,
    "fields": ["business_premises"],
    "matter_code": "500100-0131-001",
    "purpose": "核对经营场所",
}
DOCUMENT = {"type": "document_signature", "document_sha256": "ab" * 32, "document_name": "开业承诺书"}
TYPES = {"authorization_details_types": ["licence_access", "document_signature"]}


def asked(detail: dict[str, Any]) -> str:
    return json.dumps([detail], ensure_ascii=False)


@pytest.fixture
async def walk(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients, registration(metadata=TYPES)))


async def consented(walk: Walk, chen: Principal, pkce: Pkce, **changes: str | None) -> str:
    """Say yes on the consent page and return the code."""
    parameters = authorize_parameters(walk.client.client_id, pkce, **changes)
    outcome = await walk.provider.authorize(parameters, chen)
    assert isinstance(outcome, ConsentNeeded)
    return answered(await walk.provider.decide(outcome.interaction_id, chen, approved=True))["code"]


async def token_of(walk: Walk, chen: Principal, detail: dict[str, Any], **changes: str | None) -> dict[str, Any]:
    pkce = Pkce.new()
    code = await consented(walk, chen, pkce, authorization_details=asked(detail), **changes)
    return await walk.redeem(code, pkce)


async def use(walk: Walk, database: Database, token: str, identifier: str = IDENTIFIER) -> Any:  # noqa: ANN401
    principal = await walk.provider.access_tokens.authenticate(token, audience=API)
    async with database.transaction() as connection:
        return await walk.provider.acts.use_licence_access(
            connection, principal, licence_identifier=identifier, licence_type="T"
        )


async def test_a_pre_approved_client_still_asks_for_each_act(walk: Walk, chen: Principal) -> None:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new(), authorization_details=asked(LICENCE))
    for _ in range(2):
        outcome = await walk.provider.authorize(parameters, chen)
        assert isinstance(outcome, ConsentNeeded)
        page = await walk.provider.consent_page(outcome.interaction_id, chen)
        assert page.detail == {**LICENCE, "use": "once"}
        assert page.purpose == "核对经营场所"
        await walk.provider.decide(outcome.interaction_id, chen, approved=True)
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize((*parameters, ("prompt", "none")), chen)
    assert refused.value.error == "consent_required"


async def test_token_response_and_introspection_carry_the_details(walk: Walk, chen: Principal) -> None:
    answer = await token_of(walk, chen, LICENCE)
    granted = [{**LICENCE, "use": "once"}]
    assert answer["authorization_details"] == granted
    claims = pyjwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["authorization_details"]) == (API, granted)
    assert (await walk.introspect(answer["access_token"]))["authorization_details"] == granted
    with pytest.raises(InvalidAccessToken):
        await walk.provider.userinfo(answer["access_token"])


async def test_a_licence_is_opened_once(walk: Walk, chen: Principal, database: Database) -> None:
    token = (await token_of(walk, chen, LICENCE))["access_token"]
    with pytest.raises(NotPermitted):
        await use(walk, database, token, IDENTIFIER.replace("0403", "0404"))
    assert (await use(walk, database, token))["fields"] == ["business_premises"]
    with pytest.raises(NotPermitted):
        await use(walk, database, token)


async def test_of_parallel_uses_one_wins(walk: Walk, chen: Principal, database: Database) -> None:
    token = (await token_of(walk, chen, LICENCE))["access_token"]
    outcomes = await asyncio.gather(*(use(walk, database, token) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert all(isinstance(outcome, NotPermitted | dict) for outcome in outcomes)


async def test_a_period_opens_it_until_its_end(
    walk: Walk, chen: Principal, database: Database, clock: FixedClock
) -> None:
    until = (clock.now() + timedelta(minutes=5)).isoformat()
    token = (await token_of(walk, chen, {**LICENCE, "use": "period", "valid_until": until}))["access_token"]
    await use(walk, database, token)
    await use(walk, database, token)
    clock.advance(timedelta(minutes=6))
    with pytest.raises(NotPermitted):
        await use(walk, database, token)


async def test_a_refreshed_token_renews_no_act(walk: Walk, chen: Principal, database: Database) -> None:
    answer = await token_of(walk, chen, LICENCE, scope="openid offline_access")
    await use(walk, database, answer["access_token"])
    again = await walk.refresh(answer["refresh_token"])
    assert again["authorization_details"] == answer["authorization_details"]
    with pytest.raises(NotPermitted):
        await use(walk, database, again["access_token"])
    told = await walk.refresh(answer["refresh_token"], resource=USERINFO)
    assert "authorization_details" not in told
    await walk.provider.userinfo(told["access_token"])


async def test_one_document_is_confirmed_once(walk: Walk, chen: Principal) -> None:
    token = (await token_of(walk, chen, DOCUMENT))["access_token"]
    principal = await walk.provider.access_tokens.authenticate(token, audience=API)
    with pytest.raises(NotPermitted):
        await walk.provider.acts.confirm_document(principal, "cd" * 32)
    statement = await walk.provider.acts.confirm_document(principal, DOCUMENT["document_sha256"])
    header = pyjwt.get_unverified_header(statement)
    key = next(key for key in walk.provider.jwks()["keys"] if key["kid"] == header["kid"])
    claims = pyjwt.decode(statement, pyjwt.PyJWK(key), algorithms=["ES256"], audience=walk.client.client_id)
    assert header["typ"] == "hufu-document-confirmation+jwt"
    assert (claims["document_sha256"], claims["document_name"]) == ("ab" * 32, "开业承诺书")
    with pytest.raises(NotPermitted):
        await walk.provider.acts.confirm_document(principal, DOCUMENT["document_sha256"])


async def test_a_token_for_a_document_opens_no_licence(walk: Walk, chen: Principal, database: Database) -> None:
    token = (await token_of(walk, chen, DOCUMENT))["access_token"]
    with pytest.raises(NotPermitted):
        await use(walk, database, token)


async def test_a_withdrawn_grant_allows_nothing(walk: Walk, chen: Principal, database: Database) -> None:
    answer = await token_of(walk, chen, LICENCE, scope="openid offline_access")
    principal = await walk.provider.access_tokens.authenticate(answer["access_token"], audience=API)
    await walk.provider.revoke(walk.request(token=answer["refresh_token"]))
    with pytest.raises(NotPermitted):
        async with database.transaction() as connection:
            await walk.provider.acts.use_licence_access(
                connection, principal, licence_identifier=IDENTIFIER, licence_type="T"
            )


@pytest.mark.parametrize(
    "details",
    [
        "",
        "{",
        "{}",
        "[]",
        "[1]",
        json.dumps([LICENCE, LICENCE]),
        asked({**LICENCE, "type": "payment_initiation"}),
        asked({**LICENCE, "type": ["licence_access"]}),
        asked({name: value for name, value in LICENCE.items() if name != "fields"}),
        asked({name: value for name, value in LICENCE.items() if name != "matter_code"}),
        asked({**LICENCE, "fields": []}),
        asked({**LICENCE, "fields": ["*"]}),
        asked({**LICENCE, "fields": ["a", "a"]}),
        asked({**LICENCE, "fields": "name"}),
        asked({**LICENCE, "licence_identifier": "x' OR 1"}),
        asked({**LICENCE, "use": "always"}),
        asked({**LICENCE, "use": "period"}),
        asked({**LICENCE, "valid_until": "2026-12-01T00:00:00+08:00"}),
        asked({**LICENCE, "use": "period", "valid_until": "2020-01-01T00:00:00Z"}),
        asked({**LICENCE, "use": "period", "valid_until": "2099-01-01T00:00:00Z"}),
        asked({**LICENCE, "use": "period", "valid_until": "tomorrow"}),
        asked({**LICENCE, "purpose": "x" * 101}),
        asked({**LICENCE, "amount": 3}),
        asked({**DOCUMENT, "document_sha256": "AB" * 32}),
        asked({**DOCUMENT, "document_sha256": "ab" * 31}),
        asked({"type": "document_signature", "document_sha256": "ab" * 32}),
        "[" * 1500,
    ],
    ids=range(27),
)
async def test_malformed_details_are_refused_at_the_proven_address(walk: Walk, chen: Principal, details: str) -> None:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new(), authorization_details=details)
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize(parameters, chen)
    assert refused.value.error == "invalid_authorization_details"
    assert refused.value.response is not None


async def test_only_registered_types_may_be_asked_for(
    provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    plain = Walk(provider, await register(clients))
    parameters = authorize_parameters(plain.client.client_id, Pkce.new(), authorization_details=asked(LICENCE))
    with pytest.raises(AuthorizationRefused) as refused:
        await provider.authorize(parameters, chen)
    assert refused.value.error == "invalid_authorization_details"


@pytest.mark.parametrize("name", ["resource", "audience"])
@pytest.mark.parametrize("value", ["https://elsewhere.example/", API, f"{API}/", "food-bureau"])
async def test_a_strange_resource_is_an_invalid_target(walk: Walk, chen: Principal, name: str, value: str) -> None:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new(), **{name: value})
    with pytest.raises(AuthorizationRefused) as refused:
        await walk.provider.authorize(parameters, chen)
    assert refused.value.error == "invalid_target"
    pkce = Pkce.new()
    code = await walk.code(chen, pkce)
    with pytest.raises(OAuthError) as error:
        await walk.redeem(code, pkce, **{name: value})
    assert error.value.error == "invalid_target"
    await walk.redeem(code, pkce, **{name: USERINFO})


async def test_details_at_the_token_endpoint_must_be_those_granted(walk: Walk, chen: Principal) -> None:
    pkce = Pkce.new()
    code = await consented(walk, chen, pkce, authorization_details=asked(LICENCE))
    for wider in (asked({**LICENCE, "fields": ["business_premises", "residence"]}), asked(DOCUMENT), "[]", "{"):
        with pytest.raises(OAuthError) as error:
            await walk.redeem(code, pkce, authorization_details=wider)
        assert error.value.error == "invalid_authorization_details"
    assert "authorization_details" in await walk.redeem(code, pkce, authorization_details=asked(LICENCE))


async def test_a_pushed_request_carries_the_details(
    provider: OpenIdProvider, clients: ClientService, clock: FixedClock, chen: Principal
) -> None:
    client = await FapiClient.make(provider, clients, clock, metadata=TYPES)
    request_uri = await client.push(Pkce.new(), authorization_details=asked(LICENCE))
    parameters = (("client_id", client.client.client_id), ("request_uri", request_uri))
    outcome = await provider.authorize(parameters, chen)
    assert isinstance(outcome, ConsentNeeded)
    assert (await provider.consent_page(outcome.interaction_id, chen)).detail == {**LICENCE, "use": "once"}
    with pytest.raises(OAuthError) as refused:
        await client.push(Pkce.new(), authorization_details=asked({**LICENCE, "fields": []}))
    assert refused.value.error == "invalid_authorization_details"


@pytest.mark.parametrize("grant", [GrantType.CIBA, GrantType.DEVICE])
async def test_other_devices_carry_the_details(
    provider: OpenIdProvider, clients: ClientService, clock: FixedClock, chen: Principal, grant: GrantType
) -> None:
    asking = registration(redirect_uris=(), grant_types=frozenset({grant}), metadata=TYPES)
    walk = Walk(provider, await register(clients, asking))
    given = {"scope": "openid", "authorization_details": asked(LICENCE)}
    if grant is GrantType.CIBA:
        started = body(await provider.ciba(walk.request(login_hint="chenwei", **given)))
        question_id = (await provider.questions(chen))[0].question_id
        poll = {"auth_req_id": started["auth_req_id"]}
    else:
        started = body(await provider.device(walk.request(**given)))
        question_id = await provider.question_of_code(started["user_code"], chen)
        poll = {"device_code": started["device_code"]}
    assert (await provider.question(question_id, chen)).detail == {**LICENCE, "use": "once"}
    await provider.answer_question(question_id, chen, approved=True)
    clock.advance(timedelta(seconds=6))
    answer = body(await provider.token(walk.request(grant_type=grant.value, **poll)))
    assert answer["authorization_details"] == [{**LICENCE, "use": "once"}]
    start = provider.ciba if grant is GrantType.CIBA else provider.device
    with pytest.raises(OAuthError) as refused:
        await start(walk.request(login_hint="chenwei", scope="openid", authorization_details="[]"))
    assert refused.value.error == "invalid_authorization_details"


def test_the_types_are_advertised(provider: OpenIdProvider) -> None:
    assert provider.discovery()["authorization_details_types_supported"] == ["licence_access", "document_signature"]
