"""Where an act came in is on record: at a kiosk, on the hotline."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.channels import REGISTERED
from foundation.errors import InvalidInput
from foundation.principal import SYSTEM, Channel
from foundation.tables import audit_log
from idp.oauth.client import GrantType
from idp.oauth.department import widens
from idp.oauth.errors import AuthorizationRefused, OAuthError
from idp.oauth.model import AuthorizationResponse, ConsentNeeded, SignInNeeded
from idp.oauth.registration import registration_from
from tests.idp.oauth.support import (
    FOOD_BUREAU,
    ISSUER,
    PUBLIC,
    Pkce,
    Walk,
    authorize_parameters,
    body,
    department,
    register,
    registration,
)

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider

HOTLINE, KIOSK = {"channel": "hotline"}, {"channel": "kiosk"}
CIBA, DEVICE = frozenset({GrantType.CIBA}), frozenset({GrantType.DEVICE})


async def recorded(database: Database) -> list[tuple[str, str, str]]:
    """Return action, channel and kind of actor of what was done since the clients were registered."""
    query = select(audit_log).where(audit_log.c.action != "idp.client_register").order_by(audit_log.c.audit_id)
    async with database.read() as connection:
        rows = await connection.execute(query)
        return [(row.action, row.channel, row.actor.partition(":")[0]) for row in rows]


@pytest.mark.parametrize(("metadata", "channel"), [(HOTLINE, "hotline"), ({}, "api")], ids=["hotline", "other"])
async def test_what_the_hotline_began_is_recorded_as_the_hotlines(
    provider: OpenIdProvider,
    clients: ClientService,
    database: Database,
    chen: Principal,
    clock: FixedClock,
    metadata: dict[str, str],
    channel: str,
) -> None:
    asked = registration(redirect_uris=(), grant_types=CIBA, metadata=metadata)
    walk = Walk(provider, await register(clients, asked))
    request = body(await provider.ciba(walk.request(scope="openid", login_hint="chenwei")))
    chen = replace(chen, channel=Channel.MOBILE)
    (question,) = await provider.questions(chen)
    await provider.answer_question(question.question_id, chen, approved=True)
    answer = "mobile" if channel == "api" else channel
    assert await recorded(database) == [("idp.ciba_ask", channel, "client"), ("idp.ciba_approved", answer, "person")]
    clock.advance(timedelta(seconds=6))
    given = walk.request(grant_type=GrantType.CIBA.value, auth_req_id=request["auth_req_id"])
    token = body(await provider.token(given))["access_token"]
    opened = await provider.access_tokens.authenticate(token, audience=f"{ISSUER}/oauth/userinfo")
    assert (opened.subject_id, opened.channel) == ("acc_chenwei", channel)


async def test_a_code_typed_for_a_kiosk_is_the_kiosks(
    provider: OpenIdProvider, clients: ClientService, database: Database, chen: Principal
) -> None:
    asked = registration(**PUBLIC, redirect_uris=(), grant_types=DEVICE, metadata=KIOSK)
    walk = Walk(provider, await register(clients, asked), public=True)
    for approved in (True, False):
        codes = body(await provider.device(walk.request(scope="openid")))
        question_id = await provider.question_of_code(codes["user_code"], chen)
        await provider.answer_question(question_id, chen, approved=approved)
    rows = [("idp.device_approved", "kiosk", "person"), ("idp.device_denied", "kiosk", "person")]
    assert await recorded(database) == rows


async def test_a_kiosks_own_calls_come_from_the_kiosk(provider: OpenIdProvider, clients: ClientService) -> None:
    walk = Walk(provider, await register(clients, department(metadata=KIOSK)))
    token = body(await provider.token(walk.request(grant_type="client_credentials")))["access_token"]
    assert (await provider.access_tokens.authenticate(token, audience=f"{ISSUER}/api")).channel == Channel.KIOSK


async def interaction(walk: Walk, *, pushed: bool) -> str:
    parameters = authorize_parameters(walk.client.client_id, Pkce.new())
    if pushed:
        told = body(await walk.provider.push(walk.request(**dict(parameters))))
        parameters = (("client_id", walk.client.client_id), ("request_uri", told["request_uri"]))
    outcome = await walk.provider.authorize(parameters, None)
    assert isinstance(outcome, SignInNeeded)
    return outcome.interaction_id


@pytest.mark.parametrize("channel", REGISTERED)
async def test_a_sign_in_is_where_the_client_is_and_only_the_client_begins_one(
    provider: OpenIdProvider, clients: ClientService, channel: str
) -> None:
    machine = Walk(provider, await register(clients, registration(metadata={"channel": channel})))
    client = await provider.client_of(await interaction(machine, pushed=True))
    assert client is not None
    assert client.channel == channel
    with pytest.raises(AuthorizationRefused) as refused:
        await interaction(machine, pushed=False)
    assert refused.value.error == "invalid_request"
    with pytest.raises(InvalidInput) as caught:
        await register(clients, registration(**PUBLIC, metadata={"channel": channel}))
    assert caught.value.field == "channel"


async def test_a_sign_in_for_any_other_client_is_in_a_persons_own_browser(provider: OpenIdProvider, walk: Walk) -> None:
    for pushed in (True, False):
        client = await provider.client_of(await interaction(walk, pushed=pushed))
        assert client is not None
        assert client.channel is Channel.API
    assert await provider.client_of("no-such-interaction") is None


@pytest.mark.parametrize("channel", [*REGISTERED, None])
async def test_a_consent_is_given_where_the_request_was_begun(
    provider: OpenIdProvider, clients: ClientService, database: Database, chen: Principal, channel: str | None
) -> None:
    machine = Walk(provider, await register(clients, registration(metadata={"channel": channel}, pre_approved=False)))
    chen = replace(chen, channel=Channel.WEB)
    asked = await interaction(machine, pushed=True)
    assert isinstance(await provider.resume(asked, chen), ConsentNeeded)
    await provider.decide(asked, chen, approved=True)
    assert await recorded(database) == [("idp.consent", channel or "web", "person")]


@pytest.mark.parametrize("channel", REGISTERED)
async def test_a_code_that_comes_back_is_recorded_where_the_client_is(
    provider: OpenIdProvider, clients: ClientService, database: Database, chen: Principal, channel: str
) -> None:
    machine, pkce = (
        Walk(provider, await register(clients, registration(metadata={"channel": channel}, pre_approved=False))),
        Pkce.new(),
    )
    told = body(await provider.push(machine.request(**dict(authorize_parameters(machine.client.client_id, pkce)))))
    pushed = (("client_id", machine.client.client_id), ("request_uri", told["request_uri"]))
    asked = await provider.authorize(pushed, chen)
    assert isinstance(asked, ConsentNeeded)
    answer = await provider.decide(asked.interaction_id, chen, approved=True)
    assert isinstance(answer, AuthorizationResponse)
    code = dict(answer.parameters)["code"]
    await machine.redeem(code, pkce)
    with pytest.raises(OAuthError):
        await machine.redeem(code, pkce)
    assert (await recorded(database))[-1] == ("idp.code_reused", channel, "client")


async def test_an_operator_says_what_is_a_kiosk(clients: ClientService) -> None:
    own = registration_from({"client_name": "x", "redirect_uris": ["https://a.example/"], **KIOSK}, FOOD_BUREAU)
    assert "channel" not in own.metadata
    present = await clients.get((await register(clients)).client_id)
    assert present is not None
    assert widens(present, registration(metadata=KIOSK))
    assert not widens(present, registration(metadata={"channel": None}))
    for unknown in ("api", "web", 7):
        with pytest.raises(InvalidInput):
            await clients.register(SYSTEM, registration(metadata={"channel": unknown}))
