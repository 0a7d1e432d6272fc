"""SQL of presentation transactions. Every step onward is a WHERE clause, so that the database picks one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from verification.presentation.request_object import Secrets
from verification.tables import presentation_transactions as table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher

_SECRETS, _RESULT = "presentation_transactions.secrets", "presentation_transactions.result"


class State(StrEnum):
    """How far a transaction is."""

    WAITING = "waiting"
    """Nobody answered yet."""
    JUDGING = "judging"
    ANSWERED = "answered"
    DECLINED = "declined"
    """The wallet said that its owner does not want to, or cannot."""
    COLLECTED = "collected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Never stored: it follows from the time."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One request to one wallet, without its secrets and its result."""

    transaction_id: str
    owner: str
    asked_by: str
    organisation_code: str
    channel: str
    purpose: str
    client_id: str
    response_mode: str
    return_uri: str
    query: Mapping[str, Any]
    state: State
    verdict: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A transaction with its secrets, for the one who may use them now."""

    transaction: Transaction
    secrets: Secrets = field(repr=False)


def hashed(secret: str) -> bytes:
    """Return what is stored of a secret of 128 random bits or more."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Transactions:
    """Reads and writes over the caller's connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the connection and the cipher of secrets and results."""
        self._connection = connection
        self._cipher = cipher

    async def add(self, one: Transaction, handle: str, secrets: Secrets) -> None:
        """Store a new transaction."""
        values = {name: getattr(one, name) for name in Transaction.__slots__}
        await self._connection.execute(
            insert(table).values(
                **{**values, "state": str(one.state), "query": dict(one.query)},
                handle_hash=hashed(handle),
                secrets=self._cipher.encrypt(secrets.to_json(), _SECRETS),
            )
        )

    async def open_of(self, owner: str, now: datetime) -> int:
        """Return how many of an owner's transactions wait."""
        statement = select(func.count()).where(
            table.c.owner == owner, table.c.state == State.WAITING, table.c.expires_at > now
        )
        return int((await self._connection.execute(statement)).scalar_one())

    async def find(self, transaction_id: str, owner: str) -> Transaction | None:
        """Return an owner's transaction, or None."""
        statement = select(table).where(table.c.transaction_id == transaction_id, table.c.owner == owner)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _transaction(row)

    async def fetch(self, handle: str, now: datetime, most: int) -> Claimed | None:
        """Count one look at the request of a handle; None when it is over or was looked at too often."""
        statement = (
            update(table)
            .where(
                table.c.handle_hash == hashed(handle),
                table.c.state == State.WAITING,
                table.c.expires_at > now,
                table.c.fetches < most,
            )
            .values(fetches=table.c.fetches + 1)
            .returning(table)
        )
        return self._claimed((await self._connection.execute(statement)).one_or_none())

    async def waiting(self, handle: str, now: datetime) -> Claimed | None:
        """Return the transaction an answer may be for; None when it is unknown, answered or over."""
        statement = select(table).where(
            table.c.handle_hash == hashed(handle),
            table.c.state == State.WAITING,
            table.c.expires_at > now,
            table.c.fetches > 0,
        )
        return self._claimed((await self._connection.execute(statement)).one_or_none())

    async def take(self, transaction_id: str, onward: State, now: datetime) -> bool:
        """Let one answer, or one cancelling, through; the secrets go with it."""
        statement = (
            update(table)
            .where(table.c.transaction_id == transaction_id, table.c.state == State.WAITING, table.c.expires_at > now)
            .values(state=onward, secrets=None)
            .returning(table.c.transaction_id)
        )
        return (await self._connection.execute(statement)).one_or_none() is not None

    async def settle(
        self, transaction_id: str, verdict: str, result: Mapping[str, Any], code: str | None, until: datetime
    ) -> None:
        """Store the verdict on the answer that was taken, for a short while."""
        await self._connection.execute(
            update(table)
            .where(table.c.transaction_id == transaction_id, table.c.state == State.JUDGING)
            .values(
                state=State.ANSWERED,
                verdict=verdict,
                result=self._cipher.encrypt(json.dumps(result, ensure_ascii=False), _RESULT),
                response_code_hash=None if code is None else hashed(code),
                expires_at=until,
            )
        )

    async def collect(self, transaction_id: str, owner: str, code: str | None, now: datetime) -> dict[str, Any] | None:
        """Hand the result out once and forget it; a transaction with a code needs that code.

        The row is locked before it is changed, so that whoever comes second finds it collected.
        """
        needed = table.c.response_code_hash
        chosen = (
            select(table.c.result)
            .where(
                table.c.transaction_id == transaction_id,
                table.c.owner == owner,
                table.c.state == State.ANSWERED,
                table.c.expires_at > now,
                needed.is_(None) if code is None else needed == hashed(code),
            )
            .with_for_update()
        )
        row = (await self._connection.execute(chosen)).one_or_none()
        if row is None:
            return None
        await self._connection.execute(
            update(table)
            .where(table.c.transaction_id == transaction_id)
            .values(state=State.COLLECTED, result=None, response_code_hash=None)
        )
        found: dict[str, Any] = json.loads(self._cipher.decrypt(row.result, _RESULT))
        return found

    async def purge(self, now: datetime) -> None:
        """Delete every transaction whose time is over, with whatever was not collected."""
        await self._connection.execute(delete(table).where(table.c.expires_at <= now))

    def _claimed(self, row: Row[Any] | None) -> Claimed | None:
        if row is None or row.secrets is None:
            return None
        return Claimed(_transaction(row), Secrets.from_json(self._cipher.decrypt(row.secrets, _SECRETS)))


def _transaction(row: Row[Any]) -> Transaction:
    values = {name: getattr(row, name) for name in Transaction.__slots__}
    return Transaction(**{**values, "state": State(row.state)})
