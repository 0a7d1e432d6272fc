"""Consent is remembered, listed and taken back; what was taken back ends at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation.errors import NotFound
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.model import AuthorizationResponse, ConsentNeeded
from tests.idp.oauth.support import Pkce, Walk, answered, authorize_parameters, person, register, registration

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider


@pytest.fixture
async def asking(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients, registration(pre_approved=False)))


async def consent(walk: Walk, who: Principal, scope: str = "openid profile offline_access") -> tuple[str, Pkce]:
    pkce = Pkce.new()
    outcome = await walk.provider.authorize(authorize_parameters(walk.client.client_id, pkce, scope=scope), who)
    if isinstance(outcome, ConsentNeeded):
        outcome = await walk.provider.decide(outcome.interaction_id, who, approved=True)
    return answered(outcome)["code"], pkce


async def test_withdrawing_ends_tokens_and_consent_and_nobody_elses(
    asking: Walk, chen: Principal, clock: FixedClock
) -> None:
    zhao = person(clock.now(), "acc_zhao", session_id="ses_2")
    got = await asking.redeem(*await consent(asking, chen))
    theirs = await asking.redeem(*await consent(asking, zhao))
    (listed,) = await asking.provider.applications.of(chen)
    assert (listed.client_id, listed.client_name, listed.consented) == (
        asking.client.client_id,
        "食品经营许可系统",
        True,
    )
    assert set(listed.scopes) == {"openid", "profile", "offline_access"}
    assert listed.since == clock.now()
    parameters = authorize_parameters(asking.client.client_id, Pkce.new(), scope="openid profile")
    assert isinstance(await asking.provider.authorize(parameters, chen), AuthorizationResponse)
    await asking.provider.applications.withdraw(chen, asking.client.client_id)
    assert await asking.introspect(got["access_token"]) == {"active": False}
    assert await asking.introspect(got["refresh_token"]) == {"active": False}
    with pytest.raises(OAuthError):
        await asking.refresh(got["refresh_token"])
    with pytest.raises(InvalidAccessToken):
        await asking.provider.userinfo(got["access_token"])
    assert isinstance(await asking.provider.authorize(parameters, chen), ConsentNeeded)
    assert await asking.provider.applications.of(chen) == ()
    assert (await asking.introspect(theirs["refresh_token"]))["active"] is True
    assert len(await asking.provider.applications.of(zhao)) == 1


async def test_a_code_not_yet_redeemed_ends_too(asking: Walk, chen: Principal) -> None:
    code, pkce = await consent(asking, chen)
    await asking.provider.applications.withdraw(chen, asking.client.client_id)
    with pytest.raises(OAuthError) as refused:
        await asking.redeem(code, pkce)
    assert refused.value.error == "invalid_grant"


async def test_a_system_of_the_city_is_listed_while_it_holds_something(walk: Walk, chen: Principal) -> None:
    assert await walk.provider.applications.of(chen) == ()
    await walk.tokens(chen, scope="openid offline_access")
    (listed,) = await walk.provider.applications.of(chen)
    assert not listed.consented
    await walk.provider.applications.withdraw(chen, walk.client.client_id)
    assert await walk.provider.applications.of(chen) == ()


async def test_there_is_nothing_to_withdraw_from_a_stranger(walk: Walk, chen: Principal) -> None:
    with pytest.raises(NotFound):
        await walk.provider.applications.withdraw(chen, walk.client.client_id)
