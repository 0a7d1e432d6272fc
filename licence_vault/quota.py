"""How many licences of other departments one operator may read in a while.

Every attempt counts before anything is looked up, so that a loop over guessed
numbers ends as early as one over real ones. The count is a row of PostgreSQL: what
Redis forgets would be a new allowance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from foundation.audit import AuditEvent
from licence_vault.errors import AccessQuotaExceeded
from licence_vault.tables import licence_read_quotas

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from licence_vault.model import Purpose


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """Reads allowed in one window: of one operator, and of a department's system altogether."""

    operator_limit: int = 19
    reader_limit: int = 2000
    window: timedelta = timedelta(hours=1)


class ReadQuota:
    """Counts ex officio reading."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, rule: QuotaRule | None = None) -> None:
        """Take the collaborators and the rule."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._rule = rule or QuotaRule()

    async def spend(self, principal: Principal, purpose: Purpose) -> None:
        """Count one attempt, committed at once; raises AccessQuotaExceeded.

        The first refusal of a window is an audit row, for whoever watches for misuse.
        """
        rule = self._rule
        counted = {principal.audit_name: rule.reader_limit}
        counted[f"{principal.audit_name}/{purpose.operator}"] = rule.operator_limit
        window = _window_start(self._clock.now(), rule.window)
        exceeded = None
        async with self._database.transaction() as connection:
            for reader, limit in counted.items():
                statement = insert(licence_read_quotas).values(reader=reader, window_start=window, count=1)
                statement = statement.on_conflict_do_update(
                    index_elements=["reader", "window_start"],
                    set_={"count": licence_read_quotas.c.count + 1},
                    where=licence_read_quotas.c.count < limit,
                )
                row = (await connection.execute(statement.returning(licence_read_quotas.c.count))).one_or_none()
                if row is None:
                    exceeded = reader
                    break
            if exceeded is not None:
                first = (
                    update(licence_read_quotas)
                    .where(
                        licence_read_quotas.c.reader == exceeded,
                        licence_read_quotas.c.window_start == window,
                        licence_read_quotas.c.exceeded_at.is_(None),
                    )
                    .values(exceeded_at=self._clock.now())
                    .returning(licence_read_quotas.c.reader)
                )
                if (await connection.execute(first)).one_or_none() is not None:
                    event = AuditEvent("licence_vault.quota_exceeded", "reader", exceeded)
                    await self._audit.record(connection, principal, event)
        if exceeded is not None:
            left = window + rule.window - self._clock.now()
            raise AccessQuotaExceeded(
                "查询次数已达上限 / the quota of readings is used up.",
                retry_after_seconds=max(1, int(left.total_seconds())),
            )


def _window_start(now: datetime, window: timedelta) -> datetime:
    """Return the beginning of the fixed window a moment lies in."""
    seconds = int(window.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
