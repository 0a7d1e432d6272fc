"""The registered machines of counters: where an officer may verify people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.people.counter_repository import CounterChecks

if TYPE_CHECKING:
    from foundation.directory import Directory
    from foundation.principal import Principal
    from idp.people.tools import Tools

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Workstation:
    """A counter's registered machine."""

    workstation_id: str
    organisation_code: str
    district_code: str
    name: str


class WorkstationService:
    """Use cases of workstations; operators keep them."""

    def __init__(self, tools: Tools, directory: Directory) -> None:
        """Take the shared collaborators and the directory of organisations."""
        self._tools = tools
        self._directory = directory

    async def register(self, principal: Principal, *, organisation_code: str, district_code: str, name: str) -> str:
        """Register a counter's machine and return its id; raises NotPermitted, InvalidInput."""
        _only_operators(principal)
        if not 1 <= len(name.strip()) <= LONGEST_NAME:
            raise InvalidInput(f"A workstation has a name of 1 to {LONGEST_NAME} characters.", field="name")
        await self._directory.organisation(organisation_code)
        await self._directory.district(district_code)
        workstation_id = new_id("wks")
        async with self._tools.database.transaction() as connection:
            values = {
                "workstation_id": workstation_id,
                "organisation_code": organisation_code,
                "district_code": district_code,
                "name": name.strip(),
                "registered_at": self._tools.clock.now(),
                "registered_by": principal.audit_name,
            }
            await CounterChecks(connection, self._tools.cipher).add_workstation(values)
            detail = {"organisation_code": organisation_code, "district_code": district_code}
            event = AuditEvent("people.workstation_register", "workstation", workstation_id, detail)
            await self._tools.audit.record(connection, principal, event)
        return workstation_id

    async def of_organisation(self, principal: Principal) -> tuple[tuple[str, str], ...]:
        """Return id and name of the workstations of the officer's organisation."""
        async with self._tools.database.read() as connection:
            return await CounterChecks(connection, self._tools.cipher).workstations(principal.organisation_code or "")

    async def all(self, principal: Principal) -> tuple[Workstation, ...]:
        """Return every workstation in use, for operators; raises NotPermitted."""
        _only_operators(principal)
        async with self._tools.database.read() as connection:
            rows = await CounterChecks(connection, self._tools.cipher).all_workstations()
        return tuple(
            Workstation(row.workstation_id, row.organisation_code, row.district_code, row.name) for row in rows
        )

    async def retire(self, principal: Principal, workstation_id: str) -> None:
        """Take a workstation out of use: nobody is verified there from now on; raises NotFound, NotPermitted."""
        _only_operators(principal)
        async with self._tools.database.transaction() as connection:
            now = self._tools.clock.now()
            if not await CounterChecks(connection, self._tools.cipher).retire(workstation_id, now):
                raise NotFound("There is no such workstation in use.")
            event = AuditEvent("people.workstation_retire", "workstation", workstation_id)
            await self._tools.audit.record(connection, principal, event)


def _only_operators(principal: Principal) -> None:
    if principal.kind not in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM}:
        raise NotPermitted("Only an operator registers workstations.")
