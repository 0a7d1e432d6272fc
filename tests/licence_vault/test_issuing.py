"""Issuing, end to end on real parts: once, wholly or not at all."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
from sqlalchemy import func, select, text

from foundation.errors import NotPermitted, ServiceUnavailable, TrustServiceError
from foundation.principal import ANONYMOUS
from foundation.tables import audit_log
from licence_vault.errors import (
    FaceTooLarge,
    IdempotencyMismatch,
    InvalidFace,
    InvalidHolder,
    MissingGlyph,
    NoUsableSeal,
)
from licence_vault.faces import METADATA_FILE
from licence_vault.identifier import parse_identifier
from licence_vault.model import Holder, IssueRequest, LicenceState
from licence_vault.tables import (
    licence_documents,
    licence_holders,
    licence_states,
    licence_status_lists,
    licences,
)
from tests.licence_vault.conftest import BUREAU, CHEN, OFFICER, OPERATOR, STRANGER
from tests.licence_vault.samples import (
    BUSINESS,
    ESTATE,
    FACES,
    FOOD,
    ISSUER,
    ISSUER_NAME,
    OTHER_ISSUER,
    citizen,
    enterprise,
    food_request,
    with_face,
)

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from licence_vault.assembly import Vault
    from signing.assembly import Signing
    from signing.model import Seal

TABLES = (licences, licence_holders, licence_states, licence_documents)


async def counts(database: Database) -> list[int]:
    async with database.read() as connection:
        return [(await connection.execute(select(func.count()).select_from(table))).scalar_one() for table in TABLES]


async def test_a_licence_is_issued_sealed_and_recorded(vault: Vault, database: Database) -> None:
    licence = await vault.licences.issue(BUREAU, food_request())
    parsed = parse_identifier(licence.identifier)
    assert (parsed.type_code, parsed.issuer_code, parsed.serial, parsed.version) == (FOOD, ISSUER, "20260000001", 1)
    assert licence.state is LicenceState.VALID
    assert licence.issuer_name == ISSUER_NAME
    assert licence.type_name == "食品经营许可证"
    assert licence.qr_text.startswith("http://localhost:8000/v#HF1")
    document = await vault.licences.face_pdf(BUREAU, licence.identifier)
    assert document.digest == licence.document_digest
    with pikepdf.open(BytesIO(document.pdf)) as pdf:
        with pdf.open_metadata() as xmp:
            assert xmp["pdfaid:part"] == "3"
        attached = json.loads(pdf.attachments[METADATA_FILE].get_file().read_bytes())
        signature = pdf.Root.AcroForm.Fields[0].V
        assert signature.SubFilter == "/ETSI.CAdES.detached"
    assert attached["ZZBS"] == licence.identifier
    assert attached["KZ_business_items"] == "热食类食品制售;自制饮品制售"
    async with database.read() as connection:
        row = (await connection.execute(select(audit_log).where(audit_log.c.action == "licence_vault.issue"))).one()
    assert row.object_id == licence.identifier
    assert row.actor == "client:food-bureau"
    assert row.detail["document_sha256"] == licence.document_digest


async def test_nothing_personal_is_stored_in_clear(vault: Vault, database: Database) -> None:
    await vault.licences.issue(BUREAU, food_request())
    async with database.read() as connection:
        dump = str(
            [
                (await connection.execute(text(f"SELECT {table.name}::text FROM {table.name}"))).all()  # noqa: S608 - our own table names
                for table in (*TABLES, audit_log)
            ]
        )
    hidden = ("陈伟", citizen(), "人民路", "JY25001010012345")
    for word in hidden:
        assert word not in dump
        assert word.encode().hex() not in dump


@pytest.mark.parametrize(
    ("type_code", "holder", "number"),
    [
        (BUSINESS, Holder("演示餐饮有限公司", "001", enterprise()), ""),
        (ESTATE, Holder("陈伟", "111", citizen()), "演(2026)演示市不动产权第0000001号"),
    ],
)
async def test_the_other_types_are_issued_long_term(vault: Vault, type_code: str, holder: Holder, number: str) -> None:
    licence = await vault.licences.issue(
        BUREAU,
        food_request(
            type_code=type_code, holders=(holder,), face=FACES[type_code], valid_to=None, licence_number=number
        ),
    )
    assert licence.valid_to is None
    assert licence.licence_number == (number or "20260000001")


async def test_an_officer_with_the_authority_issues(vault: Vault) -> None:
    licence = await vault.licences.issue(OFFICER, food_request())
    assert licence.state is LicenceState.VALID
    with pytest.raises(NotPermitted):
        await vault.licences.issue(replace(OFFICER, subject_id="off_other"), food_request("case-2"))


@pytest.mark.parametrize(
    "principal",
    [
        STRANGER,
        replace(BUREAU, scopes=frozenset({"licence:read"})),
        replace(BUREAU, organisation_code=None),
        CHEN,
        OPERATOR,
        ANONYMOUS,
    ],
    ids=["stranger", "scope", "no-tenant", "citizen", "operator", "anonymous"],
)
async def test_nobody_else_issues(vault: Vault, database: Database, principal: Any) -> None:  # noqa: ANN401
    with pytest.raises(NotPermitted):
        await vault.licences.issue(principal, food_request())
    assert await counts(database) == [0, 0, 0, 0]


async def test_the_same_request_twice_is_one_licence(vault: Vault, database: Database) -> None:
    first = await vault.licences.issue(BUREAU, food_request())
    assert await vault.licences.issue(BUREAU, food_request()) == first
    assert await counts(database) == [1, 1, 1, 1]


async def test_fifty_parallel_requests_with_one_key_are_one_licence(vault: Vault, database: Database) -> None:
    answers = await asyncio.gather(*[vault.licences.issue(BUREAU, food_request()) for _ in range(50)])
    assert len({answer.identifier for answer in answers}) == 1
    assert await counts(database) == [1, 1, 1, 1]
    # The forty-nine who came second took no serial number and no place in a status list.
    following = await vault.licences.issue(BUREAU, food_request("case-2"))
    assert parse_identifier(following.identifier).serial == "20260000002"
    async with database.read() as connection:
        assert (await connection.execute(select(licence_status_lists.c.allocated))).scalar_one() == 2


async def test_parallel_requests_get_consecutive_serials_and_distinct_places(vault: Vault) -> None:
    answers = await asyncio.gather(*[vault.licences.issue(BUREAU, food_request(f"case-{n}")) for n in range(20)])
    serials = sorted(parse_identifier(answer.identifier).serial for answer in answers)
    assert serials == [f"2026{n:07d}" for n in range(1, 21)]
    assert max(Counter((one.status_list, one.status_index) for one in answers).values()) == 1


async def test_a_key_used_for_other_data_is_refused(vault: Vault, database: Database) -> None:
    await vault.licences.issue(BUREAU, food_request())
    with pytest.raises(IdempotencyMismatch):
        await vault.licences.issue(BUREAU, food_request(licence_number="JY25001010012346"))
    assert await counts(database) == [1, 1, 1, 1]


WRONG_ID = citizen()[:-1] + ("0" if citizen()[-1] != "0" else "1")


BAD_INPUT: list[tuple[IssueRequest, type[TrustServiceError], str]] = [
    (with_face(food_request(), signed_by=None), InvalidFace, "face.signed_by"),
    (with_face(food_request(), residence="路" * 121), InvalidFace, "face.residence"),
    (with_face(food_request(), signed_by="张\U000323af"), MissingGlyph, "face.signed_by"),
    (with_face(food_request(), signed_by="张\u202e"), InvalidFace, "face.signed_by"),
    (with_face(food_request(), note="x" * 70_000), FaceTooLarge, "face"),
    (food_request(holders=(Holder("陈\U000323af", "111", citizen()),)), MissingGlyph, "holders.0.name"),
    (food_request(holders=(Holder("陈伟", "111", WRONG_ID),)), InvalidHolder, "holders.0.code"),
    (food_request(holders=(Holder("陈伟", "001", enterprise()[::-1]),)), InvalidHolder, "holders.0.code"),
    (food_request(holders=()), InvalidHolder, "holders"),
    (food_request(type_code="11100000MB0143028R999"), TrustServiceError, "type_code"),
    (food_request(type_code="'; DROP TABLE licences"), TrustServiceError, "type_code"),
    (food_request(licence_number="12345"), TrustServiceError, "licence_number"),
    (food_request(matter_code="500100-invented"), TrustServiceError, "matter_code"),
    (food_request(licence_number=""), TrustServiceError, "licence_number"),
    (food_request(valid_to=None), TrustServiceError, "valid_to"),
    (food_request(valid_to=date(2026, 3, 1)), TrustServiceError, "valid_to"),
    (food_request(valid_to=date(2041, 3, 1)), TrustServiceError, "valid_to"),
    (food_request(valid_from=date(1900, 1, 1)), TrustServiceError, "valid_from"),
    (food_request(issued_on=date(2026, 3, 3)), TrustServiceError, "issued_on"),
    (food_request(key=""), TrustServiceError, "idempotency_key"),
    (food_request(key="k" * 101), TrustServiceError, "idempotency_key"),
    (food_request(key="键"), TrustServiceError, "idempotency_key"),
    (food_request(case_number="1" * 65), TrustServiceError, "case_number"),
]


async def test_bad_input_is_named_and_nothing_is_stored(vault: Vault, database: Database) -> None:
    sealed_before = await seal_intentions(database)
    for request, error, field in BAD_INPUT:
        with pytest.raises(error) as caught:
            await vault.licences.issue(BUREAU, request)
        assert (caught.value.field, bool(caught.value.detail)) == (field, True), caught.value.detail
    assert await counts(database) == [0, 0, 0, 0]
    assert await seal_intentions(database) == sealed_before


async def seal_intentions(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM seal_intentions"))).scalar_one())


async def test_text_that_does_not_fit_the_face_leaves_nothing(vault: Vault, database: Database) -> None:
    request = food_request(type_code=ESTATE, face=FACES[ESTATE] | {"other_rights": "状\n" * 300}, valid_to=None)
    with pytest.raises(FaceTooLarge) as caught:
        await vault.licences.issue(BUREAU, request)
    assert caught.value.field == "face.other_rights"
    assert await counts(database) == [0, 0, 0, 0]


async def test_without_an_active_seal_nothing_is_issued(
    vault: Vault, signing: Signing, seal: Seal, database: Database
) -> None:
    await signing.seals.suspend(OPERATOR, seal.seal_id, reason="丢失调查")
    with pytest.raises(NoUsableSeal):
        await vault.licences.issue(BUREAU, food_request())
    with pytest.raises(NoUsableSeal):
        await vault.licences.issue(BUREAU, food_request(seal_id=seal.seal_id))
    assert await counts(database) == [0, 0, 0, 0]


async def test_another_organisations_seal_is_refused(vault: Vault, database: Database) -> None:
    with pytest.raises(NoUsableSeal):
        await vault.licences.issue(BUREAU, food_request(seal_id="sel_of_somebody_else"))
    assert await counts(database) == [0, 0, 0, 0]


async def test_a_crash_between_seal_and_store_leaves_nothing_half_and_the_request_goes_on(
    vault: Vault, database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(vault.licences._issuer, "_store", crash)
        with pytest.raises(asyncio.CancelledError):
            await vault.licences.issue(BUREAU, food_request())
    # The seal was used and its register says so; the licence is a reservation that nobody can read or verify.
    assert await counts(database) == [1, 1, 0, 0]
    assert await vault.licences.of_holder(CHEN) == ()
    assert await vault.licences.of_issuer(BUREAU) == ()
    async with database.read() as connection:
        row = (await connection.execute(select(licences))).one()
        assert await vault.records.find(connection, row.identifier) is None
    clock.advance(timedelta(minutes=1))
    licence = await vault.licences.issue(BUREAU, food_request())
    assert licence.identifier == row.identifier
    assert await counts(database) == [1, 1, 1, 1]


async def test_a_reservation_nobody_came_back_for_is_closed_after_a_day(
    vault: Vault, database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(vault.licences._issuer, "_store", crash)
        with pytest.raises(asyncio.CancelledError):
            await vault.licences.issue(BUREAU, food_request())
    clock.advance(timedelta(hours=23))
    assert await vault.abandoned.run() == 0
    clock.advance(timedelta(hours=2))
    assert await vault.abandoned.run() == 1
    assert await vault.abandoned.run() == 0
    async with database.read() as connection:
        row = (await connection.execute(select(licences))).one()
        facts = await vault.records.find(connection, row.identifier)
    assert facts is not None
    assert facts.state is LicenceState.ERRONEOUS
    assert (await vault.licences.issue(BUREAU, food_request())).state is LicenceState.ERRONEOUS


async def test_a_store_that_is_gone_for_a_moment_keeps_the_reservation(
    vault: Vault, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise ServiceUnavailable("The file store is not reachable now.")

    with monkeypatch.context() as broken:
        broken.setattr(vault.licences._issuer._faces, "make", gone)
        with pytest.raises(ServiceUnavailable):
            await vault.licences.issue(BUREAU, food_request())
    licence = await vault.licences.issue(BUREAU, food_request())
    assert licence.state is LicenceState.VALID
    assert await counts(database) == [1, 1, 1, 1]


async def test_a_late_worker_whose_lease_passed_on_stores_nothing_twice(
    vault: Vault, database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = vault.licences._issuer
    make, entered, go = issuer._make, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:  # noqa: ANN401 - passes through
        sealed = await make(*arguments)
        if not entered.is_set():
            entered.set()
            await go.wait()
        return sealed

    monkeypatch.setattr(issuer, "_make", slow)
    late = asyncio.create_task(vault.licences.issue(BUREAU, food_request()))
    await entered.wait()
    clock.advance(timedelta(minutes=1))
    second = await vault.licences.issue(BUREAU, food_request())
    go.set()
    assert await late == second
    assert await counts(database) == [1, 1, 1, 1]


async def test_a_licence_of_another_issuer_is_not_ours_to_issue(vault: Vault) -> None:
    with pytest.raises(NotPermitted):
        await vault.licences.issue(BUREAU, food_request(issuer_code=OTHER_ISSUER))
