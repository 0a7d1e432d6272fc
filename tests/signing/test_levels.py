"""Long-term levels, judged by pyHanko's AdES procedures; outages of the timestamp server; renewal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from pyhanko.sign.ades.report import AdESPassed
from sqlalchemy import select, update

from foundation.clock import FixedClock
from foundation.jobs import Worker
from foundation.tables import audit_log
from keys.ca import Issuer
from keys.errors import ClockNotTrusted
from keys.model import KeyPurpose
from signing.model import BaselineLevel, SealRequest
from signing.placement import Rectangle
from signing.tables import sealed_documents
from tests.signing.conftest import BOTH_PROVIDERS, MATTER
from tests.signing.peers import (
    ades_lta,
    ades_lta_in_the_future,
    ades_with_time,
    pdfsig_verdicts,
    pyhanko_statuses,
    qpdf_is_content,
)

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.database import Database
    from foundation.principal import Principal
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal, SealedDocument

pytestmark = BOTH_PROVIDERS
PLACE = Rectangle(1, 380, 80)
TODAY = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def clock() -> FixedClock:
    """Stand at the present: pyHanko takes what it is handed to exist from the machine's own time on."""
    return FixedClock(TODAY)


async def sealed_at(
    signing: Signing, seal: Seal, client: Principal, document: bytes, level: BaselineLevel
) -> SealedDocument:
    return await signing.sealing.seal(client, SealRequest(seal.seal_id, document, PLACE, MATTER, level))


async def test_b_lt_carries_all_validation_data(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, keys: Keys, clock: FixedClock, tmp_path: Path
) -> None:
    sealed = await sealed_at(signing, seal, client, licence, BaselineLevel.B_LT)
    assert sealed.level is BaselineLevel.B_LT
    root = await keys.ca.certificate_der(Issuer.ROOT)
    result = await ades_with_time(sealed.document, root, clock.now())
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed.document)
    assert qpdf_is_content(path)
    assert pdfsig_verdicts(path) == [(True, False)], "validation data follow the signature and are not covered by it"


async def test_b_lta_passes_the_ades_procedure_long_after_the_seal_certificate_ended(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, keys: Keys, clock: FixedClock, tmp_path: Path
) -> None:
    sealed = await sealed_at(signing, seal, client, licence, BaselineLevel.B_LTA)
    assert sealed.level is BaselineLevel.B_LTA
    root = await keys.ca.certificate_der(Issuer.ROOT)
    result = await ades_lta(sealed.document, root, clock.now() + timedelta(hours=1))
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
    assert seal.key_id is not None
    chain = (await keys.service.get(seal.key_id)).certificate_chain_der
    ended = x509.load_der_x509_certificate(chain[0]).not_valid_after_utc
    timestamps = await keys.service.active(KeyPurpose.TSA)
    tsa_ends = x509.load_der_x509_certificate(timestamps.certificate_chain_der[0]).not_valid_after_utc
    later = ended + timedelta(days=30)
    assert later < tsa_ends
    infrastructure = await keys.ca.certificate_der(Issuer.INFRASTRUCTURE)
    result = await ades_lta_in_the_future(sealed.document, root, infrastructure, clock.now(), later)
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed.document)
    assert qpdf_is_content(path)
    # Poppler has no word for document timestamps; that it finds it over the whole file is what it can say.
    assert pdfsig_verdicts(path) == [(True, False), (False, True)]


async def test_a_change_after_the_archive_timestamp_is_seen(
    signing: Signing, seal: Seal, client: Principal, licence: bytes, keys: Keys, clock: FixedClock
) -> None:
    sealed = await sealed_at(signing, seal, client, licence, BaselineLevel.B_LTA)
    at = sealed.document.index(b"/Certs")
    altered = sealed.document[: at + 1] + b"d" + sealed.document[at + 2 :]
    statuses = await pyhanko_statuses(altered, [await keys.ca.certificate_der(Issuer.ROOT)], clock.now())
    assert not statuses[-1].intact


async def test_without_timestamps_a_seal_is_b_b_and_raised_when_they_return(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    keys: Keys,
    clock: FixedClock,
    database: Database,
    migrated_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def down(*_: object, **__: object) -> bytes:
        raise ClockNotTrusted("The clock jumped.")

    with monkeypatch.context() as outage:
        outage.setattr(keys.tsa, "timestamp", down)
        sealed = await sealed_at(signing, seal, client, licence, BaselineLevel.B_LTA)
    assert sealed.level is BaselineLevel.B_B
    root = await keys.ca.certificate_der(Issuer.ROOT)
    (status,) = await pyhanko_statuses(sealed.document, [root], clock.now())
    assert status.bottom_line

    await Worker(database, migrated_database_url, signing.job_handlers()).drain()
    raised = await signing.sealing.document(client, sealed.document_id)
    result = await ades_lta(raised, root, clock.now() + timedelta(hours=1))
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
    async with database.read() as connection:
        row = (await connection.execute(select(sealed_documents))).one()
        actions = (await connection.execute(select(audit_log.c.action))).scalars().all()
    assert (row.level, row.wanted_level) == ("B-LTA", "B-LTA")
    assert actions.count("seal.upgrade") == 1
    # A second delivery of the job finds nothing left to do.
    assert await signing.upgrades.upgrade(sealed.document_id) is BaselineLevel.B_LTA
    assert await signing.sealing.document(client, sealed.document_id) == raised


async def test_a_document_is_renewed_before_its_timestamp_ends(
    signing: Signing,
    seal: Seal,
    client: Principal,
    licence: bytes,
    keys: Keys,
    clock: FixedClock,
    database: Database,
    migrated_database_url: str,
) -> None:
    sealed = await sealed_at(signing, seal, client, licence, BaselineLevel.B_LTA)
    await signing.upgrades.enqueue_renewals()
    worker = Worker(database, migrated_database_url, signing.job_handlers())
    await worker.drain()
    assert await signing.sealing.document(client, sealed.document_id) == sealed.document, "it is not due yet"
    async with database.transaction() as connection:
        await connection.execute(update(sealed_documents).values(renew_after=clock.now()))
    await signing.upgrades.enqueue_renewals()
    await worker.drain()
    renewed = await signing.sealing.document(client, sealed.document_id)
    assert renewed.startswith(sealed.document)
    root = await keys.ca.certificate_der(Issuer.ROOT)
    statuses = await pyhanko_statuses(renewed, [root], clock.now())
    assert [status.intact for status in statuses] == [True, True, True]
    result = await ades_lta(renewed, root, clock.now() + timedelta(hours=1))
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
