"""SQL of legal persons and agencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from foundation.ids import new_id
from idp.people.account import AccountState
from idp.people.legal_person import Acting, Agency, LegalPerson, Role
from idp.people.tables import accounts, legal_person_agencies, legal_persons, sessions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

ACTIVE, PROPOSED = "active", "proposed"


class LegalPersons:
    """Rows of `legal_persons` and `legal_person_agencies` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection

    async def put(self, credit_code: str, name: str, transaction_id: str, now: datetime) -> str:
        """Insert a verified legal person or bring it up to date; return its id, its row locked."""
        fresh = {"name": name, "transaction_id": transaction_id, "verified_at": now}
        statement = (
            upsert(legal_persons)
            .values(legal_person_id=new_id("leg"), credit_code=credit_code, created_at=now, **fresh)
            .on_conflict_do_update(index_elements=[legal_persons.c.credit_code], set_=fresh)
            .returning(legal_persons.c.legal_person_id)
        )
        return str((await self._connection.execute(statement)).scalar_one())

    async def by_id(self, legal_person_id: str) -> LegalPerson | None:
        """Return a legal person or None."""
        statement = select(legal_persons).where(legal_persons.c.legal_person_id == legal_person_id)
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _legal_person(row)

    async def add_agency(self, values: Mapping[str, Any]) -> str:
        """Insert an agency and return its id."""
        agency_id = new_id("agy")
        await self._connection.execute(insert(legal_person_agencies).values(agency_id=agency_id, **values))
        return agency_id

    async def agency(self, agency_id: str) -> Agency | None:
        """Return an agency or None."""
        statement = select(legal_person_agencies).where(legal_person_agencies.c.agency_id == agency_id)
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _agency(row)

    async def accept(self, agency_id: str, now: datetime) -> bool:
        """Put a proposed agency in force."""
        table = legal_person_agencies
        statement = (
            update(table)
            .where(table.c.agency_id == agency_id, table.c.state == PROPOSED)
            .values(state=ACTIVE, accepted_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def end(self, agency_id: str, now: datetime, ended_by: str) -> bool:
        """End an agency that is proposed or in force."""
        table = legal_person_agencies
        statement = (
            update(table)
            .where(table.c.agency_id == agency_id, table.c.state.in_((PROPOSED, ACTIVE)))
            .values(state="ended", ended_at=now, ended_by=ended_by)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def representatives(self, legal_person_id: str) -> tuple[Agency, ...]:
        """Return the representatives in force: one, save while a change is being recorded."""
        table = legal_person_agencies
        statement = select(table).where(
            table.c.legal_person_id == legal_person_id, table.c.role == Role.REPRESENTATIVE, table.c.state == ACTIVE
        )
        return tuple(_agency(row) for row in await self._connection.execute(statement))

    async def agencies(self, legal_person_id: str) -> tuple[Agency, ...]:
        """Return the agencies proposed and in force, oldest first."""
        table = legal_person_agencies
        statement = (
            select(table)
            .where(table.c.legal_person_id == legal_person_id, table.c.state.in_((PROPOSED, ACTIVE)))
            .order_by(table.c.proposed_at, table.c.agency_id)
        )
        return tuple(_agency(row) for row in await self._connection.execute(statement))

    async def accounts_answering_for(self, credit_code: str, now: datetime) -> tuple[str, ...]:
        """Return the active accounts of the representative and the administrators in force."""
        table = legal_person_agencies
        statement = (
            select(accounts.c.account_id)
            .join(table, table.c.person_id == accounts.c.person_id)
            .join(legal_persons, legal_persons.c.legal_person_id == table.c.legal_person_id)
            .where(
                legal_persons.c.credit_code == credit_code,
                table.c.role.in_((Role.REPRESENTATIVE, Role.ADMINISTRATOR)),
                table.c.state == ACTIVE,
                or_(table.c.valid_until.is_(None), table.c.valid_until > now),
                accounts.c.state == AccountState.ACTIVE,
            )
            .distinct()
            .order_by(accounts.c.account_id)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def acting(self, person_id: str, now: datetime) -> tuple[tuple[Agency, LegalPerson], ...]:
        """Return whom a person may act for now, or is asked to, by name."""
        table = legal_person_agencies
        statement = (
            select(table, legal_persons.c.credit_code, legal_persons.c.name, legal_persons.c.verified_at)
            .join(legal_persons, legal_persons.c.legal_person_id == table.c.legal_person_id)
            .where(
                table.c.person_id == person_id,
                table.c.state.in_((PROPOSED, ACTIVE)),
                or_(table.c.valid_until.is_(None), table.c.valid_until > now),
            )
            .order_by(legal_persons.c.name, table.c.agency_id)
        )
        return tuple((_agency(row), _legal_person(row)) for row in await self._connection.execute(statement))

    async def role(self, legal_person_id: str, person_id: str, now: datetime) -> Acting | None:
        """Return the strongest role a person has for a legal person now."""
        order = list(Role)
        found = [
            Acting(legal_person, agency.role, agency.agency_id, agency.matters)
            for agency, legal_person in await self.acting(person_id, now)
            if agency.legal_person_id == legal_person_id and agency.state == ACTIVE
        ]
        return min(found, key=lambda acting: order.index(acting.role), default=None)

    async def stop_acting(self, legal_person_id: str, person_id: str) -> None:
        """Turn the person's sessions that act for the legal person back to the person's own, at once."""
        own = select(accounts.c.account_id).where(accounts.c.person_id == person_id)
        await self._connection.execute(
            update(sessions)
            .where(sessions.c.acting_for == legal_person_id, sessions.c.account_id.in_(own))
            .values(acting_for=None, acting_for_code=None)
        )


def _legal_person(row: Row[Any]) -> LegalPerson:
    return LegalPerson(row.legal_person_id, row.credit_code, row.name, row.verified_at)


def _agency(row: Row[Any]) -> Agency:
    return Agency(
        agency_id=row.agency_id,
        legal_person_id=row.legal_person_id,
        person_id=row.person_id,
        role=Role(row.role),
        state=row.state,
        matters=tuple(row.matters),
        valid_until=row.valid_until,
    )
