"""SQL of shown codes: every step of a show is one UPDATE whose WHERE clause lets it happen once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from licence_vault.tables import licence_shows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.model import Purpose

CASE_CONTEXT = "licence_shows.case_number"
REASON_CONTEXT = "licence_shows.reason"
RELEASED, REFUSED = "released", "refused"


@dataclass(frozen=True, slots=True)
class StoredShow:
    """A show as the row has it, decrypted."""

    show_id: str
    licence_ids: tuple[str, ...]
    person_id: str
    expires_at: datetime
    reader: str | None
    reader_code: str | None
    operator: str
    matter_code: str | None
    case_number: str
    reason: str
    fields: tuple[str, ...] | None
    decision: str | None
    collected_at: datetime | None
    mandate_id: str | None = None


class ShowRepository:
    """Statements over one connection; the caller commits."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def add(self, values: dict[str, Any]) -> None:
        """Keep a new show."""
        await self._connection.execute(insert(licence_shows).values(**values))

    async def find(self, show_id: str) -> StoredShow | None:
        """Return a show."""
        row = (await self._connection.execute(select(licence_shows).where(licence_shows.c.show_id == show_id))).first()
        return None if row is None else self._stored(row)

    async def scan(
        self, code_hash: bytes, reader: Principal, purpose: Purpose, fields: Sequence[str] | None, now: datetime
    ) -> StoredShow | None:
        """Bind a code to the window and matter that scan it first; None when spent, expired or unknown."""
        statement = (
            update(licence_shows)
            .where(
                licence_shows.c.code_hash == code_hash,
                licence_shows.c.scanned_at.is_(None),
                licence_shows.c.expires_at > now,
            )
            .values(
                reader=reader.audit_name,
                reader_code=reader.organisation_code,
                operator=purpose.operator,
                matter_code=purpose.matter_code,
                case_number=self._cipher.encrypt(purpose.case_number, CASE_CONTEXT),
                reason=self._cipher.encrypt(purpose.reason, REASON_CONTEXT),
                fields=None if fields is None else list(fields),
                scanned_at=now,
            )
        )
        return await self._changed(statement)

    async def decide(self, show_id: str, person_id: str, decision: str, now: datetime) -> StoredShow | None:
        """Record the holder's answer to a scanned show, once and in time."""
        statement = (
            update(licence_shows)
            .where(
                licence_shows.c.show_id == show_id,
                licence_shows.c.person_id == person_id,
                licence_shows.c.scanned_at.is_not(None),
                licence_shows.c.decision.is_(None),
                licence_shows.c.expires_at > now,
            )
            .values(decision=decision, decided_at=now)
        )
        return await self._changed(statement)

    async def withdraw(self, show_id: str, person_id: str, now: datetime) -> StoredShow | None:
        """End a show that has not been collected, whether or not it was scanned or released."""
        statement = (
            update(licence_shows)
            .where(
                licence_shows.c.show_id == show_id,
                licence_shows.c.person_id == person_id,
                licence_shows.c.collected_at.is_(None),
                licence_shows.c.expires_at > now,
            )
            .values(expires_at=now)
        )
        return await self._changed(statement)

    async def collect(self, show_id: str, reader: str, now: datetime) -> StoredShow | None:
        """Take what was released, once, by the window that scanned."""
        statement = (
            update(licence_shows)
            .where(
                licence_shows.c.show_id == show_id,
                licence_shows.c.reader == reader,
                licence_shows.c.decision == RELEASED,
                licence_shows.c.collected_at.is_(None),
                licence_shows.c.expires_at > now,
            )
            .values(collected_at=now)
        )
        return await self._changed(statement)

    async def _changed(self, statement: Any) -> StoredShow | None:  # noqa: ANN401 - an UPDATE
        row = (await self._connection.execute(statement.returning(licence_shows))).first()
        return None if row is None else self._stored(row)

    def _stored(self, row: Row[Any]) -> StoredShow:
        case, reason = row.case_number, row.reason
        return StoredShow(
            show_id=row.show_id,
            licence_ids=tuple(row.licence_ids),
            person_id=row.person_id,
            expires_at=row.expires_at,
            reader=row.reader,
            reader_code=row.reader_code,
            operator=row.operator,
            matter_code=row.matter_code,
            case_number="" if case is None else self._cipher.decrypt(case, CASE_CONTEXT),
            reason="" if reason is None else self._cipher.decrypt(reason, REASON_CONTEXT),
            fields=None if row.fields is None else tuple(row.fields),
            decision=row.decision,
            collected_at=row.collected_at,
            mandate_id=row.mandate_id,
        )
