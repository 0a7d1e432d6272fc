"""SQL of passkeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from foundation.errors import Conflict
from idp.people.tables import passkeys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Passkey:
    """A credential as its owner sees it."""

    credential_id: bytes = field(repr=False)
    label: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool


class Passkeys:
    """Rows of `passkeys` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection

    async def add(self, values: Mapping[str, Any]) -> None:
        """Insert a credential; raises Conflict when it is registered already."""
        try:
            await self._connection.execute(insert(passkeys).values(**values))
        except IntegrityError as error:
            raise Conflict("This passkey is registered already.") from error

    async def by_id(self, credential_id: bytes) -> Row[Any] | None:
        """Return a credential or None."""
        statement = select(passkeys).where(passkeys.c.credential_id == credential_id)
        return (await self._connection.execute(statement)).first()

    async def of_account(self, account_id: str) -> tuple[Passkey, ...]:
        """Return an account's credentials, oldest first."""
        statement = select(passkeys).where(passkeys.c.account_id == account_id).order_by(passkeys.c.created_at)
        return tuple(
            Passkey(row.credential_id, row.label, row.created_at, row.last_used_at, row.backed_up)
            for row in await self._connection.execute(statement)
        )

    async def used(self, credential_id: bytes, sign_count: int, now: datetime) -> bool:
        """Note a use; False when the counter did not grow, the sign of a copied authenticator.

        Authenticators without a counter always say 0.
        """
        table = passkeys
        grew = table.c.sign_count < sign_count if sign_count else table.c.sign_count == 0
        statement = (
            update(table)
            .where(table.c.credential_id == credential_id, grew)
            .values(sign_count=sign_count, last_used_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def remove(self, account_id: str, credential_id: bytes) -> bool:
        """Delete an account's own credential."""
        statement = delete(passkeys).where(
            passkeys.c.account_id == account_id, passkeys.c.credential_id == credential_id
        )
        return (await self._connection.execute(statement)).rowcount == 1
