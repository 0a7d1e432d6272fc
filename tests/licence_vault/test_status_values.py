"""What the status lists follow: no value changes unnoticed, by an act or by time alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.licence_vault.conftest import BUREAU
from tests.licence_vault.samples import food_request
from tests.licence_vault.test_changing import RESTORE, REVOKE, SUSPEND, facts, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.clock import FixedClock
    from foundation.database import Database
    from licence_vault.assembly import Vault
    from licence_vault.model import Licence


async def touched(vault: Vault, database: Database, since: datetime) -> frozenset[int]:
    async with database.read() as connection:
        return await vault.records.touched(connection, since)


async def agree(vault: Vault, database: Database, licences: tuple[Licence, ...]) -> None:
    """Check that the one statement for many says what the full record says."""
    for licence in licences:
        now, known = await vault.records.current(licence.identifier), await facts(vault, database, licence.identifier)
        assert now is not None
        assert (now.state, now.state_effective_at) == (known.state, known.state_effective_at)
        assert (now.type_name, now.issuer_name, now.valid_from, now.valid_to) == (
            known.type_name,
            known.issuer_name,
            known.valid_from,
            known.valid_to,
        )
        assert now.holders == known.holders


async def test_no_value_changes_unnoticed(vault: Vault, database: Database, clock: FixedClock) -> None:
    today = clock.now().date()
    first = await vault.licences.issue(BUREAU, food_request())
    coming = food_request("coming", valid_from=today + timedelta(days=3), licence_number="JY25001010000777")
    second = await vault.licences.issue(BUREAU, coming)
    steps: Mapping[int, tuple[Licence, object]] = {
        1: (first, SUSPEND),
        2: (first, replace(RESTORE, effective_at=clock.now() + timedelta(days=3, hours=12))),
        5: (second, replace(REVOKE, effective_at=clock.now() + timedelta(days=6, hours=12))),
    }
    seen: dict[int, dict[int, int]] = {}
    looked_at, noticed, changes = clock.now() - timedelta(minutes=1), frozenset[int](), 0
    for day in range(9):
        if day in steps:
            licence, change = steps[day]
            await vault.licences.change_state(BUREAU, licence.identifier, change)  # type: ignore[arg-type] # a StateChange
        await agree(vault, database, (first, second))
        noticed = await touched(vault, database, looked_at)
        for number in {first.status_list, second.status_list}:
            values = await statuses(vault, database, number)
            if values != seen.get(number, {}):
                changes += 1
                assert number in noticed, day
            seen[number] = values
        looked_at = clock.now()
        clock.advance(timedelta(days=1))
    assert changes >= 5
    assert not noticed, "a day on which nothing happened"
    assert await vault.records.current("1.2.3") is None
