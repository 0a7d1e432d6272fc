"""Figures about licences, without anybody's name: small counts are hidden.

A department sees its own figures, an operator everybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, and_, case, cast, func, select

from foundation.clock import civil_date
from foundation.errors import NotPermitted
from foundation.principal import PrincipalKind
from licence_vault.access import works_for
from licence_vault.model import LicenceState
from licence_vault.states import start_of
from licence_vault.tables import licence_accesses, licences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from licence_vault.catalogue import Catalogue

SMALLEST_SHOWN = 5
"""Counts of accesses below this are shown as 0: they could point to one person."""
DAYS = 30


@dataclass(frozen=True, slots=True)
class TypeFigures:
    """Figures of one type: licences by state now, and how many expire within 90 days."""

    type_code: str
    type_name: str
    by_state: Mapping[str, int]
    expiring: int

    @property
    def total(self) -> int:
        """Return all licences of the type."""
        return sum(self.by_state.values())


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures for a chart: types, issues a day, accesses by way."""

    types: tuple[TypeFigures, ...]
    issued_by_day: Mapping[date, int]
    accesses_by_way: Mapping[str, int]


class StatisticsService:
    """Counts licences and accesses."""

    def __init__(self, database: Database, clock: Clock, catalogue: Catalogue) -> None:
        self._database = database
        self._clock = clock
        self._catalogue = catalogue

    async def figures(self, principal: Principal) -> Statistics:
        """Return the figures of the principal's organisation, or of all for an operator; raises NotPermitted."""
        organisation = self._scope(principal)
        own = licences.c.state != LicenceState.PENDING
        if organisation is not None:
            own = and_(own, licences.c.issuer_code == organisation)
        now = self._clock.now()
        today = civil_date(now)
        since = start_of(today - timedelta(days=DAYS - 1))
        day = cast(func.timezone("Asia/Shanghai", licences.c.registered_at), Date)
        expired = and_(licences.c.state.in_([LicenceState.VALID, LicenceState.SUSPENDED]), licences.c.valid_to < today)
        state = case((expired, LicenceState.EXPIRED), else_=licences.c.state)
        soon = and_(
            licences.c.state == LicenceState.VALID, licences.c.valid_to.between(today, today + timedelta(days=90))
        )
        by_type = select(
            licences.c.type_code, state.label("state"), func.count().label("count"), func.count().filter(soon)
        )
        accesses = select(licence_accesses.c.way, func.count()).join(
            licences, licences.c.licence_id == licence_accesses.c.licence_id
        )
        async with self._database.read() as connection:
            types = (await connection.execute(by_type.where(own).group_by(licences.c.type_code, state))).all()
            days = select(day, func.count()).where(own, licences.c.registered_at >= since).group_by(day)
            issued = {row[0]: int(row[1]) for row in await connection.execute(days)}
            recent = accesses.where(own, licence_accesses.c.accessed_at >= since, licence_accesses.c.own.is_(False))
            ways = {row[0]: int(row[1]) for row in await connection.execute(recent.group_by(licence_accesses.c.way))}
        return Statistics(
            types=await self._by_type(types),
            issued_by_day={
                today - timedelta(days=back): issued.get(today - timedelta(days=back), 0)
                for back in range(DAYS - 1, -1, -1)
            },
            accesses_by_way={way: count if count >= SMALLEST_SHOWN else 0 for way, count in sorted(ways.items())},
        )

    def _scope(self, principal: Principal) -> str | None:
        """Return the organisation to count for, None for all."""
        if principal.kind is PrincipalKind.OPERATOR:
            return None
        organisation = principal.organisation_code
        if organisation is None or not works_for(principal, organisation):
            raise NotPermitted("Statistics need an operator, an officer or a client with scope licence:read.")
        return organisation

    async def _by_type(self, rows: Sequence[Any]) -> tuple[TypeFigures, ...]:
        found: dict[str, dict[str, int]] = {}
        expiring: dict[str, int] = {}
        for type_code, state, count, soon in rows:
            found.setdefault(type_code, {})[str(state)] = int(count)
            expiring[type_code] = expiring.get(type_code, 0) + int(soon)
        return tuple(
            [
                TypeFigures(code, (await self._catalogue.get(code)).name, states, expiring[code])
                for code, states in sorted(found.items())
            ]
        )
