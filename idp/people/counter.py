"""Verification at a counter 实体大厅现场审核: the strongest proof, made by two officers.

The applicant is present: an own one-time code, a chip read, or a handwritten signature says
so. The officer holds the authority for the district of a registered workstation of the own
organisation, and by default a second officer confirms. Nobody verifies himself.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.channels import at_counter
from foundation.clock import civil_date
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.people.account import DocumentType
from idp.people.account_repository import Accounts, Persons
from idp.people.counter_repository import CounterChecks
from idp.people.documents import read_document
from idp.people.errors import RealNameConflict
from idp.people.gateway import GatewayAnswer
from idp.people.methods.base import person_name
from idp.people.officer import ANY, Authority
from idp.people.officer_repository import Officers
from idp.people.proof import Method, Outcome, ProofResult
from idp.people.proof_ledger import Asked, conclude
from idp.people.proof_repository import Proofs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.directory import Directory
    from foundation.principal import Principal
    from idp.people.officer import Officer
    from idp.people.officers import OfficerService
    from idp.people.proof_ledger import Conclusion
    from idp.people.tools import Tools

PRESENCE_LIFE = timedelta(minutes=5)
CHECK_LIFE = timedelta(hours=4)
MOST_EVIDENCE = 10
_REFERENCE = re.compile(r"[A-Za-z0-9_\-:.]{8,128}\Z")
_EVIDENCE = re.compile(r"[^\x00-\x1f]{2,60}\Z")


class Presence(StrEnum):
    """How the applicant's presence was established."""

    ONE_TIME_CODE = "one_time_code"
    CHIP_READ = "chip_read"
    HANDWRITTEN_SIGNATURE = "handwritten_signature"


@dataclass(frozen=True, slots=True)
class CounterPolicy:
    """Whether one officer suffices; L4 and 代办码 ask for two by default."""

    second_officer: bool = True


@dataclass(frozen=True, slots=True)
class Visit:
    """What the officer saw. All of it is unverified input.

    `presence_reference` is the applicant's code, the reader's transaction, or the digest of
    the signature's picture. Without an account the person gets none: no device is needed.
    """

    name: str = field(repr=False)
    document_number: str = field(repr=False)
    evidence_seen: tuple[str, ...]
    presence: str
    presence_reference: str = field(repr=False)
    document_type: str = DocumentType.ID_CARD
    account_username: str | None = None


@dataclass(frozen=True, slots=True)
class CounterCheck:
    """An examination: `awaiting` a second officer, or decided."""

    check_id: str
    state: str
    result: ProofResult
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingCheck:
    """An examination as the second officer sees it; `own` ones are for somebody else to confirm."""

    check_id: str
    workstation: str
    name: str = field(repr=False)
    document_type: str
    document_number: str = field(repr=False)
    evidence_seen: tuple[str, ...]
    presence: str
    examined_at: datetime
    own: bool


class CounterService:
    """Use cases of the counter."""

    def __init__(
        self, tools: Tools, directory: Directory, officers: OfficerService, policy: CounterPolicy | None = None
    ) -> None:
        """Take the shared collaborators, the directory, the officers' authorities and the policy."""
        self._tools = tools
        self._directory = directory
        self._officers = officers
        self._policy = policy or CounterPolicy()

    async def presence_code(self, principal: Principal) -> str:
        """Return eight digits that the applicant reads out at the counter; valid five minutes, once."""
        if principal.kind is not PrincipalKind.PERSON:
            raise NotPermitted("Only a natural person shows a presence code.")
        code = f"{secrets.randbelow(10**8):08d}"
        async with self._tools.database.transaction() as connection:
            expires_at = self._tools.clock.now() + PRESENCE_LIFE
            await CounterChecks(connection, self._tools.cipher).put_code(code, principal.subject_id, expires_at)
        return code

    async def examine(
        self, principal: Principal, workstation_id: str, visit: Visit, finding: str = Outcome.MATCH
    ) -> CounterCheck:
        """Record what the officer found: `match`, or why not.

        Args:
            principal: the officer, signed in with both factors.
            workstation_id: where.
            visit: who stood there and with what.
            finding: `match`; `mismatch` (face or name does not fit), `not_found` (no such record),
                `locked` (the document is reported lost), `unavailable` (it could not be read).

        Raises: InvalidInput, NotPermitted, AuthorityMissing, RealNameConflict.
        """
        officer = await self._allowed(principal, workstation_id)
        principal = at_counter(principal)
        now = self._tools.clock.now()
        elements = _read(visit, civil_date(now))
        outcome = _finding(finding)
        expires_at = now + CHECK_LIFE
        waits = outcome is Outcome.MATCH and self._policy.second_officer
        authority = (await self._directory.organisation(officer.organisation_code)).name
        async with self._tools.database.transaction() as connection:
            account_id = await self._present(connection, visit)
            asked = await self._begin(connection, principal, account_id, visit, elements)
            await self._not_himself(connection, asked, officer)
            check_id = new_id("ctr")
            values: dict[str, Any] = {
                "check_id": check_id,
                "evidence_id": asked.evidence_id,
                "workstation_id": workstation_id,
                "officer_id": officer.officer_id,
                "account_id": account_id,
                "document_type": asked.document_type,
                "evidence_seen": list(visit.evidence_seen),
                "presence_kind": visit.presence,
                "presence_reference": "" if visit.presence == Presence.ONE_TIME_CODE else visit.presence_reference,
                "state": "awaiting" if waits else "closed",
                "examined_at": now,
                "expires_at": expires_at,
            }
            await CounterChecks(connection, self._tools.cipher).add(values)
            answer = GatewayAnswer(Outcome.PENDING if waits else outcome, authority, check_id)
            conclusion = await conclude(connection, self._tools, principal, asked, answer)
            event = AuditEvent(
                "people.counter_examine",
                "counter_check",
                check_id,
                {"workstation_id": workstation_id, "finding": str(outcome), "presence": str(visit.presence)},
            )
            await self._tools.audit.record(connection, principal, event)
        result = _result(conclusion, answer.outcome, asked.evidence_id)
        return CounterCheck(check_id, "awaiting" if waits else "closed", result, expires_at)

    async def awaiting(self, principal: Principal) -> tuple[WaitingCheck, ...]:
        """Return the examinations of the officer's organisation that wait for a second officer, oldest first.

        Whoever confirms compares with the papers, so name and number are in clear.
        Raises: NotPermitted for others than officers.
        """
        if principal.kind is not PrincipalKind.OFFICER or "mfa" not in principal.amr:
            raise NotPermitted("Only an officer signed in with a second factor verifies people.")
        async with self._tools.database.read() as connection:
            checks = CounterChecks(connection, self._tools.cipher)
            rows = await checks.awaiting(principal.organisation_code or "", self._tools.clock.now())
            proofs, found = Proofs(connection, self._tools.cipher), []
            for row in rows:
                elements = await proofs.elements(row.evidence_id)
                if elements is not None:
                    found.append(_waiting(row, elements[1], own=principal.is_one(row.officer_id)))
        return tuple(found)

    async def decide(self, principal: Principal, check_id: str, *, confirm: bool) -> CounterCheck:
        """Confirm or refuse a colleague's examination.

        Raises: NotFound, NotPermitted (the same officer), AuthorityMissing, Conflict (decided or too late),
            RealNameConflict.
        """
        principal = at_counter(principal)
        async with self._tools.database.read() as connection:
            row = await CounterChecks(connection, self._tools.cipher).by_id(check_id)
        if row is None or row.organisation_code != principal.organisation_code:
            raise NotFound("There is no such examination at your organisation.")
        officer = await self._allowed(principal, row.workstation_id)
        if principal.is_one(row.officer_id):
            raise NotPermitted("Another officer confirms; nobody is his own second pair of eyes.")
        authority = (await self._directory.organisation(officer.organisation_code)).name
        async with self._tools.database.transaction() as connection:
            state = "confirmed" if confirm else "refused"
            now = self._tools.clock.now()
            if not await CounterChecks(connection, self._tools.cipher).decide(check_id, principal, state, now):
                raise Conflict("This examination was decided before, or waited too long.")
            asked = await self._asked(connection, row)
            await self._not_himself(connection, asked, officer)
            outcome = Outcome.MATCH if confirm else Outcome.MISMATCH
            answer = GatewayAnswer(outcome, authority, check_id)
            conclusion = await conclude(connection, self._tools, principal, asked, answer)
            event = AuditEvent("people.counter_decide", "counter_check", check_id, {"state": state})
            await self._tools.audit.record(connection, principal, event)
        result = _result(conclusion, outcome, asked.evidence_id)
        return CounterCheck(check_id, state, result, row.expires_at)

    async def _allowed(self, principal: Principal, workstation_id: str) -> Officer:
        if principal.kind is not PrincipalKind.OFFICER or "mfa" not in principal.amr:
            raise NotPermitted("Only an officer signed in with a second factor verifies people.")
        officer = await self._officers.get(principal.subject_id)
        async with self._tools.database.read() as connection:
            workstation = await CounterChecks(connection, self._tools.cipher).workstation(workstation_id)
        if workstation is None or workstation.organisation_code != officer.organisation_code:
            raise NotPermitted("This workstation is not registered for your organisation.")
        await self._officers.require(principal, Authority.COUNTER_VERIFICATION, workstation.district_code, ANY)
        return officer

    async def _present(self, connection: AsyncConnection, visit: Visit) -> str | None:
        """Return the applicant's account, consuming the one-time code when that is the sign of presence."""
        if visit.presence == Presence.ONE_TIME_CODE:
            repository = CounterChecks(connection, self._tools.cipher)
            account_id = await repository.use_code(visit.presence_reference.strip(), self._tools.clock.now())
            if account_id is None:
                raise InvalidInput("The code is wrong, too old or was used before.", field="presence_reference")
            return account_id
        if not _REFERENCE.match(visit.presence_reference):
            raise InvalidInput("The reference has 8 to 128 letters or digits.", field="presence_reference")
        if visit.account_username is None:
            return None
        row = await Accounts(connection, self._tools.cipher).sign_in_row(visit.account_username.strip().casefold())
        if row is None or row.kind != "person":
            raise InvalidInput("There is no such account.", field="account_username")
        return str(row.account_id)

    async def _begin(
        self,
        connection: AsyncConnection,
        principal: Principal,
        account_id: str | None,
        visit: Visit,
        elements: dict[str, str],
    ) -> Asked:
        accounts = Accounts(connection, self._tools.cipher)
        account = None if account_id is None else await accounts.by_id(account_id)
        document_type = DocumentType(visit.document_type)
        now = self._tools.clock.now()
        proofs = Proofs(connection, self._tools.cipher)
        evidence_id = await proofs.begin(account_id, Method.COUNTER, elements, principal.channel, now)
        asked = Asked(account, Method.COUNTER, elements, evidence_id, document_type=document_type)
        if account is not None and account.person_id is not None:
            known = await Persons(connection, self._tools.cipher).by_id(account.person_id)
            if known is not None and known.document_number != asked.document_number:
                raise RealNameConflict("This account already belongs to a person with another document.")
        return asked

    async def _asked(self, connection: AsyncConnection, row: Row[Any]) -> Asked:
        found = await Proofs(connection, self._tools.cipher).elements(row.evidence_id)
        if found is None:
            raise NotFound("There is no such examination at your organisation.")
        accounts = Accounts(connection, self._tools.cipher)
        account = None if row.account_id is None else await accounts.by_id(row.account_id)
        document_type = DocumentType(row.document_type)
        return Asked(account, Method.COUNTER, found[1], row.evidence_id, document_type=document_type)

    async def _not_himself(self, connection: AsyncConnection, asked: Asked, officer: Officer) -> None:
        index = Persons(connection, self._tools.cipher).document_index(asked.document_type, asked.document_number)
        if await Officers(connection, self._tools.cipher).document_index(officer.officer_id) == index:
            raise NotPermitted("An officer does not verify himself.")


def _result(conclusion: Conclusion, outcome: Outcome, evidence_id: str) -> ProofResult:
    """Return what the officer is told; a contradiction is recorded and waits for settlement."""
    if conclusion.conflict:
        return ProofResult(Outcome.MISMATCH, conclusion.level, evidence_id, None)
    return ProofResult(outcome.told, conclusion.level, evidence_id, conclusion.person_id)


def _waiting(row: Row[Any], elements: Mapping[str, str], *, own: bool) -> WaitingCheck:
    return WaitingCheck(
        check_id=row.check_id,
        workstation=row.workstation,
        name=elements["name"],
        document_type=row.document_type,
        document_number=elements.get("citizen_id_number") or elements["document_number"],
        evidence_seen=tuple(row.evidence_seen),
        presence=row.presence_kind,
        examined_at=row.examined_at,
        own=own,
    )


def _finding(unverified: str) -> Outcome:
    allowed: Sequence[Outcome] = [outcome for outcome in Outcome if outcome is not Outcome.PENDING]
    if unverified not in allowed:
        raise InvalidInput("The finding is one of " + ", ".join(allowed) + ".", field="finding")
    return Outcome(unverified)


def _read(visit: Visit, today: date) -> dict[str, str]:
    if visit.presence not in set(Presence):
        raise InvalidInput("Presence is shown by " + ", ".join(Presence) + ".", field="presence")
    seen = visit.evidence_seen
    if not 1 <= len(seen) <= MOST_EVIDENCE or not all(_EVIDENCE.match(item) for item in seen):
        raise InvalidInput("Name one to ten documents that were seen.", field="evidence_seen")
    try:
        name = person_name(visit.name)
    except InvalidInput as error:
        raise InvalidInput(error.detail, field="name") from None
    document_type, number = read_document(visit.document_type, visit.document_number, today)
    key = "citizen_id_number" if document_type is DocumentType.ID_CARD else "document_number"
    return {"name": name, key: number}
