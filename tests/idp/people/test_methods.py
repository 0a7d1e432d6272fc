"""Six methods, six outcomes: level, `acr`, `verified_claims`, evidence and audit agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from foundation.principal import SYSTEM
from foundation.tables import audit_log
from idp.people.counter import CounterCheck, Presence, Visit
from idp.people.officer import ANY, Authority
from idp.people.proof import DEFAULT_POLICY, Method, Outcome
from idp.people.tables import real_name_proofs
from tests.idp.people.conftest import BUREAU, CHEN_WEI, DISTRICT, Join
from tests.support.real_name_authority import CITIZENS, ELEMENTS, Behaviour, Citizen, SandboxAuthority, citizen

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.people.assembly import People
    from idp.people.session import Session

SIX = [method for method in Method if method not in {Method.CERTIFICATE, Method.UPSTREAM}]
REMOTE = [method for method in SIX if method is not Method.COUNTER]
UNKNOWN = citizen(777, "赵无", "19700101")
WRONG = replace(CHEN_WEI, name=CITIZENS[1].name)
BEHAVIOURS = {
    Outcome.LOCKED: Behaviour.LOCKED,
    Outcome.UNAVAILABLE: Behaviour.DOWN,
    Outcome.PENDING: Behaviour.PENDING,
}
SENT: dict[Outcome, Citizen] = {Outcome.NOT_FOUND: UNKNOWN, Outcome.MISMATCH: WRONG}


async def _counter(people: People, join: Join, clock: FixedClock) -> tuple[Principal, str]:
    officer, secret = await join.officer()
    await people.officers.grant(
        SYSTEM,
        officer.officer_id,
        Authority.COUNTER_VERIFICATION,
        district_code=DISTRICT,
        matter_code=ANY,
        valid_until=clock.now().replace(year=2030),
    )
    workstation = await people.workstations.register(
        SYSTEM, organisation_code=BUREAU, district_code=DISTRICT, name="一号窗口"
    )
    return await join.officer_principal("officer.li", secret, clock), workstation


async def _at_the_counter(
    people: People, join: Join, clock: FixedClock, session: Session, outcome: Outcome
) -> CounterCheck:
    officer, workstation = await _counter(people, join, clock)
    visit = Visit(
        name=CHEN_WEI.name,
        document_number=CHEN_WEI.citizen_id_number,
        evidence_seen=("居民身份证原件",),
        presence=Presence.ONE_TIME_CODE,
        presence_reference=await people.counter.presence_code(session.principal()),
    )
    finding = Outcome.MATCH if outcome is Outcome.PENDING else outcome
    check = await people.counter.examine(officer, workstation, visit, finding)
    if outcome is Outcome.MATCH:
        second, secret = await join.officer("officer.wang")
        await people.officers.grant(
            SYSTEM,
            second.officer_id,
            Authority.COUNTER_VERIFICATION,
            district_code=DISTRICT,
            valid_until=clock.now().replace(year=2030),
        )
        colleague = await join.officer_principal("officer.wang", secret, clock)
        check = await people.counter.decide(colleague, check.check_id, confirm=True)
    return check


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("method", SIX)
async def test_level_acr_claims_evidence_and_audit_agree(
    people: People,
    join: Join,
    authority: SandboxAuthority,
    database: Database,
    clock: FixedClock,
    method: Method,
    outcome: Outcome,
) -> None:
    session = await join.citizen()
    if method is Method.COUNTER:
        result = (await _at_the_counter(people, join, clock, session, outcome)).result
    else:
        authority.behaviour = BEHAVIOURS.get(outcome, Behaviour.NORMAL)
        elements = SENT.get(outcome, CHEN_WEI).elements(method)
        result = await people.real_name.prove(session.principal(), method, elements)
    level = DEFAULT_POLICY.grants[method] if outcome is Outcome.MATCH else "L0"
    after = await join.again(session)
    claims = await people.accounts.claims(session.account_id, {"real_name"})
    evidence = await people.real_name.evidence(after.principal())
    stored, event = await _records(database, result.evidence_id)
    assert result.outcome is outcome.told
    assert (result.level, after.acr) == (level, level)
    assert stored.outcome == outcome
    assert (event["outcome"], event["method"], event["level"]) == (outcome, method, level)
    if outcome is Outcome.MATCH:
        assert [item.evidence_id for item in evidence] == [result.evidence_id]
        verification = claims["verified_claims"]["verification"]
        assert verification["assurance_level"] == level
        assert verification["evidence"][0]["method"] == method
        assert verification["evidence"][0]["check_details"][0]["txn"] == stored.transaction_id
        assert stored.authority
        assert after.person_id == result.person_id
    else:
        assert (evidence, claims, after.person_id) == ((), {}, None)


async def _records(database: Database, evidence_id: str) -> tuple[Any, dict[str, Any]]:
    async with database.read() as connection:
        proofs = select(real_name_proofs).where(real_name_proofs.c.evidence_id == evidence_id)
        stored = (await connection.execute(proofs)).one()
        events = (
            select(audit_log.c.detail)
            .where(audit_log.c.action == "people.prove", audit_log.c.object_id == evidence_id)
            .order_by(audit_log.c.audit_id.desc())
        )
        return stored, (await connection.execute(events.limit(1))).scalar_one()


@pytest.mark.parametrize("method", REMOTE)
async def test_each_method_sends_exactly_its_elements(
    people: People, join: Join, authority: SandboxAuthority, method: Method
) -> None:
    session = await join.citizen()
    await people.real_name.prove(session.principal(), method, CHEN_WEI.elements(method))
    (request,) = authority.requests
    assert tuple(request["elements"]) == ELEMENTS[method]


async def test_two_l2_sources_of_different_owners_make_l3_and_withdrawal_takes_it_back(
    people: People, join: Join
) -> None:
    session = await join.proven()
    result = await people.real_name.prove(session.principal(), "housing_fund", CHEN_WEI.elements("housing_fund"))
    assert result.level == "L3"
    after = await join.again(session)
    assert await people.upkeep.withdraw(after.principal(), result.evidence_id, "这不是我的账户") == "L2"
    assert (await join.again(session)).acr == "L2"
