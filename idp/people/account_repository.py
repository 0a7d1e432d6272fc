"""SQL of accounts and persons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from foundation.ids import new_id
from idp.people.account import Account, AccountKind, AccountState, DocumentType, Person
from idp.people.errors import UsernameTaken
from idp.people.proof import Evidence, Method, Outcome
from idp.people.tables import accounts, persons, real_name_proofs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.statements import Record

_MOBILE = "accounts.mobile"
_NAME = "persons.name"
_NUMBER = "persons.document_number"


class Accounts:
    """Rows of `accounts` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def add(
        self, kind: AccountKind, username: str, password_hash: str | None, mobile: str | None, now: datetime
    ) -> Account:
        """Insert an account; raises UsernameTaken."""
        account_id = new_id("acc")
        values: dict[str, Any] = {
            "account_id": account_id,
            "kind": kind,
            "state": AccountState.ACTIVE,
            "username": username,
            "password_hash": password_hash,
            "password_changed_at": now,
            "created_at": now,
            "updated_at": now,
        }
        if mobile is not None:
            values["mobile"] = self._cipher.encrypt(mobile, _MOBILE)
            values["mobile_index"] = self.mobile_index(mobile)
        try:
            await self._connection.execute(insert(accounts).values(values))
        except IntegrityError as error:
            raise UsernameTaken("This username is already in use.", field="username") from error
        return Account(account_id, kind, AccountState.ACTIVE, username, None, mobile, False, now)

    async def by_id(self, account_id: str) -> Account | None:
        """Return an account or None."""
        row = await self.row(account_id)
        return None if row is None else self._account(row)

    async def row(self, account_id: str) -> Row[Any] | None:
        """Return the whole row of an account, for opening a session."""
        return (await self._connection.execute(select(accounts).where(accounts.c.account_id == account_id))).first()

    async def sign_in_row(self, name: str) -> Row[Any] | None:
        """Return the row an account signs in with: by username, or by a proven mobile number."""
        statement = select(accounts).where(
            accounts.c.state != AccountState.CLOSED,
            or_(
                accounts.c.username == name,
                and_(
                    accounts.c.mobile_index == self.mobile_index(name),
                    accounts.c.mobile_verified_at.is_not(None),
                ),
            ),
        )
        return (await self._connection.execute(statement.limit(1))).first()

    async def password_hash(self, account_id: str) -> str | None:
        """Return the stored hash, for an owner who is already signed in."""
        statement = select(accounts.c.password_hash).where(accounts.c.account_id == account_id)
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def replace_password(self, account_id: str, *, old_hash: str | None, new_hash: str, now: datetime) -> bool:
        """Replace the hash if it is still the one that was checked."""
        statement = (
            update(accounts)
            .where(accounts.c.account_id == account_id, accounts.c.password_hash.is_not_distinct_from(old_hash))
            .values(password_hash=new_hash, password_changed_at=now, updated_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def link(self, account_id: str, person_id: str, now: datetime) -> bool:
        """Attach an account to a person unless it belongs to somebody else."""
        statement = (
            update(accounts)
            .where(
                accounts.c.account_id == account_id,
                accounts.c.state == AccountState.ACTIVE,
                or_(accounts.c.person_id.is_(None), accounts.c.person_id == person_id),
            )
            .values(person_id=person_id, updated_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def close(self, account_id: str, now: datetime) -> bool:
        """Close an account, once: the password and the proof of the mobile go, the name stays taken."""
        statement = (
            update(accounts)
            .where(accounts.c.account_id == account_id, accounts.c.state != AccountState.CLOSED)
            .values(
                state=AccountState.CLOSED,
                password_hash=None,
                mobile=None,
                mobile_index=None,
                mobile_verified_at=None,
                updated_at=now,
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def of_person(self, person_id: str) -> tuple[Account, ...]:
        """Return the person's accounts that are not closed, oldest first."""
        statement = (
            select(accounts)
            .where(accounts.c.person_id == person_id, accounts.c.state != AccountState.CLOSED)
            .order_by(accounts.c.created_at)
        )
        return tuple(self._account(row) for row in await self._connection.execute(statement))

    def mobile_index(self, mobile: str) -> bytes:
        """Return the blind index a mobile number is looked up by."""
        return mobile_index(self._cipher, mobile)

    def _account(self, row: Row[Any]) -> Account:
        return Account(
            account_id=row.account_id,
            kind=AccountKind(row.kind),
            state=AccountState(row.state),
            username=row.username,
            person_id=row.person_id,
            mobile=mobile_of(row, self._cipher),
            mobile_verified=row.mobile_verified_at is not None,
            created_at=row.created_at,
        )


class Persons:
    """Rows of `persons` and their evidence on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    def document_index(self, document_type: DocumentType, number: str) -> bytes:
        """Return the blind index a document is looked up by."""
        return self._cipher.blind_index(f"{document_type}:{number}", "persons.document")

    async def add(self, document_type: DocumentType, number: str, name: str, now: datetime) -> str:
        """Insert a person unless the document is known; return the id of whoever holds it."""
        index = self.document_index(document_type, number)
        values = {
            "person_id": new_id("per"),
            "document_type": document_type,
            "name": self._cipher.encrypt(name, _NAME),
            "document_number": self._cipher.encrypt(number, _NUMBER),
            "document_index": index,
            "holder_index": self._cipher.blind_index(number, "holder_code"),
            "level": "L0",
            "created_at": now,
        }
        await self._connection.execute(upsert(persons).values(values).on_conflict_do_nothing())
        found = select(persons.c.person_id).where(persons.c.document_index == index).with_for_update()
        return str((await self._connection.execute(found)).scalar_one())

    async def by_document(self, document_type: DocumentType, number: str) -> Person | None:
        """Return the person who holds a document, or None."""
        index = self.document_index(document_type, number)
        row = (await self._connection.execute(select(persons).where(persons.c.document_index == index))).first()
        return None if row is None else self._person(row)

    async def by_id(self, person_id: str) -> Person | None:
        """Return a person or None."""
        row = (await self._connection.execute(select(persons).where(persons.c.person_id == person_id))).first()
        return None if row is None else self._person(row)

    async def rename(self, person_id: str, name: str) -> None:
        """Give a person another name."""
        await self._connection.execute(
            update(persons).where(persons.c.person_id == person_id).values(name=self._cipher.encrypt(name, _NAME))
        )

    async def lock(self, person_id: str) -> None:
        """Hold the person's row, so that one change of evidence is weighed at a time."""
        await self._connection.execute(
            select(persons.c.person_id).where(persons.c.person_id == person_id).with_for_update()
        )

    async def set_level(self, person_id: str, level: str, until: datetime | None, policy: str = "") -> str:
        """Store the level of a locked row, and the policy that made it; return the level it replaces."""
        old = await self._connection.execute(select(persons.c.level).where(persons.c.person_id == person_id))
        previous = str(old.scalar_one())
        await self._connection.execute(
            update(persons)
            .where(persons.c.person_id == person_id)
            .values(level=level, level_until=until, policy=policy)
        )
        return previous

    async def evidence(self, person_id: str) -> tuple[Evidence, ...]:
        """Return the person's successful proofs, newest first."""
        statement = (
            select(real_name_proofs)
            .where(real_name_proofs.c.person_id == person_id, real_name_proofs.c.outcome == Outcome.MATCH)
            .order_by(real_name_proofs.c.verified_at.desc())
        )
        return evidence_of((await self._connection.execute(statement)).all())

    async def due(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Return persons whose stored level may have run out, the longest overdue first."""
        statement = (
            select(persons.c.person_id).where(persons.c.level_until <= now).order_by(persons.c.level_until).limit(limit)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    async def of_other_policy(self, policy: str, limit: int) -> tuple[str, ...]:
        """Return persons whose stored level another policy made."""
        statement = select(persons.c.person_id).where(persons.c.policy != policy).limit(limit)
        return tuple((await self._connection.execute(statement)).scalars())

    async def accounts_of_holder(self, holder_index: bytes) -> tuple[str, ...]:
        """Return the active accounts of the person whose document has this holder index."""
        statement = (
            select(accounts.c.account_id)
            .join(persons, persons.c.person_id == accounts.c.person_id)
            .where(persons.c.holder_index == holder_index, accounts.c.state == AccountState.ACTIVE)
            .order_by(accounts.c.created_at)
        )
        return tuple((await self._connection.execute(statement)).scalars())

    def _person(self, row: Row[Any]) -> Person:
        return person_of(row, self._cipher)


def mobile_index(cipher: FieldCipher, mobile: str) -> bytes:
    """Return the blind index a mobile number is looked up by."""
    return cipher.blind_index(mobile, _MOBILE)


def mobile_of(row: Row[Any] | Record, cipher: FieldCipher) -> str | None:
    """Return the mobile number of an account's row."""
    return None if row.mobile is None else cipher.decrypt(row.mobile, _MOBILE)


def person_of(row: Row[Any] | Record, cipher: FieldCipher) -> Person:
    """Return the person of a row, with the level that is stored in it."""
    return Person(
        person_id=row.person_id,
        name=cipher.decrypt(row.name, _NAME),
        document_type=DocumentType(row.document_type),
        document_number=cipher.decrypt(row.document_number, _NUMBER),
        level=row.level,
    )


def evidence_of(rows: Sequence[Row[Any]] | Sequence[Record]) -> tuple[Evidence, ...]:
    """Return the evidence that rows of successful proofs hold."""
    return tuple(
        Evidence(
            evidence_id=row.evidence_id,
            person_id=row.person_id,
            method=Method(row.method),
            authority=row.authority,
            transaction_id=row.transaction_id,
            verified_at=row.verified_at,
            expires_at=row.expires_at,
            withdrawn_at=row.withdrawn_at,
        )
        for row in rows
    )
