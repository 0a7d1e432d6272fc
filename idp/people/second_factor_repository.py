"""SQL of TOTP secrets and recovery codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from idp.people.tables import recovery_codes, totp_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher

_SECRET = "totp_secrets.secret"  # noqa: S105 - the name of a column


class SecondFactors:
    """Rows of `totp_secrets` and `recovery_codes` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def put(self, account_id: str, secret: bytes, now: datetime) -> None:
        """Store a confirmed secret, as an administrator hands it to an officer."""
        await self._connection.execute(
            insert(totp_secrets).values(
                account_id=account_id,
                secret=self._cipher.encrypt_bytes(secret, _SECRET),
                last_step=0,
                confirmed_at=now,
            )
        )

    async def offer(self, account_id: str, secret: bytes, now: datetime) -> None:
        """Store a secret that waits for its first code; an older one stays in force until then."""
        candidate = self._cipher.encrypt_bytes(secret, _SECRET)
        await self._connection.execute(
            upsert(totp_secrets)
            .values(account_id=account_id, last_step=0, candidate=candidate, candidate_at=now)
            .on_conflict_do_update(
                index_elements=[totp_secrets.c.account_id], set_={"candidate": candidate, "candidate_at": now}
            )
        )

    async def candidate(self, account_id: str, *, since: datetime) -> bytes | None:
        """Return the waiting secret if it was made after `since`; the row is locked."""
        statement = (
            select(totp_secrets.c.candidate)
            .where(totp_secrets.c.account_id == account_id, totp_secrets.c.candidate_at > since)
            .with_for_update()
        )
        stored = (await self._connection.execute(statement)).scalar_one_or_none()
        return None if stored is None else self._cipher.decrypt_bytes(stored, _SECRET)

    async def confirm(self, account_id: str, step: int, now: datetime) -> bool:
        """Put the waiting secret in force, its first step consumed."""
        statement = (
            update(totp_secrets)
            .where(totp_secrets.c.account_id == account_id, totp_secrets.c.candidate.is_not(None))
            .values(
                secret=totp_secrets.c.candidate, confirmed_at=now, last_step=step, candidate=None, candidate_at=None
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def secret(self, account_id: str) -> bytes | None:
        """Return the secret in force, or None."""
        statement = select(totp_secrets.c.secret).where(
            totp_secrets.c.account_id == account_id, totp_secrets.c.confirmed_at.is_not(None)
        )
        stored = (await self._connection.execute(statement)).scalar_one_or_none()
        return None if stored is None else self._cipher.decrypt_bytes(stored, _SECRET)

    async def use_step(self, account_id: str, step: int) -> bool:
        """Consume a step: the WHERE clause lets each step, and none before it, pass once."""
        statement = (
            update(totp_secrets)
            .where(
                totp_secrets.c.account_id == account_id,
                totp_secrets.c.confirmed_at.is_not(None),
                totp_secrets.c.last_step < step,
            )
            .values(last_step=step)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def remove(self, account_id: str) -> None:
        """Delete the secret and its recovery codes."""
        await self._connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
        await self._connection.execute(delete(totp_secrets).where(totp_secrets.c.account_id == account_id))

    async def replace_recovery_codes(self, account_id: str, codes: Sequence[str], now: datetime) -> None:
        """Store a fresh set by keyed index; the old set is void."""
        await self._connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
        rows = [
            {"account_id": account_id, "code_index": self._index(account_id, code), "created_at": now} for code in codes
        ]
        await self._connection.execute(insert(recovery_codes), rows)

    async def use_recovery_code(self, account_id: str, code: str, now: datetime) -> bool:
        """Consume a recovery code once."""
        statement = (
            update(recovery_codes)
            .where(
                recovery_codes.c.account_id == account_id,
                recovery_codes.c.code_index == self._index(account_id, code),
                recovery_codes.c.used_at.is_(None),
            )
            .values(used_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    def _index(self, account_id: str, code: str) -> bytes:
        return self._cipher.blind_index(f"{account_id}:{code}", "recovery_codes.code")
