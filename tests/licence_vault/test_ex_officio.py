"""Reading ex officio: a case, a matter on the sharing list, a quota, and the holder is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotPermitted
from foundation.notices import Notices
from foundation.principal import SYSTEM
from foundation.tables import audit_log
from licence_vault.errors import AccessQuotaExceeded, LicenceNotFound
from licence_vault.model import Holder, Purpose
from licence_vault.reading import READ_NOTICE
from licence_vault.tables import licence_accesses
from tests.licence_vault.conftest import BUREAU, CHEN, OFFICER, STRANGER
from tests.licence_vault.samples import FOOD, MATTER, OTHER_ISSUER, citizen, food_request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.assembly import Vault

POLICE = replace(STRANGER, sender_constrained=True)
CASE = Purpose(MATTER, "CASE-2026-7", "办理开业登记", "staff-7")
CHEN_ID = Holder("", "111", citizen())
SHARED_FIELDS = {"business_premises", "main_business_format", "business_items"}


async def test_a_department_with_a_case_gets_the_listed_fields_and_the_holder_is_told(
    vault: Vault, database: Database, clock: FixedClock, cipher: FieldCipher
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    seen = await vault.licences.get(POLICE, issued.identifier, CASE)
    assert seen.masked
    assert set(seen.face) == SHARED_FIELDS
    assert seen.holders[0].code == "5" + "*" * 15 + citizen()[-2:]
    assert seen.qr_text == ""
    async with database.read() as connection:
        notices = await Notices(cipher, clock).of_account(connection, "acc_chen")
    assert [one.kind for one in notices] == [READ_NOTICE]
    assert notices[0].parameters["access_id"] == seen.access_id
    assert notices[0].parameters["reader_code"] == OTHER_ISSUER
    access = (await vault.licences.accesses(CHEN))[0]
    assert (access.way, access.case_number, access.operator) == ("ex_officio", "CASE-2026-7", "staff-7")
    with pytest.raises(NotPermitted):
        await vault.licences.face_pdf(POLICE, issued.identifier, CASE)


async def test_a_holder_is_found_by_number_and_type(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    found = await vault.licences.of_holder_ex_officio(POLICE, CHEN_ID, FOOD, CASE)
    assert [one.identifier for one in found] == [issued.identifier]
    assert set(found[0].face) == SHARED_FIELDS
    other = replace(CHEN_ID, code=citizen(789))
    assert await vault.licences.of_holder_ex_officio(POLICE, other, FOOD, CASE) == ()


@pytest.mark.parametrize("missing", ["matter_code", "case_number", "reason", "operator"])
async def test_an_incomplete_purpose_opens_nothing(vault: Vault, missing: str) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    change: dict[str, Any] = {missing: None if missing == "matter_code" else ""}
    purpose = replace(CASE, **change)
    with pytest.raises(LicenceNotFound):
        await vault.licences.get(POLICE, issued.identifier, purpose)
    with pytest.raises(InvalidInput) as caught:
        await vault.licences.of_holder_ex_officio(POLICE, CHEN_ID, FOOD, purpose)
    assert caught.value.field == missing


async def test_a_bearer_client_and_a_citizen_do_not_read_ex_officio(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    for principal in (STRANGER, replace(POLICE, scopes=frozenset()), replace(CHEN, person_id="per_li")):
        with pytest.raises(LicenceNotFound):
            await vault.licences.get(principal, issued.identifier, CASE)
        with pytest.raises(NotPermitted):
            await vault.licences.of_holder_ex_officio(principal, CHEN_ID, FOOD, CASE)


async def test_a_matter_that_is_not_on_the_list_is_refused(vault: Vault) -> None:
    licence_type = await vault.catalogue.get(FOOD)
    rule = replace(licence_type.sharing[0], matters=("another-matter",))
    await vault.catalogue.publish(SYSTEM, replace(licence_type, sharing=(rule,)))
    issued = await vault.licences.issue(BUREAU, food_request())
    with pytest.raises(LicenceNotFound):
        await vault.licences.get(POLICE, issued.identifier, CASE)
    with pytest.raises(NotPermitted):
        await vault.licences.of_holder_ex_officio(POLICE, CHEN_ID, FOOD, CASE)


async def test_a_loop_over_a_thousand_numbers_ends_at_the_twentieth(vault: Vault, database: Database) -> None:
    await vault.licences.issue(BUREAU, food_request())
    answered: list[int] = []

    async def loop() -> None:
        for number in range(1000):
            holder = CHEN_ID if number == 3 else replace(CHEN_ID, code=citizen(number))
            await vault.licences.of_holder_ex_officio(POLICE, holder, FOOD, CASE)
            answered.append(number)

    with pytest.raises(AccessQuotaExceeded) as caught:
        await loop()
    assert len(answered) == 19
    assert 0 < caught.value.retry_after_seconds <= 3600
    issued = (await vault.licences.of_issuer(BUREAU))[0]
    with pytest.raises(AccessQuotaExceeded):
        await vault.licences.get(POLICE, issued.identifier, CASE)
    async with database.read() as connection:
        exceeded = select(audit_log).where(audit_log.c.action == "licence_vault.quota_exceeded")
        assert len((await connection.execute(exceeded)).all()) == 1
        ways = (await connection.execute(select(licence_accesses.c.way))).scalars().all()
    assert sorted(ways) == ["ex_officio", "issuer"]


async def test_the_quota_holds_against_parallel_requests_and_ends_with_its_window(
    vault: Vault, clock: FixedClock
) -> None:
    async def one() -> bool:
        try:
            await vault.licences.of_holder_ex_officio(POLICE, CHEN_ID, FOOD, CASE)
        except AccessQuotaExceeded:
            return False
        return True

    assert sum(await asyncio.gather(*[one() for _ in range(60)])) == 19
    other = replace(CASE, operator="staff-8")
    assert await vault.licences.of_holder_ex_officio(POLICE, CHEN_ID, FOOD, other) == ()
    clock.advance(timedelta(hours=1))
    assert await one()


async def test_the_own_organisations_licences_count_against_no_quota(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    for _ in range(30):
        await vault.licences.get(OFFICER, issued.identifier)
