"""SQL of workstations, presence codes and counter checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from idp.people.tables import counter_checks, presence_codes, workstations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Principal


class CounterChecks:
    """Rows of `workstations`, `presence_codes` and `counter_checks` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def add_workstation(self, values: Mapping[str, Any]) -> None:
        """Insert a workstation."""
        await self._connection.execute(insert(workstations).values(**values))

    async def workstation(self, workstation_id: str) -> Row[Any] | None:
        """Return a workstation in use, or None."""
        statement = select(workstations).where(
            workstations.c.workstation_id == workstation_id, workstations.c.retired_at.is_(None)
        )
        return (await self._connection.execute(statement)).first()

    async def workstations(self, organisation_code: str) -> tuple[tuple[str, str], ...]:
        """Return id and name of an organisation's workstations in use."""
        statement = (
            select(workstations.c.workstation_id, workstations.c.name)
            .where(workstations.c.organisation_code == organisation_code, workstations.c.retired_at.is_(None))
            .order_by(workstations.c.name)
        )
        return tuple((row.workstation_id, row.name) for row in await self._connection.execute(statement))

    async def all_workstations(self) -> tuple[Row[Any], ...]:
        """Return every workstation in use, by organisation and name."""
        statement = (
            select(workstations)
            .where(workstations.c.retired_at.is_(None))
            .order_by(workstations.c.organisation_code, workstations.c.name)
        )
        return tuple(await self._connection.execute(statement))

    async def retire(self, workstation_id: str, now: datetime) -> bool:
        """Take a workstation out of use, once."""
        statement = (
            update(workstations)
            .where(workstations.c.workstation_id == workstation_id, workstations.c.retired_at.is_(None))
            .values(retired_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def put_code(self, code: str, account_id: str, expires_at: datetime) -> None:
        """Store a presence code by index; one that expired may be given out again."""
        values = {"account_id": account_id, "expires_at": expires_at, "used_at": None}
        statement = upsert(presence_codes).values(code_index=self._index(code), **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=[presence_codes.c.code_index], set_=values)
        )

    async def use_code(self, code: str, now: datetime) -> str | None:
        """Consume a presence code once and return its account."""
        statement = (
            update(presence_codes)
            .where(
                presence_codes.c.code_index == self._index(code),
                presence_codes.c.used_at.is_(None),
                presence_codes.c.expires_at > now,
            )
            .values(used_at=now)
            .returning(presence_codes.c.account_id)
        )
        account_id: str | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return account_id

    async def add(self, values: Mapping[str, Any]) -> None:
        """Insert a check."""
        await self._connection.execute(insert(counter_checks).values(**values))

    async def by_id(self, check_id: str) -> Row[Any] | None:
        """Return a check with the organisation of its workstation."""
        statement = (
            select(counter_checks, workstations.c.organisation_code)
            .join(workstations, workstations.c.workstation_id == counter_checks.c.workstation_id)
            .where(counter_checks.c.check_id == check_id)
        )
        return (await self._connection.execute(statement)).first()

    async def awaiting(self, organisation_code: str, now: datetime) -> tuple[Row[Any], ...]:
        """Return the waiting checks of an organisation, oldest first."""
        statement = (
            select(counter_checks, workstations.c.name.label("workstation"))
            .join(workstations, workstations.c.workstation_id == counter_checks.c.workstation_id)
            .where(
                workstations.c.organisation_code == organisation_code,
                counter_checks.c.state == "awaiting",
                counter_checks.c.expires_at > now,
            )
            .order_by(counter_checks.c.examined_at)
        )
        return tuple(await self._connection.execute(statement))

    async def decide(self, check_id: str, officer: Principal, state: str, now: datetime) -> bool:
        """Decide a waiting check once, by another human than the first, whatever the post."""
        statement = (
            update(counter_checks)
            .where(
                counter_checks.c.check_id == check_id,
                counter_checks.c.state == "awaiting",
                counter_checks.c.expires_at > now,
                counter_checks.c.officer_id.not_in({officer.subject_id, *officer.posts}),
            )
            .values(state=state, second_officer_id=officer.subject_id, decided_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    def _index(self, code: str) -> bytes:
        return self._cipher.blind_index(code, "presence_codes.code")
