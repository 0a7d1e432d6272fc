"""Joins the provider to the mandate register of `idp.people`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation.principal import Principal, PrincipalKind
from idp.oauth.delegation import Delegation
from idp.people.account import AccountState
from idp.people.account_repository import Accounts, Persons
from idp.people.errors import MandateRefused
from idp.people.mandate import Act, PartyKind
from idp.people.mandate_repository import Mandates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from idp.people.mandate import Mandate
    from idp.people.mandates import MandateService

KINDS = {PartyKind.PERSON: PrincipalKind.PERSON, PartyKind.ENTERPRISE: PrincipalKind.ENTERPRISE}


class RegisteredMandates:
    """`idp.oauth.ports.MandateRegister` over the rows of the register; nothing is cached."""

    def __init__(self, database: Database, cipher: FieldCipher, service: MandateService) -> None:
        """Take the collaborators; what is in force, and what a use counts, the register's own service decides."""
        self._database = database
        self._cipher = cipher
        self._service = service

    async def held(self, mandate_id: str, agent_account_id: str) -> Delegation | None:
        """Return a mandate in force if this account's person is its agent."""
        async with self._database.read() as connection:
            mandate = await Mandates(connection, self._cipher).by_id(mandate_id)
            person_id = await self._person(connection, agent_account_id)
            if mandate is None or person_id is None or not await self._in_force(connection, mandate, person_id):
                return None
            return await self._delegation(connection, mandate)

    async def between(self, subject_id: str, agent_account_id: str) -> Delegation | None:
        """Return a mandate in force from an account's person, or an enterprise, to another account's person."""
        async with self._database.read() as connection:
            person_id = await self._person(connection, agent_account_id)
            giver = {await self._person(connection, subject_id), subject_id}
            if person_id is None:
                return None
            for mandate in await Mandates(connection, self._cipher).of_agent(person_id):
                if mandate.principal_id in giver and await self._in_force(connection, mandate, person_id):
                    return await self._delegation(connection, mandate)
        return None

    async def stands(self, mandate_id: str) -> bool:
        """Tell whether a mandate is in force now, asked of the register itself."""
        async with self._database.read() as connection:
            mandate = await Mandates(connection, self._cipher).by_id(mandate_id)
            agent = None if mandate is None else mandate.agent_person_id
            return mandate is not None and agent is not None and await self._in_force(connection, mandate, agent)

    async def use(
        self, connection: AsyncConnection, principal: Principal, mandate_id: str, detail: Mapping[str, Any], kind: str
    ) -> None:
        """Count one use in the caller's transaction; raises MandateRefused.

        `principal` is whom the token speaks for; its `actor_id` is the agent, who is the one to use the mandate.
        """
        agent = Principal(
            PrincipalKind.PERSON,
            principal.actor_id or "",
            person_id=await self._person(connection, principal.actor_id or ""),
            client_id=principal.client_id,
            acr=principal.acr,
            channel=principal.channel,
        )
        act = Act(detail["matter_code"], kind, tuple(detail["fields"]), detail["licence_identifier"])
        await self._service.use(connection, agent, mandate_id, act)

    async def person_of(self, account_id: str) -> str | None:
        """Return the proven person behind an account, or the person known by the own identifier."""
        async with self._database.read() as connection:
            found = await self._person(connection, account_id)
            person = None if found else await Persons(connection, self._cipher).by_id(account_id)
        return person.person_id if person else found

    async def _in_force(self, connection: AsyncConnection, mandate: Mandate, agent_person_id: str) -> bool:
        """Tell whether the register lets the agent act now: by this mandate, and by the one it was passed on from."""
        try:
            await self._service.standing(connection, mandate.mandate_id, agent_person_id)
        except MandateRefused:
            return False
        return True

    async def _delegation(self, connection: AsyncConnection, mandate: Mandate) -> Delegation:
        subject_id = mandate.principal_id
        if mandate.principal_kind is PartyKind.PERSON:
            subject_id = await self._account(connection, subject_id)
        earlier = []
        parent = mandate.parent_id
        while parent is not None:
            above = await Mandates(connection, self._cipher).by_id(parent)
            if above is None or above.agent_person_id is None:
                break
            earlier.append("account:" + await self._account(connection, above.agent_person_id))
            parent = above.parent_id
        return Delegation(
            mandate.mandate_id,
            KINDS[mandate.principal_kind],
            subject_id,
            tuple(earlier),
            mandate.terms.matters,
            mandate.terms.fields,
            mandate.terms.valid_until,
        )

    async def _person(self, connection: AsyncConnection, account_id: str) -> str | None:
        account = await Accounts(connection, self._cipher).by_id(account_id)
        return None if account is None or account.state is not AccountState.ACTIVE else account.person_id

    async def _account(self, connection: AsyncConnection, person_id: str) -> str:
        """Return the person's oldest active account; who has none is known by the person's own identifier."""
        found = await Accounts(connection, self._cipher).of_person(person_id)
        return next((each.account_id for each in found if each.state is AccountState.ACTIVE), person_id)
