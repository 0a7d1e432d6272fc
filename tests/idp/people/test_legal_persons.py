from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted, StepUpRequired, UpstreamUnavailable
from foundation.principal import PrincipalKind
from idp.people.errors import RealNameQuotaExhausted
from idp.people.legal_person import LegalPerson, Role
from idp.people.mandate import Act, PartyKind, Terms
from idp.people.parties import Named
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.real_name_authority import CITIZENS, COMPANIES, Behaviour, SandboxAuthority

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.people.assembly import People
    from idp.people.session import Session

SHOP = COMPANIES[0]
LI_MING, WANG_FANG = CITIZENS[1], CITIZENS[2]


async def _shop(people: People, principal: Principal) -> LegalPerson:
    shop = await people.legal_persons.verify(principal, SHOP.credit_code, SHOP.company_name)
    assert shop is not None
    return shop


@pytest.fixture
async def owner(join: Join) -> Session:
    return await join.proven()


async def test_the_representative_proves_the_enterprise_and_acts_for_it(
    people: People, owner: Session, join: Join
) -> None:
    shop = await _shop(people, owner.principal())
    (acting,) = await people.legal_persons.acting(owner.principal())
    assert (acting.legal_person, acting.role) == (shop, Role.REPRESENTATIVE)
    changed = await people.sessions.act_for(owner, shop.legal_person_id)
    principal = changed.principal()
    assert (principal.kind, principal.subject_id, principal.organisation_code, principal.actor_id) == (
        PrincipalKind.ENTERPRISE,
        shop.legal_person_id,
        SHOP.credit_code,
        owner.account_id,
    )
    assert principal.person_id is None
    assert owner.secret is not None
    assert await people.sessions.resolve(owner.secret) is None
    back = await people.sessions.act_for(await join.again(changed), None)
    assert back.principal().kind is PrincipalKind.PERSON


async def test_somebody_else_proves_nothing_and_is_not_told_why(people: People, join: Join) -> None:
    stranger = (await join.proven(LI_MING, "liming")).principal()
    assert await people.legal_persons.verify(stranger, SHOP.credit_code, SHOP.company_name) is None
    assert await people.legal_persons.verify(stranger, "91500101MA5U000N1A", SHOP.company_name) is None
    assert await people.legal_persons.acting(stranger) == ()


async def test_bad_codes_names_and_levels_are_refused(people: People, owner: Session, join: Join) -> None:
    principal = owner.principal()
    for code, name, field in (
        ("92500101MA5U000R4X", SHOP.company_name, "credit_code"),
        (SHOP.credit_code, "x", "name"),
        (SHOP.credit_code, "<b>店</b>", "name"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await people.legal_persons.verify(principal, code, name)
        assert caught.value.field == field
    unproven = (await join.citizen("unproven")).principal()
    with pytest.raises(StepUpRequired):
        await people.legal_persons.verify(unproven, SHOP.credit_code, SHOP.company_name)


async def test_a_register_that_is_down_is_said_to_be_down(
    people: People, owner: Session, authority: SandboxAuthority
) -> None:
    authority.behaviour = Behaviour.DOWN
    with pytest.raises(UpstreamUnavailable):
        await people.legal_persons.verify(owner.principal(), SHOP.credit_code, SHOP.company_name)


async def test_an_enterprise_is_not_guessed_all_day(people: People, join: Join) -> None:
    stranger = (await join.proven(LI_MING, "liming")).principal()
    for _ in range(10):
        await people.legal_persons.verify(stranger, SHOP.credit_code, SHOP.company_name)
    with pytest.raises(RealNameQuotaExhausted):
        await people.legal_persons.verify(stranger, SHOP.credit_code, SHOP.company_name)


async def test_the_representative_appoints_administrators_and_they_appoint_agents(
    people: People, owner: Session, join: Join
) -> None:
    shop = await _shop(people, owner.principal())
    admin = await join.proven(LI_MING, "liming")
    agent = await join.proven(WANG_FANG, "wangfang")
    services = people.legal_persons
    offered = await services.appoint(
        owner.principal(), shop.legal_person_id, Named("liming", "李明"), Role.ADMINISTRATOR
    )
    with pytest.raises(NotFound):
        await people.sessions.act_for(admin, shop.legal_person_id)
    with pytest.raises(NotFound):
        await services.accept(agent.principal(), offered)
    assert [offer.agency_id for offer in await services.offers(admin.principal())] == [offered]
    await services.accept(admin.principal(), offered)
    acting = (await people.sessions.act_for(admin, shop.legal_person_id)).principal()
    appointed = await services.appoint(acting, shop.legal_person_id, Named("wangfang", "王芳"), Role.AGENT)
    await services.accept(agent.principal(), appointed)
    assert [(agency.role, agency.person_name) for agency in await services.agencies(acting, shop.legal_person_id)] == [
        (Role.REPRESENTATIVE, "*伟"),
        (Role.ADMINISTRATOR, "*明"),
        (Role.AGENT, "*芳"),
    ]
    for principal, role in ((acting, Role.ADMINISTRATOR), (agent.principal(), Role.AGENT)):
        with pytest.raises((NotPermitted, NotFound)):
            await services.appoint(principal, shop.legal_person_id, Named("chenwei", "陈伟"), role)
    with pytest.raises(NotPermitted):
        await services.dismiss(agent.principal(), offered)
    with pytest.raises(Conflict):
        await services.appoint(owner.principal(), shop.legal_person_id, Named("wangfang", "王芳"), Role.AGENT)


async def test_a_dismissed_agents_session_is_a_persons_again_at_once(
    people: People, owner: Session, join: Join
) -> None:
    shop = await _shop(people, owner.principal())
    agent = await join.proven(LI_MING, "liming")
    offered = await people.legal_persons.appoint(
        owner.principal(), shop.legal_person_id, Named("liming", "李明"), Role.AGENT
    )
    await people.legal_persons.accept(agent.principal(), offered)
    acting = await people.sessions.act_for(agent, shop.legal_person_id)
    await people.legal_persons.dismiss(owner.principal(), offered)
    assert (await join.again(acting)).principal().kind is PrincipalKind.PERSON
    with pytest.raises(NotFound):
        await people.sessions.act_for(await join.again(acting), shop.legal_person_id)
    with pytest.raises(Conflict):
        await people.legal_persons.dismiss(owner.principal(), offered)


async def test_a_period_that_ended_ends_the_agency(
    people: People, owner: Session, join: Join, clock: FixedClock
) -> None:
    shop = await _shop(people, owner.principal())
    agent = await join.proven(LI_MING, "liming")
    offered = await people.legal_persons.appoint(
        owner.principal(),
        shop.legal_person_id,
        Named("liming", "李明"),
        Role.AGENT,
        valid_until=clock.now() + timedelta(minutes=10),
    )
    await people.legal_persons.accept(agent.principal(), offered)
    acting = await people.sessions.act_for(agent, shop.legal_person_id)
    clock.advance(timedelta(minutes=10))
    assert (await join.again(acting)).principal().kind is PrincipalKind.PERSON


async def test_a_new_representative_replaces_the_old_one(
    people: People, owner: Session, join: Join, authority: SandboxAuthority
) -> None:
    shop = await _shop(people, owner.principal())
    acting = await people.sessions.act_for(owner, shop.legal_person_id)
    successor = await join.proven(LI_MING, "liming")
    authority._companies[SHOP.credit_code] = replace(SHOP, representative=LI_MING)
    await _shop(people, successor.principal())
    assert (await join.again(acting)).principal().kind is PrincipalKind.PERSON
    assert await people.legal_persons.acting((await join.again(acting)).principal()) == ()
    (role,) = await people.legal_persons.acting(successor.principal())
    assert role.role is Role.REPRESENTATIVE


async def test_an_enterprise_gives_a_mandate(
    people: People, owner: Session, join: Join, clock: FixedClock, database: Database
) -> None:
    shop = await _shop(people, owner.principal())
    agent = (await join.proven(LI_MING, "liming")).principal()
    enterprise = (await people.sessions.act_for(owner, shop.legal_person_id)).principal()
    now = clock.now()
    terms = Terms(("FOOD-1",), ("food_business",), ("*",), now, now + timedelta(days=1))
    offered = await people.mandates.propose(enterprise, Named("liming", "李明"), terms)
    await people.mandates.accept(agent, offered.mandate_id)
    async with database.transaction() as connection:
        used = await people.mandates.use(connection, agent, offered.mandate_id, Act("FOOD-1", "food_business"))
    assert (used.principal_kind, used.principal_id) == (PartyKind.ENTERPRISE, shop.legal_person_id)
    assert len(await people.mandates.given(enterprise)) == 1
    assert CHEN_WEI is CITIZENS[0]
