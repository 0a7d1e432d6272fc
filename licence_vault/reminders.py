"""Reminders (到期提醒): holders, and who answers for an enterprise, hear 90, 30 and 7 days before a licence expires.

A row for each reminder sent makes it one, however often and wherever the job runs. A
licence that was replaced, ended or suspended reminds nobody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from foundation.clock import civil_date
from foundation.jobs import PeriodicJob
from licence_vault.model import LicenceState
from licence_vault.repository import LicenceRepository
from licence_vault.tables import licence_reminders, licences
from licence_vault.told import accounts_told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.notices import Notices
    from licence_vault.ports import HolderIndexes

DAYS_AHEAD = (90, 30, 7)
NOTICE = "licence_vault.expires"
BATCH = 500
INTERVAL = timedelta(hours=1)


class Reminders:
    """Sends reminders of expiry."""

    def __init__(
        self, database: Database, clock: Clock, cipher: FieldCipher, notices: Notices, holders: HolderIndexes
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._notices = notices
        self._holders = holders

    async def run(self) -> int:
        """Send every reminder that is due, in batches with a transaction each; return how many licences."""
        sent = 0
        while count := await self._batch():
            sent += count
        return sent

    async def _batch(self) -> int:
        today = civil_date(self._clock.now())
        async with self._database.transaction() as connection:
            due = await self._due(connection, today)
            for licence_id, identifier, type_code, valid_to, days in due:
                parameters = {"identifier": identifier, "type_code": type_code, "valid_to": valid_to.isoformat()}
                await self._tell(connection, licence_id, days, parameters)
            return len(due)

    async def _due(self, connection: AsyncConnection, today: date) -> list[tuple[str, str, str, date, int]]:
        """Return licences whose nearest mark is reached and not yet reminded of; others skip those locked here."""
        due: list[tuple[str, str, str, date, int]] = []
        nearest = -1
        for days in sorted(DAYS_AHEAD):
            reminded = select(licence_reminders.c.licence_id).where(
                licence_reminders.c.licence_id == licences.c.licence_id, licence_reminders.c.days == days
            )
            statement = (
                select(licences.c.licence_id, licences.c.identifier, licences.c.type_code, licences.c.valid_to)
                .where(
                    licences.c.state == LicenceState.VALID,
                    licences.c.valid_to > today + timedelta(days=nearest),
                    licences.c.valid_to <= today + timedelta(days=days),
                    ~reminded.exists(),
                )
                .limit(BATCH - len(due))
                .with_for_update(skip_locked=True)
            )
            due += [(*row, days) for row in await connection.execute(statement)]
            nearest = days
        return due

    async def _tell(
        self, connection: AsyncConnection, licence_id: str, days: int, parameters: Mapping[str, str]
    ) -> None:
        row = insert(licence_reminders).values(licence_id=licence_id, days=days, sent_at=self._clock.now())
        await connection.execute(row.on_conflict_do_nothing())
        stored = await LicenceRepository(connection, self._cipher).by_id(licence_id)
        for account_id in await accounts_told(connection, self._holders, stored) if stored is not None else ():
            await self._notices.send(connection, account_id, NOTICE, {**parameters, "days": days})

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""

        async def send() -> None:
            await self.run()

        return {"licence_vault.reminders": PeriodicJob(send, INTERVAL)}
