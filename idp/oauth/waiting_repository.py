"""SQL for requests that wait for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from idp.oauth.tables import oauth_waiting as table
from idp.oauth.waiting import SLOW_DOWN, Waiting, WaitingKind, WaitingState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection


class WaitingRequests:
    """Waiting requests over one connection; commits are the caller's."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection."""
        self._connection = connection

    async def add(self, waiting: Waiting, question_id: str, user_code_hash: bytes | None) -> None:
        """Store a new request."""
        await self._connection.execute(
            insert(table).values(
                request_hash=waiting.request_hash,
                question_id=question_id,
                kind=waiting.kind,
                client_id=waiting.client_id,
                user_code_hash=user_code_hash,
                scope=waiting.scope,
                account_id=waiting.account_id,
                state=waiting.state,
                acr=waiting.acr,
                binding_message=waiting.binding_message,
                notification_token=waiting.notification_token,
                resource=waiting.resource,
                authorization_details=waiting.authorization_details,
                created_at=waiting.created_at,
                expires_at=waiting.expires_at,
                interval_seconds=waiting.interval.seconds,
            )
        )

    async def find(self, request_hash: bytes) -> Waiting | None:
        """Return a request by its device code or auth_req_id."""
        row = (await self._connection.execute(select(table).where(table.c.request_hash == request_hash))).one_or_none()
        return None if row is None else _waiting(row)

    async def question_of_code(self, user_code_hash: bytes, now: datetime) -> str | None:
        """Return the question a typed code stands for, while it is open."""
        query = select(table.c.question_id).where(table.c.user_code_hash == user_code_hash, _open(now))
        found: str | None = (await self._connection.execute(query)).scalar_one_or_none()
        return found

    async def by_question(self, question_id: str, now: datetime) -> Waiting | None:
        """Return an open request by its question."""
        query = select(table).where(table.c.question_id == question_id, _open(now))
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _waiting(row)

    async def open_of(self, account_id: str, now: datetime) -> tuple[tuple[str, Waiting], ...]:
        """Return the open questions put to one person, newest first."""
        query = select(table).where(table.c.account_id == account_id, _open(now)).order_by(table.c.created_at.desc())
        return tuple((row.question_id, _waiting(row)) for row in await self._connection.execute(query))

    async def answer(self, question_id: str, state: WaitingState, grant_id: str | None, now: datetime) -> bool:
        """Take a person's answer, once."""
        statement = (
            update(table)
            .where(table.c.question_id == question_id, _open(now))
            .values(state=state, grant_id=grant_id, user_code_hash=None)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def polled(self, waiting: Waiting, now: datetime, *, too_soon: bool) -> None:
        """Note a poll; one that comes too soon lengthens the interval."""
        longer = SLOW_DOWN.seconds if too_soon else 0
        statement = (
            update(table)
            .where(table.c.request_hash == waiting.request_hash)
            .values(last_polled_at=now, interval_seconds=func.least(table.c.interval_seconds + longer, 60))
        )
        await self._connection.execute(statement)

    async def consume(self, waiting: Waiting, now: datetime) -> bool:
        """Use an approved request up, once."""
        statement = (
            update(table)
            .where(
                table.c.request_hash == waiting.request_hash,
                table.c.state == WaitingState.APPROVED,
                table.c.expires_at > now,
            )
            .values(state=WaitingState.CONSUMED)
        )
        return (await self._connection.execute(statement)).rowcount == 1


def _open(now: datetime) -> ColumnElement[bool]:
    return (table.c.state == WaitingState.PENDING) & (table.c.expires_at > now)


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(
        request_hash=row.request_hash,
        kind=WaitingKind(row.kind),
        client_id=row.client_id,
        scope=row.scope,
        account_id=row.account_id,
        state=WaitingState(row.state),
        grant_id=row.grant_id,
        acr=row.acr,
        binding_message=row.binding_message,
        notification_token=row.notification_token,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_polled_at=row.last_polled_at,
        interval=timedelta(seconds=row.interval_seconds),
        resource=row.resource,
        authorization_details=row.authorization_details,
    )
