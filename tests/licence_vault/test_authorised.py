"""Reading what the holder allowed: that licence, those fields, a receipt in the department's name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from foundation.errors import NotPermitted
from licence_vault.access import is_holder
from licence_vault.errors import LicenceNotFound
from licence_vault.model import Purpose
from licence_vault.receipts import Receipts
from licence_vault.tables import licence_accesses
from tests.licence_vault.conftest import BUREAU, CHEN, LI
from tests.licence_vault.samples import MATTER, OTHER_ISSUER, food_request

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.principal import Principal
    from licence_vault.assembly import Vault
    from tests.licence_vault.conftest import People


def allowed(identifier: str, who: Principal = CHEN, **changes: Any) -> Principal:  # noqa: ANN401 - any member
    """Return who a token bound to one licence stands for."""
    detail = {
        "type": "licence_access",
        "licence_identifier": identifier,
        "fields": ["business_premises"],
        "matter_code": MATTER,
        "purpose": "核对经营场所",
        **changes,
    }
    return replace(
        who, client_id="other-bureau", organisation_code=OTHER_ISSUER, grant_id="gra_1", authorization=detail
    )


async def test_the_allowed_fields_are_read_once(vault: Vault, people: People) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    token = allowed(issued.identifier)
    licence = await vault.authorised.read(token, issued.identifier, Purpose(case_number="CASE-1"))
    assert set(licence.face) == {"business_premises"}
    assert licence.masked
    assert licence.access_id
    assert people.spent == {"gra_1": issued.type_code}
    seen = await vault.licences.accesses(CHEN)
    (one,) = [each for each in seen if each.way == "consent"]
    assert (one.reader, one.matter_code, one.reason, one.case_number) == (
        "client:other-bureau",
        MATTER,
        "核对经营场所",
        "CASE-1",
    )
    with pytest.raises(NotPermitted):
        await vault.authorised.read(token, issued.identifier)


async def test_another_licence_and_another_persons_stay_closed(vault: Vault, people: People) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    second = await vault.licences.issue(BUREAU, food_request(idempotency_key="second"))
    with pytest.raises(NotPermitted):
        await vault.authorised.read(allowed(issued.identifier), second.identifier)
    with pytest.raises(LicenceNotFound):
        await vault.authorised.read(allowed(issued.identifier, LI), issued.identifier)
    with pytest.raises(LicenceNotFound):
        await vault.authorised.read(allowed(issued.identifier, replace(CHEN, person_id=None)), issued.identifier)
    assert people.spent == {}


async def test_a_token_for_one_act_is_no_session_of_the_holder(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    token = allowed(issued.identifier)
    assert not is_holder(token)
    assert await vault.licences.of_holder(token) == ()
    with pytest.raises(LicenceNotFound):
        await vault.licences.get(token, issued.identifier)


async def test_without_its_receipt_nothing_is_told(
    vault: Vault, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())

    async def fail(*_: object) -> str:
        message = "the disk is full"
        raise OSError(message)

    monkeypatch.setattr(Receipts, "leave", fail)
    with pytest.raises(OSError, match="full"):
        await vault.authorised.read(allowed(issued.identifier), issued.identifier)
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(licence_accesses))).scalar_one() == 0
