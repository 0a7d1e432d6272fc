from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from foundation.errors import InvalidInput, NotPermitted
from foundation.tables import audit_log, notices
from idp.people.errors import RealNameConflict, RealNameQuotaExhausted
from idp.people.proof import DEFAULT_POLICY, Evidence, Method, Outcome, level_at
from idp.people.proof_repository import ELEMENTS, FINDINGS
from idp.people.tables import person_conflicts, persons, real_name_proofs
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.real_name_authority import CITIZENS, Behaviour, SandboxAuthority, population

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from idp.people.assembly import People

CARD = CHEN_WEI.elements("bank_card")
OTHER = CITIZENS[1]


async def _citizen(join: Join, username: str = "chenwei") -> Principal:
    return (await join.citizen(username)).principal()


async def _stored(database: Database) -> Any:  # noqa: ANN401 - a row
    async with database.read() as connection:
        return (await connection.execute(select(real_name_proofs))).one()


async def test_a_matching_bank_card_gives_l2_a_person_evidence_audit_and_notice(
    people: People, join: Join, database: Database, cipher: FieldCipher, clock: FixedClock
) -> None:
    session = await join.citizen()
    result = await people.real_name.prove(session.principal(), "bank_card", CARD, source="192.0.2.1")
    assert (result.outcome, result.level) == (Outcome.MATCH, "L2")
    after = await join.again(session)
    assert (after.acr, after.person_id) == ("L2", result.person_id)
    assert result.person_id is not None
    assert await people.persons.level_of(result.person_id) == "L2"
    (evidence,) = await people.real_name.evidence(after.principal())
    assert (evidence.method, evidence.authority) == (Method.BANK_CARD, "中国银联（沙箱）")
    assert evidence.expires_at == clock.now() + timedelta(days=3 * 365)
    row = await _stored(database)
    assert json.loads(cipher.decrypt(row.elements, ELEMENTS)) == CARD
    assert json.loads(cipher.decrypt(row.findings, FINDINGS))["matched"] == list(CARD)
    async with database.read() as connection:
        person = (await connection.execute(select(persons))).one()
        events = {event.action: event.detail for event in await connection.execute(select(audit_log))}
        told = (await connection.execute(select(notices.c.kind))).scalars().all()
    assert "陈伟".encode() not in person.name
    assert CHEN_WEI.citizen_id_number.encode() not in person.document_number
    assert events["people.level"] == {"old": "L0", "new": "L2", "because": "proof by bank_card"}
    assert events["people.prove"]["outcome"] == "match"
    assert told == ["people.level_changed"]
    assert not any(value in json.dumps(events, ensure_ascii=False) for value in CARD.values())


@pytest.mark.parametrize("wrong", ["name", "citizen_id_number", "card_number", "mobile"])
async def test_which_element_failed_is_kept_and_never_told(
    people: People, join: Join, database: Database, cipher: FieldCipher, wrong: str
) -> None:
    principal = await _citizen(join)
    elements = CARD | {wrong: OTHER.elements("bank_card")[wrong]}
    result = await people.real_name.prove(principal, "bank_card", elements)
    assert (result.outcome, result.level, result.person_id) == (Outcome.MISMATCH, "L0", None)
    assert wrong not in repr(result)
    findings = json.loads(cipher.decrypt((await _stored(database)).findings, FINDINGS))
    if wrong != "citizen_id_number":
        assert findings["failed"] == [wrong]
    assert (await people.real_name.evidence(principal)) == ()


async def test_nobody_learns_whether_a_person_exists(people: People, join: Join, database: Database) -> None:
    principal = await _citizen(join)
    (stranger,) = (person for person in population(50) if person.fund_account.endswith("1045"))
    result = await people.real_name.prove(principal, "bank_card", stranger.elements("bank_card"))
    assert result.outcome is Outcome.MISMATCH
    assert (await _stored(database)).outcome == "not_found"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "陈伟1" * 20), ("name", "<script>"), ("name", "9"),
        ("citizen_id_number", "500101199003070221"), ("citizen_id_number", "x"),
        ("card_number", "6222020000000000229"), ("card_number", "12"), ("card_number", "６２２２"),
        ("mobile", "12345678901"),
    ],
)  # fmt: skip
async def test_bad_elements_are_named_before_anybody_is_asked(
    people: People, join: Join, authority: SandboxAuthority, field: str, value: str
) -> None:
    principal = await _citizen(join)
    with pytest.raises(InvalidInput) as caught:
        await people.real_name.prove(principal, "bank_card", CARD | {field: value})
    assert caught.value.field == f"elements.{field}"
    assert not value or value not in caught.value.detail
    assert authority.requests == []


async def test_missing_surplus_and_unknown_are_refused(people: People, join: Join) -> None:
    principal = await _citizen(join)
    for elements, field in (
        ({name: CARD[name] for name in CARD if name != "mobile"}, "elements.mobile"),
        (CARD | {"pin": "123456"}, "elements.pin"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await people.real_name.prove(principal, "bank_card", elements)
        assert caught.value.field == field
    with pytest.raises(InvalidInput) as caught:
        await people.real_name.prove(principal, "palm_reading", CARD)
    assert caught.value.field == "method"


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour.SLOW, Behaviour.DOWN, Behaviour.ERROR, Behaviour.GARBAGE, Behaviour.BAD_SIGNATURE,
        Behaviour.STALE, Behaviour.HUGE,
    ],
)  # fmt: skip
async def test_an_authority_that_does_not_answer_properly_is_unavailable(
    people: People, join: Join, authority: SandboxAuthority, database: Database, behaviour: Behaviour
) -> None:
    principal = await _citizen(join)
    authority.behaviour = behaviour
    result = await people.real_name.prove(principal, "bank_card", CARD)
    assert (result.outcome, result.level) == (Outcome.UNAVAILABLE, "L0")
    assert (await _stored(database)).outcome == "unavailable"
    assert (await people.real_name.evidence(principal)) == ()


async def test_a_replayed_answer_is_refused(people: People, join: Join, authority: SandboxAuthority) -> None:
    first, second = await _citizen(join, "chenwei"), await _citizen(join, "liming")
    await people.real_name.prove(first, "id_card", CHEN_WEI.elements("id_card"))
    authority.behaviour = Behaviour.REPLAY
    result = await people.real_name.prove(second, "id_card", OTHER.elements("id_card"))
    assert result.outcome is Outcome.UNAVAILABLE


async def test_a_locked_card_is_said_to_be_locked(people: People, join: Join, authority: SandboxAuthority) -> None:
    principal = await _citizen(join)
    authority.behaviour = Behaviour.LOCKED
    result = await people.real_name.prove(principal, "bank_card", CARD)
    assert (result.outcome, result.level) == (Outcome.LOCKED, "L0")


async def test_a_pending_answer_is_followed_up(people: People, join: Join, authority: SandboxAuthority) -> None:
    session = await join.citizen()
    authority.behaviour = Behaviour.PENDING
    result = await people.real_name.prove(session.principal(), "telecom", CHEN_WEI.elements("telecom"))
    assert (result.outcome, result.level) == (Outcome.PENDING, "L0")
    assert await people.real_name.pending() == (result.evidence_id,)
    still = await people.real_name.refresh(session.principal(), result.evidence_id)
    assert still is not None
    assert still.outcome is Outcome.PENDING
    authority.behaviour = Behaviour.NORMAL
    done = await people.real_name.refresh(session.principal(), result.evidence_id)
    assert done is not None
    assert (done.outcome, done.level) == (Outcome.MATCH, "L1")
    assert await people.real_name.refresh(session.principal(), result.evidence_id) is None
    assert await people.real_name.pending() == ()


async def test_wrong_attempts_stop_before_unionpay_locks_the_card(
    people: People, join: Join, authority: SandboxAuthority, clock: FixedClock
) -> None:
    principal = await _citizen(join)
    wrong = CARD | {"mobile": OTHER.mobile}
    outcomes = [(await people.real_name.prove(principal, "bank_card", wrong)).outcome for _ in range(2)]
    assert outcomes == [Outcome.MISMATCH] * 2
    with pytest.raises(RealNameQuotaExhausted):
        await people.real_name.prove(principal, "bank_card", CARD)
    assert len(authority.requests) == 2
    clock.advance(timedelta(hours=24, seconds=1))
    again = (await join.sign_in("chenwei")).principal()
    assert (await people.real_name.prove(again, "bank_card", CARD)).outcome is Outcome.MATCH


async def test_parallel_wrong_attempts_stop_before_the_lock_too(
    people: People, join: Join, authority: SandboxAuthority
) -> None:
    principal = await _citizen(join)
    wrong = CARD | {"mobile": OTHER.mobile}
    results = await asyncio.gather(
        *(people.real_name.prove(principal, "bank_card", wrong) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(result, RealNameQuotaExhausted) for result in results) == 4
    assert len(authority.requests) == 2


async def test_right_attempts_stop_before_the_tenth_of_the_day(
    people: People, join: Join, authority: SandboxAuthority
) -> None:
    principal = await _citizen(join)
    for _ in range(9):
        assert (await people.real_name.prove(principal, "bank_card", CARD)).outcome is Outcome.MATCH
    with pytest.raises(RealNameQuotaExhausted):
        await people.real_name.prove(principal, "bank_card", CARD)
    assert len(authority.requests) == 9


async def test_a_request_that_never_left_is_not_counted(
    people: People, join: Join, authority: SandboxAuthority
) -> None:
    principal = await _citizen(join)
    authority.stop()
    for _ in range(4):
        assert (await people.real_name.prove(principal, "bank_card", CARD)).outcome is Outcome.UNAVAILABLE


async def test_a_bank_request_that_was_sent_is_counted_and_not_repeated(
    people: People, join: Join, authority: SandboxAuthority
) -> None:
    principal = await _citizen(join)
    authority.behaviour = Behaviour.BAD_SIGNATURE
    for _ in range(2):
        await people.real_name.prove(principal, "bank_card", CARD)
    assert len(authority.requests) == 2
    with pytest.raises(RealNameQuotaExhausted):
        await people.real_name.prove(principal, "bank_card", CARD)


async def test_an_uncounted_request_is_repeated_once_under_the_same_id(
    people: People, join: Join, authority: SandboxAuthority
) -> None:
    principal = await _citizen(join)
    authority.behaviour = Behaviour.BAD_SIGNATURE
    await people.real_name.prove(principal, "id_card", CHEN_WEI.elements("id_card"))
    assert len(authority.requests) == 2
    assert authority.requests[0]["request_id"] == authority.requests[1]["request_id"]


async def test_nobody_asks_about_one_person_all_day(people: People, join: Join) -> None:
    refused = 0
    for number in range(2):
        principal = await _citizen(join, f"asker{number}")
        for _ in range(6):
            try:
                await people.real_name.prove(principal, "id_card", CHEN_WEI.elements("id_card") | {"name": "陈小伟"})
            except RealNameQuotaExhausted:
                refused += 1
    assert refused == 2


async def test_an_account_never_becomes_a_second_person(
    people: People, join: Join, authority: SandboxAuthority
) -> None:
    session = await join.proven()
    with pytest.raises(RealNameConflict):
        await people.real_name.prove(session.principal(), "id_card", OTHER.elements("id_card"))
    assert len(authority.requests) == 1


async def test_parallel_proofs_of_two_people_link_one(people: People, join: Join, database: Database) -> None:
    principal = await _citizen(join)
    results = await asyncio.gather(
        people.real_name.prove(principal, "id_card", CHEN_WEI.elements("id_card")),
        people.real_name.prove(principal, "id_card", OTHER.elements("id_card")),
        return_exceptions=True,
    )
    assert sum(isinstance(result, RealNameConflict) for result in results) == 1
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(person_conflicts))).scalar_one() <= 1


async def test_the_same_number_with_another_name_goes_to_an_officer(
    people: People, join: Join, authority: SandboxAuthority, database: Database
) -> None:
    await join.proven()
    renamed = replace(CHEN_WEI, name="陈玮")
    authority._people[renamed.citizen_id_number] = renamed
    second = await join.citizen("chenwei.two")
    with pytest.raises(RealNameConflict):
        await people.real_name.prove(second.principal(), "id_card", renamed.elements("id_card"))
    assert (await join.again(second)).person_id is None
    async with database.read() as connection:
        conflict = (await connection.execute(select(person_conflicts))).one()
    assert (conflict.kind, conflict.account_id) == ("same number, other name", second.account_id)


async def test_two_accounts_of_one_person_share_the_level(people: People, join: Join) -> None:
    first = await join.proven()
    second = await join.citizen("chenwei.two")
    result = await people.real_name.prove(second.principal(), "id_card", CHEN_WEI.elements("id_card"))
    assert (result.level, result.person_id) == ("L2", first.person_id)
    assert (await join.again(second)).acr == "L2"


async def test_a_level_expires_with_its_evidence(people: People, join: Join, clock: FixedClock) -> None:
    session = await join.proven()
    clock.advance(timedelta(days=3 * 365))
    fresh = await join.sign_in("chenwei")
    assert fresh.acr == "L0"
    assert session.person_id is not None
    assert await people.persons.level_of(session.person_id) == "L0"
    assert "verified_claims" in await people.accounts.claims(session.account_id, {"real_name"})


async def test_officers_do_not_prove_themselves_as_citizens(people: People, join: Join, clock: FixedClock) -> None:
    _, secret = await join.officer()
    principal = await join.officer_principal("officer.li", secret, clock)
    with pytest.raises(NotPermitted):
        await people.real_name.prove(principal, "bank_card", CARD)


def _evidence(method: Method, authority: str, clock: FixedClock) -> Evidence:
    now = clock.now()
    return Evidence("evd_1", "per_1", method, authority, "T", now, now + timedelta(days=1))


def test_two_sources_of_one_owner_do_not_add_up(clock: FixedClock) -> None:
    now = clock.now()
    bank, fund = _evidence(Method.BANK_CARD, "银联", clock), _evidence(Method.HOUSING_FUND, "公积金", clock)
    assert level_at([bank, replace(bank, evidence_id="evd_2")], DEFAULT_POLICY, now) == "L2"
    assert level_at([bank, fund], DEFAULT_POLICY, now) == "L3"
    assert level_at([bank, replace(fund, withdrawn_at=now)], DEFAULT_POLICY, now) == "L2"
    assert level_at([_evidence(Method.COUNTER, "大厅", clock), bank], DEFAULT_POLICY, now) == "L4"
    assert level_at([], DEFAULT_POLICY, now) == "L0"
