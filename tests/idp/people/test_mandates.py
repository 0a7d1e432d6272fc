from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted, StepUpRequired
from foundation.principal import SYSTEM, Principal
from foundation.tables import audit_log
from idp.people.errors import MandateRefused
from idp.people.mandate import Act, Mandate, MandateState, MandateUse, Refusal, Terms
from idp.people.parties import Named
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.notices import Notices
    from idp.people.assembly import People

LI_MING, WANG_FANG = CITIZENS[1], CITIZENS[2]
BEGIN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
TERMS = Terms(
    matters=("FOOD-1", "FOOD-2"),
    licence_types=("food_business",),
    fields=("holder_name", "valid_until"),
    valid_from=BEGIN,
    valid_until=BEGIN + timedelta(days=30),
    uses_allowed=3,
)
ACT = Act("FOOD-1", "food_business", ("holder_name",), "case-1")


class Pair:
    """Chen Wei gives, Li Ming acts."""

    def __init__(self, people: People, database: Database, giver: Principal, agent: Principal) -> None:
        self.people, self.database, self.giver, self.agent = people, database, giver, agent

    async def active(self, terms: Terms = TERMS) -> Mandate:
        offered = await self.people.mandates.propose(self.giver, Named("liming", "李明"), terms)
        return await self.people.mandates.accept(self.agent, offered.mandate_id)

    async def use(self, mandate_id: str, act: Act = ACT, agent: Principal | None = None) -> MandateUse:
        async with self.database.transaction() as connection:
            return await self.people.mandates.use(connection, agent or self.agent, mandate_id, act)

    async def refused(self, mandate_id: str, act: Act = ACT, agent: Principal | None = None) -> str:
        with pytest.raises(MandateRefused) as caught:
            await self.use(mandate_id, act, agent)
        return caught.value.reason


@pytest.fixture
async def pair(people: People, join: Join, database: Database) -> Pair:
    giver = (await join.proven(CHEN_WEI, "chenwei")).principal()
    agent = (await join.proven(LI_MING, "liming")).principal()
    return Pair(people, database, giver, agent)


async def test_a_mandate_holds_once_both_sides_signed_it_off(pair: Pair) -> None:
    offered = await pair.people.mandates.propose(pair.giver, Named("LiMing", " 李明 "), TERMS)
    assert (offered.state, offered.awaits) == (MandateState.PROPOSED, "agent")
    assert await pair.refused(offered.mandate_id) == Refusal.NOT_ACTIVE
    with pytest.raises(NotFound):
        await pair.people.mandates.accept(pair.giver, offered.mandate_id)
    accepted = await pair.people.mandates.accept(pair.agent, offered.mandate_id)
    assert accepted.state is MandateState.ACTIVE
    with pytest.raises(NotFound):
        await pair.people.mandates.accept(pair.agent, offered.mandate_id)
    assert (await pair.use(offered.mandate_id)).principal_id == pair.giver.person_id


async def test_the_agent_may_ask_and_the_giver_signs(pair: Pair) -> None:
    asked = await pair.people.mandates.request(pair.agent, Named("chenwei", "陈伟"), TERMS)
    assert asked.awaits == "principal"
    with pytest.raises(NotFound):
        await pair.people.mandates.accept(pair.agent, asked.mandate_id)
    await pair.people.mandates.accept(pair.giver, asked.mandate_id)
    await pair.use(asked.mandate_id)


async def test_every_use_names_both_and_the_giver_is_told(pair: Pair, notices: Notices) -> None:
    mandate = await pair.active()
    await pair.use(mandate.mandate_id)
    assert pair.agent.person_id is not None
    async with pair.database.read() as connection:
        event = (await connection.execute(select(audit_log).where(audit_log.c.action == "people.mandate_use"))).one()
        inbox = await notices.of_account(connection, pair.giver.subject_id)
    assert event.actor == pair.agent.audit_name
    assert event.detail["principal"] == f"person:{pair.giver.person_id}"
    assert event.detail["agent"] == pair.agent.person_id
    told = next(notice for notice in inbox if notice.kind == "people.mandate_used")
    assert told.parameters["agent"] == "*明"
    (done,) = await pair.people.mandates.uses(pair.giver)
    assert (done.matter_code, done.reference) == ("FOOD-1", "case-1")
    assert await pair.people.mandates.uses(pair.agent, mandate.mandate_id) == (done,)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (replace(ACT, matter_code="LAND-1"), Refusal.MATTER),
        (replace(ACT, licence_type="real_estate"), Refusal.LICENCE_TYPE),
        (replace(ACT, fields=("holder_name", "address")), Refusal.FIELD),
    ],
)
async def test_an_act_out_of_scope_is_refused_and_not_counted(pair: Pair, act: Act, reason: Refusal) -> None:
    mandate = await pair.active()
    assert await pair.refused(mandate.mandate_id, act) == reason
    (held,) = await pair.people.mandates.held(pair.agent)
    assert held.uses == 0
    assert (held.principal_name, held.agent_name) == ("*伟", "*明")


async def test_nobody_else_uses_a_mandate(pair: Pair, join: Join) -> None:
    mandate = await pair.active()
    stranger = (await join.proven(WANG_FANG, "wangfang")).principal()
    assert await pair.refused(mandate.mandate_id, agent=stranger) == Refusal.OTHER_AGENT
    assert await pair.refused("man_none") == Refusal.NOT_ACTIVE
    with pytest.raises(NotFound):
        await pair.people.mandates.uses(stranger, mandate.mandate_id)
    with pytest.raises(NotFound):
        await pair.people.mandates.revoke(stranger, mandate.mandate_id)


async def test_parallel_uses_stop_at_the_number_agreed(pair: Pair) -> None:
    mandate = await pair.active()
    results = await asyncio.gather(*(pair.use(mandate.mandate_id) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, MandateUse) for result in results) == 3
    assert await pair.refused(mandate.mandate_id) == Refusal.USED_UP


async def test_a_mandate_begins_and_ends_with_its_period(pair: Pair, clock: FixedClock, join: Join) -> None:
    mandate = await pair.active(replace(TERMS, valid_from=BEGIN + timedelta(hours=1)))
    assert await pair.refused(mandate.mandate_id) == Refusal.NOT_YET_VALID
    clock.advance(timedelta(days=30))
    later = (await join.sign_in("liming")).principal()
    assert await pair.refused(mandate.mandate_id, agent=later) == Refusal.EXPIRED


@pytest.mark.parametrize("side", ["giver", "agent"])
async def test_after_a_revocation_by_either_side_the_next_use_fails(pair: Pair, side: str) -> None:
    mandate = await pair.active()
    await pair.use(mandate.mandate_id)
    await pair.people.mandates.revoke(getattr(pair, side), mandate.mandate_id, "不再需要")
    assert await pair.refused(mandate.mandate_id) == Refusal.REVOKED
    with pytest.raises(Conflict):
        await pair.people.mandates.revoke(pair.giver, mandate.mandate_id)


async def test_a_use_begun_before_a_revocation_commits_before_it_or_not_at_all(pair: Pair) -> None:
    mandate = await pair.active()
    async with pair.database.transaction() as connection:
        await pair.people.mandates.use(connection, pair.agent, mandate.mandate_id, ACT)
        revoking = asyncio.create_task(pair.people.mandates.revoke(SYSTEM, mandate.mandate_id))
        done, _ = await asyncio.wait({revoking}, timeout=0.3)
        assert not done
    await revoking
    assert await pair.refused(mandate.mandate_id) == Refusal.REVOKED


async def test_an_act_that_fails_uses_nothing(pair: Pair) -> None:
    mandate = await pair.active()

    async def failing() -> None:
        async with pair.database.transaction() as connection:
            await pair.people.mandates.use(connection, pair.agent, mandate.mandate_id, ACT)
            raise RuntimeError("the act failed")

    with pytest.raises(RuntimeError):
        await failing()
    (held,) = await pair.people.mandates.held(pair.agent)
    assert held.uses == 0


async def test_delegation_stays_within_and_ends_with_its_source(pair: Pair, join: Join) -> None:
    sub = (await join.proven(WANG_FANG, "wangfang")).principal()
    named = Named("wangfang", "王芳")
    narrow = replace(TERMS, matters=("FOOD-1",), uses_allowed=2)
    closed = await pair.active()
    with pytest.raises(MandateRefused):
        await pair.people.mandates.delegate(pair.agent, closed.mandate_id, named, narrow)
    mandate = await pair.active(replace(TERMS, may_delegate=True))
    for wider in (
        replace(TERMS, matters=("*",)),
        replace(TERMS, uses_allowed=4),
        replace(TERMS, uses_allowed=None),
        replace(TERMS, valid_until=TERMS.valid_until + timedelta(days=1)),
    ):
        with pytest.raises(InvalidInput):
            await pair.people.mandates.delegate(pair.agent, mandate.mandate_id, named, wider)
    offered = await pair.people.mandates.delegate(pair.agent, mandate.mandate_id, named, narrow)
    delegated = await pair.people.mandates.accept(sub, offered.mandate_id)
    used = await pair.use(delegated.mandate_id, agent=sub)
    assert used.principal_id == pair.giver.person_id
    await pair.use(mandate.mandate_id)
    await pair.use(mandate.mandate_id)
    assert await pair.refused(delegated.mandate_id, agent=sub) == "parent"
    assert await pair.people.mandates.revoke(pair.giver, mandate.mandate_id) == (
        mandate.mandate_id,
        delegated.mandate_id,
    )
    assert await pair.refused(delegated.mandate_id, agent=sub) == Refusal.REVOKED


async def test_a_declined_mandate_stays_declined(pair: Pair) -> None:
    offered = await pair.people.mandates.propose(pair.giver, Named("liming", "李明"), TERMS)
    assert (await pair.people.mandates.decline(pair.agent, offered.mandate_id)).state is MandateState.DECLINED
    with pytest.raises(NotFound):
        await pair.people.mandates.accept(pair.agent, offered.mandate_id)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"matters": ()}, "matters"),
        ({"licence_types": ("",)}, "licence_types"),
        ({"fields": ("x" * 81,)}, "fields"),
        ({"valid_until": BEGIN}, "valid_until"),
        ({"valid_until": BEGIN + timedelta(days=4000)}, "valid_until"),
        ({"uses_allowed": 0}, "uses_allowed"),
    ],
)
def test_bad_terms_name_the_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        replace(TERMS, **change).checked(BEGIN)  # type: ignore[arg-type]
    assert caught.value.field == field


async def test_a_wrong_name_and_an_unknown_account_get_one_answer(pair: Pair, join: Join) -> None:
    await join.citizen("unproven")
    answers = set()
    for named in (Named("liming", "王芳"), Named("nobody.at.all", "李明"), Named("unproven", "李明"), Named("", "")):
        with pytest.raises(InvalidInput) as caught:
            await pair.people.mandates.propose(pair.giver, named, TERMS)
        answers.add((caught.value.detail, caught.value.field))
    assert len(answers) == 1
    with pytest.raises(InvalidInput):
        await pair.people.mandates.propose(pair.giver, Named("chenwei", "陈伟"), TERMS)


async def test_an_unproven_person_and_an_officer_give_nothing(pair: Pair, join: Join, clock: FixedClock) -> None:
    unproven = (await join.citizen("unproven")).principal()
    with pytest.raises(StepUpRequired) as caught:
        await pair.people.mandates.propose(unproven, Named("liming", "李明"), TERMS)
    assert caught.value.acr_values == "L2"
    _, secret = await join.officer()
    officer = await join.officer_principal("officer.li", secret, clock)
    with pytest.raises(NotPermitted):
        await pair.people.mandates.propose(officer, Named("liming", "李明"), TERMS)
