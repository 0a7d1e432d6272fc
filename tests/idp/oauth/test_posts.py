"""What a department's system learns of an officer: the post, for as long as it is held."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from foundation.principal import SYSTEM
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.session_end import GrantsEndWithSession
from idp.oauth.subjects import AccountSubjects
from idp.people.officer import Authority
from tests.idp.oauth.support import ISSUER, Walk, body, register
from tests.idp.people.conftest import (
    BUREAU,
    DISTRICT,
    MATTER,
    OTHER_BUREAU,
    OTHER_DISTRICT,
    Join,
    authority,
    directory,
    gateway_settings,
    join,
    notices,
    people,
    sms,
)
from tests.idp.people.test_posts import acting, further

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from idp.people.assembly import People

__all__ = ["authority", "directory", "gateway_settings", "join", "notices", "people", "sms"]

OFFLINE = "openid profile offline_access"


@pytest.fixture
def observer(clock: FixedClock) -> GrantsEndWithSession:
    return GrantsEndWithSession(clock)


@pytest.fixture
def subjects(people: People) -> AccountSubjects:
    return AccountSubjects(people.accounts, people.officers)


@pytest.fixture
async def walk(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients))


async def told(walk: Walk, token: str) -> dict[str, Any]:
    return body(await walk.provider.userinfo(token))


async def test_a_token_tells_the_post_it_was_given_in_and_a_change_of_post_ends_it(
    people: People, join: Join, walk: Walk, clock: FixedClock
) -> None:
    first, secret = await join.officer()
    second = await further(people)
    await people.officers.grant(
        SYSTEM,
        first.officer_id,
        Authority.DELIVERY,
        district_code=DISTRICT,
        matter_code=MATTER,
        valid_until=clock.now() + timedelta(days=1),
    )
    session = await acting(join, secret, clock, first.officer_id)
    token = (await walk.tokens(session.principal(), scope="openid profile"))["access_token"]
    here = await told(walk, token)
    assert {name: here[name] for name in ("name", "post", "organisation_code", "district_code", "authorities")} == {
        "name": "李科员",
        "post": "窗口",
        "organisation_code": BUREAU,
        "district_code": DISTRICT,
        "authorities": [{"authority": "delivery", "district_code": DISTRICT, "matter_code": MATTER}],
    }
    session = await people.sessions.take_post(session, second.officer_id)
    assert await walk.introspect(token) == {"active": False}
    with pytest.raises(InvalidAccessToken):
        await told(walk, token)
    other = (await walk.tokens(session.principal(), scope="openid profile"))["access_token"]
    there = await told(walk, other)
    assert (there["post"], there["organisation_code"], there["district_code"], there["authorities"]) == (
        "挂职科员",
        OTHER_BUREAU,
        OTHER_DISTRICT,
        [],
    )
    assert there["sub"] != here["sub"]
    principal = await walk.provider.access_tokens.authenticate(other, audience=f"{ISSUER}/oauth/userinfo")
    assert (principal.subject_id, principal.organisation_code) == (second.officer_id, None)


async def test_leaving_one_post_ends_its_tokens_at_once_and_only_those(
    people: People, join: Join, walk: Walk, clock: FixedClock
) -> None:
    first, secret = await join.officer()
    second = await further(people)
    answers = {}
    for officer in (first, second):
        session = await acting(join, secret, clock, officer.officer_id)
        answers[officer] = await walk.tokens(session.principal(), scope=OFFLINE)
    await people.officers.leave(SYSTEM, first.officer_id)
    for officer, ended in ((first, True), (second, False)):
        assert (await walk.introspect(answers[officer]["access_token"]) == {"active": False}) is ended
        assert (await walk.introspect(answers[officer]["refresh_token"]) == {"active": False}) is ended
    with pytest.raises(OAuthError):
        await walk.refresh(answers[first]["refresh_token"])
    assert "access_token" in await walk.refresh(answers[second]["refresh_token"])


async def test_what_outlives_the_session_does_not_outlive_the_post(
    people: People, join: Join, walk: Walk, clock: FixedClock
) -> None:
    _, secret = await join.officer()
    lent = await further(people, ends_at=clock.now() + timedelta(minutes=5))
    session = await acting(join, secret, clock, lent.officer_id)
    answer = await walk.tokens(session.principal(), scope=OFFLINE)
    assert (await walk.introspect(answer["access_token"]))["active"]
    assert (await walk.introspect(answer["refresh_token"]))["active"]
    clock.advance(timedelta(minutes=5))
    for token in ("access_token", "refresh_token"):
        assert await walk.introspect(answer[token]) == {"active": False}
    with pytest.raises(InvalidAccessToken):
        await told(walk, answer["access_token"])
    with pytest.raises(OAuthError):
        await walk.refresh(answer["refresh_token"])
    await people.officers.end_run_out()
    assert await walk.introspect(answer["access_token"]) == {"active": False}
