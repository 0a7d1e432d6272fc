"""SQL of one-time codes sent to mobiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, and_, bindparam, insert, select, update

from foundation.ids import new_id
from foundation.statements import Statement
from idp.people.account import AccountState
from idp.people.tables import accounts, devices, mobile_codes, persons

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher

MOBILE, CODE, ACCOUNT_MOBILE = "mobile_codes.mobile", "mobile_codes.code", "accounts.mobile"
ATTEMPTS = 5

OWNER_OF_NUMBER = Statement(
    select(accounts.c.account_id, devices.c.device_id, persons.c.holder_index)
    .outerjoin(persons, persons.c.person_id == accounts.c.person_id)
    .outerjoin(
        devices,
        and_(
            devices.c.account_id == accounts.c.account_id,
            devices.c.secret_hash == bindparam("device_hash", type_=LargeBinary),
            devices.c.forgotten_at.is_(None),
        ),
    )
    .where(
        accounts.c.mobile_index == bindparam("mobile_index", type_=LargeBinary),
        accounts.c.mobile_verified_at.is_not(None),
        accounts.c.state == AccountState.ACTIVE,
    )
    .limit(1)
)
"""The account a number is proven for, with its person and the asking device if it signed in there before."""


class MobileCodes:
    """Rows of `mobile_codes` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def add(
        self,
        purpose: str,
        mobile: str,
        code: str,
        account_id: str | None,
        now: datetime,
        until: datetime,
        *,
        opens: bool = True,
    ) -> str:
        """Insert a code and return its id; one that does not open has had its attempts already."""
        code_id = new_id("otc")
        await self._connection.execute(
            insert(mobile_codes).values(
                code_id=code_id,
                purpose=purpose,
                mobile=self._cipher.encrypt(mobile, MOBILE),
                code=self._cipher.encrypt(code, CODE),
                account_id=account_id,
                attempts=0 if opens else ATTEMPTS,
                created_at=now,
                expires_at=until,
            )
        )
        return code_id

    async def to_send(self, code_id: str, now: datetime) -> tuple[str, str, Row[Any]] | None:
        """Return mobile, code and row of a code that is still worth sending."""
        statement = select(mobile_codes).where(
            mobile_codes.c.code_id == code_id, mobile_codes.c.expires_at > now, mobile_codes.c.used_at.is_(None)
        )
        row = (await self._connection.execute(statement)).first()
        if row is None:
            return None
        return self._cipher.decrypt(row.mobile, MOBILE), self._cipher.decrypt(row.code, CODE), row

    async def attempt(self, code_id: str, purpose: str, now: datetime) -> tuple[str | None, str, str | None] | None:
        """Count an attempt before it is judged; return code, mobile and account, without the code when none was left.

        The count goes on past the last attempt: a code that never opens takes no less time than one that may.
        """
        statement = (
            update(mobile_codes)
            .where(
                mobile_codes.c.code_id == code_id,
                mobile_codes.c.purpose == purpose,
                mobile_codes.c.used_at.is_(None),
                mobile_codes.c.expires_at > now,
            )
            .values(attempts=mobile_codes.c.attempts + 1)
            .returning(mobile_codes)
        )
        row = (await self._connection.execute(statement)).first()
        if row is None:
            return None
        code = self._cipher.decrypt(row.code, CODE)
        mobile = self._cipher.decrypt(row.mobile, MOBILE)
        return code if row.attempts <= ATTEMPTS else None, mobile, row.account_id

    async def use(self, code_id: str, now: datetime) -> bool:
        """Consume a code once."""
        statement = (
            update(mobile_codes)
            .where(mobile_codes.c.code_id == code_id, mobile_codes.c.used_at.is_(None))
            .values(used_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def take_mobile(self, account_id: str, mobile: str, index: bytes, now: datetime) -> tuple[str, ...]:
        """Give a proven number to an account; return the accounts that lose it, a number handed on by the operator."""
        losers = (
            update(accounts)
            .where(
                accounts.c.mobile_index == index,
                accounts.c.mobile_verified_at.is_not(None),
                accounts.c.account_id != account_id,
            )
            .values(mobile_verified_at=None, updated_at=now)
            .returning(accounts.c.account_id)
        )
        lost = tuple((await self._connection.execute(losers)).scalars())
        await self._connection.execute(
            update(accounts)
            .where(accounts.c.account_id == account_id)
            .values(
                mobile=self._cipher.encrypt(mobile, ACCOUNT_MOBILE),
                mobile_index=index,
                mobile_verified_at=now,
                updated_at=now,
            )
        )
        return lost
