"""SQL of officers and their authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, or_, select, update

from foundation.ids import new_id
from idp.people.account import AccountState
from idp.people.officer import Authority, AuthorityGrant, Officer
from idp.people.tables import accounts, officer_authorities, officers

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Principal

_NAME = "officers.name"


def in_post(now: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a moment or the parameter of a compiled statement
    """Return the condition that a post is held at a moment: begun, not run out, not left."""
    return and_(
        officers.c.ended_at.is_(None),
        or_(officers.c.starts_at.is_(None), officers.c.starts_at <= now),
        or_(officers.c.ends_at.is_(None), officers.c.ends_at > now),
    )


class Officers:
    """Rows of `officers` and `officer_authorities` on one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection; the caller commits."""
        self._connection = connection
        self._cipher = cipher

    async def add(
        self,
        account_id: str,
        name: str,
        organisation_code: str,
        district_code: str,
        post: str,
        now: datetime,
        document_index: bytes | None = None,
        period: tuple[datetime | None, datetime | None] = (None, None),
    ) -> Officer:
        """Insert a post; the index of the own ID number keeps its holder from verifying himself."""
        officer_id = new_id("off")
        await self._connection.execute(
            insert(officers).values(
                officer_id=officer_id,
                account_id=account_id,
                name=self._cipher.encrypt(name, _NAME),
                organisation_code=organisation_code,
                district_code=district_code,
                post=post,
                document_index=document_index,
                appointed_at=now,
                starts_at=period[0],
                ends_at=period[1],
            )
        )
        return Officer(officer_id, account_id, name, organisation_code, district_code, post, True, *period)

    async def by_id(self, officer_id: str) -> Officer | None:
        """Return an officer or None."""
        row = (await self._connection.execute(select(officers).where(officers.c.officer_id == officer_id))).first()
        return None if row is None else self._officer(row)

    async def document_index(self, officer_id: str) -> bytes | None:
        """Return the index of the officer's own ID number, when it is known."""
        account = select(officers.c.account_id).where(officers.c.officer_id == officer_id).scalar_subquery()
        known = officers.c.document_index.is_not(None)
        statement = select(officers.c.document_index).where(officers.c.account_id == account, known).limit(1)
        index: bytes | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return index

    async def holds_elsewhere(self, document_index: bytes) -> bool:
        """Tell whether the bearer of an ID number is an officer already."""
        statement = select(officers.c.officer_id).where(
            officers.c.document_index == document_index, officers.c.ended_at.is_(None)
        )
        return (await self._connection.execute(statement.limit(1))).first() is not None

    async def of_account(self, account_id: str, now: datetime) -> tuple[Officer, ...]:
        """Return the posts an account holds now, by appointment."""
        statement = (
            select(officers)
            .where(officers.c.account_id == account_id, in_post(now))
            .order_by(officers.c.appointed_at, officers.c.officer_id)
        )
        return tuple(self._officer(row) for row in await self._connection.execute(statement))

    async def named(self, username: str) -> tuple[Officer, ...]:
        """Return every post, left ones too, of the officer who signs in with a name."""
        statement = (
            select(officers)
            .join(accounts, accounts.c.account_id == officers.c.account_id)
            .where(accounts.c.username == username, accounts.c.state == AccountState.ACTIVE)
            .order_by(officers.c.appointed_at.desc(), officers.c.officer_id)
        )
        return tuple(self._officer(row) for row in await self._connection.execute(statement))

    async def hold(self, officer_id: str, account_id: str, now: datetime) -> Officer | None:
        """Return a post the account holds now and keep it from ending in this transaction, or None."""
        statement = select(officers).where(
            officers.c.officer_id == officer_id, officers.c.account_id == account_id, in_post(now)
        )
        row = (await self._connection.execute(statement.with_for_update(read=True))).first()
        return None if row is None else self._officer(row)

    async def run_out(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Return the posts whose time is over and that nobody ended yet."""
        statement = select(officers.c.officer_id).where(officers.c.ends_at <= now, officers.c.ended_at.is_(None))
        return tuple((await self._connection.execute(statement.limit(limit))).scalars())

    async def of_organisation(self, organisation_code: str) -> tuple[Officer, ...]:
        """Return an organisation's officers in post, by appointment."""
        statement = (
            select(officers)
            .where(officers.c.organisation_code == organisation_code, officers.c.ended_at.is_(None))
            .order_by(officers.c.appointed_at, officers.c.officer_id)
        )
        return tuple(self._officer(row) for row in await self._connection.execute(statement))

    async def end(self, officer_id: str, now: datetime) -> bool:
        """End a post; return False when it had ended before."""
        statement = (
            update(officers)
            .where(officers.c.officer_id == officer_id, officers.c.ended_at.is_(None))
            .values(ended_at=now)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def grants(self, officer_id: str, now: datetime) -> tuple[AuthorityGrant, ...]:
        """Return the grants in force, of an officer in post."""
        table = officer_authorities
        statement = (
            select(table)
            .join(officers, officers.c.officer_id == table.c.officer_id)
            .where(
                table.c.officer_id == officer_id,
                in_post(now),
                table.c.revoked_at.is_(None),
                table.c.approved_at.is_not(None),
                table.c.valid_from <= now,
                table.c.valid_until > now,
            )
            .order_by(table.c.valid_from, table.c.grant_id)
        )
        return tuple(grant_of(row) for row in await self._connection.execute(statement))

    async def add_grant(self, grant: AuthorityGrant, granting_organisation: str | None) -> None:
        """Insert a grant; one without `approved_at` waits for a second administrator."""
        await self._connection.execute(
            insert(officer_authorities).values(
                grant_id=grant.grant_id,
                officer_id=grant.officer_id,
                authority=grant.authority,
                district_code=grant.district_code,
                matter_code=grant.matter_code,
                valid_from=grant.valid_from,
                valid_until=grant.valid_until,
                granted_by=grant.granted_by,
                granting_organisation=granting_organisation,
                approved_at=grant.approved_at,
                approved_by=grant.granted_by if grant.approved_at else None,
            )
        )

    async def grant_row(self, grant_id: str) -> Row[Any] | None:
        """Return a grant with its officer's organisation, or None."""
        table = officer_authorities
        statement = (
            select(table, officers.c.organisation_code)
            .join(officers, officers.c.officer_id == table.c.officer_id)
            .where(table.c.grant_id == grant_id)
        )
        return (await self._connection.execute(statement)).first()

    async def awaiting(self, organisation_code: str | None) -> tuple[AuthorityGrant, ...]:
        """Return the grants that wait for a second administrator, of one organisation's officers or all."""
        table = officer_authorities
        statement = (
            select(table)
            .join(officers, officers.c.officer_id == table.c.officer_id)
            .where(table.c.approved_at.is_(None), table.c.revoked_at.is_(None), officers.c.ended_at.is_(None))
            .order_by(table.c.valid_from, table.c.grant_id)
        )
        if organisation_code is not None:
            statement = statement.where(officers.c.organisation_code == organisation_code)
        return tuple(grant_of(row) for row in await self._connection.execute(statement))

    async def approve(self, grant_id: str, principal: Principal, now: datetime) -> bool:
        """Put a waiting grant in force, by somebody else than who granted it or whom it is for."""
        table = officer_authorities
        statement = (
            update(table)
            .where(
                table.c.grant_id == grant_id,
                table.c.approved_at.is_(None),
                table.c.revoked_at.is_(None),
                table.c.granted_by.not_in(principal.audit_names),
                table.c.officer_id.not_in({principal.subject_id, *principal.posts}),
                table.c.valid_until > now,
            )
            .values(approved_at=now, approved_by=principal.audit_name)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def revoke(self, grant_id: str, revoked_by: str, now: datetime) -> str | None:
        """End a grant; return its officer, or None when it was not in force."""
        table = officer_authorities
        statement = (
            update(table)
            .where(table.c.grant_id == grant_id, table.c.revoked_at.is_(None))
            .values(revoked_at=now, revoked_by=revoked_by)
            .returning(table.c.officer_id)
        )
        found: str | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return found

    async def revoke_all(self, officer_id: str, revoked_by: str, now: datetime) -> int:
        """End all grants of an officer; return how many."""
        table = officer_authorities
        statement = (
            update(table)
            .where(table.c.officer_id == officer_id, table.c.revoked_at.is_(None))
            .values(revoked_at=now, revoked_by=revoked_by)
        )
        return (await self._connection.execute(statement)).rowcount

    def _officer(self, row: Row[Any]) -> Officer:
        return Officer(
            officer_id=row.officer_id,
            account_id=row.account_id,
            name=self._cipher.decrypt(row.name, _NAME),
            organisation_code=row.organisation_code,
            district_code=row.district_code,
            post=row.post,
            active=row.ended_at is None,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
        )


def grant_of(row: Row[Any]) -> AuthorityGrant:
    """Return the grant a row holds."""
    return AuthorityGrant(
        grant_id=row.grant_id,
        officer_id=row.officer_id,
        authority=Authority(row.authority),
        district_code=row.district_code,
        matter_code=row.matter_code,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        revoked_at=row.revoked_at,
        approved_at=row.approved_at,
        granted_by=row.granted_by,
    )
