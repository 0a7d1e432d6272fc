"""Batches: progress, refusals, tenancy; and that no kill loses a document or seals one twice."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.errors import InvalidInput, NotAuthenticated, NotFound
from foundation.jobs import Worker
from signing.errors import SealUseNotGranted, SecondFactorRequired
from signing.model import BaselineLevel, SealRequest
from signing.placement import Rectangle
from signing.tables import seal_intentions, seal_uses, sealed_documents
from tests.signing import hostile
from tests.signing.conftest import CODE, MATTER, OTHER, WRONG_CODE
from tests.signing.documents import typeset

if TYPE_CHECKING:
    from foundation.blobs import BlobStore
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings
    from signing.assembly import Signing
    from signing.model import Seal

KILLS = int(os.environ.get("HUFU_TEST_KILLS", "6"))
"""`make soak` sets 200."""


def order(seal: Seal) -> SealRequest:
    return SealRequest(seal.seal_id, b"", Rectangle(1, 300, 60), MATTER)


def different(count: int) -> list[bytes]:
    """Return documents that differ in the comment behind their header, every offset unchanged."""
    document = typeset(1, "1.7")
    at = document.index(b"\n%") + 2
    room = document.index(b"\n", at) - at
    return [document[:at] + b"%0*d" % (room, number) + document[at + room :] for number in range(count)]


async def test_a_batch_seals_what_can_be_sealed_and_names_what_cannot(
    signing: Signing,
    seal: Seal,
    client: Principal,
    database: Database,
    migrated_database_url: str,
) -> None:
    documents = [typeset(1), hostile.with_javascript_form(), typeset(2), b"no PDF"]
    batch_id = await signing.batches.start(client, documents, order(seal))
    progress = await signing.batches.progress(client, batch_id)
    assert (progress.total, progress.done, progress.finished) == (4, 0, False)
    await Worker(database, migrated_database_url, signing.job_handlers()).drain()
    progress = await signing.batches.progress(client, batch_id)
    assert (progress.done, progress.failed, progress.finished) == (2, 2, True)
    rows = await signing.batches.documents(client, batch_id)
    assert [row.document_id is not None for row in rows] == [True, False, True, False]
    assert "javascript" in (rows[1].refusal or "")
    assert rows[3].refusal == "The file is not a PDF."
    for row, source in ((rows[0], documents[0]), (rows[2], documents[2])):
        assert row.document_id is not None
        assert (await signing.sealing.document(client, row.document_id)).startswith(source)
    for stranger in (replace(client, organisation_code=OTHER), replace(client, organisation_code=None)):
        with pytest.raises(NotFound):
            await signing.batches.progress(stranger, batch_id)
        with pytest.raises(NotFound):
            await signing.batches.documents(stranger, batch_id)


async def test_an_officer_confirms_a_batch_once(
    signing: Signing,
    seal: Seal,
    officer: Principal,
    database: Database,
    migrated_database_url: str,
) -> None:
    with pytest.raises(SecondFactorRequired):
        await signing.batches.start(officer, [typeset(1)], order(seal))
    with pytest.raises(NotAuthenticated):
        await signing.batches.start(officer, [typeset(1)], replace(order(seal), second_factor=WRONG_CODE))
    with pytest.raises(SealUseNotGranted):
        await signing.batches.start(officer, [typeset(1)], replace(order(seal), matter_code="x", second_factor=CODE))
    with pytest.raises(InvalidInput):
        await signing.batches.start(officer, [], replace(order(seal), second_factor=CODE))
    await signing.batches.start(officer, [typeset(1), typeset(2)], replace(order(seal), second_factor=CODE))
    await Worker(database, migrated_database_url, signing.job_handlers()).drain()
    async with database.read() as connection:
        rows = (await connection.execute(select(seal_uses))).all()
    assert {(row.used_by, row.second_factor_method) for row in rows} == {("officer:off_li", "totp")}
    assert len(rows) == 2


async def test_a_confirmed_sealing_cut_short_is_finished_later(
    signing: Signing,
    seal: Seal,
    officer: Principal,
    client: Principal,
    licence: bytes,
    database: Database,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
    blobs: BlobStore,
) -> None:
    prepared = await signing.sealing.prepare(officer, replace(order(seal), document=licence))
    forgotten = await signing.sealing.prepare(officer, replace(order(seal), document=licence))

    class PowerCut(BaseException):
        """Nothing catches it, as nothing catches a power cut."""

    async def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as outage:
        outage.setattr("signing.execution.Execution._store", cut)
        with pytest.raises(PowerCut):
            await signing.sealing.confirm(officer, prepared.intention_id, CODE)
        with pytest.raises(PowerCut):
            await signing.sealing.seal(client, replace(order(seal), document=licence))
    await signing.interrupted.look()
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(seal_uses))).scalar_one() == 0
    clock.advance(timedelta(minutes=20))
    for _ in range(2):
        await signing.interrupted.look()
    async with database.read() as connection:
        (use,) = (await connection.execute(select(seal_uses))).all()
        states = {
            row.intention_id: (row.state, row.prepared_blob)
            for row in await connection.execute(select(seal_intentions).where(seal_intentions.c.failure.is_(None)))
        }
        failures = (await connection.execute(select(seal_intentions.c.failure))).scalars().all()
    assert (use.intention_id, use.use_number) == (prepared.intention_id, 1)
    assert states[forgotten.intention_id][0] == "withdrawn"
    assert "interrupted" in failures, "the call whose answer was lost left nothing to finish"
    with pytest.raises(NotFound):
        await blobs.get(states[forgotten.intention_id][1] or "")


@pytest.mark.timeout(1800)
async def test_no_kill_loses_a_document_or_seals_one_twice(
    signing: Signing,
    seal: Seal,
    client: Principal,
    database: Database,
    settings: Settings,
    clock: FixedClock,
    blobs: BlobStore,
) -> None:
    documents = different(30 + KILLS * 5)
    batch_id = await signing.batches.start(client, documents, replace(order(seal), level=BaselineLevel.B_T))
    names = ("database_url", "redis_url", "data_directory", "profile")
    secrets = ("field_keys", "index_key", "keystore_passphrase")
    environment = {
        "PATH": os.environ["PATH"],
        **{f"HUFU_{name.upper()}": str(getattr(settings, name)) for name in names},
        **{f"HUFU_{name.upper()}": getattr(settings, name).get_secret_value() for name in secrets},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.signing.kill_loop", str(KILLS), clock.now().isoformat(), env=environment
    )
    assert await process.wait() == 0
    progress = await signing.batches.progress(client, batch_id)
    assert (progress.done, progress.failed) == (len(documents), 0)
    async with database.read() as connection:
        uses = (await connection.execute(select(seal_uses).order_by(seal_uses.c.use_number))).all()
        stored = (await connection.execute(select(sealed_documents))).all()
    assert [use.use_number for use in uses] == list(range(1, len(documents) + 1)), "numbered without gap or double"
    assert sorted(use.document_digest for use in uses) == sorted(hashlib.sha256(each).digest() for each in documents)
    assert len(stored) == len(documents)
    for row in stored:
        sealed = await blobs.get(row.blob_ref)
        assert hashlib.sha256(sealed).digest() == row.sha256
        assert sealed.count(b"/ETSI.CAdES.detached") == 1
