"""代办码: a mandate set up at a counter for someone without a phone, and the paper code for the agent.

The giver was verified at the counter by two officers in the same visit; one officer writes
the mandate down, another confirms it, and the code is shown once, to be printed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.channels import at_counter
from foundation.clock import civil_date
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import PrincipalKind
from idp.people.account import DocumentType
from idp.people.account_repository import Persons
from idp.people.counter_repository import CounterChecks
from idp.people.documents import read_document
from idp.people.errors import MandateRefused
from idp.people.mandate import Mandate, MandateState, PartyKind
from idp.people.mandate_repository import Mandates
from idp.people.methods.base import person_name
from idp.people.officer import ANY, Authority
from idp.people.parties import proven_person
from idp.people.proof_repository import Proofs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.mandate import Terms
    from idp.people.officers import OfficerService
    from idp.people.tools import Tools

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 12
"""31 letters to the 12th: 59 bits, redeemed only by the named agent."""


@dataclass(frozen=True, slots=True)
class AgentDocument:
    """The agent as the giver names him: real name and document; unverified input."""

    name: str = field(repr=False)
    document_number: str = field(repr=False)
    document_type: str = DocumentType.ID_CARD


@dataclass(frozen=True, slots=True)
class PrintedCode:
    """What is printed for the agent, once."""

    mandate_id: str
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WaitingDraft:
    """A draft as the second officer sees it; `own` ones are for somebody else to confirm."""

    mandate_id: str
    giver_name: str = field(repr=False)
    valid_until: datetime
    own: bool


class AssistedMandates:
    """Use cases of mandates set up at a counter."""

    def __init__(self, tools: Tools, officers: OfficerService) -> None:
        """Take the shared collaborators and the officers' authorities."""
        self._tools = tools
        self._officers = officers

    async def draft(self, principal: Principal, check_id: str, agent: AgentDocument, terms: Terms) -> Mandate:
        """Write a mandate down for a person whom two officers have just verified here.

        Raises: NotFound, NotPermitted, AuthorityMissing, InvalidInput.
        """
        principal = at_counter(principal)
        now = self._tools.clock.now()
        terms = terms.checked(now)
        document_type, number = read_document(agent.document_type, agent.document_number, civil_date(now))
        try:
            name = person_name(agent.name)
        except InvalidInput as error:
            raise InvalidInput(error.detail, field="name") from None
        async with self._tools.database.transaction() as connection:
            check = await CounterChecks(connection, self._tools.cipher).by_id(check_id)
            if check is None or check.organisation_code != principal.organisation_code:
                raise NotFound("There is no such examination at your organisation.")
            await self._allowed(principal)
            giver = await Proofs(connection, self._tools.cipher).person_of(check.evidence_id)
            if giver is None or now >= check.expires_at:
                raise NotPermitted("The giver must have been verified here in this visit.")
            persons = Persons(connection, self._tools.cipher)
            index = persons.document_index(document_type, number)
            known = await persons.by_document(document_type, number)
            if known is not None and (known.person_id == giver or known.name != name):
                raise InvalidInput("This person cannot be the agent.", field="document_number")
            repository = Mandates(connection, self._tools.cipher)
            values: dict[str, Any] = {
                "principal_kind": PartyKind.PERSON,
                "principal_id": giver,
                "agent_person_id": None,
                "agent_document_index": index,
                "state": MandateState.AWAITING_OFFICER,
                "awaits": "officer",
                "proposed_by": principal.audit_name,
                "proposed_at": now,
                "channel": principal.channel,
                "check_id": check_id,
                "officer_id": principal.subject_id,
            }
            mandate_id = await repository.add(terms, values)
            event = AuditEvent("people.assisted_draft", "mandate", mandate_id, {"check_id": check_id})
            await self._tools.audit.record(connection, principal, event)
            mandate = await repository.by_id(mandate_id)
        if mandate is None:
            raise NotFound("There is no such mandate.")
        return mandate

    async def drafts(self, principal: Principal) -> tuple[WaitingDraft, ...]:
        """Return the drafts of the officer's organisation that wait for a second officer, oldest first."""
        await self._allowed(principal)
        async with self._tools.database.read() as connection:
            rows = await Mandates(connection, self._tools.cipher).drafts(principal.organisation_code or "")
            persons, found = Persons(connection, self._tools.cipher), []
            for row in rows:
                giver = await persons.by_id(row.principal_id)
                own = principal.is_one(row.officer_id)
                found.append(WaitingDraft(row.mandate_id, giver.name if giver else "", row.valid_until, own))
        return tuple(found)

    async def confirm(self, principal: Principal, mandate_id: str) -> PrintedCode:
        """Confirm a colleague's draft and return the code to print; it is not stored and not shown again.

        Raises: NotFound, NotPermitted (the same officer), AuthorityMissing, Conflict.
        """
        principal = at_counter(principal)
        await self._allowed(principal)
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        async with self._tools.database.transaction() as connection:
            repository = Mandates(connection, self._tools.cipher)
            row = await repository.row(mandate_id)
            check = row and row.check_id and await CounterChecks(connection, self._tools.cipher).by_id(row.check_id)
            if not row or not check or check.organisation_code != principal.organisation_code:
                raise NotFound("There is no such draft at your organisation.")
            if principal.is_one(row.officer_id):
                raise NotPermitted("Another officer confirms; nobody is his own second pair of eyes.")
            values = {"state": MandateState.PROPOSED, "awaits": "agent", "code_index": repository.code_index(code)}
            if not await repository.change(mandate_id, values, state=MandateState.AWAITING_OFFICER):
                raise Conflict("This draft was confirmed before.")
            event = AuditEvent("people.assisted_confirm", "mandate", mandate_id)
            await self._tools.audit.record(connection, principal, event)
        return PrintedCode(mandate_id, "-".join(code[place : place + 4] for place in range(0, CODE_LENGTH, 4)))

    async def redeem(self, principal: Principal, unverified_code: str) -> Mandate:
        """Sign a mandate off by its paper code, as the agent it names; raises MandateRefused, SignInThrottled."""
        person_id = proven_person(principal)
        places = await self._tools.throttle.code(person_id, "assisted")
        code = _code(unverified_code)
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            persons = Persons(connection, self._tools.cipher)
            person = await persons.by_id(person_id)
            if person is None:
                raise NotFound("There is no such person.")
            index = persons.document_index(person.document_type, person.document_number)
            repository = Mandates(connection, self._tools.cipher)
            mandate_id = await repository.redeem(code, person_id, index, now)
            if mandate_id is None:
                raise MandateRefused("The code is wrong, was used, or names somebody else.", reason="code")
            event = AuditEvent("people.assisted_redeem", "mandate", mandate_id)
            await self._tools.audit.record(connection, principal, event)
            mandate = await repository.by_id(mandate_id)
        await self._tools.throttle.give_back(places)
        if mandate is None:
            raise NotFound("There is no such mandate.")
        return mandate

    async def present(
        self, connection: AsyncConnection, principal: Principal, unverified_code: str, agent: AgentDocument
    ) -> tuple[str, str]:
        """Accept the paper of an agent who stands at the window with the named document; return mandate and agent.

        In the caller's transaction, with the act it is for. The officer compared the document
        with the person; the code names its number. Raises: MandateRefused, NotPermitted,
        AuthorityMissing, InvalidInput, SignInThrottled.
        """
        principal = at_counter(principal)
        await self._allowed(principal)
        places = await self._tools.throttle.code(principal.subject_id, "paper")
        now = self._tools.clock.now()
        document_type, number = read_document(agent.document_type, agent.document_number, civil_date(now))
        name, persons = person_name(agent.name), Persons(connection, self._tools.cipher)
        person_id = await persons.add(document_type, number, name, now)
        person = await persons.by_id(person_id)
        index = persons.document_index(document_type, number)
        mandate_id = await Mandates(connection, self._tools.cipher).present(
            _code(unverified_code), person_id, index, now
        )
        if mandate_id is None or person is None or person.name != name:
            raise MandateRefused("The code is wrong, was used, or names somebody else.", reason="code")
        event = AuditEvent("people.assisted_present", "mandate", mandate_id, {"agent": person_id})
        await self._tools.audit.record(connection, principal, event)
        await self._tools.throttle.give_back(places)
        return mandate_id, person_id

    async def _allowed(self, principal: Principal) -> None:
        if principal.kind is not PrincipalKind.OFFICER or "mfa" not in principal.amr:
            raise NotPermitted("Only an officer signed in with a second factor sets mandates up.")
        officer = await self._officers.get(principal.subject_id)
        await self._officers.require(principal, Authority.COUNTER_VERIFICATION, officer.district_code, ANY)


def _code(unverified_code: str) -> str:
    return unverified_code.strip().upper().replace("-", "").replace(" ", "")
