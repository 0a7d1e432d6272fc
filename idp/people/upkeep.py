"""What time and doubt do to proofs: expiry, withdrawal, dispute, and answers that come late."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.jobs import PeriodicJob
from foundation.principal import SYSTEM, PrincipalKind
from idp.people.account_repository import Persons
from idp.people.levels import recompute
from idp.people.proof_repository import Proofs
from idp.people.tables import authority_counters, mobile_codes, presence_codes, sessions, sign_in_attempts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from foundation.principal import Principal
    from idp.people.real_name import RealNameService
    from idp.people.tools import Tools

BATCH = 200
CODES_KEPT = timedelta(days=1)
COUNTERS_KEPT = timedelta(days=3)
HISTORY_KEPT = timedelta(days=180)
LONGEST_REASON = 200


class Upkeep:
    """Keeps levels in step with evidence."""

    def __init__(self, tools: Tools, real_name: RealNameService) -> None:
        """Take the shared collaborators and the service that asks again."""
        self._tools = tools
        self._real_name = real_name

    async def expire_levels(self) -> int:
        """Recompute every level whose evidence ran out; return how many persons were looked at."""

        async def due(persons: Persons) -> tuple[str, ...]:
            return await persons.due(self._tools.clock.now(), BATCH)

        return await self._recompute_all(due, "evidence expired")

    async def follow_policy(self) -> int:
        """Recompute every level that another policy made; return how many persons were looked at."""

        async def outdated(persons: Persons) -> tuple[str, ...]:
            return await persons.of_other_policy(self._tools.policy.digest, BATCH)

        return await self._recompute_all(outdated, "levels policy changed")

    async def _recompute_all(self, find: Callable[[Persons], Awaitable[tuple[str, ...]]], because: str) -> int:
        done = 0
        while True:
            async with self._tools.database.read() as connection:
                found = await find(Persons(connection, self._tools.cipher))
            for person_id in found:
                async with self._tools.database.transaction() as connection:
                    await recompute(connection, self._tools, SYSTEM, person_id, because=because)
            done += len(found)
            if len(found) < BATCH:
                return done

    async def follow_up(self) -> int:
        """Ask once more about every pending proof; return how many were decided."""
        decided = 0
        for evidence_id in await self._real_name.pending(limit=BATCH):
            result = await self._real_name.refresh(SYSTEM, evidence_id)
            decided += result is not None and result.outcome != "pending"
        return decided

    async def withdraw(self, principal: Principal, evidence_id: str, reason: str) -> str:
        """Take a proof back: the person's own, or any by an operator. Return the level left.

        A person withdraws to dispute what was recorded; an operator because the authority
        retracted it. The row stays, with who, when and why in the audit.

        Raises: NotFound, NotPermitted, InvalidInput.
        """
        if not 1 <= len(reason.strip()) <= LONGEST_REASON:
            raise InvalidInput(f"A reason has 1 to {LONGEST_REASON} characters.", field="reason")
        async with self._tools.database.transaction() as connection:
            proofs = Proofs(connection, self._tools.cipher)
            person_id = await proofs.person_of(evidence_id)
            own = principal.kind is PrincipalKind.PERSON and principal.person_id == person_id
            if person_id is None or (principal.kind is PrincipalKind.PERSON and not own):
                raise NotFound("There is no such proof.")
            if not own and principal.kind not in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM}:
                raise NotPermitted("Only the person or an operator withdraws a proof.")
            if not await proofs.withdraw(evidence_id, reason.strip(), self._tools.clock.now()):
                raise NotFound("There is no such proof in force.")
            event = AuditEvent("people.evidence_withdraw", "evidence", evidence_id, {"own": own})
            await self._tools.audit.record(connection, principal, event)
            return await recompute(connection, self._tools, principal, person_id, because="evidence withdrawn")

    async def tidy(self) -> int:
        """Delete what nobody can use any more: codes a day after their end, sessions and attempts after half a year.

        Audit rows stay. Returns how many rows went.
        """
        now = self._tools.clock.now()
        statements = (
            delete(mobile_codes).where(mobile_codes.c.expires_at < now - CODES_KEPT),
            delete(presence_codes).where(presence_codes.c.expires_at < now - CODES_KEPT),
            delete(sessions).where(sessions.c.expires_at < now - HISTORY_KEPT),
            delete(sign_in_attempts).where(sign_in_attempts.c.attempted_at < now - HISTORY_KEPT),
            delete(authority_counters).where(authority_counters.c.last_request_at < now - COUNTERS_KEPT),
        )
        async with self._tools.database.transaction() as connection:
            return sum([(await connection.execute(statement)).rowcount for statement in statements])

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""

        async def expire() -> None:
            await self.expire_levels()

        async def follow() -> None:
            await self.follow_up()

        async def policy() -> None:
            await self.follow_policy()

        async def tidy() -> None:
            await self.tidy()

        return {
            "people.tidy": PeriodicJob(tidy, timedelta(hours=6)),
            "people.expire_levels": PeriodicJob(expire, timedelta(minutes=10)),
            "people.follow_policy": PeriodicJob(policy, timedelta(minutes=10)),
            "people.follow_up_proofs": PeriodicJob(follow, timedelta(minutes=1)),
        }
