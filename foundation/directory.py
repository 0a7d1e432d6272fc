"""Organisations, districts and matters (政务服务事项): public facts that every package names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from foundation.errors import InvalidInput, NotFound
from foundation.tables import districts, matters, organisations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database


@dataclass(frozen=True, slots=True)
class District:
    """A place with a six-digit code (GB/T 2260)."""

    district_code: str
    name: str
    parent_code: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """A department or other tenant; `level` is `city`, `district` or `town`."""

    credit_code: str
    name: str
    district_code: str
    level: str


@dataclass(frozen=True, slots=True)
class Matter:
    """A service an owner department offers, such as 食品经营许可."""

    matter_code: str
    name: str
    owner_code: str


class Directory:
    """Reads and extends the directory."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def organisation(self, credit_code: str) -> Organisation:
        """Return an organisation; raises NotFound."""
        statement = select(organisations).where(organisations.c.credit_code == credit_code)
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("There is no such organisation.")
        return Organisation(row.credit_code, row.name, row.district_code, row.level)

    async def known(self, credit_codes: Iterable[str]) -> frozenset[str]:
        """Return those of some codes that are organisations'."""
        codes = organisations.c.credit_code
        async with self._database.read() as connection:
            return frozenset((await connection.execute(select(codes).where(codes.in_(set(credit_codes))))).scalars())

    async def organisations(self) -> tuple[Organisation, ...]:
        """Return all organisations, by code."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(organisations).order_by(organisations.c.credit_code))
            return tuple(Organisation(row.credit_code, row.name, row.district_code, row.level) for row in rows)

    async def district(self, district_code: str) -> District:
        """Return a district; raises NotFound."""
        statement = select(districts).where(districts.c.district_code == district_code)
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("There is no such district.")
        return District(row.district_code, row.name, row.parent_code)

    async def districts(self) -> tuple[District, ...]:
        """Return all districts, by code."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(districts).order_by(districts.c.district_code))
            return tuple(District(row.district_code, row.name, row.parent_code) for row in rows)

    async def matter(self, matter_code: str) -> Matter:
        """Return a matter; raises NotFound."""
        statement = select(matters).where(matters.c.matter_code == matter_code)
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("There is no such matter.")
        return Matter(row.matter_code, row.name, row.owner_code)

    async def require_matter(self, unverified_code: str, *, field: str = "matter_code") -> Matter:
        """Return a matter that somebody names; raises InvalidInput at the field when there is none."""
        try:
            return await self.matter(unverified_code)
        except NotFound:
            raise InvalidInput("没有这个事项 / there is no such matter.", field=field) from None

    async def matters(self, *, owner_code: str | None = None) -> tuple[Matter, ...]:
        """Return all matters, or one owner's, by code."""
        statement = select(matters).order_by(matters.c.matter_code)
        if owner_code is not None:
            statement = statement.where(matters.c.owner_code == owner_code)
        async with self._database.read() as connection:
            return tuple(
                Matter(row.matter_code, row.name, row.owner_code) for row in await connection.execute(statement)
            )

    async def add_district(self, connection: AsyncConnection, district: District) -> None:
        """Add a district, or bring one with its code up to date."""
        values = {"name": district.name, "parent_code": district.parent_code}
        statement = insert(districts).values(district_code=district.district_code, **values)
        await connection.execute(statement.on_conflict_do_update(index_elements=["district_code"], set_=values))

    async def add_organisation(self, connection: AsyncConnection, organisation: Organisation) -> None:
        """Add an organisation, or bring one with its code up to date."""
        values = {
            "name": organisation.name,
            "district_code": organisation.district_code,
            "level": organisation.level,
        }
        statement = insert(organisations).values(credit_code=organisation.credit_code, **values)
        await connection.execute(statement.on_conflict_do_update(index_elements=["credit_code"], set_=values))

    async def add_matter(self, connection: AsyncConnection, matter: Matter) -> None:
        """Add a matter, or bring one with its code up to date."""
        values = {"name": matter.name, "owner_code": matter.owner_code}
        statement = insert(matters).values(matter_code=matter.matter_code, **values)
        await connection.execute(statement.on_conflict_do_update(index_elements=["matter_code"], set_=values))
