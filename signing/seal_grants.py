"""Who may use a seal: granted to officers by matter and period, by two, withdrawn by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput
from foundation.ids import new_id
from signing.errors import FourEyesRequired, SealNotFound, SealStateConflict
from signing.model import Grant
from signing.seal_repository import SealRepository
from signing.seal_rules import LIVE_STATES, require_keeper, require_reader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from signing.model import Seal
    from signing.ports import SealOfficers
    from signing.seals import SealService

MAX_MATTERS = 100


class SealGrants:
    """Grants of the use of seals (用印授权): an operator or seal keeper gives, another one approves."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        seals: SealService,
        officers: SealOfficers,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._directory = directory
        self._seals = seals
        self._officers = officers

    async def grant(
        self,
        principal: Principal,
        seal_id: str,
        officer_id: str,
        *,
        matter_codes: Iterable[str] = (),
        valid_from: datetime,
        valid_to: datetime,
    ) -> Grant:
        """Let an officer of the seal's organisation use it; no matter named means every matter.

        The grant holds once another keeper or operator approves it.
        Raises: SealNotFound, NotPermitted, FourEyesRequired (for oneself), SealStateConflict, InvalidInput.
        """
        seal = await self._kept(principal, seal_id)
        if principal.is_one(officer_id):
            raise FourEyesRequired("Nobody grants himself the use of a seal.")
        if seal.state not in LIVE_STATES:
            raise SealStateConflict(f"The seal is {seal.state}.")
        now, matters = self._clock.now(), frozenset(matter_codes)
        if valid_to <= max(valid_from, now):
            raise InvalidInput("A grant ends after it begins, and later than now.", field="valid_to")
        if not await self._officers.in_post(officer_id, seal.organisation_code):
            raise InvalidInput("There is no such officer at the seal's organisation.", field="officer_id")
        await self._check_matters(matters)
        grant = Grant(new_id("sgr"), seal_id, officer_id, matters, valid_from, valid_to, principal.audit_name)
        async with self._database.transaction() as connection:
            repository = SealRepository(connection, self._cipher)
            await repository.add_grant(grant, granted_by=principal.audit_name, granted_at=now)
            await self._record(connection, principal, "seal.grant", grant, matter_codes=sorted(matters))
        return grant

    async def carriable(self, principal: Principal, seal_id: str) -> tuple[Grant, ...]:
        """Return the grants of the seal this one replaces that the principal could carry over to it."""
        seal = await self._kept(principal, seal_id)
        async with self._database.read() as connection:
            return await self._carriable(SealRepository(connection, self._cipher), principal, seal)

    async def carry_over(self, principal: Principal, seal_id: str) -> tuple[Grant, ...]:
        """Give everybody the use of a successor who has the use of the seal it replaces, on the same terms.

        Each new grant waits for another person's approval like any other. Nobody carries over his own.
        Raises: SealNotFound, NotPermitted, SealStateConflict.
        """
        seal = await self._kept(principal, seal_id)
        if seal.state not in LIVE_STATES:
            raise SealStateConflict(f"The seal is {seal.state}.")
        async with self._database.transaction() as connection:
            repository = SealRepository(connection, self._cipher)
            await repository.lock(seal_id)
            now, carried = self._clock.now(), []
            for old in await self._carriable(repository, principal, seal):
                grant = replace(
                    old,
                    grant_id=new_id("sgr"),
                    seal_id=seal_id,
                    valid_from=max(old.valid_from, now),
                    granted_by=principal.audit_name,
                    approved_at=None,
                )
                await repository.add_grant(grant, granted_by=principal.audit_name, granted_at=now)
                matters = sorted(grant.matter_codes)
                await self._record(
                    connection, principal, "seal.grant", grant, matter_codes=matters, carried_from=old.grant_id
                )
                carried.append(grant)
        return tuple(carried)

    async def _carriable(self, repository: SealRepository, principal: Principal, seal: Seal) -> tuple[Grant, ...]:
        """Return what stands at the predecessor and has no like here: officers in post, nobody's own."""
        if seal.replaces is None:
            return ()
        now = self._clock.now()
        here = {
            (grant.officer_id, grant.matter_codes, grant.valid_to)
            for grant in await repository.grants(seal.seal_id, now)
        }
        return tuple(
            [
                grant
                for grant in await repository.grants(seal.replaces, now)
                if grant.approved_at is not None
                and (grant.officer_id, grant.matter_codes, grant.valid_to) not in here
                and not principal.is_one(grant.officer_id)
                and await self._officers.in_post(grant.officer_id, seal.organisation_code)
            ]
        )

    async def approve(self, principal: Principal, grant_id: str) -> None:
        """Put somebody else's grant to a third in force.

        Raises: SealNotFound, NotPermitted, FourEyesRequired, SealStateConflict when it does not wait.
        """
        grant = await self._found(principal, grant_id)
        if grant.granted_by in principal.audit_names or principal.is_one(grant.officer_id):
            raise FourEyesRequired("Who gave a grant, or is to have it, may not approve it.")
        async with self._database.transaction() as connection:
            repository = SealRepository(connection, self._cipher)
            at = self._clock.now()
            if not await repository.approve_grant(grant_id, approver=principal, at=at):
                raise SealStateConflict("The grant does not wait for approval.")
            await self._record(connection, principal, "seal.approve_grant", grant)

    async def withdraw(self, principal: Principal, grant_id: str) -> None:
        """Withdraw a grant at once; raises SealNotFound when none stands, NotPermitted."""
        grant = await self._found(principal, grant_id)
        async with self._database.transaction() as connection:
            repository = SealRepository(connection, self._cipher)
            at = self._clock.now()
            if await repository.revoke_grant(grant_id, revoked_by=principal.audit_name, at=at) is None:
                raise SealNotFound("There is no such grant.")
            await self._record(connection, principal, "seal.revoke_grant", grant)

    async def of_seal(self, principal: Principal, seal_id: str) -> tuple[Grant, ...]:
        """Return a seal's grants that stand or wait, to an operator or its own organisation."""
        require_reader(principal, await self._seals.get(seal_id))
        async with self._database.read() as connection:
            return await SealRepository(connection, self._cipher).grants(seal_id, self._clock.now())

    async def keeps(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether the principal looks after the organisation's seals, or is an operator."""
        return await self._officers.keeps_seals(principal, organisation_code)

    async def _kept(self, principal: Principal, seal_id: str) -> Seal:
        """Return a seal to who looks after it; a stranger's is as one that is not there."""
        seal = await self._seals.get(seal_id)
        require_reader(principal, seal)
        await require_keeper(self._officers, principal, seal.organisation_code)
        return seal

    async def _found(self, principal: Principal, grant_id: str) -> Grant:
        async with self._database.read() as connection:
            grant = await SealRepository(connection, self._cipher).grant(grant_id)
        if grant is None:
            raise SealNotFound("There is no such grant.")
        await self._kept(principal, grant.seal_id)
        return grant

    async def _check_matters(self, matter_codes: frozenset[str]) -> None:
        if len(matter_codes) > MAX_MATTERS:
            raise InvalidInput(f"A grant names up to {MAX_MATTERS} matters.", field="matter_codes")
        for code in sorted(matter_codes):
            await self._directory.require_matter(code, field="matter_codes")

    async def _record(
        self, connection: AsyncConnection, principal: Principal, action: str, grant: Grant, **detail: object
    ) -> None:
        facts = {"grant_id": grant.grant_id, "officer_id": grant.officer_id, **detail}
        await self._audit.record(connection, principal, AuditEvent(action, "seal", grant.seal_id, facts))
