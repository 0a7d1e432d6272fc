"""Purpose-bound copies: for somebody, for something, until a day, and of a valid licence only."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2
import pytest
import zxingcpp

from foundation.errors import InvalidInput, TooManyRequests
from licence_vault.copies import COPIES_A_DAY, CopyRequest
from licence_vault.errors import LicenceNotFound, MissingGlyph, StateTransitionRefused
from licence_vault.faces import METADATA_FILE
from licence_vault.model import LicenceState, ReasonCode, StateChange
from licence_vault.repository import LicenceRepository, StoredDocument
from tests.licence_vault.conftest import BUREAU, CHEN, LI
from tests.licence_vault.samples import food_request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.assembly import Vault

REQUEST = CopyRequest("演示银行中心支行", "开立单位账户", date(2026, 4, 1))
REVOKE = StateChange(LicenceState.REVOKED, ReasonCode.ILLEGAL_ACT, "违法经营", "《食品安全法》第一百二十四条")


async def test_a_copy_says_what_it_is_for_everywhere(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    copy = await vault.copies.make(CHEN, issued.identifier, REQUEST)
    assert copy.digest != issued.document_digest
    with pikepdf.open(BytesIO(copy.pdf)) as pdf:
        attached = json.loads(pdf.attachments[METADATA_FILE].get_file().read_bytes())
        assert pdf.Root.AcroForm.Fields[0].V.SubFilter == "/ETSI.CAdES.detached"
    assert {name: attached[name] for name in ("ZZBS", "JZJZZSJ", "JZJZZZ", "JZJZZSY", "JZJYXQJZSJ")} == {
        "ZZBS": issued.identifier,
        "JZJZZSJ": "2026-03-02",
        "JZJZZZ": "演示银行中心支行",
        "JZJZZSY": "开立单位账户",
        "JZJYXQJZSJ": "2026-04-01",
    }
    page = pypdfium2.PdfDocument(copy.pdf)[0]
    assert "演示银行中心支行" in page.get_textpage().get_text_range()
    code = zxingcpp.read_barcodes(page.render(scale=2).to_pil())[0].text
    assert "#HF1" in code
    assert code != issued.qr_text
    assert await vault.records.find_document(bytes.fromhex(copy.digest)) == issued.identifier
    assert (await vault.licences.face_pdf(CHEN, issued.identifier)).digest == issued.document_digest
    own = await vault.licences.accesses(CHEN, include_own=True)
    assert any("演示银行" in one.reason for one in own)


async def test_only_the_holder_gets_copies(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    for principal in (LI, BUREAU, replace(CHEN, person_id=None)):
        with pytest.raises(LicenceNotFound):
            await vault.copies.make(principal, issued.identifier, REQUEST)


async def test_a_licence_that_is_not_valid_gets_none(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    await vault.licences.change_state(BUREAU, issued.identifier, REVOKE)
    with pytest.raises(StateTransitionRefused):
        await vault.copies.make(CHEN, issued.identifier, REQUEST)


async def test_bad_requests_are_refused_by_field(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    bad: list[tuple[CopyRequest, type[InvalidInput], str]] = [
        (replace(REQUEST, made_for=""), InvalidInput, "made_for"),
        (replace(REQUEST, made_for="行" * 61), InvalidInput, "made_for"),
        (replace(REQUEST, purpose="用\u202e途"), InvalidInput, "purpose"),
        (replace(REQUEST, purpose="用\U000323af"), MissingGlyph, "purpose"),
        (replace(REQUEST, valid_until=date(2026, 3, 1)), InvalidInput, "valid_until"),
        (replace(REQUEST, valid_until=date(2027, 3, 4)), InvalidInput, "valid_until"),
    ]
    for request, error, name in bad:
        with pytest.raises(error) as caught:
            await vault.copies.make(CHEN, issued.identifier, request)
        assert caught.value.field == name


async def test_a_flood_of_copies_ends_for_the_day(
    vault: Vault, database: Database, clock: FixedClock, cipher: FieldCipher
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    async with database.transaction() as connection:
        repository = LicenceRepository(connection, cipher)
        for number in range(COPIES_A_DAY):
            document = StoredDocument("copy", f"doc_{number}", "-", bytes([number]) * 32, {}, clock.now())
            await repository.add_document(issued.licence_id, document)
    with pytest.raises(TooManyRequests):
        await vault.copies.make(CHEN, issued.identifier, REQUEST)
    clock.advance(timedelta(days=1))
    assert (await vault.copies.make(CHEN, issued.identifier, REQUEST)).pdf.startswith(b"%PDF")
