from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM, Principal
from idp.people.assisted import AgentDocument
from idp.people.counter import Visit
from idp.people.errors import MandateRefused, SignInThrottled
from idp.people.mandate import Act, Mandate, MandateState, Terms
from idp.people.officer import Authority
from tests.idp.people.conftest import BUREAU, CHEN_WEI, DISTRICT, Join
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from idp.people.assembly import People

ELDER, LI_MING = CITIZENS[3], CITIZENS[1]
AGENT = AgentDocument(LI_MING.name, LI_MING.citizen_id_number)


async def _officers(people: People, join: Join, clock: FixedClock) -> list[Principal]:
    officers = []
    for name in ("officer.one", "officer.two"):
        officer, secret = await join.officer(name)
        await people.officers.grant(
            SYSTEM,
            officer.officer_id,
            Authority.COUNTER_VERIFICATION,
            district_code=DISTRICT,
            valid_until=clock.now() + timedelta(days=1),
        )
        officers.append(await join.officer_principal(name, secret, clock))
    return officers


def _terms(clock: FixedClock) -> Terms:
    now = clock.now()
    return Terms(("*",), ("*",), ("*",), now, now + timedelta(days=90), 5)


async def _verified(people: People, first: Principal, second: Principal) -> str:
    workstation = await people.workstations.register(
        SYSTEM, organisation_code=BUREAU, district_code=DISTRICT, name="一号窗口"
    )
    visit = Visit(ELDER.name, ELDER.citizen_id_number, ("居民身份证原件",), "chip_read", "READER-0001")
    check = await people.counter.examine(first, workstation, visit)
    await people.counter.decide(second, check.check_id, confirm=True)
    return check.check_id


async def test_an_elder_without_a_phone_is_served_by_the_agent_with_a_paper_code(
    people: People, join: Join, clock: FixedClock, database: Database
) -> None:
    first, second = await _officers(people, join, clock)
    check_id = await _verified(people, first, second)
    draft = await people.assisted.draft(first, check_id, AGENT, _terms(clock))
    assert draft.state is MandateState.AWAITING_OFFICER
    assert [(item.mandate_id, item.giver_name, item.own) for item in await people.assisted.drafts(second)] == [
        (draft.mandate_id, ELDER.name, False)
    ]
    with pytest.raises(NotPermitted):
        await people.assisted.confirm(first, draft.mandate_id)
    printed = await people.assisted.confirm(second, draft.mandate_id)
    assert len(printed.code) == 14
    assert printed.code not in repr(printed)
    with pytest.raises(Conflict):
        await people.assisted.confirm(second, draft.mandate_id)
    agent = (await join.proven(LI_MING, "liming")).principal()
    stranger = (await join.proven(CHEN_WEI, "chenwei")).principal()
    with pytest.raises(MandateRefused):
        await people.assisted.redeem(stranger, printed.code)
    results = await asyncio.gather(
        *(people.assisted.redeem(agent, printed.code.lower()) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, Mandate) for result in results) == 1
    async with database.transaction() as connection:
        used = await people.mandates.use(connection, agent, draft.mandate_id, Act("PENSION-1"))
    assert used.principal_id == draft.principal_id


async def test_guessing_paper_codes_is_throttled(people: People, join: Join) -> None:
    agent = (await join.proven(LI_MING, "liming")).principal()
    for _ in range(6):
        with pytest.raises(MandateRefused):
            await people.assisted.redeem(agent, "AAAA-BBBB-CCCC")
    with pytest.raises(SignInThrottled):
        await people.assisted.redeem(agent, "AAAA-BBBB-CCCC")


async def test_only_a_person_verified_in_this_visit_gives_a_mandate(
    people: People, join: Join, clock: FixedClock
) -> None:
    first, second = await _officers(people, join, clock)
    check_id = await _verified(people, first, second)
    with pytest.raises(NotFound):
        await people.assisted.draft(first, "ctr_none", AGENT, _terms(clock))
    with pytest.raises(InvalidInput):
        await people.assisted.draft(first, check_id, AgentDocument(ELDER.name, ELDER.citizen_id_number), _terms(clock))
    citizen = (await join.proven(CHEN_WEI, "chenwei")).principal()
    with pytest.raises((NotFound, NotPermitted)):
        await people.assisted.draft(citizen, check_id, AGENT, _terms(clock))
    clock.advance(timedelta(hours=4))
    with pytest.raises(NotPermitted):
        await people.assisted.draft(first, check_id, AGENT, _terms(clock))
