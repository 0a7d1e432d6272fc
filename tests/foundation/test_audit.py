"""The audit trail is written with the act, committed to, and never changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from foundation.audit import AuditEvent, canonical_row
from foundation.principal import SYSTEM
from foundation.tables import audit_log

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database

EVENT = AuditEvent("licence.issue", "licence", "lic_1", {"type": "食品经营许可证", "count": 2})


async def test_a_row_and_its_salt_give_the_commitment(database: Database, audit: Audit, clock: FixedClock) -> None:
    async with database.transaction() as connection:
        receipt = await audit.record(connection, SYSTEM, EVENT)
    async with database.read() as connection:
        row = (await connection.execute(select(audit_log).where(audit_log.c.audit_id == receipt.audit_id))).one()
    covered = canonical_row(
        AuditEvent(row.action, row.object_type, row.object_id, row.detail),
        actor=row.actor,
        channel=row.channel,
        recorded_at=row.recorded_at,
    )
    assert row.recorded_at == clock.now()
    assert row.commitment == receipt.commitment == hashlib.sha256(row.salt + covered).digest()


async def test_an_act_that_fails_leaves_no_row(database: Database, audit: Audit) -> None:
    with pytest.raises(RuntimeError):
        await _record_and_fail(database, audit)
    async with database.read() as connection:
        assert (await connection.execute(select(audit_log))).all() == []


async def _record_and_fail(database: Database, audit: Audit) -> None:
    async with database.transaction() as connection:
        await audit.record(connection, SYSTEM, EVENT)
        raise RuntimeError


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"])
async def test_rows_are_append_only(database: Database, audit: Audit, statement: str) -> None:
    async with database.transaction() as connection:
        await audit.record(connection, SYSTEM, EVENT)
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.transaction() as connection:
            await connection.execute(text(statement))
