"""The levels policy as a setting: read at start, and followed by what is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.settings import BadSettings
from foundation.tables import audit_log
from idp.people.level_policy import level_policy
from idp.people.proof import DEFAULT_POLICY, Method, level_at, next_change
from tests.idp.people.conftest import CHEN_WEI, Join

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from idp.people.assembly import People

STRICT = {
    "levels": {"telecom": "L2", "bank_card": "L1"},
    "days": {"housing_fund": 30},
    "combined": {"from": "L1", "to": "L3", "sources": 3},
}


def test_what_is_left_out_stays_as_it_is() -> None:
    assert level_policy("") is DEFAULT_POLICY
    assert level_policy("{}").digest == ""
    policy = level_policy(json.dumps(STRICT))
    assert (policy.grants[Method.TELECOM], policy.grants[Method.COUNTER]) == ("L2", "L4")
    assert (policy.lifetimes[Method.HOUSING_FUND], policy.lifetimes[Method.TELECOM]) == (
        timedelta(days=30),
        DEFAULT_POLICY.lifetimes[Method.TELECOM],
    )
    assert (policy.combined_from, policy.combined_to, policy.combined_sources) == ("L1", "L3", 3)
    assert policy.digest
    assert policy.digest != level_policy('{"levels": {"telecom": "L2"}}').digest


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense", "HUFU_LEVEL_POLICY"),
        ('{"levels": {"palm_reading": "L2"}}', "palm_reading"),
        ('{"levels": {"telecom": "L9"}}', "levels.telecom"),
        ('{"days": {"telecom": 0}}', "days.telecom"),
        ('{"combined": {"from": "L3", "to": "L2"}}', "combined"),
        ('{"combined": {"sources": 1}}', "combined.sources"),
        ('{"surprise": 1}', "surprise"),
    ],
)
def test_a_bad_policy_stops_the_start_and_is_named(text: str, named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        level_policy(text)


async def test_stored_levels_follow_another_policy(
    people: People, join: Join, clock: FixedClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await join.proven()
    await people.real_name.prove(session.principal(), "housing_fund", CHEN_WEI.elements("housing_fund"))
    assert (await join.again(session)).acr == "L3"
    assert await people.upkeep.follow_policy() == 0
    policy = level_policy(json.dumps(STRICT))
    monkeypatch.setattr(people.upkeep, "_tools", replace(people.upkeep._tools, policy=policy))
    assert await people.upkeep.follow_policy() == 1
    assert await people.upkeep.follow_policy() == 0
    assert (await join.again(session)).acr == "L2"
    async with database.read() as connection:
        events = select(audit_log.c.detail).where(audit_log.c.action == "people.level")
        last = (await connection.execute(events.order_by(audit_log.c.audit_id.desc()).limit(1))).scalar_one()
    assert last == {"old": "L3", "new": "L2", "because": "levels policy changed"}
    assert session.person_id
    evidence = await people.real_name.evidence((await join.again(session)).principal())
    assert next_change(evidence, policy, clock.now()) == clock.now() + timedelta(days=30)
    assert level_at(evidence, policy, clock.now() + timedelta(days=30)) == "L1"
