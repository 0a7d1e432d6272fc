"""SQL of licences, holders, documents and states; encrypts on the way in, decrypts on the way out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from licence_vault.model import Holder, LicenceState, ReasonCode, StateRecord
from licence_vault.tables import (
    licence_documents,
    licence_holders,
    licence_states,
    licences,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher

FACE_CONTEXT = "licences.face"
NUMBER_CONTEXT = "licences.licence_number"
QR_CONTEXT = "licences.qr_text"
NAME_CONTEXT = "licence_holders.name"
CODE_CONTEXT = "licence_holders.code"
REASON_CONTEXT = "licence_states.reason_text"
COPY = "copy"
"""The kind of a purpose-bound copy among the documents of a licence."""
HOLDER_INDEX_CONTEXT = "holder_code"
"""Shared with the register of people, so that a person's licences are found without either reading the other."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One sealed PDF of a licence: `original`, `upgrade` or `copy`."""

    kind: str
    document_id: str
    blob_ref: str
    sha256: bytes
    rendition: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredLicence:
    """A licence row with its holders, decrypted."""

    licence_id: str
    identifier: str
    type_code: str
    type_version: int
    issuer_code: str
    issuer_name: str
    serial: str
    version: int
    previous_id: str | None
    licence_number: str
    face: Mapping[str, Any]
    holders: tuple[Holder, ...]
    holder_indexes: frozenset[bytes]
    issued_on: date
    valid_from: date
    valid_to: date | None
    status_list: int
    status_index: int
    qr_text: str
    state: LicenceState
    state_sequence: int
    source: str
    request_digest: bytes
    matter_code: str | None
    case_number: str
    registered_at: datetime


class LicenceRepository:
    """Statements over one connection; the caller commits."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        self._connection = connection
        self._cipher = cipher

    # --- finding ---

    async def by_identifier(self, identifier: str) -> StoredLicence | None:
        """Return a licence by its identifier."""
        return await self._one(licences.c.identifier == identifier)

    async def by_key(self, issuer_code: str, idempotency_key: str) -> StoredLicence | None:
        """Return what an earlier request with this key reserved or issued."""
        same = and_(licences.c.issuer_code == issuer_code, licences.c.idempotency_key == idempotency_key)
        return await self._one(same)

    async def by_id(self, licence_id: str) -> StoredLicence | None:
        """Return a licence by its own id."""
        return await self._one(licences.c.licence_id == licence_id)

    async def of_holder(self, holder_indexes: Sequence[bytes], *, limit: int) -> tuple[StoredLicence, ...]:
        """Return the issued licences naming any of these holders, newest first."""
        named = select(licence_holders.c.licence_id).where(licence_holders.c.holder_index.in_(holder_indexes))
        condition = and_(licences.c.licence_id.in_(named), licences.c.state != LicenceState.PENDING)
        return await self._many(condition, limit)

    async def of_issuer(self, issuer_code: str, *, limit: int) -> tuple[StoredLicence, ...]:
        """Return an issuer's newest licences."""
        condition = and_(licences.c.issuer_code == issuer_code, licences.c.state != LicenceState.PENDING)
        return await self._many(condition, limit)

    async def successor(self, licence_id: str) -> str | None:
        """Return the identifier of the issued version that names this one."""
        statement = select(licences.c.identifier).where(
            licences.c.previous_id == licence_id, licences.c.state != LicenceState.PENDING
        )
        return (await self._connection.execute(statement.limit(1))).scalar_one_or_none()

    async def identifier_of(self, licence_id: str) -> str | None:
        """Return the identifier of a licence id."""
        statement = select(licences.c.identifier).where(licences.c.licence_id == licence_id)
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def _one(self, condition: ColumnElement[bool]) -> StoredLicence | None:
        found = await self._many(condition, 1)
        return found[0] if found else None

    async def _many(self, condition: ColumnElement[bool], limit: int) -> tuple[StoredLicence, ...]:
        statement = select(licences).where(condition).order_by(licences.c.registered_at.desc(), licences.c.licence_id)
        rows = (await self._connection.execute(statement.limit(limit))).all()
        ids = [row.licence_id for row in rows]
        holders: dict[str, list[Row[Any]]] = {licence_id: [] for licence_id in ids}
        if ids:
            members = select(licence_holders).where(licence_holders.c.licence_id.in_(ids))
            for row in await self._connection.execute(members.order_by(licence_holders.c.position)):
                holders[row.licence_id].append(row)
        return tuple(self._stored(row, holders[row.licence_id]) for row in rows)

    def _stored(self, row: Row[Any], holders: Sequence[Row[Any]]) -> StoredLicence:
        cipher = self._cipher
        return StoredLicence(
            licence_id=row.licence_id,
            identifier=row.identifier,
            type_code=row.type_code,
            type_version=row.type_version,
            issuer_code=row.issuer_code,
            issuer_name=row.issuer_name,
            serial=row.serial,
            version=row.version,
            previous_id=row.previous_id,
            licence_number=cipher.decrypt(row.licence_number, NUMBER_CONTEXT),
            face=json.loads(cipher.decrypt(row.face, FACE_CONTEXT)),
            holders=tuple(
                Holder(cipher.decrypt(one.name, NAME_CONTEXT), one.code_type, cipher.decrypt(one.code, CODE_CONTEXT))
                for one in holders
            ),
            holder_indexes=frozenset(one.holder_index for one in holders),
            issued_on=row.issued_on,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            status_list=row.status_list,
            status_index=row.status_index,
            qr_text="" if row.qr_text is None else cipher.decrypt(row.qr_text, QR_CONTEXT),
            state=LicenceState(row.state),
            state_sequence=row.state_sequence,
            source=row.source,
            request_digest=row.request_digest,
            matter_code=row.matter_code,
            case_number=row.case_number,
            registered_at=row.registered_at,
        )

    # --- issuing ---

    async def reserve(self, values: Mapping[str, Any], holders: Sequence[Holder]) -> bool:
        """Insert a pending licence with its holders; False when its key or identifier is taken."""
        statement = upsert(licences).values(**values).on_conflict_do_nothing()
        row = (await self._connection.execute(statement.returning(licences.c.licence_id))).one_or_none()
        if row is None:
            return False
        await self._connection.execute(insert(licence_holders), self.holder_rows(row.licence_id, holders))
        return True

    def encrypted(self, licence_number: str, face: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the encrypted columns of a licence row."""
        return {
            "licence_number": self._cipher.encrypt(licence_number, NUMBER_CONTEXT),
            "licence_number_index": self._cipher.blind_index(licence_number, NUMBER_CONTEXT),
            "face": self._cipher.encrypt(json.dumps(face, ensure_ascii=False), FACE_CONTEXT),
        }

    def holder_rows(self, licence_id: str, holders: Sequence[Holder]) -> list[dict[str, Any]]:
        """Return the rows of a licence's holders."""
        return [
            {
                "licence_id": licence_id,
                "position": position,
                "name": self._cipher.encrypt(holder.name, NAME_CONTEXT),
                "code_type": holder.code_type,
                "code": self._cipher.encrypt(holder.code, CODE_CONTEXT),
                "holder_index": self._cipher.blind_index(holder.code, HOLDER_INDEX_CONTEXT),
            }
            for position, holder in enumerate(holders)
        ]

    async def take_lease(self, licence_id: str, token: str, *, now: datetime, until: datetime) -> bool:
        """Take over a reservation that nobody works on any more."""
        return await self._lease(licence_id, token, now, until, licences.c.state == LicenceState.PENDING)

    async def take_face_lease(self, licence_id: str, token: str, *, now: datetime, until: datetime) -> bool:
        """Take on the making of a stored licence's face, unless it has one or somebody is at it."""
        return await self._lease(licence_id, token, now, until, licences.c.qr_text.is_(None))

    async def _lease(
        self, licence_id: str, token: str, now: datetime, until: datetime, condition: ColumnElement[bool]
    ) -> bool:
        free = or_(licences.c.lease_until.is_(None), licences.c.lease_until < now)
        statement = update(licences).where(licences.c.licence_id == licence_id, condition, free)
        statement = statement.values(lease_token=token, lease_until=until)
        return (await self._connection.execute(statement.returning(licences.c.licence_id))).one_or_none() is not None

    async def complete(self, licence_id: str, token: str, *, qr_text: str, document: StoredDocument) -> bool:
        """Make a reservation a licence; False when the lease passed to somebody else."""
        pending = licences.c.state == LicenceState.PENDING
        return await self._complete(licence_id, token, qr_text, document, pending)

    async def complete_face(self, licence_id: str, token: str, *, qr_text: str, document: StoredDocument) -> bool:
        """Give a stored licence its face; False when the lease passed to somebody else."""
        return await self._complete(licence_id, token, qr_text, document, licences.c.qr_text.is_(None))

    async def _complete(
        self, licence_id: str, token: str, qr_text: str, document: StoredDocument, condition: ColumnElement[bool]
    ) -> bool:
        statement = update(licences).where(
            licences.c.licence_id == licence_id, licences.c.lease_token == token, condition
        )
        encrypted = self._cipher.encrypt(qr_text, QR_CONTEXT)
        statement = statement.values(qr_text=encrypted, lease_token=None, lease_until=None)
        if (await self._connection.execute(statement.returning(licences.c.licence_id))).one_or_none() is None:
            return False
        await self.add_document(licence_id, document)
        return True

    async def discard(self, licence_id: str, token: str) -> None:
        """Forget a reservation whose face could not be rendered; nothing was sealed for it."""
        statement = delete(licences).where(
            licences.c.licence_id == licence_id,
            licences.c.lease_token == token,
            licences.c.state == LicenceState.PENDING,
        )
        await self._connection.execute(statement)

    async def release(self, licence_id: str, token: str) -> None:
        """Give a lease back, so that the next request goes on at once."""
        statement = update(licences).where(licences.c.licence_id == licence_id, licences.c.lease_token == token)
        await self._connection.execute(statement.values(lease_token=None, lease_until=None))

    # --- documents ---

    async def add_document(self, licence_id: str, document: StoredDocument) -> None:
        """Keep a sealed PDF's place and digest."""
        await self._connection.execute(
            insert(licence_documents).values(
                licence_id=licence_id,
                sha256=document.sha256,
                kind=document.kind,
                document_id=document.document_id,
                blob_ref=document.blob_ref,
                rendition=dict(document.rendition),
                created_at=document.created_at,
            )
        )

    async def follow_document(
        self, document_id: str, previous_sha256: bytes, blob_ref: str, sha256: bytes, now: datetime
    ) -> None:
        """Add the next revision of a sealed PDF beside the one it continues; both stay known."""
        known = licence_documents
        statement = select(known).where(known.c.document_id == document_id, known.c.sha256 == previous_sha256)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is not None:
            kind = row.kind if row.kind == COPY else "upgrade"
            revised = StoredDocument(kind, document_id, blob_ref, sha256, row.rendition, now)
            await self.add_document(row.licence_id, revised)

    async def documents(self, licence_id: str) -> tuple[StoredDocument, ...]:
        """Return every sealed PDF of a licence, oldest first."""
        return (await self.documents_of([licence_id]))[licence_id]

    async def documents_of(self, licence_ids: Sequence[str]) -> dict[str, tuple[StoredDocument, ...]]:
        """Return the sealed PDFs of several licences."""
        result: dict[str, list[StoredDocument]] = {licence_id: [] for licence_id in licence_ids}
        statement = select(licence_documents).where(licence_documents.c.licence_id.in_(licence_ids))
        for row in await self._connection.execute(
            statement.order_by(licence_documents.c.created_at, licence_documents.c.kind)
        ):
            result[row.licence_id].append(
                StoredDocument(row.kind, row.document_id, row.blob_ref, row.sha256, row.rendition, row.created_at)
            )
        return {licence_id: tuple(documents) for licence_id, documents in result.items()}

    # --- states ---

    async def states(self, licence_id: str) -> tuple[StateRecord, ...]:
        """Return the recorded states, in the order they were made."""
        found = await self.states_of([licence_id])
        return found[licence_id]

    async def states_of(self, licence_ids: Sequence[str]) -> dict[str, tuple[StateRecord, ...]]:
        """Return the recorded states of several licences."""
        result: dict[str, list[StateRecord]] = {licence_id: [] for licence_id in licence_ids}
        statement = select(licence_states).where(licence_states.c.licence_id.in_(licence_ids))
        for row in await self._connection.execute(statement.order_by(licence_states.c.sequence)):
            result[row.licence_id].append(
                StateRecord(
                    row.sequence,
                    LicenceState(row.state),
                    row.effective_at,
                    row.recorded_at,
                    ReasonCode(row.reason_code),
                    self._cipher.decrypt(row.reason_text, REASON_CONTEXT),
                    row.legal_basis,
                    row.recorded_by,
                )
            )
        return {licence_id: tuple(records) for licence_id, records in result.items()}

    async def add_state(self, licence_id: str, record: StateRecord) -> bool:
        """Append a state if the licence still stands where the caller read it; False when it moved on."""
        moved = (
            update(licences)
            .where(licences.c.licence_id == licence_id, licences.c.state_sequence == record.sequence - 1)
            .values(state=record.state, state_sequence=record.sequence)
            .returning(licences.c.licence_id)
        )
        if (await self._connection.execute(moved)).one_or_none() is None:
            return False
        await self._connection.execute(insert(licence_states), [self.state_row(licence_id, record)])
        return True

    def state_row(self, licence_id: str, record: StateRecord) -> dict[str, Any]:
        """Return the row of a state record."""
        return {
            "licence_id": licence_id,
            "sequence": record.sequence,
            "state": record.state,
            "effective_at": record.effective_at,
            "recorded_at": record.recorded_at,
            "reason_code": record.reason_code,
            "reason_text": self._cipher.encrypt(record.reason_text, REASON_CONTEXT),
            "legal_basis": record.legal_basis,
            "recorded_by": record.recorded_by,
        }
