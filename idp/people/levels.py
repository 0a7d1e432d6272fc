"""Bringing a person's stored level in step with the evidence, and telling when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from idp.people.account_repository import Accounts, Persons
from idp.people.proof import level_at, next_change

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.tools import Tools


async def recompute(
    connection: AsyncConnection, tools: Tools, principal: Principal, person_id: str, *, because: str
) -> str:
    """Compute and store the level; a change is audited with both values and told to each account."""
    now = tools.clock.now()
    persons = Persons(connection, tools.cipher)
    await persons.lock(person_id)
    evidence = await persons.evidence(person_id)
    level = level_at(evidence, tools.policy, now)
    old = await persons.set_level(person_id, level, next_change(evidence, tools.policy, now), tools.policy.digest)
    if old != level:
        detail = {"old": old, "new": level, "because": because}
        await tools.audit.record(connection, principal, AuditEvent("people.level", "person", person_id, detail))
        for account in await Accounts(connection, tools.cipher).of_person(person_id):
            await tools.notices.send(connection, account.account_id, "people.level_changed", detail)
    return level
