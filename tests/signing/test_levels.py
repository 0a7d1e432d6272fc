"""Long-term levels, judged by pyHanko's AdES procedures; outages of the timestamp server; renewal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from pyhanko.sign.ades.report import AdESPassed
from sqlalchemy import select

from foundation.clock import FixedClock
from foundation.tables import audit_log
from keys.ca import Issuer
from keys.errors import ClockNotTrusted
from keys.model import KeyPurpose
from signing.model import BaselineLevel
from signing.tables import sealed_documents
from tests.signing.conftest import BOTH_PROVIDERS
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
    from keys.assembly import Keys
    from signing.model import Seal
    from tests.signing.conftest import LongTerm

pytestmark = BOTH_PROVIDERS
TODAY = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def clock() -> FixedClock:
    """Stand at the present: pyHanko takes what it is handed to exist from the machine's own time on."""
    return FixedClock(TODAY)


async def test_b_lt_carries_all_validation_data(
    long_term: LongTerm, licence: bytes, keys: Keys, clock: FixedClock, tmp_path: Path
) -> None:
    sealed = await long_term.sealed(licence, BaselineLevel.B_LT)
    assert sealed.level is BaselineLevel.B_LT
    root = await keys.ca.certificate_der(Issuer.ROOT)
    result = await ades_with_time(sealed.document, root, clock.now())
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed.document)
    assert qpdf_is_content(path)
    assert pdfsig_verdicts(path) == [(True, False)], "validation data follow the signature and are not covered by it"


async def test_b_lta_passes_the_ades_procedure_long_after_the_seal_certificate_ended(
    long_term: LongTerm, licence: bytes, seal: Seal, keys: Keys, clock: FixedClock, tmp_path: Path
) -> None:
    sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
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
    long_term: LongTerm, licence: bytes, keys: Keys, clock: FixedClock
) -> None:
    sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
    at = sealed.document.index(b"/Certs")
    altered = sealed.document[: at + 1] + b"d" + sealed.document[at + 2 :]
    statuses = await pyhanko_statuses(altered, [await keys.ca.certificate_der(Issuer.ROOT)], clock.now())
    assert not statuses[-1].intact


async def test_without_timestamps_a_seal_is_b_b_and_raised_when_they_return(
    long_term: LongTerm,
    licence: bytes,
    keys: Keys,
    clock: FixedClock,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def down(*_: object, **__: object) -> bytes:
        raise ClockNotTrusted("The clock jumped.")

    with monkeypatch.context() as outage:
        outage.setattr(keys.tsa, "timestamp", down)
        sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
    assert sealed.level is BaselineLevel.B_B
    root = await keys.ca.certificate_der(Issuer.ROOT)
    (status,) = await pyhanko_statuses(sealed.document, [root], clock.now())
    assert status.bottom_line

    await long_term.work()
    raised = await long_term.document(sealed)
    result = await ades_lta(raised, root, clock.now() + timedelta(hours=1))
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
    async with database.read() as connection:
        row = (await connection.execute(select(sealed_documents))).one()
        actions = (await connection.execute(select(audit_log.c.action))).scalars().all()
    assert (row.level, row.wanted_level) == ("B-LTA", "B-LTA")
    assert actions.count("seal.upgrade") == 1
    # A second delivery of the job finds nothing left to do.
    assert await long_term.signing.upgrades.upgrade(sealed.document_id) is BaselineLevel.B_LTA
    assert await long_term.document(sealed) == raised


async def test_a_document_is_renewed_before_its_timestamp_ends(
    long_term: LongTerm, licence: bytes, keys: Keys, clock: FixedClock
) -> None:
    sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
    await long_term.renew_due()
    assert await long_term.document(sealed) == sealed.document, "it is not due yet"
    await long_term.make_due(sealed, clock.now())
    await long_term.renew_due()
    renewed = await long_term.document(sealed)
    assert renewed.startswith(sealed.document)
    root = await keys.ca.certificate_der(Issuer.ROOT)
    statuses = await pyhanko_statuses(renewed, [root], clock.now())
    assert [status.intact for status in statuses] == [True, True, True]
    result = await ades_lta(renewed, root, clock.now() + timedelta(hours=1))
    assert result.ades_subindic is AdESPassed.OK, result.failure_msg
