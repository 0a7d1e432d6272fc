"""The append-only record of every act, written in the act's own transaction.

Each row carries a commitment: SHA-256 over a random 32-byte salt followed by the
row's canonical JSON. The transparency log publishes commitments only, so that a
leaf tells nothing about anybody; whoever is shown the salt and the row can check
it against the log. Personal data does not enter `detail`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from foundation.tables import audit_log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.principal import Principal

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act: `action` in `package.verb` form, on one object."""

    action: str
    object_type: str
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditReceipt:
    """What identifies a written row: its number and its 32-byte commitment."""

    audit_id: int
    commitment: bytes


def canonical_row(event: AuditEvent, *, actor: str, channel: str, recorded_at: datetime) -> bytes:
    """Return the bytes a commitment covers: sorted, compact UTF-8 JSON."""
    row = {
        "action": event.action,
        "actor": actor,
        "channel": channel,
        "detail": dict(event.detail),
        "object_id": event.object_id,
        "object_type": event.object_type,
        "recorded_at": recorded_at.isoformat(timespec="microseconds"),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


class Audit:
    """Writes audit rows."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock that dates the rows."""
        self._clock = clock

    async def record(self, connection: AsyncConnection, principal: Principal, event: AuditEvent) -> AuditReceipt:
        """Append one row within the caller's transaction and return its commitment."""
        recorded_at = self._clock.now()
        channel = str(principal.channel)
        actor = principal.audit_name if principal.actor_id is None else f"{principal.actor_id}>{principal.audit_name}"
        salt = os.urandom(SALT_BYTES)
        commitment = hashlib.sha256(
            salt + canonical_row(event, actor=actor, channel=channel, recorded_at=recorded_at)
        ).digest()
        statement = (
            insert(audit_log)
            .values(
                recorded_at=recorded_at,
                actor=actor,
                action=event.action,
                object_type=event.object_type,
                object_id=event.object_id,
                channel=channel,
                detail=dict(event.detail),
                salt=salt,
                commitment=commitment,
            )
            .returning(audit_log.c.audit_id)
        )
        audit_id = (await connection.execute(statement)).scalar_one()
        return AuditReceipt(audit_id, commitment)
