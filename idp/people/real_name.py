"""Proving a real name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.clock import civil_date
from foundation.errors import NotAuthenticated, NotPermitted
from foundation.principal import PrincipalKind
from idp.people.account_repository import Accounts, Persons
from idp.people.errors import RealNameConflict, RealNameQuotaExhausted
from idp.people.methods import spec_of
from idp.people.proof import NO_LEVEL, Outcome, ProofResult
from idp.people.proof_ledger import Asked, conclude
from idp.people.proof_repository import Proofs
from idp.people.quotas import CONTEXT, ERROR_MEMORY, take, take_quota

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.account import Account
    from idp.people.gateway import GatewayAnswer, RealNameGateway
    from idp.people.methods.base import MethodSpec
    from idp.people.proof import Evidence
    from idp.people.tools import Tools


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """Requests a day, whatever their outcome: by account, by the ID number asked about, by source."""

    per_account: int = 20
    per_subject: int = 10
    per_source: int = 200


class RealNameService:
    """Use cases of real-name proof."""

    def __init__(self, tools: Tools, gateway: RealNameGateway, quotas: QuotaPolicy | None = None) -> None:
        """Take the shared collaborators, the gateway and the quotas."""
        self._tools = tools
        self._gateway = gateway
        self._quotas = quotas or QuotaPolicy()

    async def prove(
        self, principal: Principal, method: str, unverified_elements: Mapping[str, str], *, source: str = ""
    ) -> ProofResult:
        """Ask the method's authority whether the elements belong together, and keep the evidence.

        Args:
            principal: the signed-in person.
            method: `id_card social_security_card bank_card telecom housing_fund`.
            unverified_elements: by name: `name`, `citizen_id_number`, and as the method asks
                `card_number`, `mobile`, `fund_account`.
            source: the caller's address, for the quota only.

        Returns: outcome (`match mismatch locked unavailable pending`), level after it, evidence id.
        Raises: InvalidInput (field named), RealNameQuotaExhausted, RealNameConflict, NotPermitted.
        """
        spec = spec_of(method)
        elements = spec.read(unverified_elements, civil_date(self._tools.clock.now()))
        account = await self._account(principal)
        # The intention and the counts are committed before anything leaves; a crash later leaves both.
        asked = await self._begin(principal, account, spec, elements, source)
        answer = await self._gateway.verify(spec.method, asked.evidence_id, elements, repeatable=spec.counted is None)
        return await self._conclude(principal, asked, answer)

    async def refresh(self, principal: Principal, evidence_id: str) -> ProofResult | None:
        """Ask what became of a pending proof; None when it is not pending."""
        async with self._tools.database.read() as connection:
            found = await Proofs(connection, self._tools.cipher).elements(evidence_id)
            account = (
                None if found is None else await Accounts(connection, self._tools.cipher).by_id(found[0].account_id)
            )
        if found is None or account is None or found[0].outcome != Outcome.PENDING:
            return None
        row, elements = found
        spec = spec_of(row.method)
        answer = await self._gateway.query(spec.method, evidence_id, row.transaction_id)
        if answer.outcome in {Outcome.PENDING, Outcome.UNAVAILABLE}:
            return ProofResult(Outcome.PENDING, await self._level(account.person_id), evidence_id)
        return await self._conclude(
            principal, Asked(account, spec.method, elements, evidence_id, self._counted(spec, elements)), answer
        )

    async def pending(self, *, limit: int = 100) -> tuple[str, ...]:
        """Return the proofs whose authority still owes an answer, of the last seven days."""
        async with self._tools.database.read() as connection:
            since = self._tools.clock.now() - timedelta(days=7)
            return await Proofs(connection, self._tools.cipher).pending(since, limit)

    async def evidence(self, principal: Principal) -> tuple[Evidence, ...]:
        """Return the principal's successful proofs, newest first, expired and withdrawn ones too."""
        async with self._tools.database.read() as connection:
            if principal.person_id is not None:
                return await Persons(connection, self._tools.cipher).evidence(principal.person_id)
            return await Proofs(connection, self._tools.cipher).of_account(principal.subject_id)

    async def _account(self, principal: Principal) -> Account:
        if principal.kind is not PrincipalKind.PERSON:
            raise NotPermitted("Only a natural person's account proves a real name.")
        async with self._tools.database.read() as connection:
            account = await Accounts(connection, self._tools.cipher).by_id(principal.subject_id)
        if account is None:
            raise NotAuthenticated("Sign in first.")
        return account

    def _counted(self, spec: MethodSpec, elements: Mapping[str, str]) -> bytes | None:
        if spec.counted is None:
            return None
        return self._tools.cipher.blind_index(f"{spec.method}:{elements[spec.counted]}", CONTEXT)

    async def _begin(
        self, principal: Principal, account: Account, spec: MethodSpec, elements: Mapping[str, str], source: str
    ) -> Asked:
        counted = self._counted(spec, elements)
        async with self._tools.database.transaction() as connection:
            await self._same_person(connection, account, elements)
            await self._take_quotas(connection, account, elements["citizen_id_number"], source)
            proofs = Proofs(connection, self._tools.cipher)
            if (
                counted is not None
                and spec.limits is not None
                and not await take(connection, self._tools, counted, spec.limits)
            ):
                raise RealNameQuotaExhausted(
                    "One more attempt with this card could lock it. Try again tomorrow, or choose another method.",
                    retry_after_seconds=int(ERROR_MEMORY.total_seconds()),
                )
            now = self._tools.clock.now()
            evidence_id = await proofs.begin(account.account_id, spec.method, elements, principal.channel, now)
        return Asked(account, spec.method, elements, evidence_id, counted)

    async def _same_person(self, connection: AsyncConnection, account: Account, elements: Mapping[str, str]) -> None:
        """Refuse, before anybody is asked, to prove a second person for one account."""
        if account.person_id is None:
            return
        person = await Persons(connection, self._tools.cipher).by_id(account.person_id)
        if person is not None and person.document_number != elements["citizen_id_number"]:
            raise RealNameConflict("This account already belongs to a person with another ID number.")

    async def _take_quotas(
        self, connection: AsyncConnection, account: Account, citizen_id_number: str, source: str
    ) -> None:
        quotas = {
            f"account:{account.account_id}": self._quotas.per_account,
            f"subject:{citizen_id_number}": self._quotas.per_subject,
        }
        if source:
            quotas[f"source:{source}"] = self._quotas.per_source
        for name, limit in sorted(quotas.items()):
            await take_quota(connection, self._tools, name, limit)

    async def _conclude(self, principal: Principal, asked: Asked, answer: GatewayAnswer) -> ProofResult:
        """Write what was answered: evidence, person, level, audit and notice in one transaction."""
        async with self._tools.database.transaction() as connection:
            proofs = Proofs(connection, self._tools.cipher)
            if asked.counted is not None and answer.outcome is Outcome.MATCH:
                await proofs.was_right(asked.counted)
            if asked.counted is not None and not answer.asked:
                await proofs.was_not_asked(asked.counted)
            conclusion = await conclude(connection, self._tools, principal, asked, answer)
        if conclusion.conflict:
            raise RealNameConflict("This proof contradicts what is on record; an officer will look into it.")
        return ProofResult(answer.outcome.told, conclusion.level, asked.evidence_id, conclusion.person_id)

    async def _level(self, person_id: str | None) -> str:
        if person_id is None:
            return NO_LEVEL
        async with self._tools.database.read() as connection:
            person = await Persons(connection, self._tools.cipher).by_id(person_id)
        return NO_LEVEL if person is None else person.level
