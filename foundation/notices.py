"""Notices to account holders, in the inbox their pages show.

A notice is written in the transaction of the act it tells about: no act without its
notice, no notice of an act that rolled back. Parameters may name people and licences
and are therefore encrypted; the words are chosen by `kind` where the notice is shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from foundation.ids import new_id
from foundation.statements import Statement
from foundation.tables import notices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.encryption import FieldCipher
    from foundation.statements import StatementTransaction

PARAMETERS_CONTEXT = "notices.parameters"
_APPEND = Statement(insert(notices), columns=("notice_id", "account_id", "kind", "parameters", "created_at"))


@dataclass(frozen=True, slots=True)
class Notice:
    """One message in an account's inbox."""

    notice_id: str
    kind: str
    parameters: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None


class Notices:
    """Writes and reads inboxes."""

    def __init__(self, cipher: FieldCipher, clock: Clock) -> None:
        """Take the cipher of the parameters and the clock that dates notices."""
        self._cipher = cipher
        self._clock = clock

    async def send(self, connection: AsyncConnection, account_id: str, kind: str, parameters: Mapping[str, Any]) -> str:
        """Put a notice of `kind`, in `package.event` form, in an inbox; return its id."""
        row = self._row(account_id, kind, parameters)
        await connection.execute(insert(notices).values(row))
        return str(row["notice_id"])

    async def append(
        self, transaction: StatementTransaction, account_id: str, kind: str, parameters: Mapping[str, Any]
    ) -> None:
        """Put a notice in an inbox within a transaction over compiled statements."""
        await transaction.fetch_one(_APPEND, **self._row(account_id, kind, parameters))

    def _row(self, account_id: str, kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        encoded = json.dumps(dict(parameters), ensure_ascii=False)
        return {
            "notice_id": new_id("ntc"),
            "account_id": account_id,
            "kind": kind,
            "parameters": self._cipher.encrypt(encoded, PARAMETERS_CONTEXT),
            "created_at": self._clock.now(),
        }

    async def of_account(self, connection: AsyncConnection, account_id: str, *, limit: int = 50) -> tuple[Notice, ...]:
        """Return an account's newest notices, newest first."""
        statement = (
            select(notices)
            .where(notices.c.account_id == account_id)
            .order_by(notices.c.created_at.desc(), notices.c.notice_id.desc())
            .limit(limit)
        )
        rows = await connection.execute(statement)
        return tuple(
            Notice(
                row.notice_id,
                row.kind,
                json.loads(self._cipher.decrypt(row.parameters, PARAMETERS_CONTEXT)),
                row.created_at,
                row.read_at,
            )
            for row in rows
        )

    async def mark_read(self, connection: AsyncConnection, account_id: str, notice_id: str) -> bool:
        """Mark an account's own notice as read; tell whether it was unread."""
        statement = (
            update(notices)
            .where(notices.c.notice_id == notice_id, notices.c.account_id == account_id, notices.c.read_at.is_(None))
            .values(read_at=self._clock.now())
        )
        return (await connection.execute(statement)).rowcount == 1
