"""The append-only record of every act, written in the act's own transaction.

Each row carries a commitment: SHA-256 over a random 32-byte salt followed by the
row's canonical JSON. The transparency log publishes commitments only, so that a
leaf tells nothing about anybody; whoever is shown the salt and the row can check
it against the log. Personal data does not enter `detail`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, LargeBinary, Text, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from foundation.gathering import Gathering
from foundation.statements import Statement
from foundation.tables import audit_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.statements import StatementTransaction

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act: `action` in `package.verb` form, on one object."""

    action: str
    object_type: str
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditReceipt:
    """What identifies a written row: its number and its 32-byte commitment."""

    audit_id: int
    commitment: bytes


def canonical_row(event: AuditEvent, *, actor: str, channel: str, recorded_at: datetime) -> bytes:
    """Return the bytes a commitment covers: sorted, compact UTF-8 JSON."""
    row = {
        "action": event.action,
        "actor": actor,
        "channel": channel,
        "detail": dict(event.detail),
        "object_id": event.object_id,
        "object_type": event.object_type,
        "recorded_at": recorded_at.isoformat(timespec="microseconds"),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def at_post(principal: Principal, event: AuditEvent) -> AuditEvent:
    """Return the event with the post an officer acted in, which stays readable when the post is gone."""
    if principal.post is None:
        return event
    post = {
        "name": principal.post,
        "organisation_code": principal.organisation_code,
        "district_code": principal.district_code,
    }
    return replace(event, detail={**event.detail, "post": post})


class Audit:
    """Writes audit rows."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock that dates the rows."""
        self._clock = clock

    def row(self, principal: Principal, event: AuditEvent) -> dict[str, Any]:
        """Return the columns of a row that says this now, with a fresh salt and the commitment."""
        event = at_post(principal, event)
        recorded_at = self._clock.now()
        channel = str(principal.channel)
        actor = principal.audit_name if principal.actor_id is None else f"{principal.actor_id}>{principal.audit_name}"
        salt = os.urandom(SALT_BYTES)
        said = canonical_row(event, actor=actor, channel=channel, recorded_at=recorded_at)
        return {
            "recorded_at": recorded_at,
            "actor": actor,
            "action": event.action,
            "object_type": event.object_type,
            "object_id": event.object_id,
            "channel": channel,
            "detail": dict(event.detail),
            "salt": salt,
            "commitment": hashlib.sha256(salt + said).digest(),
        }

    async def record(self, connection: AsyncConnection, principal: Principal, event: AuditEvent) -> AuditReceipt:
        """Append one row within the caller's transaction and return its commitment."""
        row = self.row(principal, event)
        statement = insert(audit_log).values(row).returning(audit_log.c.audit_id)
        audit_id = (await connection.execute(statement)).scalar_one()
        return AuditReceipt(audit_id, row["commitment"])

    async def append(self, transaction: StatementTransaction, principal: Principal, event: AuditEvent) -> None:
        """Append one row within a transaction over compiled statements."""
        row = self.row(principal, event)
        await transaction.fetch_one(_APPEND, **{name: [row[name]] for name in _COLUMNS})


_COLUMNS: dict[str, TypeEngine[Any]] = {
    "recorded_at": DateTime(timezone=True),
    "actor": Text(),
    "action": Text(),
    "object_type": Text(),
    "object_id": Text(),
    "channel": Text(),
    "detail": JSONB(),
    "salt": LargeBinary(),
    "commitment": LargeBinary(),
}
_GIVEN = func.unnest(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _COLUMNS.items()))
_ROWS = _GIVEN.table_valued(*_COLUMNS).render_derived()
_APPEND = Statement(
    insert(audit_log)
    .from_select(list(_COLUMNS), select(*(_ROWS.c[name] for name in _COLUMNS)))
    .returning(audit_log.c.audit_id, audit_log.c.commitment)
)


class CommittedAudit:
    """Writes the rows of acts that change nothing else: many at a time, committed when it returns.

    A row of its own transaction each would make the commit the dearest part of a question that
    only reads. Whoever asks while a commit is under way shares the next one, and is answered
    after it: no receipt without a durable row.
    """

    def __init__(self, database: Database, audit: Audit) -> None:
        """Take the collaborators."""
        self._database = database
        self._audit = audit
        self._append: Gathering[dict[str, Any], AuditReceipt] = Gathering(self._append_rows)

    async def record(self, principal: Principal, event: AuditEvent) -> AuditReceipt:
        """Append one row, and return its commitment once the row is durable; raises ServiceUnavailable."""
        return await self._append(self._audit.row(principal, event))

    async def _append_rows(self, rows: Sequence[dict[str, Any]]) -> list[AuditReceipt]:
        columns = {name: [row[name] for row in rows] for name in _COLUMNS}
        stored = await self._database.fetch(_APPEND, **columns)
        numbers = {bytes(row.commitment): row.audit_id for row in stored}
        return [AuditReceipt(numbers[row["commitment"]], row["commitment"]) for row in rows]
