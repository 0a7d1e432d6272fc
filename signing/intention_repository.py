"""Writing intentions and their outcomes.

Every step is one statement whose WHERE clause names the state it leaves, so that of two
processes carrying out one intention a single one completes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, DateTime, LargeBinary, Text, bindparam, func, insert, literal, select, text, update

from signing.intention import Intention, Layout
from signing.model import BaselineLevel, IntentionState
from signing.placement_json import from_json, to_json
from signing.seal_repository import may_be_used
from signing.tables import seal_intentions, sealed_documents, seals

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.blobs import BlobRef

_table = seal_intentions

# One round trip, so that the seal's row, whose counter numbers the uses, is locked for a moment only.
_USE = """
    WITH done AS (
        UPDATE seal_intentions SET state = 'completed', finished_at = :at
        WHERE intention_id = :intention_id AND state = 'intended'
        RETURNING *
    ), counted AS (
        UPDATE seals SET use_count = use_count + 1 FROM done WHERE seals.seal_id = done.seal_id
        RETURNING seals.use_count
    ), used AS (
        INSERT INTO seal_uses (seal_id, use_number, intention_id, key_id, used_by, channel, matter_code,
            document_digest, sealed_digest, placement, level, second_factor_method, second_factor_reference, used_at)
        SELECT done.seal_id, counted.use_count, done.intention_id, done.key_id, done.requested_by, done.channel,
            done.matter_code, done.document_digest, :sealed_digest, done.placement, :level,
            done.second_factor_method, done.second_factor_reference, :at
        FROM done, counted
        RETURNING use_number
    )
"""
_COMPLETE_USE = text(_USE + "SELECT use_number FROM used")  # noqa: S608 - both parts are constants
COMPLETE = text(
    _USE  # noqa: S608 - both parts are constants
    + """
    INSERT INTO sealed_documents (document_id, intention_id, seal_id, use_number, organisation_code, blob_ref,
        sha256, size, level, wanted_level, sealed_at, renew_after)
    SELECT :document_id, done.intention_id, done.seal_id, used.use_number, done.organisation_code, :blob_ref,
        :sealed_digest, :size, :level, done.level, :at, :renew_after
    FROM done, used
    RETURNING use_number
    """
).bindparams(
    *(bindparam(name, type_=Text()) for name in ("intention_id", "document_id", "blob_ref", "level")),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("at", "renew_after")),
    bindparam("sealed_digest", type_=LargeBinary()),
    bindparam("size", type_=BigInteger()),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished document on its way into the store."""

    document_id: str
    blob: BlobRef
    level: BaselineLevel
    at: datetime
    renew_after: datetime | None = None

    def parameters(self, intention_id: str) -> dict[str, Any]:
        """Return the parameters of COMPLETE."""
        return {
            "intention_id": intention_id,
            "document_id": self.document_id,
            "blob_ref": str(self.blob),
            "sealed_digest": self.blob.sha256,
            "size": self.blob.size,
            "level": str(self.level),
            "at": self.at,
            "renew_after": self.renew_after,
        }


class IntentionRepository:
    """Intentions over one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the caller's connection."""
        self._connection = connection

    async def add(
        self,
        intention: Intention,
        state: IntentionState,
        *,
        officer_id: str | None = None,
        second_factor_reference: str | None = None,
    ) -> bool:
        """Write an intention if the seal may be used now; tell whether it was written.

        `officer_id` is whose grant must stand; None for a department system, which needs none.
        """
        values = intention_values(intention, state, second_factor_reference=second_factor_reference)
        allowed = may_be_used(
            intention.seal_id, intention.key_id, officer_id, intention.matter_code, intention.created_at
        )
        row = select(*(literal(value, _table.c[name].type) for name, value in values.items())).where(
            select(seals.c.seal_id).where(allowed).exists()
        )
        statement = insert(_table).from_select(list(values), row)
        return (await self._connection.execute(statement)).rowcount == 1

    async def find(self, intention_id: str) -> tuple[Intention, IntentionState] | None:
        """Return an intention and its state, or None."""
        row = (
            await self._connection.execute(select(_table).where(_table.c.intention_id == intention_id))
        ).one_or_none()
        return None if row is None else (_intention(row), IntentionState(row.state))

    async def confirm(
        self, intention: Intention, officer_id: str | None, *, method: str | None, reference: str | None, at: datetime
    ) -> bool:
        """Move a prepared intention on in time and while the seal may be used; tell whether it moved."""
        allowed = may_be_used(intention.seal_id, intention.key_id, officer_id, intention.matter_code, at)
        statement = (
            update(_table)
            .where(
                _table.c.intention_id == intention.intention_id,
                _table.c.state == IntentionState.PREPARED,
                _table.c.expires_at > at,
                select(seals.c.seal_id).where(allowed).exists(),
            )
            .values(
                state=IntentionState.INTENDED,
                intended_at=at,
                second_factor_method=method,
                second_factor_reference=reference,
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def complete(self, intention_id: str, outcome: Outcome) -> int | None:
        """Write use and document and return the use's number; None when the intention is finished already."""
        return (await self._connection.execute(COMPLETE, outcome.parameters(intention_id))).scalar_one_or_none()

    async def complete_use(
        self, intention_id: str, sealed_digest: bytes, level: BaselineLevel, at: datetime
    ) -> int | None:
        """Write the use of an intention without a stored document and return its number, or None as `complete`."""
        parameters = {"intention_id": intention_id, "sealed_digest": sealed_digest, "level": str(level), "at": at}
        return (await self._connection.execute(_COMPLETE_USE, parameters)).scalar_one_or_none()

    async def fail(self, intention_id: str, failure: str, at: datetime) -> bool:
        """Close an intention whose sealing did not come out."""
        return await self._close(intention_id, IntentionState.INTENDED, IntentionState.FAILED, at, failure)

    async def withdraw(self, intention_id: str, at: datetime) -> bool:
        """Close a prepared intention that its officer gave up."""
        return await self._close(intention_id, IntentionState.PREPARED, IntentionState.WITHDRAWN, at, None)

    async def left_open(self, before: datetime, limit: int) -> tuple[Intention, ...]:
        """Return confirmed intentions that nobody finished."""
        return await self._some(_table.c.state == IntentionState.INTENDED, _table.c.intended_at < before, limit=limit)

    async def expired(self, now: datetime, limit: int) -> tuple[Intention, ...]:
        """Return prepared intentions whose time is over."""
        return await self._some(_table.c.state == IntentionState.PREPARED, _table.c.expires_at <= now, limit=limit)

    async def unconfirmed(self, requested_by: str, now: datetime) -> int:
        """Return how many prepared intentions of one requester wait for their confirmation."""
        statement = select(func.count()).where(
            _table.c.state == IntentionState.PREPARED,
            _table.c.requested_by == requested_by,
            _table.c.expires_at > now,
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def document_of(self, intention_id: str) -> str | None:
        """Return the identifier of the sealed document an intention led to."""
        statement = select(sealed_documents.c.document_id).where(sealed_documents.c.intention_id == intention_id)
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def _some(self, *conditions: ColumnElement[bool], limit: int) -> tuple[Intention, ...]:
        statement = select(_table).where(*conditions).order_by(_table.c.created_at).limit(limit)
        return tuple(_intention(row) for row in await self._connection.execute(statement))

    async def document(self, document_id: str, organisation_code: str) -> str | None:
        """Return where an organisation's sealed document is stored."""
        statement = select(sealed_documents.c.blob_ref).where(
            sealed_documents.c.document_id == document_id,
            sealed_documents.c.organisation_code == organisation_code,
        )
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def _close(
        self, intention_id: str, state: IntentionState, to: IntentionState, at: datetime, failure: str | None
    ) -> bool:
        statement = (
            update(_table)
            .where(_table.c.intention_id == intention_id, _table.c.state == state)
            .values(state=to, finished_at=at, failure=failure)
        )
        return (await self._connection.execute(statement)).rowcount == 1


def intention_values(
    intention: Intention, state: IntentionState, *, second_factor_reference: str | None = None
) -> dict[str, Any]:
    """Return the columns of a new row."""
    return {
        "intention_id": intention.intention_id,
        "seal_id": intention.seal_id,
        "key_id": intention.key_id,
        "organisation_code": intention.organisation_code,
        "requested_by": intention.requested_by,
        "channel": intention.channel,
        "matter_code": intention.matter_code,
        "level": intention.level,
        "placement": to_json(intention.placement),
        "document_digest": intention.document_digest,
        "signed_bytes_digest": intention.layout.signed_bytes_digest,
        "to_be_signed_digest": intention.to_be_signed_digest,
        "challenge": intention.challenge,
        "state": state,
        "prepared_blob": intention.prepared_blob,
        "layout": intention.layout.to_json(),
        "second_factor_method": intention.second_factor_method,
        "second_factor_reference": second_factor_reference,
        "created_at": intention.created_at,
        "expires_at": intention.expires_at,
        "intended_at": intention.created_at if state is IntentionState.INTENDED else None,
    }


def _intention(row: Any) -> Intention:  # noqa: ANN401 - a row's columns are typed by the table
    return Intention(
        intention_id=row.intention_id,
        seal_id=row.seal_id,
        key_id=row.key_id,
        organisation_code=row.organisation_code,
        requested_by=row.requested_by,
        channel=row.channel,
        matter_code=row.matter_code,
        level=BaselineLevel(row.level),
        placement=from_json(row.placement),
        document_digest=row.document_digest,
        to_be_signed_digest=row.to_be_signed_digest,
        layout=Layout.from_json(row.layout),
        created_at=row.created_at,
        prepared_blob=row.prepared_blob,
        second_factor_method=row.second_factor_method,
    )
