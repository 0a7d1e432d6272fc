"""Reading: by holder, issuer and sharing list; no receipt, no data; nobody else learns anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotPermitted
from foundation.principal import ANONYMOUS
from foundation.tables import audit_log
from licence_vault.errors import InvalidLicenceIdentifier, LicenceNotFound
from licence_vault.model import Holder, Purpose
from licence_vault.receipts import Receipts
from licence_vault.tables import licence_accesses
from tests.licence_vault.conftest import BUREAU, CHEN, LI, OFFICER, OPERATOR, STRANGER
from tests.licence_vault.samples import ESTATE, FACES, ISSUER_NAME, MATTER, citizen, food_request

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.principal import Principal
    from licence_vault.assembly import Vault

CASE = Purpose(MATTER, "CASE-2026-7", "办理开业登记")


async def receipts(database: Database) -> list[tuple[str, str]]:
    statement = select(licence_accesses.c.reader, licence_accesses.c.way).order_by(licence_accesses.c.access_id)
    async with database.read() as connection:
        return [(row.reader, row.way) for row in await connection.execute(statement)]


async def test_the_holder_reads_and_sees_who_else_did(vault: Vault, database: Database) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    mine = await vault.licences.of_holder(CHEN)
    assert [one.identifier for one in mine] == [issued.identifier]
    assert mine[0].holders == (Holder("陈伟", "111", citizen()),)
    assert mine[0].access_id
    await vault.licences.get(BUREAU, issued.identifier, CASE)
    seen = await vault.licences.accesses(CHEN)
    assert [(one.reader_name, one.type_name, one.way) for one in seen] == [(ISSUER_NAME, "食品经营许可证", "issuer")]
    assert (seen[0].case_number, seen[0].reason, seen[0].matter_code) == ("CASE-2026-7", "办理开业登记", MATTER)
    assert len(await vault.licences.accesses(CHEN, include_own=True)) == 2
    assert await receipts(database) == [("person:acc_chen", "holder"), ("client:food-bureau", "issuer")]
    assert await vault.licences.of_holder(LI) == ()
    assert await vault.licences.accesses(LI) == ()


async def test_every_co_holder_reads(vault: Vault) -> None:
    both = (Holder("陈伟", "111", citizen()), Holder("李娜", "111", citizen(456)))
    issued = await vault.licences.issue(
        BUREAU, food_request(type_code=ESTATE, holders=both, face=FACES[ESTATE], valid_to=None)
    )
    for person in (CHEN, LI):
        assert (await vault.licences.get(person, issued.identifier)).holders == both


@pytest.mark.parametrize(
    "principal",
    [LI, replace(CHEN, person_id=None), STRANGER, replace(BUREAU, scopes=frozenset()), OPERATOR, ANONYMOUS],
    ids=["other-person", "unproven", "other-department", "no-scope", "operator", "anonymous"],
)
async def test_for_everybody_else_there_is_no_such_licence(
    vault: Vault, database: Database, principal: Principal
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    with pytest.raises(LicenceNotFound) as absent:
        await vault.licences.get(principal, issued.identifier)
    with pytest.raises(LicenceNotFound):
        await vault.licences.face_pdf(principal, issued.identifier)
    with pytest.raises(LicenceNotFound):
        await vault.licences.history(principal, issued.identifier)
    assert await receipts(database) == []
    assert str(absent.value) == str(await _error_for_unknown(vault, principal))


async def _error_for_unknown(vault: Vault, principal: Principal) -> LicenceNotFound:
    unknown = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
    with pytest.raises(LicenceNotFound) as caught:
        await vault.licences.get(principal, unknown)
    return caught.value


async def test_a_malformed_identifier_is_named(vault: Vault) -> None:
    with pytest.raises(InvalidLicenceIdentifier) as caught:
        await vault.licences.get(BUREAU, "1.2.3")
    assert caught.value.field == "identifier"


async def test_no_receipt_no_data(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())

    async def fail(*_: object) -> str:
        message = "the disk is full"
        raise OSError(message)

    monkeypatch.setattr(Receipts, "leave", fail)
    for read in (vault.licences.get, vault.licences.face_pdf, vault.licences.history):
        with pytest.raises(OSError, match="disk"):
            await read(CHEN, issued.identifier)
    with pytest.raises(OSError, match="disk"):
        await vault.licences.of_holder(CHEN)


async def test_an_officer_lists_the_own_organisations_licences(vault: Vault, database: Database) -> None:
    first = await vault.licences.issue(BUREAU, food_request())
    second = await vault.licences.issue(BUREAU, food_request("case-2"))
    listed = await vault.licences.of_issuer(OFFICER, limit=1)
    assert [one.identifier for one in listed] in ([first.identifier], [second.identifier])
    assert len(await vault.licences.of_issuer(OFFICER)) == 2
    assert await vault.licences.of_issuer(STRANGER) == ()
    with pytest.raises(NotPermitted):
        await vault.licences.of_issuer(CHEN)
    assert {way for _, way in await receipts(database)} == {"issuer"}


async def test_a_reason_with_hidden_characters_is_refused(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    for purpose, field in (
        (Purpose(MATTER, "C\u202e1", "x"), "case_number"),
        (Purpose(MATTER, "C1", "x" * 201), "reason"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await vault.licences.get(BUREAU, issued.identifier, purpose)
        assert caught.value.field == field


async def test_the_audit_row_tells_no_reason_and_no_case(vault: Vault, database: Database) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    await vault.licences.get(BUREAU, issued.identifier, CASE)
    async with database.read() as connection:
        row = (await connection.execute(select(audit_log).where(audit_log.c.action == "licence_vault.read"))).one()
        access = (await connection.execute(select(licence_accesses))).one()
    assert "CASE" not in str(row.detail)
    assert row.detail["access_id"] == access.access_id
    assert access.commitment == row.commitment
    assert "CASE" not in str(access)
