"""Token exchange over the real register of mandates: proposed, accepted, passed on, used up, revoked by people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.exchange import MANDATE
from idp.oauth.mandates import RegisteredMandates
from idp.oauth.subjects import AccountSubjects
from idp.people.mandate import Act, Terms
from idp.people.parties import Named
from tests.idp.oauth.support import Walk, body, register, registration
from tests.idp.oauth.test_exchange import GRANTS, actor_token, claims_of, tokens
from tests.idp.people.conftest import (
    CHEN_WEI,
    MATTER,
    Join,
    authority,
    directory,
    gateway_settings,
    join,
    notices,
    observer,
    people,
    sms,
)
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from idp.people.assembly import People

__all__ = ["authority", "directory", "gateway_settings", "join", "notices", "observer", "people", "sms"]

LI_MING, THIRD = CITIZENS[1], CITIZENS[2]


@pytest.fixture
def subjects(people: People) -> AccountSubjects:
    return AccountSubjects(people.accounts, people.officers)


@pytest.fixture
def mandates(database: Database, cipher: FieldCipher, people: People) -> RegisteredMandates:
    return RegisteredMandates(database, cipher, people.mandates)


@dataclass(frozen=True)
class Hall:
    """Chen Wei who gives mandates, Li Ming who acts, and the system where both sign in."""

    people: People
    clock: FixedClock
    walk: Walk
    giver: Principal
    agent: Principal

    def terms(self, **changes: Any) -> Terms:  # noqa: ANN401 - any field
        now = self.clock.now()
        values = {
            "matters": (MATTER,),
            "licence_types": ("*",),
            "fields": ("*",),
            "valid_from": now,
            "valid_until": now + timedelta(days=30),
            **changes,
        }
        return Terms(**values)

    async def mandate(self, **changes: Any) -> str:  # noqa: ANN401 - any field
        offered = await self.people.mandates.propose(self.giver, Named("liming", LI_MING.name), self.terms(**changes))
        await self.people.mandates.accept(self.agent, offered.mandate_id)
        return offered.mandate_id

    async def token(self, who: Principal) -> str:
        return str((await self.walk.tokens(who))["access_token"])

    async def name(self, who: Principal) -> str:
        return str(claims_of({"access_token": await self.token(who)})["sub"])

    async def exchange(self, **parameters: str) -> dict[str, Any]:
        request = self.walk.request(grant_type="urn:ietf:params:oauth:grant-type:token-exchange", **parameters)
        return body(await self.walk.provider.token(request))

    async def between(self) -> dict[str, Any]:
        """Exchange Chen Wei's own token with Li Ming as actor."""
        return await self.exchange(**tokens(await self.token(self.giver), await self.token(self.agent)))

    async def mandated(self, mandate_id: str, who: Principal) -> dict[str, Any]:
        given = {"subject_token": mandate_id, "subject_token_type": MANDATE}
        return await self.exchange(**given, **actor_token(await self.token(who)))

    async def ended(self, token: str) -> bool:
        return await self.walk.introspect(token) == {"active": False}


@pytest.fixture
async def hall(provider: OpenIdProvider, clients: ClientService, people: People, clock: FixedClock, join: Join) -> Hall:
    walk = Walk(provider, await register(clients, registration(grant_types=GRANTS)))
    giver = (await join.proven(CHEN_WEI, "chenwei")).principal()
    agent = (await join.proven(LI_MING, "liming")).principal()
    return Hall(people, clock, walk, giver, agent)


async def test_an_accepted_mandate_lets_its_agent_act_and_names_both(hall: Hall) -> None:
    with pytest.raises(OAuthError, match="No mandate in force"):
        await hall.between()
    mandate_id = await hall.mandate()
    names = await hall.name(hall.giver), await hall.name(hall.agent)
    for answer in (await hall.between(), await hall.mandated(mandate_id, hall.agent)):
        claims = claims_of(answer)
        assert (claims["sub"], claims["act"]) == (names[0], {"sub": names[1]})
        told = await hall.walk.introspect(answer["access_token"])
        assert (told["active"], told["act"]) == (True, {"sub": names[1]})


async def test_a_revoked_mandate_ends_its_tokens_at_the_next_introspection_and_no_others(hall: Hall) -> None:
    mandate_id, kept_id = await hall.mandate(), await hall.mandate(fields=("name",))
    token = (await hall.mandated(mandate_id, hall.agent))["access_token"]
    kept = (await hall.mandated(kept_id, hall.agent))["access_token"]
    assert not await hall.ended(token)
    await hall.people.mandates.revoke(hall.giver, mandate_id)
    assert (await hall.ended(token), await hall.ended(kept)) == (True, False)
    with pytest.raises(InvalidAccessToken):
        await hall.walk.provider.userinfo(token)
    with pytest.raises(OAuthError, match="not in force"):
        await hall.mandated(mandate_id, hall.agent)


async def test_a_sub_agent_is_named_before_who_passed_it_on_and_ends_with_the_first(hall: Hall, join: Join) -> None:
    third = (await join.proven(THIRD, "third")).principal()
    mandate_id = await hall.mandate(may_delegate=True)
    offered = await hall.people.mandates.delegate(hall.agent, mandate_id, Named("third", THIRD.name), hall.terms())
    with pytest.raises(OAuthError, match="not in force"):
        await hall.mandated(offered.mandate_id, third)
    await hall.people.mandates.accept(third, offered.mandate_id)
    answer = await hall.mandated(offered.mandate_id, third)
    claims = claims_of(answer)
    assert claims["sub"] == await hall.name(hall.giver)
    assert claims["act"] == {"sub": await hall.name(third), "act": {"sub": await hall.name(hall.agent)}}
    assert not await hall.ended(answer["access_token"])
    await hall.people.mandates.revoke(hall.giver, mandate_id)
    assert await hall.ended(answer["access_token"])


async def test_a_sub_agent_stops_when_the_first_mandate_is_used_up(hall: Hall, join: Join, database: Database) -> None:
    third = (await join.proven(THIRD, "third")).principal()
    mandate_id = await hall.mandate(may_delegate=True, uses_allowed=1)
    terms = hall.terms(uses_allowed=1)
    offered = await hall.people.mandates.delegate(hall.agent, mandate_id, Named("third", THIRD.name), terms)
    await hall.people.mandates.accept(third, offered.mandate_id)
    token = (await hall.mandated(offered.mandate_id, third))["access_token"]
    async with database.transaction() as connection:
        await hall.people.mandates.use(connection, hall.agent, mandate_id, Act(MATTER))
    assert await hall.ended(token)
    with pytest.raises(OAuthError, match="not in force"):
        await hall.mandated(offered.mandate_id, third)


async def test_what_is_over_used_up_or_another_agents_gives_nothing(hall: Hall, database: Database, join: Join) -> None:
    stranger = (await join.proven(THIRD, "third")).principal()
    once, brief = (
        await hall.mandate(uses_allowed=1),
        await hall.mandate(valid_until=hall.clock.now() + timedelta(0, 60)),
    )
    for mandate_id, who in ((once, stranger), (once, hall.giver), ("man_unknown", hall.agent)):
        with pytest.raises(OAuthError, match="unknown, not in force, or another agent"):
            await hall.mandated(mandate_id, who)
    used = (await hall.mandated(once, hall.agent))["access_token"]
    assert (await hall.mandated(brief, hall.agent))["expires_in"] == 60
    async with database.transaction() as connection:
        await hall.people.mandates.use(connection, hall.agent, once, Act(MATTER))
    assert await hall.ended(used)
    hall.clock.advance(timedelta(seconds=60))
    for mandate_id in (once, brief):
        with pytest.raises(OAuthError, match="not in force"):
            await hall.mandated(mandate_id, hall.agent)
