"""Backfill (存量归集): history into the vault, a thousand rows a transaction.

The chunk that stores rows moves the import's counter with them, so that a killed import
goes on where it stood. A row is known by issuer, type and number: the same row again
changes nothing, another row under its number is rejected. Faces are made on first use.
One audit row a chunk carries the digest over its licence identifiers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from foundation.audit import AuditEvent
from foundation.clock import civil_date
from foundation.errors import InvalidInput, NotFound, NotPermitted, TrustServiceError
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from licence_vault.backfill_rows import HistoricLicence, RawRow, RowReader, after, chunks, name_of_import, read_rows
from licence_vault.holders import check_holders
from licence_vault.identifier import LicenceIdentifier
from licence_vault.model import LicenceState, ReasonCode, StateRecord
from licence_vault.numbering import Numbering
from licence_vault.repository import LicenceRepository
from licence_vault.states import start_of
from licence_vault.status_allocation import epoch_of
from licence_vault.tables import licence_import_rejects, licence_imports, licences
from licence_vault.texts import check_text, normalise_face
from licence_vault.validity import check_validity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory, Organisation
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.catalogue import Catalogue
    from licence_vault.definitions import LicenceType
    from licence_vault.model import Holder
    from licence_vault.schema import FaceSchema

CHUNK = 1000
_STATES = {state.label: state for state in LicenceState} | {state.value: state for state in LicenceState}
_TABLES = ("licences", "licence_holders", "licence_states")


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is; `repeated` rows were stored before with the same data."""

    import_id: str
    rows: int
    accepted: int
    repeated: int
    rejected: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not stored, and why."""

    row_number: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """A row that keeps every rule."""

    row_number: int
    licence: HistoricLicence
    holders: tuple[Holder, ...]
    face: dict[str, Any]
    key: str
    digest: bytes
    state: LicenceState


@dataclass(frozen=True, slots=True)
class _Parts:
    """The collaborators of an import."""

    database: Database
    clock: Clock
    audit: Audit
    cipher: FieldCipher
    catalogue: Catalogue


class Backfill:
    """Imports files of history."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        catalogue: Catalogue,
    ) -> None:
        self._parts = _Parts(database, clock, audit, cipher, catalogue)
        self._directory = directory

    async def run(
        self,
        principal: Principal,
        path: Path,
        *,
        file_format: str,
        issuer_code: str,
        type_code: str,
        watch: Callable[[ImportProgress], None] = lambda _: None,
    ) -> ImportProgress:
        """Import a file, or go on with it where an earlier run stopped.

        Raises: NotPermitted, UnknownLicenceType, InvalidInput (issuer), UnreadableFile.
        """
        if principal.kind not in (PrincipalKind.OPERATOR, PrincipalKind.SYSTEM):
            raise NotPermitted("Only operators import history.")
        licence_type = await self._parts.catalogue.get(type_code)
        try:
            issuer = await self._directory.organisation(issuer_code)
        except NotFound as error:
            raise InvalidInput("签发机构未登记 / the issuer is not registered.", field="issuer_code") from error
        import_id = name_of_import(path, issuer_code, type_code)
        progress = await self._begin(principal, import_id, issuer_code, type_code)
        if progress.finished:
            return progress
        chunker = _Chunk(self._parts, principal, licence_type, issuer, import_id)
        rows = after(read_rows(path, file_format), progress.rows)
        for chunk in chunks(rows, CHUNK):
            progress = await chunker.store(chunk)
            watch(progress)
        return await self._finish(principal, import_id)

    async def rejects(self, import_id: str) -> tuple[Reject, ...]:
        """Return the rejected rows of an import, in order."""
        table = licence_import_rejects
        statement = select(table).where(table.c.import_id == import_id).order_by(table.c.row_number)
        async with self._parts.database.read() as connection:
            return tuple(Reject(row.row_number, row.field, row.reason) for row in await connection.execute(statement))

    async def _begin(self, principal: Principal, import_id: str, issuer_code: str, type_code: str) -> ImportProgress:
        statement = upsert(licence_imports).values(
            import_id=import_id,
            issuer_code=issuer_code,
            type_code=type_code,
            started_by=principal.audit_name,
            started_at=self._parts.clock.now(),
            rows=0,
            accepted=0,
            repeated=0,
            rejected=0,
        )
        async with self._parts.database.transaction() as connection:
            await connection.execute(statement.on_conflict_do_nothing())
            return await _progress(connection, import_id)

    async def _finish(self, principal: Principal, import_id: str) -> ImportProgress:
        async with self._parts.database.transaction() as connection:
            done = update(licence_imports).where(
                licence_imports.c.import_id == import_id, licence_imports.c.finished_at.is_(None)
            )
            await connection.execute(done.values(finished_at=self._parts.clock.now()))
            progress = await _progress(connection, import_id)
            detail = {"accepted": progress.accepted, "repeated": progress.repeated, "rejected": progress.rejected}
            await self._parts.audit.record(
                connection, principal, AuditEvent("licence_vault.import", "import", import_id, detail)
            )
            return progress


class _Chunk:
    """Checks and stores chunks of one import."""

    def __init__(
        self, parts: _Parts, principal: Principal, licence_type: LicenceType, issuer: Organisation, import_id: str
    ) -> None:
        self._parts = parts
        self._principal = principal
        self._type = licence_type
        self._issuer = issuer
        self._import_id = import_id
        self._reader = RowReader(licence_type)

    async def store(self, rows: Sequence[RawRow]) -> ImportProgress:
        """Check rows and store the good ones, the rejections and the counter in one transaction."""
        schema = await self._parts.catalogue.schema(self._type)
        ready: list[_Ready] = []
        rejects: list[Reject] = []
        for row in rows:
            try:
                ready.append(self._check(row, schema))
            except TrustServiceError as error:
                rejects.append(Reject(row.number, error.field or "", error.detail))
        async with self._parts.database.transaction() as connection:
            # One import of an issuer and type at a time: what is known stays known until the commit.
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
                {"name": f"hufu.import {self._issuer.credit_code} {self._type.code}"},
            )
            fresh, repeated = await self._sift(connection, ready, rejects)
            identifiers = await self._insert(connection, fresh)
            await self._count(connection, len(rows), len(fresh), repeated, rejects)
            if identifiers:
                digest = hashlib.sha256("\n".join(identifiers).encode()).hexdigest()
                detail = {"count": len(identifiers), "identifiers_sha256": digest, "first_row": rows[0].number}
                event = AuditEvent("licence_vault.import_chunk", "import", self._import_id, detail)
                await self._parts.audit.record(connection, self._principal, event)
            return await _progress(connection, self._import_id)

    def _check(self, row: RawRow, schema: FaceSchema) -> _Ready:
        licence = self._reader.understand(row)
        number = check_text(licence.licence_number, "licence_number", max_length=80)
        today = civil_date(self._parts.clock.now())
        holders = check_holders(licence.holders, self._type, today)
        face = normalise_face(dict(licence.face))
        schema.check(face)
        check_validity(self._type, licence.valid_from, licence.valid_to, licence.issued_on, today)
        state = _state(licence, today)
        values = [
            number,
            [[one.name, one.code_type, one.code] for one in holders],
            face,
            [licence.issued_on.isoformat(), licence.valid_from.isoformat(), str(licence.valid_to)],
            [state.value, str(licence.state_on), licence.state_reason],
        ]
        digest = self._parts.cipher.blind_index(
            json.dumps(values, ensure_ascii=False, sort_keys=True), "licences.request"
        )
        known_by = self._parts.cipher.blind_index(f"{self._type.code} {number}", "licences.import").hex()
        return _Ready(row.number, licence, holders, face, f"import:{known_by}", digest, state)

    async def _sift(
        self, connection: AsyncConnection, ready: Sequence[_Ready], rejects: list[Reject]
    ) -> tuple[list[_Ready], int]:
        """Return the rows not stored yet; what repeats is counted, what contradicts is rejected."""
        statement = select(licences.c.idempotency_key, licences.c.request_digest).where(
            licences.c.issuer_code == self._issuer.credit_code,
            licences.c.idempotency_key.in_([one.key for one in ready]),
        )
        known = {key: digest for key, digest in await connection.execute(statement)}  # noqa: C416 - rows are no pairs
        fresh: list[_Ready] = []
        repeated = 0
        for one in ready:
            digest = known.get(one.key)
            if digest is None:
                known[one.key] = one.digest
                fresh.append(one)
            elif digest == one.digest:
                repeated += 1
            else:
                reason = "同一证照编号已有不同数据 / the number is stored with other data."
                rejects.append(Reject(one.row_number, "licence_number", reason))
        return fresh, repeated

    async def _insert(self, connection: AsyncConnection, fresh: Sequence[_Ready]) -> list[str]:
        if not fresh:
            return []
        numbering = Numbering(connection, self._parts.clock.now())
        serials = await numbering.serials(
            self._type.code, self._issuer.credit_code, [one.licence.issued_on.year for one in fresh]
        )
        places = await numbering.places(self._issuer.credit_code, [epoch_of(one.licence.valid_to) for one in fresh])
        repository = LicenceRepository(connection, self._parts.cipher)
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
        for one, serial, place in zip(fresh, serials, places, strict=True):
            row = self._licence_row(repository, one, serial, place)
            rows["licences"].append(row)
            rows["licence_holders"] += repository.holder_rows(row["licence_id"], one.holders)
            rows["licence_states"] += [repository.state_row(row["licence_id"], record) for record in self._records(one)]
        for name in _TABLES:
            await _copy(connection, name, rows[name])
        return [row["identifier"] for row in rows["licences"]]

    def _licence_row(
        self, repository: LicenceRepository, one: _Ready, serial: str, place: tuple[int, int]
    ) -> dict[str, Any]:
        identifier = LicenceIdentifier(self._type.code, self._issuer.credit_code, serial, 1)
        return repository.encrypted(one.licence.licence_number, one.face) | {
            "licence_id": new_id("lic"),
            "identifier": str(identifier),
            "type_code": self._type.code,
            "type_version": self._type.version,
            "issuer_code": self._issuer.credit_code,
            "issuer_name": self._issuer.name,
            "serial": serial,
            "version": 1,
            "issued_on": one.licence.issued_on,
            "valid_from": one.licence.valid_from,
            "valid_to": one.licence.valid_to,
            "status_list": place[0],
            "status_index": place[1],
            "state": one.state.value,
            "state_sequence": 1 if one.state is LicenceState.VALID else 2,
            "source": "import",
            "idempotency_key": one.key,
            "request_digest": one.digest,
            "case_number": "",
            "registered_at": self._parts.clock.now(),
        }

    def _records(self, one: _Ready) -> list[StateRecord]:
        began = start_of(one.licence.valid_from)
        now, by = self._parts.clock.now(), self._principal.audit_name
        first = StateRecord(1, LicenceState.VALID, began, now, ReasonCode.ISSUED, "签发(存量归集)", "", by)
        if one.state is LicenceState.VALID:
            return [first]
        effective = start_of(one.licence.state_on) if one.licence.state_on else now
        code = ReasonCode.CHANGED if one.state is LicenceState.SUPERSEDED else ReasonCode.OTHER
        reason = one.licence.state_reason or one.state.label
        return [first, StateRecord(2, one.state, effective, now, code, reason, "", by)]

    async def _count(
        self, connection: AsyncConnection, rows: int, accepted: int, repeated: int, rejects: Sequence[Reject]
    ) -> None:
        table = licence_imports
        await connection.execute(
            update(table)
            .where(table.c.import_id == self._import_id)
            .values(
                rows=table.c.rows + rows,
                accepted=table.c.accepted + accepted,
                repeated=table.c.repeated + repeated,
                rejected=table.c.rejected + len(rejects),
            )
        )
        if rejects:
            values = [
                {"import_id": self._import_id, "row_number": one.row_number, "field": one.field, "reason": one.reason}
                for one in rejects
            ]
            await connection.execute(insert(licence_import_rejects), values)


async def _copy(connection: AsyncConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows by COPY within the transaction; several times as fast as INSERT."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    columns = list(rows[0])
    records = [tuple(row[column] for column in columns) for row in rows]
    await raw.copy_records_to_table(table, records=records, columns=columns)


async def _progress(connection: AsyncConnection, import_id: str) -> ImportProgress:
    statement = select(licence_imports).where(licence_imports.c.import_id == import_id)
    row = (await connection.execute(statement)).one()
    return ImportProgress(
        import_id, row.rows, row.accepted, row.repeated, row.rejected, finished=row.finished_at is not None
    )


def _state(licence: HistoricLicence, today: date) -> LicenceState:
    """Return the state a row gives; expiry follows from the dates, and what is pending is no history."""
    if not licence.state:
        return LicenceState.VALID
    state = _STATES.get(licence.state)
    if state is LicenceState.EXPIRED:
        return LicenceState.VALID
    if state is None or state is LicenceState.PENDING:
        raise InvalidInput("证照状态无法识别 / not a state a historic licence can have.", field="state")
    if licence.state_on is not None and not licence.valid_from <= licence.state_on <= today + timedelta(days=1):
        raise InvalidInput("状态变更日期不合理 / the date of the state is out of range.", field="state_on")
    return state
