"""Contradictions between proofs, settled by an officer who looked at the papers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import Principal, PrincipalKind
from idp.people.account import masked_name
from idp.people.account_repository import Accounts, Persons
from idp.people.levels import recompute
from idp.people.officer import ANY, Authority
from idp.people.proof_repository import Proofs
from idp.people.tables import person_conflicts, real_name_proofs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from idp.people.officers import OfficerService
    from idp.people.tools import Tools

NEW_NAME, KEEP = "new_name", "keep"
OTHER_NAME = "same number, other name"
SHOWN = 100
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A contradiction that waits; names are masked in the list."""

    conflict_id: str
    kind: str
    found_at: datetime
    recorded_name: str = field(repr=False)
    stated_name: str = field(repr=False)


class ConflictService:
    """Use cases of contradictions."""

    def __init__(self, tools: Tools, officers: OfficerService) -> None:
        """Take the shared collaborators and the officers' authorities."""
        self._tools = tools
        self._officers = officers

    async def waiting(self, principal: Principal) -> tuple[OpenConflict, ...]:
        """Return what waits for a decision, oldest first; raises NotPermitted, AuthorityMissing."""
        await self._allowed(principal)
        async with self._tools.database.read() as connection:
            statement = (
                select(person_conflicts)
                .where(person_conflicts.c.resolved_at.is_(None))
                .order_by(person_conflicts.c.found_at)
                .limit(SHOWN)
            )
            rows = (await connection.execute(statement)).all()
            return tuple([await self._shown(connection, row) for row in rows])

    async def resolve(self, principal: Principal, conflict_id: str, decision: str, note: str) -> None:
        """Settle one: `new_name` when the person changed the name, `keep` when the proof stays out.

        Raises: NotFound, Conflict (settled before, or no name is in question), InvalidInput,
            NotPermitted, AuthorityMissing.
        """
        await self._allowed(principal)
        if decision not in {NEW_NAME, KEEP}:
            raise InvalidInput("The decision is new_name or keep.", field="decision")
        if not 1 <= len(note.strip()) <= LONGEST_NOTE:
            raise InvalidInput(f"A note has 1 to {LONGEST_NOTE} characters.", field="note")
        async with self._tools.database.transaction() as connection:
            row = await self._settle(connection, principal, conflict_id, f"{decision}: {note.strip()}")
            if decision == NEW_NAME:
                if row.kind != OTHER_NAME:
                    raise Conflict("No name is in question here.")
                await self._rename(connection, principal, row)
            event = AuditEvent("people.conflict_resolve", "conflict", conflict_id, {"decision": decision})
            await self._tools.audit.record(connection, principal, event)

    async def _settle(
        self, connection: AsyncConnection, principal: Principal, conflict_id: str, resolution: str
    ) -> Row[Any]:
        statement = (
            update(person_conflicts)
            .where(person_conflicts.c.conflict_id == conflict_id, person_conflicts.c.resolved_at.is_(None))
            .values(resolved_at=self._tools.clock.now(), resolved_by=principal.audit_name, resolution=resolution)
            .returning(person_conflicts)
        )
        row: Row[Any] | None = (await connection.execute(statement)).first()
        if row is not None:
            return row
        known = select(person_conflicts.c.conflict_id).where(person_conflicts.c.conflict_id == conflict_id)
        if (await connection.execute(known)).first() is not None:
            raise Conflict("This was settled before.")
        raise NotFound("There is no such contradiction.")

    async def _rename(self, connection: AsyncConnection, principal: Principal, row: Row[Any]) -> None:
        """Give the person the proven name, and the proof and its account to the person."""
        found = await Proofs(connection, self._tools.cipher).elements(row.evidence_id)
        if found is None:
            raise NotFound("There is no such contradiction.")
        now = self._tools.clock.now()
        await Persons(connection, self._tools.cipher).rename(row.person_id, found[1]["name"])
        accounts = Accounts(connection, self._tools.cipher)
        if row.account_id is not None and not await accounts.link(row.account_id, row.person_id, now):
            raise Conflict("The account belongs to another person by now.")
        await connection.execute(
            update(real_name_proofs)
            .where(real_name_proofs.c.evidence_id == row.evidence_id)
            .values(person_id=row.person_id)
        )
        await recompute(connection, self._tools, principal, row.person_id, because="contradiction settled")
        for account in await accounts.of_person(row.person_id):
            await self._tools.notices.send(connection, account.account_id, "people.name_changed", {})

    async def _shown(self, connection: AsyncConnection, row: Row[Any]) -> OpenConflict:
        found = await Proofs(connection, self._tools.cipher).elements(row.evidence_id)
        person = await Persons(connection, self._tools.cipher).by_id(row.person_id or "")
        return OpenConflict(
            row.conflict_id,
            row.kind,
            row.found_at,
            masked_name(person.name) if person else "",
            masked_name(found[1]["name"]) if found else "",
        )

    async def _allowed(self, principal: Principal) -> None:
        if principal.kind in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM}:
            return
        if principal.kind is not PrincipalKind.OFFICER or "mfa" not in principal.amr:
            raise NotPermitted("Only an officer signed in with a second factor settles contradictions.")
        officer = await self._officers.get(principal.subject_id)
        await self._officers.require(principal, Authority.COUNTER_VERIFICATION, officer.district_code, ANY)
