"""What a token or userinfo states about an account, read in one statement, with evidence in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from foundation.statements import Statement
from idp.people.account import AccountState
from idp.people.account_repository import evidence_of, mobile_of, person_of
from idp.people.proof import Outcome
from idp.people.tables import accounts, persons, real_name_proofs

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.statements import Record
    from idp.people.account import Person
    from idp.people.proof import Evidence

_ACCOUNT = accounts.c.account_id == bindparam("account_id")
STATE = Statement(select(accounts.c.state).where(_ACCOUNT))
TOLD = Statement(
    select(
        accounts.c.state,
        accounts.c.username,
        accounts.c.mobile,
        accounts.c.mobile_verified_at,
        persons.c.person_id,
        persons.c.name,
        persons.c.document_type,
        persons.c.document_number,
        persons.c.level,
    )
    .outerjoin(persons, persons.c.person_id == accounts.c.person_id)
    .where(_ACCOUNT)
)
EVIDENCE = Statement(
    select(real_name_proofs)
    .where(real_name_proofs.c.person_id == bindparam("person_id"), real_name_proofs.c.outcome == Outcome.MATCH)
    .order_by(real_name_proofs.c.verified_at.desc())
)


class ToldAccount:
    """A row of TOLD, decrypted where asked."""

    def __init__(self, row: Record, cipher: FieldCipher) -> None:
        """Take the row and the cipher."""
        self._row = row
        self._cipher = cipher
        self.active = row.state == AccountState.ACTIVE
        self.username: str = row.username
        self.mobile_verified = row.mobile_verified_at is not None

    @property
    def mobile(self) -> str | None:
        """Return the mobile number."""
        return mobile_of(self._row, self._cipher)

    @property
    def person(self) -> Person | None:
        """Return the proven person, with the level last stored."""
        return None if self._row.person_id is None else person_of(self._row, self._cipher)


class ClaimReads:
    """Reads for tokens and userinfo."""

    def __init__(self, database: Database, cipher: FieldCipher) -> None:
        """Take the database and the cipher."""
        self._database = database
        self._cipher = cipher

    async def stands(self, account_id: str) -> bool:
        """Tell whether there is such an account and it may sign in."""
        row = await self._database.fetch_one(STATE, account_id=account_id)
        return row is not None and row.state == AccountState.ACTIVE

    async def account(self, account_id: str) -> ToldAccount | None:
        """Return an account with its person, or None."""
        row = await self._database.fetch_one(TOLD, account_id=account_id)
        return None if row is None else ToldAccount(row, self._cipher)

    async def evidence(self, person_id: str) -> tuple[Evidence, ...]:
        """Return the person's successful proofs, newest first."""
        return evidence_of(await self._database.fetch(EVIDENCE, person_id=person_id))
