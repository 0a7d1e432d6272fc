"""What a verifier may know of stored licences, read over the caller's connection.

`hufu/wiring.py` adapts this to the port that `verification` declares. Reading here
leaves no access receipt: a verdict shows nothing personal, and the holder data it
carries is for comparing with what the asker supplies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import TIMESTAMP, and_, bindparam, func, literal_column, or_, select, true, union

from foundation.clock import civil_date
from foundation.statements import Statement
from licence_vault.current import CurrentLicences, deciding_record
from licence_vault.faces import FaceFacts, metadata
from licence_vault.model import LicenceState
from licence_vault.repository import LicenceRepository
from licence_vault.states import state_at, state_by, status_value
from licence_vault.tables import licence_documents, licence_states, licence_status_lists, licences

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import date, datetime

    from sqlalchemy import CompoundSelect, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.catalogue import Catalogue
    from licence_vault.model import Holder
    from licence_vault.repository import StoredLicence


def _not_plain() -> Select[Any]:
    """Return the licences of a list that are not plainly valid, each with the record that decides.

    Two selections, each over an index of its own: those that ever had another state, a few in
    a hundred, and those whose time has not come. `valid` is written out since an index over a
    part of the rows serves only a condition that is known beforehand.
    """
    columns = (licences.c.licence_id, licences.c.status_index, licences.c.valid_from, licences.c.valid_to)
    here = select(*columns).where(licences.c.status_list == bindparam("status_list"))
    ever = or_(licences.c.state != literal_column("'valid'"), licences.c.state_sequence > literal_column("1"))
    found = union(here.where(ever), here.where(licences.c.valid_from > bindparam("today"))).subquery()
    deciding = deciding_record(found.c.licence_id)
    return select(found, deciding.c.deciding_state).select_from(found.outerjoin(deciding, true()))


def _touched() -> CompoundSelect[Any]:
    """Return the lists of licences with new records, with records that came into force, and whose time began."""
    moment, records = TIMESTAMP(timezone=True), licence_states
    since, now = bindparam("since", type_=moment), bindparam("now", type_=moment)
    told = or_(records.c.recorded_at > since, and_(records.c.effective_at > since, records.c.effective_at <= now))
    begun = and_(licences.c.valid_from > bindparam("before"), licences.c.valid_from <= bindparam("today"))
    by_record = select(licences.c.status_list).join(records, records.c.licence_id == licences.c.licence_id).where(told)
    return union(by_record, select(licences.c.status_list).where(begun))


_NOT_PLAIN, _TOUCHED = _not_plain(), _touched()
_BY_DOCUMENT = Statement(
    select(licences.c.identifier)
    .join(licence_documents, licence_documents.c.licence_id == licences.c.licence_id)
    .where(licence_documents.c.sha256 == bindparam("sha256"))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class LicenceFacts:
    """A stored licence at one moment of valid time, as known at one moment of recorded time.

    `metadata` are the GB/T 36903 short names and texts as attached to the PDF;
    `document_sha256` the digests of every sealed PDF made of it.
    """

    identifier: str
    type_code: str
    type_name: str
    issuer_code: str
    issuer_name: str
    holders: tuple[Holder, ...]
    metadata: Mapping[str, str]
    issued_on: date
    valid_from: date
    valid_to: date | None
    state: LicenceState
    state_effective_at: datetime | None
    state_reason: str
    superseded_by: str | None
    status_list: int
    status_index: int
    document_sha256: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StatusValue:
    """One place of a status list whose value is not 0."""

    status_list: int
    index: int
    value: int


class LicenceRecords:
    """Facts about licences for verification."""

    def __init__(self, database: Database, cipher: FieldCipher, clock: Clock, catalogue: Catalogue) -> None:
        self.current = CurrentLicences(database, cipher, clock, catalogue).current
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._catalogue = catalogue

    async def find(
        self,
        connection: AsyncConnection,
        identifier: str,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> LicenceFacts | None:
        """Return a licence with its state at `at` as recorded by `known_at` (both now when None)."""
        repository = LicenceRepository(connection, self._cipher)
        stored = await repository.by_identifier(identifier)
        if stored is None or stored.state is LicenceState.PENDING:
            return None
        now = self._clock.now()
        records = await repository.states(stored.licence_id)
        state = state_at(
            records, valid_from=stored.valid_from, valid_to=stored.valid_to, at=at or now, known_at=known_at or now
        )
        licence_type = await self._catalogue.get(stored.type_code, stored.type_version)
        return LicenceFacts(
            identifier=stored.identifier,
            type_code=stored.type_code,
            type_name=licence_type.name,
            issuer_code=stored.issuer_code,
            issuer_name=stored.issuer_name,
            holders=stored.holders,
            metadata=metadata(licence_type, facts_of(stored)),
            issued_on=stored.issued_on,
            valid_from=stored.valid_from,
            valid_to=stored.valid_to,
            state=state.state,
            state_effective_at=None if state.record is None else state.record.effective_at,
            state_reason="" if state.record is None else state.record.reason_code.value,
            superseded_by=await repository.successor(stored.licence_id),
            status_list=stored.status_list,
            status_index=stored.status_index,
            document_sha256=tuple(one.sha256 for one in await repository.documents(stored.licence_id)),
        )

    async def find_document(self, sha256: bytes) -> str | None:
        """Return the identifier of the licence one of whose sealed PDFs has this digest."""
        row = await self._database.fetch_one(_BY_DOCUMENT, sha256=sha256)
        return None if row is None else str(row.identifier)

    async def not_valid(self, connection: AsyncConnection, status_list: int) -> AsyncIterator[StatusValue]:
        """Yield every place of a list whose value is not 0 now; unused places stay out."""
        now = self._clock.now()
        parameters = {"status_list": status_list, "now": now, "today": civil_date(now)}
        for row in await connection.execute(_NOT_PLAIN, parameters):
            recorded = None if row.deciding_state is None else LicenceState(row.deciding_state)
            state = state_by(recorded, valid_from=row.valid_from, valid_to=row.valid_to, at=now)
            if value := status_value(state):
                yield StatusValue(status_list, row.status_index, value)

    async def touched(self, connection: AsyncConnection, since: datetime) -> frozenset[int]:
        """Return the lists in which a value may have changed since: by a record, or because its time has come."""
        now = self._clock.now()
        days = {"before": civil_date(since), "today": civil_date(now)}
        rows = await connection.execute(_TOUCHED, {"since": since, "now": now, **days})
        return frozenset(rows.scalars())

    async def lists(self, connection: AsyncConnection) -> Mapping[int, int]:
        """Return the size of every status list in use; lists whose epoch has wholly expired have left."""
        year = str(civil_date(self._clock.now()).year)
        lists = licence_status_lists
        statement = select(lists.c.status_list, lists.c.capacity).where(
            (lists.c.epoch == "long") | (func.length(lists.c.epoch) == len(year)) & (lists.c.epoch >= year)
        )
        return {row.status_list: row.capacity for row in await connection.execute(statement)}


def facts_of(stored: StoredLicence) -> FaceFacts:
    """Return what the face of a stored licence shows."""
    return FaceFacts(
        stored.identifier,
        stored.licence_number,
        stored.issuer_code,
        stored.issuer_name,
        stored.holders,
        stored.face,
        stored.issued_on,
        stored.valid_from,
        stored.valid_to,
    )
