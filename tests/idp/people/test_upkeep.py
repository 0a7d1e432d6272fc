from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM, Principal, PrincipalKind
from foundation.tables import audit_log
from idp.people.tables import persons
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.real_name_authority import CITIZENS, Behaviour, SandboxAuthority

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.notices import Notices
    from idp.people.assembly import People


async def test_expiry_is_stored_audited_and_told(
    people: People, join: Join, clock: FixedClock, database: Database, notices: Notices
) -> None:
    session = await join.proven()
    assert await people.upkeep.expire_levels() == 0
    clock.advance(timedelta(days=3 * 365))
    assert await people.upkeep.expire_levels() == 1
    assert await people.upkeep.expire_levels() == 0
    async with database.read() as connection:
        row = (await connection.execute(select(persons.c.level, persons.c.level_until))).one()
        events = select(audit_log.c.detail).where(audit_log.c.action == "people.level")
        last = (await connection.execute(events.order_by(audit_log.c.audit_id.desc()).limit(1))).scalar_one()
        inbox = await notices.of_account(connection, session.account_id)
    assert tuple(row) == ("L0", None)
    assert last == {"old": "L2", "new": "L0", "because": "evidence expired"}
    assert [notice.kind for notice in inbox] == ["people.level_changed"] * 2


async def test_the_worker_follows_pending_proofs_up(people: People, join: Join, authority: SandboxAuthority) -> None:
    session = await join.citizen()
    authority.behaviour = Behaviour.PENDING
    await people.real_name.prove(session.principal(), "bank_card", CHEN_WEI.elements("bank_card"))
    assert await people.upkeep.follow_up() == 0
    authority.behaviour = Behaviour.DOWN
    assert await people.upkeep.follow_up() == 0
    authority.behaviour = Behaviour.NORMAL
    assert await people.upkeep.follow_up() == 1
    assert (await join.again(session)).acr == "L2"


async def test_only_the_person_and_operators_withdraw(people: People, join: Join) -> None:
    session = await join.proven()
    stranger = await join.proven(CITIZENS[1], "liming")
    (evidence,) = await people.real_name.evidence(session.principal())
    with pytest.raises(NotFound):
        await people.upkeep.withdraw(stranger.principal(), evidence.evidence_id, "因为")
    with pytest.raises(NotPermitted):
        await people.upkeep.withdraw(Principal(PrincipalKind.CLIENT, "cli_1"), evidence.evidence_id, "因为")
    for reason in ("", " ", "x" * 201):
        with pytest.raises(InvalidInput):
            await people.upkeep.withdraw(SYSTEM, evidence.evidence_id, reason)
    assert await people.upkeep.withdraw(SYSTEM, evidence.evidence_id, "发卡行更正") == "L0"
    with pytest.raises(NotFound):
        await people.upkeep.withdraw(SYSTEM, evidence.evidence_id, "再一次")
    assert (await join.again(session)).acr == "L0"
    assert set(people.periodic_jobs()) == {
        "people.end_posts",
        "people.expire_levels",
        "people.follow_policy",
        "people.follow_up_proofs",
        "people.recheck_certificates",
        "people.tidy",
    }


async def test_tidying_takes_what_nobody_can_use_and_nothing_else(
    people: People, join: Join, clock: FixedClock
) -> None:
    session = await join.proven()
    await people.counter.presence_code(session.principal())
    await join.code("verify", CHEN_WEI.mobile, principal=session.principal())
    assert await people.upkeep.tidy() == 0
    clock.advance(timedelta(days=2))
    assert await people.upkeep.tidy() == 2
    fresh = await join.sign_in("chenwei")
    clock.advance(timedelta(minutes=1))
    assert await people.upkeep.tidy() == 0
    assert len(await people.own_data.history(fresh.principal())) == 2
    clock.advance(timedelta(days=179))
    newest = await join.sign_in("chenwei")
    # The first session and attempt, and the four counters the proof took from.
    assert await people.upkeep.tidy() >= 4
    assert len(await people.own_data.history(newest.principal())) == 2
