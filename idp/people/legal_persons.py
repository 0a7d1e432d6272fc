"""Legal persons: verification by the representative, administrators and agents, acting for one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted, UpstreamUnavailable
from foundation.identity_numbers import parse_unified_social_credit_code
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.people.account import DocumentType, masked_name
from idp.people.account_repository import Accounts, Persons
from idp.people.legal_person import Acting, Agency, LegalPerson, Role, company_name
from idp.people.legal_person_repository import LegalPersons
from idp.people.parties import Named, find_named, proven_person
from idp.people.proof import Outcome
from idp.people.quotas import take_quota

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.gateway import RealNameGateway
    from idp.people.tools import Tools

ENTERPRISE = "enterprise"
ATTEMPTS_A_DAY = 10
MOST_MATTERS = 50


class LegalPersonService:
    """Use cases of legal persons."""

    def __init__(self, tools: Tools, gateway: RealNameGateway) -> None:
        """Take the shared collaborators and the gateway to the enterprise register."""
        self._tools = tools
        self._gateway = gateway

    async def verify(
        self, principal: Principal, unverified_credit_code: str, unverified_name: str
    ) -> LegalPerson | None:
        """Prove that the principal is the legal representative, and record the legal person.

        Name, credit code, and the principal's own proven name and number are checked against
        the register. Returns None when they do not belong together; which of them is not said.

        Raises: InvalidInput, StepUpRequired, RealNameQuotaExhausted, UpstreamUnavailable, NotPermitted.
        """
        code = str(parse_unified_social_credit_code(unverified_credit_code, field="credit_code"))
        name = company_name(unverified_name)
        person_id = proven_person(principal)
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            person = await Persons(connection, self._tools.cipher).by_id(person_id)
            if person is None or person.document_type is not DocumentType.ID_CARD:
                raise NotPermitted("Verification online asks for an ID card; go to a service hall.")
            await take_quota(connection, self._tools, f"enterprise:{person_id}", ATTEMPTS_A_DAY)
            await take_quota(connection, self._tools, f"enterprise:{code}", ATTEMPTS_A_DAY)
        elements = {
            "company_name": name,
            "credit_code": code,
            "representative_name": person.name,
            "representative_id_number": person.document_number,
        }
        answer = await self._gateway.verify(ENTERPRISE, new_id("evd"), elements, repeatable=True)
        if answer.outcome in {Outcome.UNAVAILABLE, Outcome.PENDING, Outcome.LOCKED}:
            raise UpstreamUnavailable("The enterprise register does not answer now; try again later.")
        async with self._tools.database.transaction() as connection:
            legal_person_id = ""
            if answer.outcome is Outcome.MATCH:
                repository = LegalPersons(connection)
                legal_person_id = await repository.put(code, name, answer.transaction_id, now)
                await self._represent(connection, principal, legal_person_id, person_id)
            event = AuditEvent(
                "people.enterprise_verify", "legal_person", legal_person_id or code, {"outcome": str(answer.outcome)}
            )
            await self._tools.audit.record(connection, principal, event)
        return LegalPerson(legal_person_id, code, name, now) if legal_person_id else None

    async def acting(self, principal: Principal) -> tuple[Acting, ...]:
        """Return whom the person may act for now, in every role."""
        async with self._tools.database.read() as connection:
            found = await LegalPersons(connection).acting(proven_person(principal), self._tools.clock.now())
        return tuple(
            Acting(legal_person, agency.role, agency.agency_id, agency.matters)
            for agency, legal_person in found
            if agency.state == "active"
        )

    async def offers(self, principal: Principal) -> tuple[Acting, ...]:
        """Return the appointments that wait for the person's consent."""
        async with self._tools.database.read() as connection:
            found = await LegalPersons(connection).acting(proven_person(principal), self._tools.clock.now())
        return tuple(
            Acting(legal_person, agency.role, agency.agency_id, agency.matters)
            for agency, legal_person in found
            if agency.state == "proposed"
        )

    async def behind(self, connection: AsyncConnection, principal: Principal) -> Acting:
        """Return the role in force of whoever acts as an enterprise, with its matters; raises NotPermitted.

        Read in the caller's transaction: an agent dismissed a moment ago is none any more.
        """
        account = await Accounts(connection, self._tools.cipher).by_id(principal.actor_id or "")
        if principal.kind is not PrincipalKind.ENTERPRISE or account is None or account.person_id is None:
            raise NotPermitted("Nobody acts for this enterprise here.")
        now = self._tools.clock.now()
        acting = await LegalPersons(connection).role(principal.subject_id, account.person_id, now)
        if acting is None:
            raise NotPermitted("The appointment for this enterprise has ended.")
        return acting

    async def holder_index(self, connection: AsyncConnection, legal_person_id: str) -> bytes | None:
        """Return the blind index by which licences name a legal person."""
        found = await LegalPersons(connection).by_id(legal_person_id)
        return None if found is None else self._tools.cipher.blind_index(found.credit_code, "holder_code")

    async def accounts_answering_for(self, connection: AsyncConnection, credit_code: str) -> tuple[str, ...]:
        """Return the active accounts of the representative and the administrators; empty when unknown."""
        return await LegalPersons(connection).accounts_answering_for(credit_code, self._tools.clock.now())

    async def agencies(self, principal: Principal, legal_person_id: str) -> tuple[Agency, ...]:
        """Return who acts for a legal person, names masked; for its representative and administrators."""
        async with self._tools.database.read() as connection:
            await self._manages(connection, principal, legal_person_id, Role.AGENT)
            found = await LegalPersons(connection).agencies(legal_person_id)
            persons = Persons(connection, self._tools.cipher)
            named = []
            for agency in found:
                person = await persons.by_id(agency.person_id)
                named.append(replace(agency, person_name=masked_name(person.name) if person else ""))
        return tuple(named)

    async def appoint(
        self,
        principal: Principal,
        legal_person_id: str,
        named: Named,
        role: str,
        *,
        matters: tuple[str, ...] = ("*",),
        valid_until: datetime | None = None,
    ) -> str:
        """Appoint an administrator (the representative does) or an agent; return the agency id.

        It holds once the person accepts. Raises: NotFound, NotPermitted, InvalidInput, Conflict.
        """
        if role not in {Role.ADMINISTRATOR, Role.AGENT}:
            raise InvalidInput("The role is administrator or agent.", field="role")
        if not 1 <= len(matters) <= MOST_MATTERS or not all(matters):
            raise InvalidInput(f"Name 1 to {MOST_MATTERS} matters, or * for any.", field="matters")
        now = self._tools.clock.now()
        if valid_until is not None and valid_until <= now:
            raise InvalidInput("The period ends before it begins.", field="valid_until")
        async with self._tools.database.transaction() as connection:
            await self._manages(connection, principal, legal_person_id, Role(role))
            person_id = await find_named(connection, self._tools.cipher, named, "agent")
            repository = LegalPersons(connection)
            await self._free(repository, legal_person_id, person_id)
            values = {
                "legal_person_id": legal_person_id,
                "person_id": person_id,
                "role": role,
                "state": "proposed",
                "matters": list(matters),
                "valid_until": valid_until,
                "proposed_by": principal.audit_name,
                "proposed_at": now,
            }
            agency_id = await repository.add_agency(values)
            event = AuditEvent("people.agency_appoint", "agency", agency_id, {"role": role})
            await self._tools.audit.record(connection, principal, event)
            await self._tell(connection, person_id, "people.agency_offered", agency_id)
        return agency_id

    async def accept(self, principal: Principal, agency_id: str) -> None:
        """Consent to an appointment; raises NotFound, Conflict."""
        person_id = proven_person(principal)
        async with self._tools.database.transaction() as connection:
            repository = LegalPersons(connection)
            agency = await repository.agency(agency_id)
            if agency is None or agency.person_id != person_id:
                raise NotFound("There is no such appointment for you.")
            if not await repository.accept(agency_id, self._tools.clock.now()):
                raise Conflict("This appointment was answered or withdrawn before.")
            await self._tools.audit.record(
                connection, principal, AuditEvent("people.agency_accept", "agency", agency_id)
            )

    async def dismiss(self, principal: Principal, agency_id: str) -> None:
        """End an appointment, as who made such ones or as the agent himself; sessions turn back at once."""
        async with self._tools.database.transaction() as connection:
            repository = LegalPersons(connection)
            agency = await repository.agency(agency_id)
            if agency is None:
                raise NotFound("There is no such appointment.")
            if agency.person_id != principal.person_id:
                await self._manages(connection, principal, agency.legal_person_id, agency.role)
            if not await repository.end(agency_id, self._tools.clock.now(), principal.audit_name):
                raise Conflict("This appointment has ended before.")
            await repository.stop_acting(agency.legal_person_id, agency.person_id)
            event = AuditEvent("people.agency_dismiss", "agency", agency_id, {"role": str(agency.role)})
            await self._tools.audit.record(connection, principal, event)
            await self._tell(connection, agency.person_id, "people.agency_ended", agency_id)

    async def _represent(
        self, connection: AsyncConnection, principal: Principal, legal_person_id: str, person_id: str
    ) -> None:
        """Make the person the representative; one who was it before is it no more."""
        repository, now = LegalPersons(connection), self._tools.clock.now()
        present = await repository.representatives(legal_person_id)
        for former in present:
            if former.person_id != person_id:
                await repository.end(former.agency_id, now, principal.audit_name)
                await repository.stop_acting(legal_person_id, former.person_id)
                await self._tell(connection, former.person_id, "people.agency_ended", former.agency_id)
        if all(former.person_id != person_id for former in present):
            for agency in await repository.agencies(legal_person_id):
                if agency.person_id == person_id:
                    await repository.end(agency.agency_id, now, principal.audit_name)
            values = {
                "legal_person_id": legal_person_id,
                "person_id": person_id,
                "role": Role.REPRESENTATIVE,
                "state": "active",
                "matters": ["*"],
                "proposed_by": principal.audit_name,
                "proposed_at": now,
                "accepted_at": now,
            }
            await repository.add_agency(values)

    async def _manages(
        self, connection: AsyncConnection, principal: Principal, legal_person_id: str, role: Role
    ) -> None:
        """Refuse unless the principal stands above `role` at the legal person."""
        person_id = principal.person_id
        if principal.kind is PrincipalKind.ENTERPRISE:
            account = await Accounts(connection, self._tools.cipher).by_id(principal.actor_id or "")
            person_id = account.person_id if account and principal.subject_id == legal_person_id else None
        if person_id is None:
            raise NotFound("There is no such legal person for you.")
        acting = await LegalPersons(connection).role(legal_person_id, person_id, self._tools.clock.now())
        if acting is None:
            raise NotFound("There is no such legal person for you.")
        order = list(Role)
        if order.index(acting.role) >= order.index(role):
            raise NotPermitted("Only the representative appoints administrators, and they appoint agents.")

    @staticmethod
    async def _free(repository: LegalPersons, legal_person_id: str, person_id: str) -> None:
        if any(agency.person_id == person_id for agency in await repository.agencies(legal_person_id)):
            raise Conflict("This person already has a role there.")

    async def _tell(self, connection: AsyncConnection, person_id: str, kind: str, agency_id: str) -> None:
        for account in await Accounts(connection, self._tools.cipher).of_person(person_id):
            await self._tools.notices.send(connection, account.account_id, kind, {"agency_id": agency_id})
