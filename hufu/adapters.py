"""Joins packages that are strangers to each other, each through the other's port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import NotFound, NotPermitted, ServiceUnavailable
from foundation.principal import PrincipalKind
from idp.people.assisted import AgentDocument
from idp.people.mandate import Act, PartyKind
from idp.people.officers import ANY, Authority
from licence_vault.model import Giver

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.principal import Principal
    from idp.people.accounts import PersonService
    from idp.people.assembly import People
    from idp.people.legal_persons import LegalPersonService
    from idp.people.mandate import Mandate
    from idp.people.officers import OfficerService
    from idp.people.passkeys import PasskeyService
    from idp.people.second_factors import SecondFactorService
    from licence_vault.model import Mandated, PaperMandate
    from signing.model import SecondFactor
    from verification.full_gate import FullGate


class VaultHolders:
    """`licence_vault.ports.HolderIndexes` over the proven persons of `idp`."""

    def __init__(self, persons: PersonService, legal_persons: LegalPersonService) -> None:
        """Take the natural and the legal persons."""
        self._persons = persons
        self._legal_persons = legal_persons

    async def of_person(self, connection: AsyncConnection, person_id: str) -> tuple[bytes, ...]:  # noqa: ARG002 - the port offers its connection, the person service reads on its own
        """Return the indexes of every document number the person has proven."""
        try:
            return (await self._persons.holder_index(person_id),)
        except NotFound:
            return ()

    async def accounts_of(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        """Return the active accounts behind an index."""
        return await self._persons.accounts_of_holder(connection, holder_index)

    async def accounts_answering_for(self, connection: AsyncConnection, credit_code: str) -> tuple[str, ...]:
        """Return the active accounts of who answers for an organisation."""
        return await self._legal_persons.accounts_answering_for(connection, credit_code)


class VaultOfficers:
    """`licence_vault.ports.IssuingOfficers` over the authorities of `idp`."""

    def __init__(self, officers: OfficerService) -> None:
        """Take the officers."""
        self._officers = officers

    async def require_issuing(self, principal: Principal, matter_code: str | None) -> None:
        """Raise NotPermitted unless the officer may issue for this matter, in the own district."""
        if principal.kind is not PrincipalKind.OFFICER:
            raise NotPermitted("Only an officer may issue by hand.")
        officer = await self._officers.get(principal.subject_id)
        await self._officers.require(principal, Authority.ISSUING, officer.district_code, matter_code or ANY)


class VaultRoles:
    """`licence_vault.ports.EnterpriseRoles` over the appointments of `idp`."""

    def __init__(self, legal_persons: LegalPersonService) -> None:
        """Take the legal persons."""
        self._legal_persons = legal_persons

    async def matters(self, connection: AsyncConnection, principal: Principal) -> frozenset[str] | None:
        """Return the matters of the role in force, None for all of them; raises NotPermitted."""
        acting = await self._legal_persons.behind(connection, principal)
        return None if ANY in acting.matters else frozenset(acting.matters)


class VaultMandates:
    """`licence_vault.ports.Mandates` over the mandate register of `idp`."""

    def __init__(self, people: People) -> None:
        """Take the services of people."""
        self._people = people

    async def check(
        self, connection: AsyncConnection, *, mandate_id: str, agent_id: str, asked: Mandated | None
    ) -> Giver:
        """Return who gave a mandate that is in force now, without using it."""
        act = None if asked is None else _act(asked)
        return await self._giver(
            connection, await self._people.mandates.standing(connection, mandate_id, agent_id, act)
        )

    async def use(
        self,
        connection: AsyncConnection,
        principal: Principal,
        *,
        mandate_id: str,
        agent_id: str | None,
        asked: Mandated,
    ) -> Giver:
        """Count one use; what the mandate opens is read first, since the last use exhausts it."""
        agent = agent_id or principal.person_id or ""
        mandate = await self._people.mandates.standing(connection, mandate_id, agent, _act(asked))
        await self._people.mandates.use(connection, principal, mandate_id, _act(asked), agent_person_id=agent_id)
        return await self._giver(connection, mandate)

    async def present(self, connection: AsyncConnection, principal: Principal, paper: PaperMandate) -> tuple[str, str]:
        """Accept the paper of an agent at an officer's window; return the mandate and the agent."""
        agent = AgentDocument(paper.agent_name, paper.document_number, paper.document_type)
        return await self._people.assisted.present(connection, principal, paper.code, agent)

    async def _giver(self, connection: AsyncConnection, mandate: Mandate) -> Giver:
        if mandate.principal_kind is PartyKind.ENTERPRISE:
            index = await self._people.legal_persons.holder_index(connection, mandate.principal_id)
        else:
            index = await self._people.persons.holder_index(mandate.principal_id)
        fields = None if ANY in mandate.terms.fields else frozenset(mandate.terms.fields)
        return Giver(() if index is None else (index,), fields)


def _act(asked: Mandated) -> Act:
    return Act(asked.matter_code, asked.type_code, asked.fields, asked.reference)


class KeepersOfSeals:
    """`signing.ports.SealOfficers` over the officers of `idp`."""

    def __init__(self, officers: OfficerService, clock: Clock) -> None:
        """Take the officers and the clock their posts go by."""
        self._officers = officers
        self._clock = clock

    async def keeps_seals(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether an officer holds the authority over the organisation's seals now."""
        return await self._officers.keeps_seals(principal, organisation_code)

    async def may_seal(self, principal: Principal, matter_code: str | None) -> bool:
        """Tell whether an officer holds the authority to seal, in the district of the post he acts in."""
        officer = await self._officers.get(principal.subject_id)
        now = self._clock.now()
        return any(
            grant.covers(Authority.SEALING, officer.district_code, matter_code or grant.matter_code, now)
            for grant in await self._officers.authorities(principal.subject_id)
        )

    async def in_post(self, officer_id: str, organisation_code: str) -> bool:
        """Tell whether this is an officer in post at the organisation."""
        try:
            officer = await self._officers.get(officer_id)
        except NotFound:
            return False
        return officer.in_post(self._clock.now()) and officer.organisation_code == organisation_code


class SealGate:
    """`signing.ports.FullGate` over `verification`, which is built after the vault, and the vault after `signing`."""

    def __init__(self) -> None:
        """Wait to be joined."""
        self._gate: FullGate | None = None

    def join(self, gate: FullGate) -> None:
        """Take the gate once it is built."""
        self._gate = gate

    async def refusals(self, document: bytes, *, field_name: str, uploaded: bool) -> tuple[str, ...]:
        """Ask the gate; raises ServiceUnavailable."""
        if self._gate is None:
            raise ServiceUnavailable("The service is still starting.")
        return await self._gate.refusals(document, field_name=field_name, uploaded=uploaded)


class SealSecondFactors:
    """`signing.ports.SecondFactors` over the one-time codes and passkeys of `idp`."""

    def __init__(self, second_factors: SecondFactorService, passkeys: PasskeyService) -> None:
        """Take both kinds of second factor."""
        self._second_factors = second_factors
        self._passkeys = passkeys

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        """Consume a one-time code, or check that the officer's passkey signed the challenge, in the transaction."""
        if factor.method == "totp":
            return (await self._second_factors.verify(connection, principal, factor.response)).reference
        if factor.method == "passkey":
            proof = await self._passkeys.verify_act(connection, principal, factor.response, challenge)
            return proof.reference
        raise NotPermitted("A one-time code or a passkey confirms a seal.", field="second_factor.method")
