"""Mandates 授权代理: proposing, signing off, using, revoking, delegating."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.people.account import masked_name
from idp.people.account_repository import Accounts, Persons
from idp.people.errors import MandateRefused
from idp.people.mandate import Act, Mandate, MandateState, MandateUse, PartyKind, Refusal
from idp.people.mandate_repository import Mandates
from idp.people.parties import Named, find_named, party_of, proven_person

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.legal_persons import LegalPersonService
    from idp.people.mandate import Terms
    from idp.people.tools import Tools

AGENT, PRINCIPAL = "agent", "principal"
SCOPE = frozenset({Refusal.MATTER, Refusal.LICENCE_TYPE, Refusal.FIELD})
"""What depends on the act; all other refusals hold for every act."""


class MandateService:
    """Use cases of a mandate. Nothing is cached: a revocation holds from its commit on."""

    def __init__(self, tools: Tools, legal_persons: LegalPersonService) -> None:
        """Take the shared collaborators, and who acts for enterprises."""
        self._tools = tools
        self._legal_persons = legal_persons

    async def propose(self, principal: Principal, agent: Named, terms: Terms) -> Mandate:
        """Offer a mandate in the own (or the enterprise's) name; it holds once the agent accepts.

        Raises: InvalidInput, StepUpRequired, NotPermitted.
        """
        kind, party_id = party_of(principal)
        return await self._propose(principal, terms, AGENT, party=(kind, party_id), agent=agent)

    async def request(self, principal: Principal, giver: Named, terms: Terms) -> Mandate:
        """Ask somebody for a mandate; it holds once that person accepts."""
        return await self._propose(principal, terms, PRINCIPAL, agent_person_id=proven_person(principal), giver=giver)

    async def delegate(self, principal: Principal, mandate_id: str, agent: Named, terms: Terms) -> Mandate:
        """Pass a mandate on, within its terms, where it allows that; raises NotFound, MandateRefused."""
        person_id = proven_person(principal)
        async with self._tools.database.read() as connection:
            parent = await Mandates(connection, self._tools.cipher).by_id(mandate_id)
        if parent is None or parent.agent_person_id != person_id:
            raise NotFound("There is no such mandate.")
        now = self._tools.clock.now()
        if parent.state is not MandateState.ACTIVE or not parent.terms.may_delegate or parent.parent_id is not None:
            raise MandateRefused("This mandate may not be passed on.", reason="may_not_delegate")
        if now >= parent.terms.valid_until or not terms.narrower_than(parent.terms):
            raise InvalidInput("A delegated mandate stays within the terms of the one it comes from.", field="terms")
        terms = replace(terms, may_delegate=False)
        party = (parent.principal_kind, parent.principal_id)
        return await self._propose(principal, terms, AGENT, party=party, agent=agent, parent_id=mandate_id)

    async def accept(self, principal: Principal, mandate_id: str) -> Mandate:
        """Sign off what was offered or asked; raises NotFound, Conflict, StepUpRequired."""
        now = self._tools.clock.now()
        return await self._answer(principal, mandate_id, {"state": MandateState.ACTIVE, "accepted_at": now})

    async def decline(self, principal: Principal, mandate_id: str) -> Mandate:
        """Turn down what was offered or asked; raises NotFound, Conflict."""
        now = self._tools.clock.now()
        return await self._answer(principal, mandate_id, {"state": MandateState.DECLINED, "ended_at": now})

    async def revoke(self, principal: Principal, mandate_id: str, reason: str = "") -> tuple[str, ...]:
        """End a mandate and all delegated from it, by either side or an operator; return the ended ids.

        The next use anywhere fails: uses are decided by the row this writes.
        """
        async with self._tools.database.transaction() as connection:
            repository = Mandates(connection, self._tools.cipher)
            mandate = await repository.by_id(mandate_id)
            if mandate is None or not self._concerns(principal, mandate):
                raise NotFound("There is no such mandate.")
            values = {
                "ended_at": self._tools.clock.now(),
                "ended_by": principal.audit_name,
                "end_reason": reason[:200],
            }
            ended = await repository.revoke(mandate_id, values)
            if mandate_id not in ended:
                raise Conflict("This mandate has ended before.")
            for ended_id in ended:
                event = AuditEvent("people.mandate_revoke", "mandate", ended_id, {"by_revoking": mandate_id})
                await self._tools.audit.record(connection, principal, event)
            await self._tell(connection, mandate, "people.mandate_revoked")
        return ended

    async def standing(
        self, connection: AsyncConnection, mandate_id: str, agent_person_id: str, act: Act | None = None
    ) -> Mandate:
        """Return a mandate that is in force for an agent now, without using it; raises MandateRefused.

        With `act`, it covers the act. What rests on a mandate for longer than one act asks this each time.
        """
        now = self._tools.clock.now()
        repository = Mandates(connection, self._tools.cipher)
        mandate = await repository.by_id(mandate_id)
        if mandate is None:
            raise MandateRefused("The mandate does not cover this act.", reason=Refusal.NOT_ACTIVE)
        own = mandate.refusal(act or Act(""), agent_person_id, now)
        for refusal in (own, await self._refusal_above(repository, mandate, act, now)):
            if refusal is not None and (act is not None or refusal not in SCOPE):
                raise MandateRefused("The mandate does not cover this act.", reason=refusal)
        return mandate

    @staticmethod
    async def _refusal_above(repository: Mandates, mandate: Mandate, act: Act | None, now: datetime) -> Refusal | None:
        """Return why the mandate a delegated one comes from refuses, if it does."""
        parent = None if mandate.parent_id is None else await repository.by_id(mandate.parent_id)
        return None if parent is None else parent.refusal(act or Act(""), parent.agent_person_id, now)

    async def use(
        self,
        connection: AsyncConnection,
        principal: Principal,
        mandate_id: str,
        act: Act,
        *,
        agent_person_id: str | None = None,
    ) -> MandateUse:
        """Act once in the other's name, in the caller's transaction: no act without its use, nor the other way round.

        Args:
            connection: the caller's transaction.
            principal: the agent, or the officer before whom the agent stands.
            mandate_id: which mandate.
            act: matter, licence type, fields, and the caller's reference.
            agent_person_id: the agent, where it is not the principal: somebody an officer identified,
                or whose phone released what a window now collects.

        Raises: MandateRefused with a `reason` of `mandate.Refusal`.
        """
        now, person_id = self._tools.clock.now(), agent_person_id or proven_person(principal)
        repository = Mandates(connection, self._tools.cipher)
        mandate = await repository.by_id(mandate_id)
        if mandate is None:
            raise MandateRefused("The mandate does not cover this act.", reason=Refusal.NOT_ACTIVE)
        # The mandate a delegated one comes from is counted first: revoking locks in the same order.
        async with connection.begin_nested():
            parent = mandate.parent_id
            counted = parent is None or await repository.use(parent, act, None, now)
            if not counted or not await repository.use(mandate_id, act, person_id, now):
                mandate = await repository.by_id(mandate_id) or mandate
                reason = mandate.refusal(act, person_id, now)
                raise MandateRefused("The mandate does not cover this act.", reason=reason or "parent")
        used = MandateUse(
            new_id("use"),
            mandate_id,
            now,
            mandate.principal_kind,
            mandate.principal_id,
            person_id,
            act.matter_code,
            act.licence_type,
            act.reference,
        )
        await repository.note_use(used, principal, act.fields)
        detail = {
            "principal": f"{used.principal_kind}:{used.principal_id}",
            "agent": person_id,
            "matter_code": act.matter_code,
            "licence_type": act.licence_type,
        }
        await self._tools.audit.record(
            connection, principal, AuditEvent("people.mandate_use", "mandate", mandate_id, detail)
        )
        await self._tell_giver(connection, used)
        return used

    async def given(self, principal: Principal) -> tuple[Mandate, ...]:
        """Return what was given in the principal's name, newest first, names masked."""
        async with self._tools.database.read() as connection:
            found = await Mandates(connection, self._tools.cipher).of_party(*party_of(principal))
            return await self._named(connection, found)

    async def held(self, principal: Principal) -> tuple[Mandate, ...]:
        """Return what the principal may do for others, newest first, names masked."""
        async with self._tools.database.read() as connection:
            found = await Mandates(connection, self._tools.cipher).of_agent(proven_person(principal))
            return await self._named(connection, found)

    async def uses(self, principal: Principal, mandate_id: str | None = None) -> tuple[MandateUse, ...]:
        """Return the uses of a mandate of either side's, or all that was done in the principal's name."""
        async with self._tools.database.read() as connection:
            repository = Mandates(connection, self._tools.cipher)
            if mandate_id is None:
                return await repository.uses(party=party_of(principal))
            mandate = await repository.by_id(mandate_id)
            if mandate is None or not self._concerns(principal, mandate):
                raise NotFound("There is no such mandate.")
            return await repository.uses(mandate_id=mandate_id)

    async def _propose(
        self,
        principal: Principal,
        terms: Terms,
        awaits: str,
        *,
        party: tuple[PartyKind, str] | None = None,
        agent: Named | None = None,
        agent_person_id: str | None = None,
        giver: Named | None = None,
        parent_id: str | None = None,
    ) -> Mandate:
        now = self._tools.clock.now()
        terms = terms.checked(now)
        cipher = self._tools.cipher
        async with self._tools.database.transaction() as connection:
            await self._within_role(connection, principal, terms)
            if giver is not None:
                party = (PartyKind.PERSON, await find_named(connection, cipher, giver, "giver"))
            if agent is not None:
                agent_person_id = await find_named(connection, cipher, agent, "agent")
            if party is None or party == (PartyKind.PERSON, agent_person_id):
                raise InvalidInput("Nobody is his own agent.", field="agent" if agent else "giver")
            values: dict[str, Any] = {
                "principal_kind": party[0],
                "principal_id": party[1],
                "agent_person_id": agent_person_id,
                "state": MandateState.PROPOSED,
                "awaits": awaits,
                "parent_id": parent_id,
                "proposed_by": principal.audit_name,
                "proposed_at": now,
                "channel": principal.channel,
            }
            mandate = await self._added(connection, principal, terms, values)
            await self._tell(connection, mandate, "people.mandate_proposed")
        return mandate

    async def _within_role(self, connection: AsyncConnection, principal: Principal, terms: Terms) -> None:
        """Refuse an enterprise's agent who passes on more than was entrusted."""
        if principal.kind is PrincipalKind.ENTERPRISE:
            acting = await self._legal_persons.behind(connection, principal)
            if not acting.covers(terms.matters):
                raise NotPermitted("You act for this enterprise in other matters.", field="matters")

    async def _added(
        self, connection: AsyncConnection, principal: Principal, terms: Terms, values: Mapping[str, Any]
    ) -> Mandate:
        repository = Mandates(connection, self._tools.cipher)
        mandate_id = await repository.add(terms, values)
        detail = {"matters": list(terms.matters), "licence_types": list(terms.licence_types)}
        event = AuditEvent("people.mandate_propose", "mandate", mandate_id, detail)
        await self._tools.audit.record(connection, principal, event)
        mandate = await repository.by_id(mandate_id)
        if mandate is None:
            raise NotFound("There is no such mandate.")
        return mandate

    async def _answer(self, principal: Principal, mandate_id: str, values: Mapping[str, Any]) -> Mandate:
        now: datetime = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            repository = Mandates(connection, self._tools.cipher)
            mandate = await repository.by_id(mandate_id)
            if mandate is None or not self._answers(principal, mandate):
                raise NotFound("There is no such mandate waiting for you.")
            if now >= mandate.terms.valid_until:
                raise Conflict("The mandate's period is over.")
            done = {**values, "awaits": ""}
            if mandate.awaits == PRINCIPAL:
                await self._within_role(connection, principal, mandate.terms)
            if not await repository.change(mandate_id, done, state=MandateState.PROPOSED, awaits=mandate.awaits):
                raise Conflict("This mandate was answered before.")
            accepted = values["state"] is MandateState.ACTIVE
            action = "people.mandate_accept" if accepted else "people.mandate_decline"
            await self._tools.audit.record(connection, principal, AuditEvent(action, "mandate", mandate_id))
            answered = await repository.by_id(mandate_id)
            await self._tell(connection, mandate, action + ("ed" if accepted else "d"))
        return answered or mandate

    def _answers(self, principal: Principal, mandate: Mandate) -> bool:
        if mandate.awaits == AGENT:
            return proven_person(principal) == mandate.agent_person_id
        return mandate.awaits == PRINCIPAL and party_of(principal) == (mandate.principal_kind, mandate.principal_id)

    def _concerns(self, principal: Principal, mandate: Mandate) -> bool:
        if principal.kind in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM}:
            return True
        if principal.kind is PrincipalKind.ENTERPRISE:
            return (mandate.principal_kind, mandate.principal_id) == (PartyKind.ENTERPRISE, principal.subject_id)
        own = {mandate.agent_person_id}
        if mandate.principal_kind is PartyKind.PERSON:
            own.add(mandate.principal_id)
        return principal.kind is PrincipalKind.PERSON and principal.person_id is not None and principal.person_id in own

    async def _tell(self, connection: AsyncConnection, mandate: Mandate, kind: str) -> None:
        people = {mandate.agent_person_id}
        if mandate.principal_kind is PartyKind.PERSON:
            people.add(mandate.principal_id)
        for person_id in sorted(filter(None, people)):
            for account in await Accounts(connection, self._tools.cipher).of_person(person_id):
                await self._tools.notices.send(connection, account.account_id, kind, {"mandate_id": mandate.mandate_id})

    async def _tell_giver(self, connection: AsyncConnection, used: MandateUse) -> None:
        if used.principal_kind is not PartyKind.PERSON:
            return
        agent = await Persons(connection, self._tools.cipher).by_id(used.agent_person_id)
        parameters = {
            "mandate_id": used.mandate_id,
            "agent": masked_name(agent.name) if agent else "",
            "matter_code": used.matter_code,
            "licence_type": used.licence_type,
        }
        for account in await Accounts(connection, self._tools.cipher).of_person(used.principal_id):
            await self._tools.notices.send(connection, account.account_id, "people.mandate_used", parameters)

    async def _named(self, connection: AsyncConnection, found: tuple[Mandate, ...]) -> tuple[Mandate, ...]:
        persons = Persons(connection, self._tools.cipher)
        ids = {mandate.agent_person_id for mandate in found} | {
            mandate.principal_id for mandate in found if mandate.principal_kind is PartyKind.PERSON
        }
        names = {}
        for person_id in filter(None, ids):
            person = await persons.by_id(person_id)
            names[person_id] = masked_name(person.name) if person else ""
        return tuple(
            replace(
                mandate,
                principal_name=names.get(mandate.principal_id, ""),
                agent_name=names.get(mandate.agent_person_id or "", ""),
            )
            for mandate in found
        )
