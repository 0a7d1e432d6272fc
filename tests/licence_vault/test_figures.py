"""Statistics without names, and reminders that come once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import NotPermitted
from foundation.notices import Notices
from licence_vault.model import Holder, LicenceState, ReasonCode, StateChange
from licence_vault.reminders import NOTICE
from licence_vault.statistics import SMALLEST_SHOWN
from tests.licence_vault.conftest import BUREAU, CHEN, OFFICER, OPERATOR, STRANGER
from tests.licence_vault.samples import FOOD, enterprise, food_request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.assembly import Vault
    from tests.licence_vault.conftest import People

REVOKE = StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "违法经营", "《食品安全法》第一百二十四条")


async def test_figures_count_types_states_days_and_ways(vault: Vault, clock: FixedClock) -> None:
    soon = await vault.licences.issue(BUREAU, food_request("a", valid_to=date(2026, 4, 1)))
    revoked = await vault.licences.issue(BUREAU, food_request("b"))
    await vault.licences.issue(BUREAU, food_request("c"))
    await vault.licences.change_state(BUREAU, revoked.identifier, REVOKE)
    figures = await vault.statistics.figures(OFFICER)
    assert [(one.type_code, one.type_name, one.total, one.expiring) for one in figures.types] == [
        (FOOD, "食品经营许可证", 3, 1)
    ]
    assert figures.types[0].by_state == {"valid": 2, "revoked": 1}
    assert len(figures.issued_by_day) == 30
    assert figures.issued_by_day[date(2026, 3, 2)] == 3
    assert sum(figures.issued_by_day.values()) == 3
    clock.advance(timedelta(days=60))
    later = (await vault.statistics.figures(OPERATOR)).types[0]
    assert later.by_state == {"valid": 1, "revoked": 1, "expired": 1}
    assert later.expiring == 0
    assert soon.state is LicenceState.VALID


async def test_few_accesses_are_hidden(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    for expected in [0] * (SMALLEST_SHOWN - 1) + [SMALLEST_SHOWN]:
        await vault.licences.get(BUREAU, issued.identifier)
        assert (await vault.statistics.figures(BUREAU)).accesses_by_way == {"issuer": expected}


async def test_a_department_sees_its_own_figures_alone(vault: Vault) -> None:
    await vault.licences.issue(BUREAU, food_request())
    assert (await vault.statistics.figures(STRANGER)).types == ()
    for principal in (CHEN, replace(BUREAU, scopes=frozenset())):
        with pytest.raises(NotPermitted):
            await vault.statistics.figures(principal)


async def test_holders_are_reminded_once_at_each_mark(
    vault: Vault, database: Database, clock: FixedClock, cipher: FieldCipher
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request("a", valid_to=date(2026, 6, 30)))
    await vault.licences.issue(BUREAU, food_request("b", valid_to=date(2030, 1, 1)))
    revoked = await vault.licences.issue(BUREAU, food_request("c", valid_to=date(2026, 6, 30)))
    await vault.licences.change_state(BUREAU, revoked.identifier, REVOKE)
    sent = []
    for _ in range(130):
        sent.append(await vault.reminders.run())
        sent.append(await vault.reminders.run())
        clock.advance(timedelta(days=1))
    assert sum(sent) == 3
    async with database.read() as connection:
        notices = await Notices(cipher, clock).of_account(connection, "acc_chen")
    assert {one.kind for one in notices} == {NOTICE}
    assert [one.parameters["days"] for one in reversed(notices)] == [90, 30, 7]
    assert {one.parameters["identifier"] for one in notices} == {issued.identifier}


async def test_a_licence_seen_late_reminds_at_its_nearest_mark(vault: Vault, clock: FixedClock) -> None:
    await vault.licences.issue(BUREAU, food_request("a", valid_to=date(2026, 3, 20)))
    assert await vault.reminders.run() == 1
    clock.advance(timedelta(days=30))
    assert await vault.reminders.run() == 0


async def test_who_answers_for_an_enterprise_is_reminded_once(
    vault: Vault, people: People, database: Database, cipher: FieldCipher, clock: FixedClock
) -> None:
    people.answering[enterprise()] = ("acc_boss", "acc_chen")
    company = Holder("演示餐饮有限公司", "001", enterprise())
    await vault.licences.issue(BUREAU, food_request("a", holders=(company,), valid_to=date(2026, 3, 20)))
    assert await vault.reminders.run() == 1
    for account_id in ("acc_boss", "acc_chen"):
        async with database.read() as connection:
            (notice,) = await Notices(cipher, clock).of_account(connection, account_id)
        assert (notice.kind, notice.parameters["days"]) == (NOTICE, 30)
