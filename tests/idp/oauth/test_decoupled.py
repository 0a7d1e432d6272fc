"""Answers from another device: device codes and CIBA."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from foundation.errors import InvalidInput, NotFound, StepUpRequired, TooManyRequests
from foundation.jobs import Worker
from idp.oauth.client import GrantType
from idp.oauth.errors import OAuthError
from tests.idp.oauth.logout_receiver import LogoutReceiver
from tests.idp.oauth.support import PUBLIC, Walk, body, person, register, registration

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider

DECOUPLED = frozenset({GrantType.DEVICE, GrantType.CIBA, GrantType.REFRESH_TOKEN})


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_networks": ("127.0.0.0/8",)})


@pytest.fixture
async def kiosk(provider: OpenIdProvider, clients: ClientService) -> Walk:
    asked = registration(**PUBLIC, redirect_uris=(), grant_types=frozenset({GrantType.DEVICE, GrantType.REFRESH_TOKEN}))
    return Walk(provider, await register(clients, asked), public=True)


@pytest.fixture
async def hotline(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients, registration(redirect_uris=(), grant_types=DECOUPLED)))


async def started(kiosk: Walk, **parameters: str) -> dict[str, Any]:
    return body(await kiosk.provider.device(kiosk.request(scope="openid profile offline_access", **parameters)))


async def poll(walk: Walk, **code: str) -> dict[str, Any]:
    grant = GrantType.DEVICE if "device_code" in code else GrantType.CIBA
    return body(await walk.provider.token(walk.request(grant_type=grant.value, **code)))


async def refused(walk: Walk, **code: str) -> str:
    with pytest.raises(OAuthError) as error:
        await poll(walk, **code)
    return error.value.error


async def asked(hotline: Walk, **parameters: str) -> dict[str, Any]:
    given = {
        "scope": "openid profile",
        "login_hint": "chenwei",
        "binding_message": "12345 热线 工单 0417",
        **parameters,
    }
    return body(await hotline.provider.ciba(hotline.request(**given)))


async def test_kiosk_gets_tokens_after_the_person_typed_the_code(
    kiosk: Walk, chen: Principal, clock: FixedClock
) -> None:
    codes = await started(kiosk)
    device_code = codes["device_code"]
    assert codes["verification_uri_complete"].endswith(codes["user_code"])
    assert await refused(kiosk, device_code=device_code) == "authorization_pending"
    typed = codes["user_code"].lower().replace("-", " ")
    question_id = await kiosk.provider.question_of_code(typed, chen)
    question = await kiosk.provider.question(question_id, chen)
    assert (question.client_name, question.scopes) == ("食品经营许可系统", ("offline_access", "openid", "profile"))
    await kiosk.provider.answer_question(question_id, chen, approved=True)
    clock.advance(timedelta(seconds=6))
    tokens = await poll(kiosk, device_code=device_code)
    assert body(await kiosk.provider.userinfo(tokens["access_token"]))["name"] == "陈伟"
    assert {"id_token", "refresh_token"} <= tokens.keys()
    assert "access_token" in await kiosk.refresh(tokens["refresh_token"])
    assert await refused(kiosk, device_code=device_code) == "invalid_grant"


async def test_approved_code_is_collected_once_in_parallel(kiosk: Walk, chen: Principal) -> None:
    codes = await started(kiosk)
    question_id = await kiosk.provider.question_of_code(codes["user_code"], chen)
    await kiosk.provider.answer_question(question_id, chen, approved=True)
    outcomes = await asyncio.gather(
        *(poll(kiosk, device_code=codes["device_code"]) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 1


async def test_fast_polling_is_slowed_down_and_the_code_expires(kiosk: Walk, clock: FixedClock) -> None:
    device_code = (await started(kiosk))["device_code"]
    assert await refused(kiosk, device_code=device_code) == "authorization_pending"
    clock.advance(timedelta(seconds=1))
    assert await refused(kiosk, device_code=device_code) == "slow_down"
    clock.advance(timedelta(seconds=6))
    assert await refused(kiosk, device_code=device_code) == "slow_down"
    clock.advance(timedelta(seconds=16))
    assert await refused(kiosk, device_code=device_code) == "authorization_pending"
    clock.advance(timedelta(minutes=10))
    assert await refused(kiosk, device_code=device_code) == "expired_token"


async def test_declined_request_says_so(kiosk: Walk, chen: Principal) -> None:
    codes = await started(kiosk)
    question_id = await kiosk.provider.question_of_code(codes["user_code"], chen)
    await kiosk.provider.answer_question(question_id, chen, approved=False)
    assert await refused(kiosk, device_code=codes["device_code"]) == "access_denied"
    for approved in (True, False):
        with pytest.raises(NotFound):
            await kiosk.provider.answer_question(question_id, chen, approved=approved)


async def test_guessing_user_codes_is_limited(kiosk: Walk, chen: Principal) -> None:
    codes = await started(kiosk)
    for attempt in range(10):
        with pytest.raises(InvalidInput):
            await kiosk.provider.question_of_code(f"BCDF-{attempt:04}", chen)
    with pytest.raises(TooManyRequests):
        await kiosk.provider.question_of_code(codes["user_code"], chen)


async def test_device_code_of_another_client_and_unregistered_grant(
    kiosk: Walk, walk: Walk, hotline: Walk, chen: Principal
) -> None:
    codes = await started(kiosk)
    question_id = await kiosk.provider.question_of_code(codes["user_code"], chen)
    await kiosk.provider.answer_question(question_id, chen, approved=True)
    assert await refused(hotline, device_code=codes["device_code"]) == "invalid_grant"
    assert await refused(hotline, auth_req_id=codes["device_code"]) == "invalid_grant"
    assert await refused(walk, device_code=codes["device_code"]) == "unauthorized_client"
    with pytest.raises(OAuthError) as error:
        await walk.provider.device(walk.request(scope="openid"))
    assert error.value.error == "unauthorized_client"
    with pytest.raises(OAuthError) as error:
        await kiosk.provider.device(kiosk.request(scope="licence:issue"))
    assert error.value.error == "invalid_scope"


async def test_hotline_gets_tokens_after_the_person_confirmed(
    hotline: Walk, chen: Principal, clock: FixedClock
) -> None:
    request = await asked(hotline)
    auth_req_id = request["auth_req_id"]
    assert await refused(hotline, auth_req_id=auth_req_id) == "authorization_pending"
    (question,) = await hotline.provider.questions(chen)
    assert question.binding_message == "12345 热线 工单 0417"
    stranger = person(clock.now(), "acc_zhao", session_id="ses_9")
    assert await hotline.provider.questions(stranger) == ()
    with pytest.raises(NotFound):
        await hotline.provider.answer_question(question.question_id, stranger, approved=True)
    await hotline.provider.answer_question(question.question_id, chen, approved=True)
    clock.advance(timedelta(seconds=6))
    assert "id_token" in await poll(hotline, auth_req_id=auth_req_id)
    assert await refused(hotline, auth_req_id=auth_req_id) == "invalid_grant"


async def test_unknown_person_is_not_told_apart(hotline: Walk, clock: FixedClock) -> None:
    known, unknown = await asked(hotline), await asked(hotline, login_hint="nobody")
    assert known.keys() == unknown.keys()
    for request in (known, unknown):
        assert await refused(hotline, auth_req_id=request["auth_req_id"]) == "authorization_pending"
    clock.advance(timedelta(minutes=6))
    for request in (known, unknown):
        assert await refused(hotline, auth_req_id=request["auth_req_id"]) == "expired_token"


async def test_id_token_hint_names_the_person(hotline: Walk, walk: Walk, kiosk: Walk, chen: Principal) -> None:
    codes = await started(kiosk)
    question_id = await kiosk.provider.question_of_code(codes["user_code"], chen)
    await kiosk.provider.answer_question(question_id, chen, approved=True)
    foreign = (await walk.tokens(chen))["id_token"]
    first = await asked(hotline)
    (question,) = await hotline.provider.questions(chen)
    await hotline.provider.answer_question(question.question_id, chen, approved=True)
    own = (await poll(hotline, auth_req_id=first["auth_req_id"]))["id_token"]
    hinted = hotline.request(scope="openid", id_token_hint=own)
    await hotline.provider.ciba(hinted)
    assert len(await hotline.provider.questions(chen)) == 1
    for hint in (foreign, "e30.e30.x"):
        with pytest.raises(OAuthError) as error:
            await hotline.provider.ciba(hotline.request(scope="openid", id_token_hint=hint))
        assert error.value.error == "invalid_request"


async def test_wanted_level_steps_up_before_the_answer(hotline: Walk, clock: FixedClock) -> None:
    await asked(hotline, acr_values="L3")
    weak = person(clock.now(), acr="L1")
    (question,) = await hotline.provider.questions(weak)
    with pytest.raises(StepUpRequired) as needed:
        await hotline.provider.answer_question(question.question_id, weak, approved=True)
    assert needed.value.acr_values == "L3"
    await hotline.provider.answer_question(question.question_id, person(clock.now(), acr="L3"), approved=True)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"scope": "profile"}, "invalid_scope"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint": ""}, "invalid_request"),
        ({"binding_message": "x" * 101}, "invalid_binding_message"),
        ({"binding_message": "line\nbreak"}, "invalid_binding_message"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "-1"}, "invalid_request"),
    ],
)
async def test_bad_ciba_request_is_refused(hotline: Walk, parameters: dict[str, str], error: str) -> None:
    with pytest.raises(OAuthError) as refusal:
        await asked(hotline, **parameters)
    assert refusal.value.error == error


async def test_ping_tells_the_client_that_the_person_answered(
    provider: OpenIdProvider, clients: ClientService, chen: Principal, database: Database, settings: Settings
) -> None:
    with LogoutReceiver() as receiver:
        metadata = {
            "backchannel_token_delivery_mode": "ping",
            "backchannel_client_notification_endpoint": receiver.address,
        }
        client = await register(clients, registration(redirect_uris=(), grant_types=DECOUPLED, metadata=metadata))
        hotline = Walk(provider, client)
        with pytest.raises(OAuthError):
            await asked(hotline)
        request = await asked(hotline, client_notification_token="notify-me")
        (question,) = await provider.questions(chen)
        await provider.answer_question(question.question_id, chen, approved=True)
        await Worker(database, settings.database_url, provider.job_handlers()).drain()
        assert [json.loads(each) for each in receiver.bodies] == [{"auth_req_id": request["auth_req_id"]}]
        assert receiver.authorizations == ["Bearer notify-me"]
        await provider.close()
    assert "access_token" in await poll(hotline, auth_req_id=request["auth_req_id"])
