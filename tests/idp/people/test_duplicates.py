from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM
from idp.people.conflicts import KEEP, NEW_NAME
from idp.people.errors import AuthorityMissing, RealNameConflict
from idp.people.officer import Authority
from tests.idp.people.conftest import CHEN_WEI, DISTRICT, Join
from tests.support.real_name_authority import CITIZENS, SandboxAuthority

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.people.assembly import People
    from idp.people.session import Session

RENAMED = replace(CHEN_WEI, name="陈玮")


async def test_two_accounts_of_one_person_are_offered_merged_and_separated(people: People, join: Join) -> None:
    first, second = await join.proven(CHEN_WEI, "chenwei"), await join.proven(CHEN_WEI, "chenwei.two")
    assert first.person_id == second.person_id
    (offered,) = await people.duplicates.offered(first.principal())
    assert offered.account_id == second.account_id
    merge_id = await people.duplicates.merge(first.principal(), second.account_id)
    assert await people.duplicates.offered(first.principal()) == ()
    assert await people.duplicates.merges(second.principal()) == ((merge_id, first.account_id),)
    shown = {item.session_id for item in await people.own_data.sessions(first.principal())}
    assert shown == {first.session_id, second.session_id}
    assert len(await people.own_data.history(second.principal())) == 2
    with pytest.raises(Conflict):
        await people.duplicates.merge(first.principal(), second.account_id)
    again = await join.sign_in("chenwei.two")
    assert again.account_id == second.account_id
    await people.sessions.sign_out(first.principal(), again.session_id)
    await people.duplicates.undo(second.principal(), merge_id)
    assert len(await people.own_data.sessions(first.principal())) == 1
    with pytest.raises(NotFound):
        await people.sessions.sign_out(first.principal(), second.session_id)
    with pytest.raises(NotFound):
        await people.duplicates.undo(first.principal(), merge_id)
    await people.duplicates.merge(second.principal(), first.account_id)


async def test_two_peoples_accounts_are_never_merged(people: People, join: Join) -> None:
    mine, theirs = await join.proven(CHEN_WEI, "chenwei"), await join.proven(CITIZENS[1], "liming")
    unproven = await join.citizen("unproven")
    for other in (theirs.account_id, unproven.account_id):
        with pytest.raises(RealNameConflict):
            await people.duplicates.merge(mine.principal(), other)
    for other in ("acc_none", mine.account_id):
        with pytest.raises(NotFound):
            await people.duplicates.merge(mine.principal(), other)


async def test_a_stranger_does_not_undo_a_merge(people: People, join: Join) -> None:
    first, second = await join.proven(CHEN_WEI, "chenwei"), await join.proven(CHEN_WEI, "chenwei.two")
    stranger = await join.proven(CITIZENS[1], "liming")
    merge_id = await people.duplicates.merge(first.principal(), second.account_id)
    with pytest.raises(NotFound):
        await people.duplicates.undo(stranger.principal(), merge_id)
    assert len(await people.duplicates.merges(first.principal())) == 1
    await people.duplicates.undo(SYSTEM, merge_id)


async def _contradiction(people: People, join: Join, authority: SandboxAuthority) -> tuple[Session, str]:
    await join.proven(CHEN_WEI, "chenwei")
    authority._people[RENAMED.citizen_id_number] = RENAMED
    second = await join.citizen("chenwei.two")
    with pytest.raises(RealNameConflict):
        await people.real_name.prove(second.principal(), "id_card", RENAMED.elements("id_card"))
    (waiting,) = await people.conflicts.waiting(SYSTEM)
    assert (waiting.recorded_name, waiting.stated_name) == ("*伟", "*玮")
    return second, waiting.conflict_id


async def _officer(people: People, join: Join, clock: FixedClock, *, granted: bool) -> Principal:
    officer, secret = await join.officer("officer.li")
    if granted:
        await people.officers.grant(
            SYSTEM,
            officer.officer_id,
            Authority.COUNTER_VERIFICATION,
            district_code=DISTRICT,
            valid_until=clock.now() + timedelta(days=1),
        )
    return await join.officer_principal("officer.li", secret, clock)


async def test_an_officer_settles_a_change_of_name(
    people: People, join: Join, authority: SandboxAuthority, clock: FixedClock
) -> None:
    second, conflict_id = await _contradiction(people, join, authority)
    officer = await _officer(people, join, clock, granted=True)
    with pytest.raises(InvalidInput):
        await people.conflicts.resolve(officer, conflict_id, "maybe", "户口簿已核")
    with pytest.raises(InvalidInput):
        await people.conflicts.resolve(officer, conflict_id, NEW_NAME, " ")
    await people.conflicts.resolve(officer, conflict_id, NEW_NAME, "户口簿已核，2026 年更名")
    after = await join.again(second)
    assert after.person_id is not None
    assert (await people.persons.get(after.person_id)).name == "陈玮"
    assert after.acr == "L2"
    assert await people.conflicts.waiting(officer) == ()
    with pytest.raises(Conflict):
        await people.conflicts.resolve(officer, conflict_id, KEEP, "再一次")
    with pytest.raises(NotFound):
        await people.conflicts.resolve(officer, "cfl_none", KEEP, "不存在")


async def test_a_proof_that_stays_out_changes_nothing(people: People, join: Join, authority: SandboxAuthority) -> None:
    second, conflict_id = await _contradiction(people, join, authority)
    await people.conflicts.resolve(SYSTEM, conflict_id, KEEP, "证件系冒用")
    assert (await join.again(second)).person_id is None


async def test_only_officers_with_the_authority_settle(
    people: People, join: Join, authority: SandboxAuthority, clock: FixedClock
) -> None:
    second, conflict_id = await _contradiction(people, join, authority)
    with pytest.raises(NotPermitted):
        await people.conflicts.resolve(second.principal(), conflict_id, NEW_NAME, "是我")
    officer = await _officer(people, join, clock, granted=False)
    with pytest.raises(AuthorityMissing):
        await people.conflicts.waiting(officer)
