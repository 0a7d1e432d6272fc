from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM, Channel
from foundation.tables import audit_log
from idp.people import totp
from idp.people.counter import Presence, Visit
from idp.people.documents import read_document
from idp.people.errors import AuthorityMissing
from idp.people.officer import Authority
from idp.people.proof import Outcome
from idp.people.tables import counter_checks, person_conflicts, real_name_proofs
from tests.idp.people.conftest import BUREAU, CHEN_WEI, DISTRICT, OTHER_BUREAU, OTHER_DISTRICT, PASSWORD, Join
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.people.assembly import People

ELDER = CITIZENS[3]
VISIT = Visit(
    name=ELDER.name,
    document_number=ELDER.citizen_id_number,
    evidence_seen=("居民身份证原件", "户口簿"),
    presence=Presence.CHIP_READ,
    presence_reference="READER-20260302-0001",
)

TODAY = date(2026, 3, 2)


async def _officer(
    people: People, join: Join, clock: FixedClock, username: str, *, granted: bool = True, number: str | None = None
) -> Principal:
    join.serial += 1
    secret = bytes([100 + join.serial]) * totp.SECRET_BYTES
    added = await people.officers.add(
        SYSTEM,
        username=username,
        password=PASSWORD,
        name="窗口人员",
        organisation_code=BUREAU,
        district_code=DISTRICT,
        post="窗口",
        totp_secret_base32=totp.secret_base32(secret),
        citizen_id_number=number,
    )
    if granted:
        await people.officers.grant(
            SYSTEM,
            added.officer.officer_id,
            Authority.COUNTER_VERIFICATION,
            district_code=DISTRICT,
            valid_until=clock.now() + timedelta(days=30),
        )
    return await join.officer_principal(username, secret, clock)


async def _workstation(people: People, organisation: str = BUREAU, district: str = DISTRICT) -> str:
    return await people.workstations.register(
        SYSTEM, organisation_code=organisation, district_code=district, name="一号窗口"
    )


async def test_two_officers_verify_someone_without_a_device(
    people: People, join: Join, clock: FixedClock, database: Database
) -> None:
    first, second = [await _officer(people, join, clock, name) for name in ("officer.one", "officer.two")]
    workstation = await _workstation(people)
    check = await people.counter.examine(first, workstation, VISIT)
    assert (check.state, check.result.outcome, check.result.level) == ("awaiting", Outcome.PENDING, "L0")
    (waiting,) = await people.counter.awaiting(second)
    assert (waiting.check_id, waiting.name, waiting.document_number, waiting.own) == (
        check.check_id,
        ELDER.name,
        ELDER.citizen_id_number,
        False,
    )
    assert ELDER.name not in repr(waiting)
    assert [item.own for item in await people.counter.awaiting(first)] == [True]
    decided = await people.counter.decide(second, check.check_id, confirm=True)
    assert (decided.state, decided.result.outcome, decided.result.level) == ("confirmed", Outcome.MATCH, "L4")
    assert decided.result.person_id is not None
    assert await people.persons.level_of(decided.result.person_id) == "L4"
    async with database.read() as connection:
        row = (await connection.execute(select(counter_checks))).one()
        acts = audit_log.c.action.in_(
            ("people.counter_examine", "people.counter_decide", "people.prove", "people.level")
        )
        channels = (await connection.execute(select(audit_log.c.channel).where(acts))).scalars().all()
        proven = (await connection.execute(select(real_name_proofs.c.channel))).scalar_one()
    assert (len(channels), {*channels, proven}) == (5, {Channel.COUNTER})
    assert row.evidence_seen == ["居民身份证原件", "户口簿"]
    assert row.officer_id != row.second_officer_id


async def test_nobody_is_his_own_second_pair_of_eyes(people: People, join: Join, clock: FixedClock) -> None:
    first = await _officer(people, join, clock, "officer.one")
    check = await people.counter.examine(first, await _workstation(people), VISIT)
    with pytest.raises(NotPermitted):
        await people.counter.decide(first, check.check_id, confirm=True)


async def test_an_officer_does_not_verify_himself(people: People, join: Join, clock: FixedClock) -> None:
    himself = await _officer(people, join, clock, "officer.one", number=ELDER.citizen_id_number)
    other = await _officer(people, join, clock, "officer.two")
    workstation = await _workstation(people)
    with pytest.raises(NotPermitted):
        await people.counter.examine(himself, workstation, VISIT)
    check = await people.counter.examine(other, workstation, VISIT)
    with pytest.raises(NotPermitted):
        await people.counter.decide(himself, check.check_id, confirm=True)
    assert [item.check_id for item in await people.counter.awaiting(other)] == [check.check_id]
    with pytest.raises(NotPermitted):
        await people.counter.awaiting((await join.citizen()).principal())


async def test_without_the_authority_or_at_another_counter_nothing_is_verified(
    people: People, join: Join, clock: FixedClock
) -> None:
    with_authority = await _officer(people, join, clock, "officer.one")
    without = await _officer(people, join, clock, "officer.two", granted=False)
    here, elsewhere = await _workstation(people), await _workstation(people, OTHER_BUREAU, OTHER_DISTRICT)
    other_district = await _workstation(people, BUREAU, OTHER_DISTRICT)
    with pytest.raises(AuthorityMissing):
        await people.counter.examine(without, here, VISIT)
    with pytest.raises(AuthorityMissing):
        await people.counter.examine(with_authority, other_district, VISIT)
    for workstation in (elsewhere, "wks_none"):
        with pytest.raises(NotPermitted):
            await people.counter.examine(with_authority, workstation, VISIT)
    with pytest.raises(NotPermitted):
        await people.counter.examine((await join.citizen()).principal(), here, VISIT)
    with pytest.raises(NotPermitted):
        await people.workstations.register(
            with_authority, organisation_code=BUREAU, district_code=DISTRICT, name="自己的"
        )


async def test_an_examination_is_decided_once_and_waits_four_hours(
    people: People, join: Join, clock: FixedClock
) -> None:
    first, second = [await _officer(people, join, clock, name) for name in ("officer.one", "officer.two")]
    workstation = await _workstation(people)
    check = await people.counter.examine(first, workstation, VISIT)
    refused = await people.counter.decide(second, check.check_id, confirm=False)
    assert (refused.result.outcome, refused.result.level) == (Outcome.MISMATCH, "L0")
    with pytest.raises(Conflict):
        await people.counter.decide(second, check.check_id, confirm=True)
    late = await people.counter.examine(first, workstation, VISIT)
    clock.advance(timedelta(hours=4))
    with pytest.raises(Conflict):
        await people.counter.decide(second, late.check_id, confirm=True)
    with pytest.raises(NotFound):
        await people.counter.decide(second, "ctr_none", confirm=True)


async def test_a_presence_code_works_once_and_for_five_minutes(people: People, join: Join, clock: FixedClock) -> None:
    officer, workstation = await _officer(people, join, clock, "officer.one"), await _workstation(people)
    citizen = (await join.citizen()).principal()
    visit = replace(VISIT, presence=Presence.ONE_TIME_CODE)
    code = await people.counter.presence_code(citizen)
    await people.counter.examine(officer, workstation, replace(visit, presence_reference=code))
    old = await people.counter.presence_code(citizen)
    clock.advance(timedelta(minutes=5))
    for reference in (code, old, "00000000", ""):
        with pytest.raises(InvalidInput) as caught:
            await people.counter.examine(officer, workstation, replace(visit, presence_reference=reference))
        assert caught.value.field == "presence_reference"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "9"}, "name"),
        ({"document_number": "500101195802140641"}, "document_number"),
        ({"document_type": "library_card"}, "document_type"),
        ({"document_type": "hk_macao_taiwan_residence"}, "document_number"),
        ({"evidence_seen": ()}, "evidence_seen"),
        ({"evidence_seen": ("x\n",)}, "evidence_seen"),
        ({"presence": "hearsay"}, "presence"),
        ({"presence_reference": "x"}, "presence_reference"),
        ({"account_username": "nobody.at.all"}, "account_username"),
    ],
)
async def test_bad_visits_name_the_field(
    people: People, join: Join, clock: FixedClock, change: dict[str, object], field: str
) -> None:
    officer, workstation = await _officer(people, join, clock, "officer.one"), await _workstation(people)
    with pytest.raises(InvalidInput) as caught:
        await people.counter.examine(officer, workstation, replace(VISIT, **change))  # type: ignore[arg-type]
    assert caught.value.field == field
    with pytest.raises(InvalidInput):
        await people.counter.examine(officer, workstation, VISIT, "pending")


async def test_another_name_for_a_known_number_goes_to_settlement(
    people: People, join: Join, clock: FixedClock, database: Database
) -> None:
    await join.proven()
    first, second = [await _officer(people, join, clock, name) for name in ("officer.one", "officer.two")]
    visit = replace(VISIT, document_number=CHEN_WEI.citizen_id_number)
    check = await people.counter.examine(first, await _workstation(people), visit)
    decided = await people.counter.decide(second, check.check_id, confirm=True)
    assert (decided.result.outcome, decided.result.person_id) == (Outcome.MISMATCH, None)
    async with database.read() as connection:
        assert (await connection.execute(select(person_conflicts.c.kind))).scalar_one() == "same number, other name"


@pytest.mark.parametrize(
    ("kind", "number", "read"),
    [
        ("passport", " e1234 5678 ", "E12345678"),
        ("hk_macao_permit", "h12345678", "H12345678"),
        ("taiwan_permit", "01234567", "01234567"),
        ("foreigner_residence", "usa500181010101", "USA500181010101"),
        ("foreigner_residence", "911840199001010018", "911840199001010018"),
        ("hk_macao_taiwan_residence", "810000199408230021", "810000199408230021"),
    ],
)
def test_other_documents_are_read_in_their_own_form(kind: str, number: str, read: str) -> None:
    assert read_document(kind, number, TODAY) == (kind, read)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("passport", "E1"),
        ("passport", "E1234567890123"),
        ("hk_macao_permit", "X12345678"),
        ("hk_macao_permit", "H1234567"),
        ("taiwan_permit", "123"),
        ("id_card", "810000199408230021"),
        ("hk_macao_taiwan_residence", "11010519491231002X"),
        ("hk_macao_taiwan_residence", "810000199408230022"),
        ("foreigner_residence", "911840199001010010"),
        ("foreigner_residence", "911840199002300017"),
        ("foreigner_residence", "USA500181130101"),
    ],
)
def test_numbers_of_another_form_are_refused(kind: str, number: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_document(kind, number, TODAY)
    assert caught.value.field == "document_number"
