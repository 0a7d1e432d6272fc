"""The licence behind an identifier as it stands now: the hottest question verification asks.

One statement for all who ask at the same moment. Nothing is decrypted unless somebody
compares the holder, and what never changes of a type comes from the catalogue's memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import TIMESTAMP, Text, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from foundation.gathering import Gathering
from foundation.statements import Statement
from licence_vault.model import Holder, LicenceState
from licence_vault.repository import CODE_CONTEXT, NAME_CONTEXT
from licence_vault.states import state_by
from licence_vault.tables import licence_holders, licence_states, licences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.selectable import LateralFromClause

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.statements import Record
    from licence_vault.catalogue import Catalogue


def deciding_record(licence_id: ColumnElement[str]) -> LateralFromClause:
    """Return the last record of a licence that is known and in force at the parameter `now`."""
    now, records = bindparam("now", type_=TIMESTAMP(timezone=True)), licence_states
    return (
        select(records.c.state.label("deciding_state"), records.c.effective_at.label("state_effective_at"))
        .where(records.c.licence_id == licence_id)
        .where(records.c.effective_at <= now, records.c.recorded_at <= now)
        .order_by(records.c.sequence.desc())
        .limit(1)
        .lateral("deciding")
    )


def _question() -> Statement:
    """Return the statement: each licence with the record that decides its state, and its holders as stored."""
    deciding, members = deciding_record(licences.c.licence_id), licence_holders
    holders = (
        select(
            *(
                func.array_agg(aggregate_order_by(members.c[name], members.c.position)).label(f"holder_{name}s")
                for name in ("name", "code_type", "code")
            )
        )
        .where(members.c.licence_id == licences.c.licence_id)
        .lateral("holders")
    )
    columns = ("identifier", "type_code", "type_version", "issuer_code", "issuer_name", "valid_from", "valid_to")
    return Statement(
        select(
            *(licences.c[name] for name in columns),
            *deciding.c,
            *holders.c,
        )
        .select_from(licences.outerjoin(deciding, true()).outerjoin(holders, true()))
        .where(licences.c.identifier == func.any(bindparam("identifiers", type_=ARRAY(Text))))
        .where(licences.c.state != LicenceState.PENDING)
    )


_CURRENT = _question()
_HOLDER_COLUMNS = ("holder_names", "holder_code_types", "holder_codes")


@dataclass(frozen=True, slots=True)
class CurrentLicence:
    """A licence now; its holders are decrypted when they are looked at."""

    identifier: str
    type_code: str
    type_name: str
    issuer_code: str
    issuer_name: str
    valid_from: date
    valid_to: date | None
    state: LicenceState
    state_effective_at: datetime | None
    stored_holders: tuple[tuple[bytes, str, bytes], ...] = field(repr=False)
    cipher: FieldCipher = field(repr=False)

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Return the holders; raises UndecryptableField."""
        return tuple(
            Holder(self.cipher.decrypt(name, NAME_CONTEXT), code_type, self.cipher.decrypt(code, CODE_CONTEXT))
            for name, code_type, code in self.stored_holders
        )


class CurrentLicences:
    """Answers `current(identifier)`, many at a time."""

    def __init__(self, database: Database, cipher: FieldCipher, clock: Clock, catalogue: Catalogue) -> None:
        """Take the collaborators."""
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._catalogue = catalogue
        self._find: Gathering[str, CurrentLicence | None] = Gathering(self._find_all)

    async def current(self, identifier: str) -> CurrentLicence | None:
        """Return the version named by a canonical identifier as of now, None when there is no such licence."""
        return await self._find(identifier)

    async def _find_all(self, identifiers: Sequence[str]) -> list[CurrentLicence | None]:
        now = self._clock.now()
        rows = await self._database.fetch(_CURRENT, identifiers=list(set(identifiers)), now=now)
        found = {row.identifier: await self._licence(row, now) for row in rows}
        return [found.get(identifier) for identifier in identifiers]

    async def _licence(self, row: Record, now: datetime) -> CurrentLicence:
        recorded = None if row.deciding_state is None else LicenceState(row.deciding_state)
        licence_type = await self._catalogue.get(row.type_code, row.type_version)
        return CurrentLicence(
            identifier=row.identifier,
            type_code=row.type_code,
            type_name=licence_type.name,
            issuer_code=row.issuer_code,
            issuer_name=row.issuer_name,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            state=state_by(recorded, valid_from=row.valid_from, valid_to=row.valid_to, at=now),
            state_effective_at=row.state_effective_at,
            stored_holders=tuple(
                zip(row.holder_names or (), row.holder_code_types or (), row.holder_codes or (), strict=True)
            ),
            cipher=self._cipher,
        )
