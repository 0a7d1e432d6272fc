"""SQL of mandates and their uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Text, cast, func, insert, literal, or_, select, update

from foundation.ids import new_id
from idp.people.mandate import ANY, Mandate, MandateState, MandateUse, PartyKind, Terms
from idp.people.tables import counter_checks, mandate_uses, mandates, workstations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from idp.people.mandate import Act


class Mandates:
    """Rows of `mandates` and `mandate_uses` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def add(self, terms: Terms, values: Mapping[str, Any]) -> str:
        """Insert a mandate and return its id."""
        mandate_id = new_id("man")
        await self._connection.execute(
            insert(mandates).values(
                mandate_id=mandate_id,
                matters=list(terms.matters),
                licence_types=list(terms.licence_types),
                fields=list(terms.fields),
                valid_from=terms.valid_from,
                valid_until=terms.valid_until,
                uses_allowed=terms.uses_allowed,
                may_delegate=terms.may_delegate,
                uses=0,
                **values,
            )
        )
        return mandate_id

    async def by_id(self, mandate_id: str) -> Mandate | None:
        """Return a mandate or None."""
        row = await self.row(mandate_id)
        return None if row is None else mandate_of(row)

    async def row(self, mandate_id: str) -> Row[Any] | None:
        """Return the whole row."""
        statement = select(mandates).where(mandates.c.mandate_id == mandate_id)
        return (await self._connection.execute(statement)).first()

    async def of_party(self, kind: PartyKind, party_id: str) -> tuple[Mandate, ...]:
        """Return the mandates somebody gave, newest first."""
        return await self._where((mandates.c.principal_kind == kind) & (mandates.c.principal_id == party_id))

    async def drafts(self, organisation_code: str) -> tuple[Row[Any], ...]:
        """Return what officers of an organisation wrote down and nobody confirmed yet, oldest first."""
        statement = (
            select(mandates)
            .join(counter_checks, counter_checks.c.check_id == mandates.c.check_id)
            .join(workstations, workstations.c.workstation_id == counter_checks.c.workstation_id)
            .where(
                mandates.c.state == MandateState.AWAITING_OFFICER,
                workstations.c.organisation_code == organisation_code,
            )
            .order_by(mandates.c.proposed_at)
        )
        return tuple(await self._connection.execute(statement))

    async def of_agent(self, person_id: str) -> tuple[Mandate, ...]:
        """Return the mandates somebody holds, newest first."""
        return await self._where(mandates.c.agent_person_id == person_id)

    async def change(
        self, mandate_id: str, values: Mapping[str, Any], *, state: MandateState, awaits: str | None = None
    ) -> bool:
        """Change a mandate that is still in `state` (and waits for `awaits`)."""
        statement = update(mandates).where(mandates.c.mandate_id == mandate_id, mandates.c.state == state)
        if awaits is not None:
            statement = statement.where(mandates.c.awaits == awaits)
        return (await self._connection.execute(statement.values(**values))).rowcount == 1

    async def redeem(self, code: str, person_id: str, document_index: bytes, now: datetime) -> str | None:
        """Turn a 代办码 into an active mandate, once, for the agent it names; return the mandate."""
        return await self._accepted(code, person_id, document_index, now, {"accepted_at": now, "code_index": None})

    async def present(self, code: str, person_id: str, document_index: bytes, now: datetime) -> str | None:
        """Accept a 代办码 that its agent shows at a counter; the paper keeps its worth for the next visit."""
        first = {"accepted_at": func.coalesce(mandates.c.accepted_at, now)}
        return await self._accepted(code, person_id, document_index, now, first)

    async def _accepted(
        self, code: str, person_id: str, document_index: bytes, now: datetime, values: Mapping[str, Any]
    ) -> str | None:
        """Make the mandate of a code active for the agent it names, while it runs; return the mandate."""
        statement = (
            update(mandates)
            .where(
                mandates.c.code_index == self.code_index(code),
                mandates.c.state.in_((MandateState.PROPOSED, MandateState.ACTIVE)),
                mandates.c.agent_document_index == document_index,
                mandates.c.valid_until > now,
            )
            .values(state=MandateState.ACTIVE, agent_person_id=person_id, awaits="", **values)
            .returning(mandates.c.mandate_id)
        )
        mandate_id: str | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return mandate_id

    async def revoke(self, mandate_id: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Revoke a mandate and everything delegated from it; return the ids, the mandate's own first."""
        ended: list[str] = []
        layer = [mandate_id]
        while layer:
            statement = (
                update(mandates)
                .where(
                    mandates.c.mandate_id.in_(layer),
                    mandates.c.state.in_((MandateState.ACTIVE, MandateState.PROPOSED, MandateState.AWAITING_OFFICER)),
                )
                .values(state=MandateState.REVOKED, **values)
                .returning(mandates.c.mandate_id)
            )
            ended += (await self._connection.execute(statement)).scalars()
            children = select(mandates.c.mandate_id).where(mandates.c.parent_id.in_(layer))
            layer = list((await self._connection.execute(children)).scalars())
        return tuple(ended)

    async def use(self, mandate_id: str, act: Act, agent_person_id: str | None, now: datetime) -> bool:
        """Count one use if every term allows it; the WHERE clause is the decision.

        `agent_person_id` is None for the mandates above a delegated one.
        """
        table = mandates
        conditions: list[ColumnElement[bool]] = [
            table.c.mandate_id == mandate_id,
            table.c.state == MandateState.ACTIVE,
            table.c.valid_from <= now,
            table.c.valid_until > now,
            or_(table.c.uses_allowed.is_(None), table.c.uses < table.c.uses_allowed),
            _covers(table.c.matters, (act.matter_code,)),
            _covers(table.c.licence_types, (act.licence_type,)),
            _covers(table.c.fields, act.fields),
        ]
        if agent_person_id is not None:
            conditions.append(table.c.agent_person_id == agent_person_id)
        statement = update(table).where(*conditions).values(uses=table.c.uses + 1)
        return (await self._connection.execute(statement)).rowcount == 1

    async def note_use(self, used: MandateUse, principal: Principal, fields: tuple[str, ...]) -> None:
        """Append a use to the register."""
        await self._connection.execute(
            insert(mandate_uses).values(
                use_id=used.use_id,
                mandate_id=used.mandate_id,
                used_at=used.used_at,
                principal_kind=used.principal_kind,
                principal_id=used.principal_id,
                agent_person_id=used.agent_person_id,
                actor=principal.audit_name,
                matter_code=used.matter_code,
                licence_type=used.licence_type,
                fields=list(fields),
                reference=used.reference,
                channel=principal.channel,
            )
        )

    async def uses(
        self, *, mandate_id: str | None = None, party: tuple[PartyKind, str] | None = None
    ) -> tuple[MandateUse, ...]:
        """Return the uses of one mandate, or all in somebody's name, newest first."""
        statement = select(mandate_uses).order_by(mandate_uses.c.used_at.desc(), mandate_uses.c.use_id.desc())
        if mandate_id is not None:
            statement = statement.where(mandate_uses.c.mandate_id == mandate_id)
        if party is not None:
            statement = statement.where(
                mandate_uses.c.principal_kind == party[0], mandate_uses.c.principal_id == party[1]
            )
        rows = await self._connection.execute(statement.limit(500))
        return tuple(
            MandateUse(
                row.use_id,
                row.mandate_id,
                row.used_at,
                PartyKind(row.principal_kind),
                row.principal_id,
                row.agent_person_id,
                row.matter_code,
                row.licence_type,
                row.reference,
            )
            for row in rows
        )

    def code_index(self, code: str) -> bytes:
        """Return the index a 代办码 is stored by."""
        return self._cipher.blind_index(code, "mandates.code")

    async def _where(self, condition: ColumnElement[bool]) -> tuple[Mandate, ...]:
        statement = select(mandates).where(condition).order_by(mandates.c.proposed_at.desc(), mandates.c.mandate_id)
        return tuple(mandate_of(row) for row in await self._connection.execute(statement.limit(500)))


def _covers(column: Any, items: tuple[str, ...]) -> ColumnElement[bool]:  # noqa: ANN401 - an array column
    return or_(column.contains(_array((ANY,))), column.contains(_array(items)))


def _array(items: tuple[str, ...]) -> ColumnElement[Any]:
    return cast(literal(list(items), ARRAY(Text)), ARRAY(Text))


def mandate_of(row: Row[Any]) -> Mandate:
    """Return the mandate a row holds."""
    return Mandate(
        mandate_id=row.mandate_id,
        principal_kind=PartyKind(row.principal_kind),
        principal_id=row.principal_id,
        agent_person_id=row.agent_person_id,
        terms=Terms(
            tuple(row.matters),
            tuple(row.licence_types),
            tuple(row.fields),
            row.valid_from,
            row.valid_until,
            row.uses_allowed,
            row.may_delegate,
        ),
        state=MandateState(row.state),
        awaits=row.awaits,
        uses=row.uses,
        parent_id=row.parent_id,
        proposed_at=row.proposed_at,
        accepted_at=row.accepted_at,
        ended_at=row.ended_at,
    )
