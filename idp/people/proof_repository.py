"""SQL of proofs and of what authorities count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from foundation.ids import new_id
from idp.people.account_repository import evidence_of
from idp.people.proof import Method, Outcome
from idp.people.tables import authority_counters, person_conflicts, real_name_proofs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Channel
    from idp.people.methods.base import AuthorityLimits
    from idp.people.proof import Evidence

ELEMENTS = "real_name_proofs.elements"
FINDINGS = "real_name_proofs.findings"


class Proofs:
    """Rows of `real_name_proofs`, `authority_counters` and `person_conflicts` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def begin(
        self, account_id: str | None, method: Method, elements: Mapping[str, str], channel: Channel, now: datetime
    ) -> str:
        """Insert the intention to ask; return the evidence id, which is also the request id."""
        evidence_id = new_id("evd")
        await self._connection.execute(
            insert(real_name_proofs).values(
                evidence_id=evidence_id,
                account_id=account_id,
                method=method,
                elements=self._cipher.encrypt(json.dumps(dict(elements), ensure_ascii=False), ELEMENTS),
                channel=channel,
                started_at=now,
            )
        )
        return evidence_id

    async def finish(self, evidence_id: str, outcome: Outcome, values: Mapping[str, Any]) -> bool:
        """Write the outcome once; a pending one may still be replaced."""
        findings = values.get("findings")
        columns = {key: value for key, value in values.items() if key != "findings"}
        if findings is not None:
            columns["findings"] = self._cipher.encrypt(json.dumps(findings, ensure_ascii=False), FINDINGS)
        statement = (
            update(real_name_proofs)
            .where(
                real_name_proofs.c.evidence_id == evidence_id,
                real_name_proofs.c.outcome.is_(None) | (real_name_proofs.c.outcome == Outcome.PENDING),
            )
            .values(outcome=outcome, **columns)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def elements(self, evidence_id: str) -> tuple[Row[Any], dict[str, str]] | None:
        """Return a proof's row and the elements it was asked with."""
        statement = select(real_name_proofs).where(real_name_proofs.c.evidence_id == evidence_id)
        row = (await self._connection.execute(statement)).first()
        if row is None:
            return None
        elements: dict[str, str] = json.loads(self._cipher.decrypt(row.elements, ELEMENTS))
        return row, elements

    async def pending(self, since: datetime, limit: int) -> tuple[str, ...]:
        """Return the evidence ids whose authority has not made up its mind, oldest first."""
        statement = (
            select(real_name_proofs.c.evidence_id)
            .where(real_name_proofs.c.outcome == Outcome.PENDING, real_name_proofs.c.started_at > since)
            .order_by(real_name_proofs.c.started_at)
            .limit(limit)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def person_of(self, evidence_id: str) -> str | None:
        """Return the person a successful proof is about."""
        statement = select(real_name_proofs.c.person_id).where(
            real_name_proofs.c.evidence_id == evidence_id, real_name_proofs.c.outcome == Outcome.MATCH
        )
        person_id: str | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return person_id

    async def withdraw(self, evidence_id: str, reason: str, now: datetime) -> bool:
        """Take a proof back, once."""
        statement = (
            update(real_name_proofs)
            .where(real_name_proofs.c.evidence_id == evidence_id, real_name_proofs.c.withdrawn_at.is_(None))
            .values(withdrawn_at=now, withdrawal_reason=reason)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def of_account(self, account_id: str) -> tuple[Evidence, ...]:
        """Return the account's successful proofs that led to a person, newest first."""
        statement = (
            select(real_name_proofs)
            .where(
                real_name_proofs.c.account_id == account_id,
                real_name_proofs.c.outcome == Outcome.MATCH,
                real_name_proofs.c.person_id.is_not(None),
            )
            .order_by(real_name_proofs.c.verified_at.desc())
        )
        return evidence_of((await self._connection.execute(statement)).all())

    async def vouched(self, account_id: str, authority: str) -> tuple[Evidence, ...]:
        """Return what another provider vouched for about an account, withdrawn or not."""
        return tuple(
            item
            for item in await self.of_account(account_id)
            if (item.method, item.authority) == (Method.UPSTREAM, authority)
        )

    async def note_conflict(
        self, kind: str, account_id: str | None, person_id: str | None, evidence_id: str, now: datetime
    ) -> None:
        """Record a contradiction for an officer to settle."""
        await self._connection.execute(
            insert(person_conflicts).values(
                conflict_id=new_id("cfl"),
                kind=kind,
                account_id=account_id,
                person_id=person_id,
                evidence_id=evidence_id,
                found_at=now,
            )
        )

    async def take(self, index: bytes, limits: AuthorityLimits, now: datetime, day: Any, memory: timedelta) -> bool:  # noqa: ANN401 - a date column
        """Take one request of a counted number, beforehand and as if it will be wrong; False when none is left.

        The WHERE clause refuses the request that could be the locking one. Requests count by
        the authority's day; errors in a row fade after `memory`.
        """
        table = authority_counters
        requests = case((table.c.day == day, table.c.requests), else_=literal(0))
        faded = table.c.last_request_at < now - memory
        wrong = case((faded, literal(0)), else_=table.c.wrong_in_row)
        statement = (
            upsert(table)
            .values(counter_index=index, day=day, requests=1, wrong_in_row=1, last_request_at=now)
            .on_conflict_do_update(
                index_elements=[table.c.counter_index],
                set_={"day": day, "requests": requests + 1, "wrong_in_row": wrong + 1, "last_request_at": now},
                where=(requests < limits.requests_a_day - 1) & (wrong < limits.wrong_in_row - 1),
            )
            .returning(table.c.requests)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def was_right(self, index: bytes) -> None:
        """Forget the errors in a row after a match."""
        await self._connection.execute(
            update(authority_counters).where(authority_counters.c.counter_index == index).values(wrong_in_row=0)
        )

    async def was_not_asked(self, index: bytes) -> None:
        """Give back a request that never reached the authority."""
        table = authority_counters
        await self._connection.execute(
            update(table)
            .where(table.c.counter_index == index, table.c.requests > 0)
            .values(
                requests=table.c.requests - 1,
                wrong_in_row=case((table.c.wrong_in_row > 0, table.c.wrong_in_row - 1), else_=literal(0)),
            )
        )
