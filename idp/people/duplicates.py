"""Several accounts of one person: offered for merging once proven, and separable again.

Merged accounts keep their own credentials, so that each relying party goes on seeing the
`sub` it knows; what is shown and told is joined: one inbox, one list of sessions, one history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from foundation.audit import AuditEvent
from foundation.errors import Conflict, NotAuthenticated, NotFound
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.people.account import AccountKind
from idp.people.account_repository import Accounts
from idp.people.errors import RealNameConflict
from idp.people.parties import proven_person
from idp.people.tables import account_merges

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.account import Account
    from idp.people.tools import Tools


class DuplicateService:
    """Use cases of merging."""

    def __init__(self, tools: Tools) -> None:
        """Take the shared collaborators."""
        self._tools = tools

    async def offered(self, principal: Principal) -> tuple[Account, ...]:
        """Return the person's other accounts that are not merged into this one."""
        person_id = proven_person(principal)
        async with self._tools.database.read() as connection:
            group = await merged_with(connection, principal.subject_id)
            accounts = await Accounts(connection, self._tools.cipher).of_person(person_id)
        return tuple(account for account in accounts if account.account_id not in group)

    async def merge(self, principal: Principal, other_account_id: str) -> str:
        """Merge another account of the same person into this one; return the merge id.

        Raises: NotFound (no such account of this person), Conflict (merged already),
            RealNameConflict (the accounts belong to two people).
        """
        person_id = proven_person(principal)
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            accounts = Accounts(connection, self._tools.cipher)
            other = await accounts.by_id(other_account_id)
            if other is None or other.kind is not AccountKind.PERSON or other_account_id == principal.subject_id:
                raise NotFound("There is no such account of yours.")
            if other.person_id != person_id:
                raise RealNameConflict("Two people's accounts are never merged; prove the other account first.")
            merge_id = new_id("mrg")
            values = {
                "merge_id": merge_id,
                "primary_id": principal.subject_id,
                "secondary_id": other_account_id,
                "person_id": person_id,
                "merged_at": now,
            }
            try:
                async with connection.begin_nested():
                    await connection.execute(insert(account_merges).values(**values))
            except IntegrityError as error:
                raise Conflict("This account is merged already.") from error
            event = AuditEvent("people.merge", "account", principal.subject_id, {"secondary": other_account_id})
            await self._tools.audit.record(connection, principal, event)
            await self._tools.notices.send(connection, other_account_id, "people.account_merged", {})
        return merge_id

    async def undo(self, principal: Principal, merge_id: str) -> None:
        """Separate the accounts again, from either of them or as an operator; raises NotFound."""
        statement = (
            update(account_merges)
            .where(account_merges.c.merge_id == merge_id, account_merges.c.undone_at.is_(None))
            .values(undone_at=self._tools.clock.now(), undone_by=principal.audit_name)
            .returning(account_merges.c.primary_id, account_merges.c.secondary_id)
        )
        async with self._tools.database.transaction() as connection:
            row = (await connection.execute(statement)).first()
            concerned = principal.kind in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM}
            if row is None or not (concerned or principal.subject_id in row):
                raise NotFound("There is no such merge of yours.")
            event = AuditEvent("people.merge_undo", "account", row.primary_id, {"secondary": row.secondary_id})
            await self._tools.audit.record(connection, principal, event)

    async def merges(self, principal: Principal) -> tuple[tuple[str, str], ...]:
        """Return merge id and the other account of each merge in force."""
        if principal.kind is not PrincipalKind.PERSON:
            raise NotAuthenticated("Sign in first.")
        own = principal.subject_id
        statement = select(account_merges).where(
            account_merges.c.undone_at.is_(None),
            (account_merges.c.primary_id == own) | (account_merges.c.secondary_id == own),
        )
        async with self._tools.database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return tuple((row.merge_id, row.secondary_id if row.primary_id == own else row.primary_id) for row in rows)


async def merged_with(connection: AsyncConnection, account_id: str) -> frozenset[str]:
    """Return the accounts shown as one with this one, itself among them."""
    table = account_merges
    statement = select(table.c.primary_id, table.c.secondary_id).where(
        table.c.undone_at.is_(None),
        (table.c.primary_id == account_id)
        | (table.c.secondary_id == account_id)
        | table.c.primary_id.in_(
            select(table.c.primary_id).where(table.c.secondary_id == account_id, table.c.undone_at.is_(None))
        ),
    )
    group = {account_id}
    for row in await connection.execute(statement):
        group |= {row.primary_id, row.secondary_id}
    return frozenset(group)
