"""What later work makes of a sealed document: VALID at the whole gate, or not stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.tables import audit_log
from keys.errors import ClockNotTrusted
from signing.errors import SealingFailed
from signing.levels import Levels
from signing.model import BaselineLevel
from signing.tables import sealed_documents
from tests.signing.test_judging import gate_of
from verification.errors import SandboxUnavailable
from verification.model import Verdict
from verification.pdf import validate_pdf
from verification.sources import KeysTrust

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database
    from keys.assembly import Keys
    from signing.levels import Levelled
    from tests.signing.conftest import LongTerm
    from verification.model import Report


async def judged(keys: Keys, clock: FixedClock, document: bytes) -> Report:
    material = await KeysTrust(keys, "CN-5000").material()
    return await asyncio.to_thread(validate_pdf, document, material, at=clock.now())


async def renewal_of(database: Database) -> datetime:
    async with database.read() as connection:
        moment: datetime = (await connection.execute(select(sealed_documents.c.renew_after))).scalar_one()
        return moment


async def test_every_level_of_ours_is_valid_at_the_whole_gate_and_so_is_each_renewal(
    long_term: LongTerm, licence: bytes, keys: Keys, clock: FixedClock
) -> None:
    for level in (BaselineLevel.B_T, BaselineLevel.B_LT):
        sealed = await long_term.sealed(licence, level)
        report = await judged(keys, clock, sealed.document)
        assert (report.verdict, report.seals[0].level) == (Verdict.VALID, level)
        await long_term.make_due(sealed, None)
    sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
    document = sealed.document
    for renewals in range(3):
        report = await judged(keys, clock, document)
        assert report.verdict is Verdict.VALID, [one for one in report.checks if one.outcome != "passed"]
        assert [facts.kind for facts in report.seals] == ["seal", *["document_timestamp"] * (renewals + 1)]
        clock.advance(timedelta(days=30))
        await long_term.make_due(sealed, clock.now())
        await long_term.renew_due()
        before, document = document, await long_term.document(sealed)
        assert document.startswith(before)
        assert len(document) > len(before)


async def test_a_renewal_that_does_not_pass_is_not_stored(
    long_term: LongTerm,
    licence: bytes,
    clock: FixedClock,
    database: Database,
    audit: Audit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signing = long_term.signing
    sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
    await long_term.make_due(sealed, clock.now())
    renew = Levels.renew

    async def damaged(self: Levels, document: bytes, last_token: bytes) -> Levelled:
        levelled = await renew(self, document, last_token)
        return replace(levelled, document=levelled.document[:-7] + b"%%EOG\n\n")

    gate = gate_of(signing, database, clock, audit, one_in=0)
    signing.upgrades._judging = signing.sealing._execution._judging
    with monkeypatch.context() as fault:
        fault.setattr(Levels, "renew", damaged)
        with pytest.raises(SealingFailed, match="archive_timestamp"):
            await signing.upgrades.renew(sealed.document_id)
    assert gate.asked == [], "the fast check comes first"
    assert await renewal_of(database) == clock.now() + timedelta(days=1)

    await long_term.make_due(sealed, clock.now())
    gate.answer = ("seal.later_changes",)
    with pytest.raises(SealingFailed, match=r"seal\.later_changes"):
        await signing.upgrades.renew(sealed.document_id)
    await signing.upgrades.renew(sealed.document_id)  # looked at again tomorrow, not now
    assert len(gate.asked) == 1

    await long_term.make_due(sealed, clock.now())
    gate.away = True
    with pytest.raises(SandboxUnavailable):
        await signing.upgrades.renew(sealed.document_id)
    assert await renewal_of(database) == clock.now(), "an outage puts nothing off"
    assert await long_term.document(sealed) == sealed.document
    async with database.read() as connection:
        refused = select(audit_log.c.object_id).where(audit_log.c.action == "seal.renewal_refused")
        assert (await connection.execute(refused)).scalars().all() == [sealed.document_id] * 2

    gate.away, gate.answer = False, ()
    await signing.upgrades.renew(sealed.document_id)
    assert (await long_term.document(sealed)).startswith(sealed.document)


async def test_an_upgrade_that_does_not_pass_leaves_the_document_as_it_was(
    long_term: LongTerm,
    licence: bytes,
    keys: Keys,
    clock: FixedClock,
    database: Database,
    audit: Audit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signing = long_term.signing

    async def away(_: bytes) -> bytes:
        raise ClockNotTrusted("The clock jumped.")

    with monkeypatch.context() as outage:
        outage.setattr(keys.tsa, "timestamp", away)
        sealed = await long_term.sealed(licence, BaselineLevel.B_LTA)
    assert sealed.level is BaselineLevel.B_B
    gate = gate_of(signing, database, clock, audit, one_in=0)
    signing.upgrades._judging = signing.sealing._execution._judging
    gate.answer = ("pdf.readers_agree",)
    with pytest.raises(SealingFailed, match=r"pdf\.readers_agree"):
        await signing.upgrades.upgrade(sealed.document_id)
    gate.away = True
    with pytest.raises(SandboxUnavailable):
        await signing.upgrades.upgrade(sealed.document_id)
    assert await long_term.document(sealed) == sealed.document
    gate.away, gate.answer = False, ()
    assert await signing.upgrades.upgrade(sealed.document_id) is BaselineLevel.B_LTA
    raised = await long_term.document(sealed)
    assert (await judged(keys, clock, raised)).verdict is Verdict.VALID
