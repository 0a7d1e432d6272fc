"""What breaks in the middle of a seal: the token goes, the clock is set back."""

from __future__ import annotations

import io
import logging
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest
from pkcs11.exceptions import DeviceRemoved
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select

from foundation.jobs import Worker
from keys.errors import ClockNotTrusted, ProviderUnavailable
from signing.model import BaselineLevel, SealRequest
from signing.tables import seal_intentions, seal_uses, sealed_documents
from tests.signing.conftest import CODE, MATTER
from tests.signing.peers import timestamp_of
from tests.signing.test_unsealable import stored_files

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal


@pytest.mark.parametrize("provider", ["pkcs11"], indirect=True)
async def test_a_token_that_goes_in_the_middle_leaves_nothing_half_done(
    signing: Signing,
    seal: Seal,
    client: Principal,
    officer: Principal,
    licence: bytes,
    database: Database,
    settings: Settings,
    blob_directory: Path,
    clock: FixedClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: object) -> NoReturn:
        raise DeviceRemoved

    caplog.set_level(logging.DEBUG)
    request = SealRequest(seal.seal_id, licence, matter_code=MATTER)
    prepared = await signing.sealing.prepare(officer, request)
    kept = stored_files(blob_directory)
    with monkeypatch.context() as outage:
        outage.setattr("keys.providers.pkcs11._TokenKey._key", gone)
        with pytest.raises(ProviderUnavailable) as caught:
            await signing.sealing.seal(client, request)
        with pytest.raises(ProviderUnavailable):
            await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    assert stored_files(blob_directory) == kept, "the preview is there, and no document"
    async with database.read() as connection:
        for table in (seal_uses, sealed_documents):
            assert (await connection.execute(select(table))).all() == []
        intentions = select(seal_intentions.c.state, seal_intentions.c.failure).order_by(seal_intentions.c.state)
        rows = [tuple(row) for row in await connection.execute(intentions)]
    failure = "ProviderUnavailable: The PKCS #11 token failed."
    assert rows == [("failed", failure), ("intended", None)]
    told = caplog.text + "".join(traceback.format_exception(caught.value)) + str(rows)
    for secret in (settings.pkcs11_pin, settings.keystore_passphrase):
        assert secret.get_secret_value() not in told
    # The token is back: what was confirmed is carried out once, under the first number.
    clock.advance(timedelta(minutes=3))
    for _ in range(2):
        await signing.interrupted.look()
    async with database.read() as connection:
        uses = (await connection.execute(select(seal_uses.c.use_number, seal_uses.c.intention_id))).all()
    assert [tuple(use) for use in uses] == [(1, prepared.intention_id)]
    assert (await signing.sealing.seal(client, request)).use_number == 2


async def test_a_clock_set_back_during_a_seal_stamps_nothing_until_it_is_right(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    keys: Keys,
    database: Database,
    migrated_database_url: str,
    clock: FixedClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign = keys.service.sign_digest

    async def sign_and_set_back(*arguments: object, **named: object) -> bytes:
        signature = await sign(*arguments, **named)  # type: ignore[arg-type]  # handed on as they came
        clock.advance(timedelta(hours=-1))
        return signature

    right = clock.now()
    request = SealRequest(seal.seal_id, licence, level=BaselineLevel.B_T)
    with monkeypatch.context() as jump:
        jump.setattr(keys.service, "sign_digest", sign_and_set_back)
        sealed = await signing.sealing.seal(client, request)
    named = [record.error for record in caplog.records if record.message == "sealed without timestamp"]  # type: ignore[attr-defined]
    assert named == ["ClockNotTrusted"]
    assert sealed.level is BaselineLevel.B_B
    with pytest.raises(ClockNotTrusted):
        await signing.upgrades.upgrade(sealed.document_id)
    assert await signing.sealing.document(client, sealed.document_id) == sealed.document
    clock.advance(right - clock.now())
    await Worker(database, migrated_database_url, signing.job_handlers()).drain()
    raised = await signing.sealing.document(client, sealed.document_id)
    assert timestamp_of(raised)[1] == signature_of(sealed.document), "the seal itself stays"
    async with database.read() as connection:
        assert (await connection.execute(select(seal_uses.c.use_number))).scalars().all() == [1]


def signature_of(document: bytes) -> bytes:
    """Return the value of a document's last signature."""
    signature: bytes = PdfFileReader(io.BytesIO(document)).embedded_signatures[-1].signer_info["signature"].native
    return signature
