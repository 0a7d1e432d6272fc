"""Requests a day, counted in PostgreSQL because the authorities count them too."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.clock import civil_date
from idp.people.errors import RealNameQuotaExhausted
from idp.people.methods.base import AuthorityLimits
from idp.people.proof_repository import Proofs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from idp.people.tools import Tools

ERROR_MEMORY = timedelta(hours=24)
NEVER_WRONG = 1_000_000
CONTEXT = "authority_counters"


async def take(connection: AsyncConnection, tools: Tools, index: bytes, limits: AuthorityLimits) -> bool:
    """Take one request beforehand, as if it will be wrong; False when the next could be the locking one."""
    now = tools.clock.now()
    # The authorities' day begins at midnight in the city.
    return await Proofs(connection, tools.cipher).take(index, limits, now, civil_date(now), ERROR_MEMORY)


async def take_quota(connection: AsyncConnection, tools: Tools, name: str, a_day: int) -> None:
    """Take one of `a_day` requests of a name; raises RealNameQuotaExhausted."""
    index = tools.cipher.blind_index(name, CONTEXT)
    if not await take(connection, tools, index, AuthorityLimits(NEVER_WRONG, a_day + 1)):
        raise RealNameQuotaExhausted(
            "Today's attempts are used up; try again tomorrow or go to a service hall.",
            retry_after_seconds=int(ERROR_MEMORY.total_seconds()),
        )
