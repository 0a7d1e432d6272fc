"""Reservations nobody came back for.

A process killed while it issued leaves a pending licence, which the same request
would finish. After a day nobody asks any more: the licence is recorded as issued in
error, so that a face that was sealed for it but never stored does not pass as unknown.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from foundation.audit import AuditEvent
from foundation.jobs import PeriodicJob
from foundation.principal import SYSTEM
from licence_vault.model import LicenceState, ReasonCode, StateRecord
from licence_vault.repository import LicenceRepository
from licence_vault.tables import licences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher

PATIENCE = timedelta(days=1)
INTERVAL = timedelta(hours=1)
BATCH = 200


class Abandoned:
    """Closes reservations that were given up."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, cipher: FieldCipher) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher

    async def run(self) -> int:
        """Record every reservation older than a day as erroneous; return how many."""
        now = self._clock.now()
        statement = (
            select(licences.c.licence_id, licences.c.identifier, licences.c.registered_at)
            .where(
                licences.c.state == LicenceState.PENDING,
                licences.c.registered_at < now - PATIENCE,
                or_(licences.c.lease_until.is_(None), licences.c.lease_until < now),
            )
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        closed = 0
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            for row in (await connection.execute(statement)).all():
                record = StateRecord(
                    sequence=1,
                    state=LicenceState.ERRONEOUS,
                    effective_at=row.registered_at,
                    recorded_at=now,
                    reason_code=ReasonCode.ISSUER_ERROR,
                    reason_text="签发未完成",
                    legal_basis="",
                    recorded_by=SYSTEM.audit_name,
                )
                if await repository.add_state(row.licence_id, record):
                    closed += 1
                    event = AuditEvent("licence_vault.abandon", "licence", row.identifier)
                    await self._audit.record(connection, SYSTEM, event)
        return closed

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""

        async def close() -> None:
            await self.run()

        return {"licence_vault.abandoned": PeriodicJob(close, INTERVAL)}
