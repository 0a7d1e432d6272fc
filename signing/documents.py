"""Stored sealed documents: reading, raising their level, finding what is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from signing.model import BaselineLevel
from signing.tables import sealed_documents

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.blobs import BlobRef

_table = sealed_documents


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A row of `sealed_documents`."""

    document_id: str
    intention_id: str
    seal_id: str
    organisation_code: str
    blob_ref: str
    sha256: bytes
    level: BaselineLevel
    wanted_level: BaselineLevel
    renew_after: datetime | None


class DocumentRepository:
    """Sealed documents over one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection."""
        self._connection = connection

    async def find(self, document_id: str) -> StoredDocument | None:
        """Return a document or None."""
        statement = select(_table).where(_table.c.document_id == document_id)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return StoredDocument(
            row.document_id,
            row.intention_id,
            row.seal_id,
            row.organisation_code,
            row.blob_ref,
            row.sha256,
            BaselineLevel(row.level),
            BaselineLevel(row.wanted_level),
            row.renew_after,
        )

    async def replace(
        self, old: StoredDocument, blob: BlobRef, level: BaselineLevel, renew_after: datetime | None
    ) -> bool:
        """Put a document's next revision in its place, unless somebody else did; tell whether it was put."""
        statement = (
            update(_table)
            .where(_table.c.document_id == old.document_id, _table.c.sha256 == old.sha256)
            .values(blob_ref=str(blob), sha256=blob.sha256, size=blob.size, level=level, renew_after=renew_after)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def postpone_renewal(self, stored: StoredDocument, until: datetime) -> None:
        """Look at a document again later."""
        statement = update(_table).where(_table.c.document_id == stored.document_id, _table.c.sha256 == stored.sha256)
        await self._connection.execute(statement.values(renew_after=until))

    async def due_for_renewal(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Return documents whose newest timestamp will not prove much longer."""
        statement = select(_table.c.document_id).where(_table.c.renew_after <= now).order_by(_table.c.renew_after)
        return tuple((await self._connection.execute(statement.limit(limit))).scalars())
