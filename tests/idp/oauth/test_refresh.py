"""Refresh tokens: rotation for public clients, none for confidential ones, reuse ends one family."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from idp.oauth.errors import OAuthError
from tests.idp.oauth.support import PUBLIC, Walk, register, registration

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider

OFFLINE = "openid profile offline_access"


@pytest.fixture
async def public(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients, registration(**PUBLIC)), public=True)


async def test_refresh_token_comes_with_offline_access_only(walk: Walk, chen: Principal) -> None:
    assert "refresh_token" not in await walk.tokens(chen)
    assert "refresh_token" in await walk.tokens(chen, scope=OFFLINE)


async def test_confidential_client_keeps_its_refresh_token(walk: Walk, chen: Principal, clock: FixedClock) -> None:
    token = (await walk.tokens(chen, scope=OFFLINE))["refresh_token"]
    for _ in range(3):
        clock.advance(timedelta(hours=1))
        answer = await walk.refresh(token)
        assert answer["refresh_token"] == token
        assert (await walk.introspect(answer["access_token"]))["active"] is True


async def test_public_client_rotates(public: Walk, chen: Principal, clock: FixedClock) -> None:
    first = (await public.tokens(chen, scope=OFFLINE))["refresh_token"]
    second = (await public.refresh(first))["refresh_token"]
    clock.advance(timedelta(hours=1))
    third = (await public.refresh(second))["refresh_token"]
    assert len({first, second, third}) == 3


async def test_retry_inside_the_window_gets_the_same_successor(
    public: Walk, chen: Principal, clock: FixedClock
) -> None:
    first = (await public.tokens(chen, scope=OFFLINE))["refresh_token"]
    second = (await public.refresh(first))["refresh_token"]
    clock.advance(timedelta(seconds=20))
    assert (await public.refresh(first))["refresh_token"] == second


async def test_parallel_tabs_all_get_the_same_successor(public: Walk, chen: Principal) -> None:
    first = (await public.tokens(chen, scope=OFFLINE))["refresh_token"]
    answers = await asyncio.gather(*(public.refresh(first) for _ in range(20)))
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert "access_token" in await public.refresh(answers[0]["refresh_token"])


async def test_reuse_after_the_window_ends_the_family_and_only_that(
    public: Walk, chen: Principal, clock: FixedClock
) -> None:
    first = (await public.tokens(chen, scope=OFFLINE))["refresh_token"]
    other = (await public.tokens(chen, scope=OFFLINE))["refresh_token"]
    second = (await public.refresh(first))["refresh_token"]
    clock.advance(timedelta(seconds=31))
    for token in (first, second):
        with pytest.raises(OAuthError) as refused:
            await public.refresh(token)
        assert refused.value.error == "invalid_grant"
    assert "access_token" in await public.refresh(other)


async def test_idle_and_absolute_life_end(walk: Walk, public: Walk, chen: Principal, clock: FixedClock) -> None:
    rotating = (await public.tokens(chen, scope=OFFLINE))["refresh_token"]
    clock.advance(timedelta(days=15))
    with pytest.raises(OAuthError):
        await public.refresh(rotating)
    kept = (await walk.tokens(chen, scope=OFFLINE))["refresh_token"]
    clock.advance(timedelta(days=31))
    with pytest.raises(OAuthError):
        await walk.refresh(kept)


async def test_scope_narrows_and_never_widens(walk: Walk, chen: Principal) -> None:
    token = (await walk.tokens(chen, scope=OFFLINE))["refresh_token"]
    assert (await walk.refresh(token, scope="openid"))["scope"] == "openid"
    with pytest.raises(OAuthError) as refused:
        await walk.refresh(token, scope="openid phone")
    assert refused.value.error == "invalid_scope"


async def test_another_clients_refresh_token_is_refused_and_unharmed(
    walk: Walk, provider: OpenIdProvider, clients: ClientService, chen: Principal
) -> None:
    token = (await walk.tokens(chen, scope=OFFLINE))["refresh_token"]
    thief = Walk(provider, await register(clients))
    with pytest.raises(OAuthError) as refused:
        await thief.refresh(token)
    assert refused.value.error == "invalid_grant"
    assert await thief.introspect(token) == {"active": False}
    assert "access_token" in await walk.refresh(token)


async def test_revoking_the_refresh_token_ends_access_too(walk: Walk, chen: Principal) -> None:
    tokens = await walk.tokens(chen, scope=OFFLINE)
    await walk.provider.revoke(walk.request(token=tokens["refresh_token"]))
    assert await walk.introspect(tokens["access_token"]) == {"active": False}
    with pytest.raises(OAuthError):
        await walk.refresh(tokens["refresh_token"])


async def test_end_of_session_ends_online_grants_and_spares_offline_ones(
    walk: Walk, chen: Principal, database: Database, clock: FixedClock
) -> None:
    from idp.oauth.session_end import GrantsEndWithSession  # noqa: PLC0415 - used by this test alone

    online, offline = await walk.tokens(chen), await walk.tokens(chen, scope=OFFLINE)
    async with database.transaction() as connection:
        await GrantsEndWithSession(clock).sessions_ended(connection, ("ses_1",))
    assert await walk.introspect(online["access_token"]) == {"active": False}
    assert (await walk.introspect(offline["access_token"]))["active"] is True
    assert "access_token" in await walk.refresh(offline["refresh_token"])
