"""Single use holds between processes: 100 parallel redemptions of everything that may be used once.

`make soak` plays 100 rounds of each (HUFU_TEST_ROUNDS), `make test` a few.
"""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import func, select, update

from foundation.clock import SystemClock
from foundation.principal import SYSTEM, Channel
from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.clients import AuthenticationMethod, GrantType
from idp.oauth.grant import REFRESH_RETRY_WINDOW, digest
from idp.oauth.tables import oauth_refresh_tokens
from tests.idp.oauth.fapi_support import CLIENT_KEY, FapiClient
from tests.idp.oauth.processes import api_processes
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import PUBLIC, Pkce, Walk, authorize_parameters, body, department, registration
from tests.idp.oauth.volley import Answer, Call, Volley, volley

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.oauth.model import EndpointRequest

ROUNDS = int(os.environ.get("HUFU_TEST_ROUNDS", "2"))
ATTEMPTS = 100
PASSWORD = "a long password 42 !"


@dataclass(frozen=True)
class Scene:
    """Two processes under fire, and the same services here to set each round."""

    services: Any
    database: Database
    volley: Volley
    chen: Principal
    cookie: str

    async def walk(self, *, public: bool = False, **changes: Any) -> Walk:  # noqa: ANN401 - any field
        asked = registration(**{**(PUBLIC if public else {}), **changes})
        return Walk(self.services.provider, await self.services.clients.register(SYSTEM, asked), public=public)

    async def another_session(self) -> Principal:
        session = await self.services.sessions.sign_in("chenwei", PASSWORD, source="s", channel=Channel.WEB)
        principal: Principal = session.principal()
        return principal


@asynccontextmanager
async def scene(settings: Settings, database: Database) -> AsyncIterator[Scene]:
    clock = SystemClock()
    await hold_ceremony(settings, database, clock)
    async with served(settings, clock) as app:
        services = app.state.services
        await services.accounts.register("chenwei", PASSWORD, source="s", channel=Channel.WEB)
        session = await services.sessions.sign_in("chenwei", PASSWORD, source="s", channel=Channel.WEB)
        with api_processes(settings, 2) as addresses:
            async with volley(addresses, ATTEMPTS) as fire:
                yield Scene(services, database, fire, session.principal(), f"hufu-session={session.secret}")


def called(path: str, request: EndpointRequest, **headers: str) -> Call:
    known = headers if request.authorization is None else {"authorization": request.authorization, **headers}
    return Call(path, dict(request.parameters), known)


def one_success(answers: list[Answer], status: int, error: str) -> dict[str, Any]:
    """Return the winner's answer; everybody else was refused the same way."""
    won = [answer for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert len(won) == 1
    assert {(answer.status, answer.json()["error"]) for answer in lost} == {(status, error)}
    return won[0].json()


async def codes(scene: Scene) -> Callable[[], Awaitable[None]]:
    walk = await scene.walk()

    async def round_() -> None:
        pkce = Pkce.new()
        code = await walk.code(scene.chen, pkce)
        won = one_success(
            await scene.volley.fire(called("/oauth/token", walk.redemption(code, pkce))), 400, "invalid_grant"
        )
        # Ninety-nine replays: what the one success gave has ended.
        assert await walk.introspect(won["access_token"]) == {"active": False}

    return round_


async def request_uris(scene: Scene) -> Callable[[], Awaitable[None]]:
    walk = await scene.walk()

    async def round_() -> None:
        pkce = Pkce.new()
        asked = dict(authorize_parameters(walk.client.client_id, pkce))
        pushed = body(await scene.services.provider.push(walk.request(**asked)))["request_uri"]
        path = "/oauth/authorize?" + urlencode({"client_id": walk.client.client_id, "request_uri": pushed})
        for process in (0, 1):  # a page looked at and loaded again, before anybody signs in
            assert (await scene.volley.one(Call(path), process)).location.startswith("/sign-in?")
        answers = await scene.volley.fire(Call(path, headers={"cookie": scene.cookie}))
        told = [parse_qs(urlsplit(answer.location).query) for answer in answers if answer.status == 303]
        won = [each["code"][0] for each in told if "code" in each]
        assert len(won) == 1
        assert {each["error"][0] for each in told if "code" not in each} <= {"invalid_request_uri"}
        assert {answer.status for answer in answers} <= {303, 400}
        assert "access_token" in await walk.redeem(won[0], pkce)

    return round_


async def device_codes(scene: Scene) -> Callable[[], Awaitable[None]]:
    grants = frozenset({GrantType.DEVICE, GrantType.REFRESH_TOKEN})
    kiosk = await scene.walk(public=True, redirect_uris=(), grant_types=grants)
    provider = scene.services.provider

    async def round_() -> None:
        given = body(await provider.device(kiosk.request(scope="openid offline_access")))
        await scene.services.cache.client.flushdb()  # nobody types a hundred codes in a quarter of an hour
        question_id = await provider.question_of_code(given["user_code"], scene.chen)
        await provider.answer_question(question_id, scene.chen, approved=True)
        poll = kiosk.request(grant_type=GrantType.DEVICE.value, device_code=given["device_code"])
        won = one_success(await scene.volley.fire(called("/oauth/token", poll)), 400, "invalid_grant")
        assert "refresh_token" in won

    return round_


async def auth_req_ids(scene: Scene) -> Callable[[], Awaitable[None]]:
    hotline = await scene.walk(redirect_uris=(), grant_types=frozenset({GrantType.CIBA}))
    provider = scene.services.provider

    async def round_() -> None:
        asked = hotline.request(scope="openid", login_hint="chenwei", binding_message="12345 0417")
        given = body(await provider.ciba(asked))
        (question,) = await provider.questions(scene.chen)
        await provider.answer_question(question.question_id, scene.chen, approved=True)
        poll = hotline.request(grant_type=GrantType.CIBA.value, auth_req_id=given["auth_req_id"])
        one_success(await scene.volley.fire(called("/oauth/token", poll)), 400, "invalid_grant")

    return round_


async def refresh_tokens(scene: Scene) -> Callable[[], Awaitable[None]]:
    walk = await scene.walk(public=True)
    held = [(await walk.tokens(scene.chen, scope="openid offline_access"))["refresh_token"]]

    async def round_() -> None:
        request = walk.request(grant_type="refresh_token", refresh_token=held[0])
        answers = await scene.volley.fire(called("/oauth/token", request))
        assert {answer.status for answer in answers} == {200}
        (successor,) = {answer.json()["refresh_token"] for answer in answers}
        assert successor != held[0]
        held[0] = successor
        assert await _generations(scene.database, successor) == 1

    return round_


async def _generations(database: Database, refresh_token: str) -> int:
    """Return how many tokens of a family have this token's generation."""
    table = oauth_refresh_tokens
    own = select(table.c.grant_id, table.c.generation).where(table.c.token_hash == digest(refresh_token)).subquery()
    query = select(func.count()).where(table.c.grant_id == own.c.grant_id, table.c.generation == own.c.generation)
    async with database.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def assertions(scene: Scene) -> Callable[[], Awaitable[None]]:
    asked = department(
        authentication=AuthenticationMethod.PRIVATE_KEY_JWT, jwks={"keys": [CLIENT_KEY.as_dict(private=False)]}
    )
    client = FapiClient(scene.services.provider, SystemClock(), await scene.services.clients.register(SYSTEM, asked))

    async def round_() -> None:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client.assertion(),
        }
        one_success(await scene.volley.fire(Call("/oauth/token", form)), 401, "invalid_client")

    return round_


async def proofs(scene: Scene) -> Callable[[], Awaitable[None]]:
    registered = await scene.services.clients.register(SYSTEM, department())
    walk = Walk(scene.services.provider, registered)
    client = FapiClient(scene.services.provider, SystemClock(), registered)
    request = walk.request(grant_type="client_credentials")
    told = await scene.volley.one(called("/oauth/token", request, dpop=client.proof(f"{_issuer(scene)}/oauth/token")))
    client.nonce = told.headers["dpop-nonce"]

    async def round_() -> None:
        proof = client.proof(f"{_issuer(scene)}/oauth/token", jti=secrets.token_urlsafe(12))
        answers = await scene.volley.fire(called("/oauth/token", request, dpop=proof))
        assert one_success(answers, 400, "invalid_dpop_proof")["token_type"] == "DPoP"

    return round_


def _issuer(scene: Scene) -> str:
    return str(scene.services.settings.issuer)


SINGLE_USE: Mapping[str, Callable[[Scene], Awaitable[Callable[[], Awaitable[None]]]]] = {
    "code": codes,
    "request_uri": request_uris,
    "device_code": device_codes,
    "auth_req_id": auth_req_ids,
    "refresh_token": refresh_tokens,
    "client assertion": assertions,
    "DPoP proof": proofs,
}


@pytest.mark.timeout(60 + 10 * ROUNDS)
async def test_hundred_parallel_uses_give_one_success_each(settings: Settings, database: Database) -> None:
    """And what a reuse ends has ended at the other process too."""
    async with scene(settings, database) as fired_at:
        await reuse_is_seen_by_the_next_question_to_the_other_process(fired_at, database)
        for prepare in SINGLE_USE.values():
            play = await prepare(fired_at)
            for _ in range(ROUNDS):
                await play()


async def reuse_is_seen_by_the_next_question_to_the_other_process(two: Scene, database: Database) -> None:
    """A code and a rotated token come back: the other process knows at once, other sessions are untouched."""
    walk, app = await two.walk(), await two.walk(public=True)
    untouched = await walk.tokens(await two.another_session())

    async def active(token: str) -> bool:
        answer = await two.volley.one(called("/oauth/introspect", walk.request(token=token)), 1)
        return bool(answer.json()["active"])

    pkce = Pkce.new()
    redemption = called("/oauth/token", walk.redemption(await walk.code(two.chen, pkce), pkce))
    token = (await two.volley.one(redemption)).json()["access_token"]
    assert (await active(token), await active(untouched["access_token"])) == (True, True)
    assert (await two.volley.one(redemption)).status == 400
    assert (await active(token), await active(untouched["access_token"])) == (False, True)

    first = await app.tokens(two.chen, scope="openid offline_access")
    other = await app.tokens(await two.another_session(), scope="openid offline_access")
    refresh = called("/oauth/token", app.request(grant_type="refresh_token", refresh_token=first["refresh_token"]))
    rotated = (await two.volley.one(refresh)).json()
    assert await userinfo(two, rotated["access_token"]) == 200
    await _long_ago(database, first["refresh_token"])
    assert (await two.volley.one(refresh)).status == 400
    assert await userinfo(two, rotated["access_token"]) == 401
    assert await userinfo(two, other["access_token"]) == 200
    again = called("/oauth/token", app.request(grant_type="refresh_token", refresh_token=other["refresh_token"]))
    assert (await two.volley.one(again, 1)).status == 200


async def userinfo(two: Scene, token: str) -> int:
    answer = await two.volley.one(Call("/oauth/userinfo", headers={"authorization": f"Bearer {token}"}), 1)
    return answer.status


async def _long_ago(database: Database, refresh_token: str) -> None:
    """Let a rotated token's retry window pass."""
    table = oauth_refresh_tokens
    async with database.transaction() as connection:
        await connection.execute(
            update(table)
            .where(table.c.token_hash == digest(refresh_token), table.c.consumed_at.is_not(None))
            .values(consumed_at=SystemClock().now() - 2 * REFRESH_RETRY_WINDOW)
        )


def test_a_success_too_many_would_be_noticed() -> None:
    good, bad = Answer(200, {}, b"{}"), Answer(400, {}, b'{"error": "invalid_grant"}')
    assert one_success([good, bad], 400, "invalid_grant") == {}
    for answers in ([good, good, bad], [bad, bad], [good, Answer(500, {}, b'{"error": "server_error"}')]):
        with pytest.raises(AssertionError):
            one_success(answers, 400, "invalid_grant")
