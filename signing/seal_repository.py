"""Reading and writing seals, grants and the register of use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, any_, func, insert, literal, or_, select, update

from signing.model import BaselineLevel, Grant, Seal, SealImage, SealKind, SealState, SealUse
from signing.tables import seal_grants, seal_uses, seals

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from foundation.principal import Principal

FORM_CONTEXT, PNG_CONTEXT, HOLDER_CONTEXT = "seals.image_form", "seals.image_png", "seals.holder_name"
PAGE = 100
FACTS = (
    seals.c.seal_id,
    seals.c.organisation_code,
    seals.c.organisation_name,
    seals.c.kind,
    seals.c.name,
    seals.c.lower_text,
    seals.c.state,
    seals.c.algorithm,
    seals.c.applied_by,
    seals.c.applied_at,
    seals.c.approved_by,
    seals.c.key_id,
    seals.c.filing_number,
    seals.c.replaces,
    seals.c.reason,
    seals.c.use_count,
)


class SealRepository:
    """Seals over one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Take the caller's connection and what encrypts images and names."""
        self._connection = connection
        self._cipher = cipher

    async def add(self, seal: Seal, holder_name: str | None) -> None:
        """Write a new application."""
        values = {
            "seal_id": seal.seal_id,
            "organisation_code": seal.organisation_code,
            "organisation_name": seal.organisation_name,
            "kind": seal.kind,
            "name": seal.name,
            "lower_text": seal.lower_text,
            "state": seal.state,
            "algorithm": seal.algorithm,
            "applied_by": seal.applied_by,
            "applied_at": seal.applied_at,
            "state_changed_at": seal.applied_at,
            "replaces": seal.replaces,
            "holder_name": None if holder_name is None else self._cipher.encrypt(holder_name, HOLDER_CONTEXT),
        }
        await self._connection.execute(insert(seals).values(values))

    async def find(self, seal_id: str) -> Seal | None:
        """Return a seal or None."""
        row = (await self._connection.execute(select(*FACTS).where(seals.c.seal_id == seal_id))).one_or_none()
        return None if row is None else seal_of(row)

    async def holder_name(self, seal_id: str) -> str | None:
        """Return the name on a person's seal."""
        statement = select(seals.c.holder_name).where(seals.c.seal_id == seal_id)
        stored = (await self._connection.execute(statement)).scalar_one()
        return None if stored is None else self._cipher.decrypt(stored, HOLDER_CONTEXT)

    async def image(self, seal_id: str) -> SealImage | None:
        """Return a seal's pictures; None before it is made."""
        statement = select(seals.c.image_form, seals.c.image_png).where(seals.c.seal_id == seal_id)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None or row.image_form is None:
            return None
        return SealImage(
            self._cipher.decrypt_bytes(row.image_form, FORM_CONTEXT),
            self._cipher.decrypt_bytes(row.image_png, PNG_CONTEXT),
        )

    def encrypted(self, image: SealImage) -> dict[str, bytes]:
        """Return the image columns of a seal."""
        return {
            "image_form": self._cipher.encrypt_bytes(image.form, FORM_CONTEXT),
            "image_png": self._cipher.encrypt_bytes(image.png, PNG_CONTEXT),
        }

    async def move(
        self, seal_id: str, states: Collection[SealState], to: SealState, at: datetime, values: Mapping[str, Any]
    ) -> Seal | None:
        """Move a seal out of one of these states; None when it stands in none of them."""
        statement = (
            update(seals)
            .where(seals.c.seal_id == seal_id, seals.c.state.in_(states))
            .values(state=to, state_changed_at=at, **values)
            .returning(*FACTS)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else seal_of(row)

    async def of_organisation(self, organisation_code: str) -> tuple[Seal, ...]:
        """Return an organisation's seals, oldest first."""
        statement = select(*FACTS).where(seals.c.organisation_code == organisation_code).order_by(seals.c.seal_id)
        return tuple(seal_of(row) for row in await self._connection.execute(statement))

    async def usable_by_officer(
        self, officer_id: str, organisation_code: str, matter_code: str | None, now: datetime
    ) -> tuple[Seal, ...]:
        """Return the active seals an officer holds a grant of, for one matter or for any."""
        condition = standing_grant(officer_id, now)
        if matter_code is not None:
            condition = and_(condition, covers_matter(matter_code))
        granted = select(seal_grants.c.grant_id).where(condition).exists()
        statement = select(*FACTS).where(
            seals.c.organisation_code == organisation_code, seals.c.state == SealState.ACTIVE, granted
        )
        return tuple(seal_of(row) for row in await self._connection.execute(statement.order_by(seals.c.seal_id)))

    async def add_grant(self, grant: Grant, *, granted_by: str, granted_at: datetime) -> None:
        """Write a grant."""
        await self._connection.execute(
            insert(seal_grants).values(
                grant_id=grant.grant_id,
                seal_id=grant.seal_id,
                officer_id=grant.officer_id,
                matter_codes=sorted(grant.matter_codes),
                valid_from=grant.valid_from,
                valid_to=grant.valid_to,
                granted_by=granted_by,
                granted_at=granted_at,
            )
        )

    async def lock(self, seal_id: str) -> None:
        """Make others who change what belongs to the seal wait until the transaction ends."""
        await self._connection.execute(select(seals.c.seal_id).where(seals.c.seal_id == seal_id).with_for_update())

    async def grants(self, seal_id: str, now: datetime) -> tuple[Grant, ...]:
        """Return a seal's grants that are neither withdrawn nor over, newest first."""
        statement = select(seal_grants).where(
            seal_grants.c.seal_id == seal_id, seal_grants.c.revoked_at.is_(None), seal_grants.c.valid_to > now
        )
        rows = await self._connection.execute(statement.order_by(seal_grants.c.granted_at.desc()))
        return tuple(grant_of(row) for row in rows)

    async def grant(self, grant_id: str) -> Grant | None:
        """Return a grant or None."""
        statement = select(seal_grants).where(seal_grants.c.grant_id == grant_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else grant_of(row)

    async def approve_grant(self, grant_id: str, *, approver: Principal, at: datetime) -> bool:
        """Put a waiting grant in force, by somebody else than who gave it; tell whether it was waiting."""
        statement = (
            update(seal_grants)
            .where(
                seal_grants.c.grant_id == grant_id,
                seal_grants.c.approved_at.is_(None),
                seal_grants.c.revoked_at.is_(None),
                seal_grants.c.granted_by.not_in(approver.audit_names),
                seal_grants.c.valid_to > at,
            )
            .values(approved_by=approver.audit_name, approved_at=at)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def revoke_grant(self, grant_id: str, *, revoked_by: str, at: datetime) -> str | None:
        """Withdraw a standing grant; return its seal, or None when there is no such grant."""
        statement = (
            update(seal_grants)
            .where(seal_grants.c.grant_id == grant_id, seal_grants.c.revoked_at.is_(None))
            .values(revoked_by=revoked_by, revoked_at=at)
            .returning(seal_grants.c.seal_id)
        )
        seal_id: str | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return seal_id

    async def uses(self, seal_id: str, before: int | None) -> tuple[SealUse, ...]:
        """Return a page of the register of use, newest first."""
        statement = select(seal_uses).where(seal_uses.c.seal_id == seal_id)
        if before is not None:
            statement = statement.where(seal_uses.c.use_number < before)
        rows = await self._connection.execute(statement.order_by(seal_uses.c.use_number.desc()).limit(PAGE))
        return tuple(
            SealUse(
                row.use_number,
                row.seal_id,
                row.used_by,
                row.used_at,
                row.document_digest,
                row.sealed_digest,
                row.matter_code,
                BaselineLevel(row.level),
                row.second_factor_method,
            )
            for row in rows
        )


def standing_grant(officer_id: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a grant of the outer query's seal stands for an officer."""
    return and_(
        seal_grants.c.seal_id == seals.c.seal_id,
        seal_grants.c.officer_id == officer_id,
        seal_grants.c.approved_at.is_not(None),
        seal_grants.c.revoked_at.is_(None),
        seal_grants.c.valid_from <= now,
        seal_grants.c.valid_to > now,
    )


def covers_matter(matter_code: str | None) -> ColumnElement[bool]:
    """Return the condition that a grant covers a matter.

    A grant without matters covers every matter; a use without a matter needs such a grant.
    """
    every_matter = func.cardinality(seal_grants.c.matter_codes) == 0
    if matter_code is None:
        return every_matter
    return or_(every_matter, literal(matter_code) == any_(seal_grants.c.matter_codes))


def in_use(seal_id: str | ColumnElement[str], key_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition on `seals` that a seal is active, and with this key."""
    return and_(seals.c.seal_id == seal_id, seals.c.key_id == key_id, seals.c.state == SealState.ACTIVE)


def may_be_used(
    seal_id: str, key_id: str, officer_id: str | None, matter_code: str | None, now: datetime
) -> ColumnElement[bool]:
    """Return the condition on `seals` that every use reasserts when it is written: active, same key, granted."""
    condition = in_use(seal_id, key_id)
    if officer_id is None:
        return condition
    granted = and_(standing_grant(officer_id, now), covers_matter(matter_code))
    return and_(condition, select(seal_grants.c.grant_id).where(granted).exists())


def grant_of(row: Any) -> Grant:  # noqa: ANN401 - a row's columns are typed by the table
    """Read a row of `seal_grants`."""
    return Grant(
        row.grant_id,
        row.seal_id,
        row.officer_id,
        frozenset(row.matter_codes),
        row.valid_from,
        row.valid_to,
        row.granted_by,
        row.approved_at,
        row.revoked_at,
    )


def seal_of(row: Any) -> Seal:  # noqa: ANN401 - a row's columns are typed by the table
    """Read the columns FACTS."""
    return Seal(
        seal_id=row.seal_id,
        organisation_code=row.organisation_code,
        organisation_name=row.organisation_name,
        kind=SealKind(row.kind),
        name=row.name,
        lower_text=row.lower_text,
        state=SealState(row.state),
        algorithm=row.algorithm,
        applied_by=row.applied_by,
        applied_at=row.applied_at,
        approved_by=row.approved_by,
        key_id=row.key_id,
        filing_number=row.filing_number,
        replaces=row.replaces,
        reason=row.reason,
        use_count=row.use_count,
    )
