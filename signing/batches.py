"""Many documents under one order: queued in chunks, each sealed exactly once whatever is killed when.

An item's intention has its identifier before anything is done. Whoever works on the item next finds
none (and begins), an open one (and carries on from the stored document), or a finished one (and only
ticks the item off).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import distinct, func, insert, select
from sqlalchemy.exc import IntegrityError

from foundation.audit import AuditEvent
from foundation.blobs import BlobRef
from foundation.errors import Conflict, InvalidInput, NotFound, TooManyRequests
from foundation.ids import new_id
from foundation.principal import Channel, Principal, PrincipalKind
from foundation.tables import batch_items
from signing.errors import IntentionSpent, SealingFailed, SealNotPinned, SecondFactorRequired
from signing.intention_repository import IntentionRepository
from signing.model import ActiveContentPolicy, Appearance, BaselineLevel, IntentionState, SealRequest
from signing.placement_json import from_json, to_json
from signing.seal_rules import SCOPE_SEAL, not_usable
from signing.sealing import new_intention
from signing.tables import seal_batches, sealed_documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.batches import Batches, Progress
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.jobs import JobHandler
    from keys.seal_proofs import RequiredProofs
    from signing.intention import Intention
    from signing.loaded import LoadedSeals
    from signing.model import Seal
    from signing.ports import SecondFactors
    from signing.sealing import SealingService
    from signing.seals import SealService

BATCH_JOB = "signing.batch"
MAX_DOCUMENTS = 10_000
CHUNK = 100
MAX_RUNNING = 20


@dataclass(frozen=True, slots=True)
class BatchDocument:
    """One document of a batch: `document_id` once it is sealed, `refusal` when it cannot be."""

    number: int
    state: str
    document_id: str | None
    refusal: str | None


class SealBatches:
    """Seals in bulk."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        blobs: BlobStore,
        batches: Batches,
        seals: SealService,
        loaded: LoadedSeals,
        sealing: SealingService,
        second_factors: SecondFactors,
        proofs: RequiredProofs,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._blobs = blobs
        self._batches = batches
        self._seals = seals
        self._loaded = loaded
        self._sealing = sealing
        self._second_factors = second_factors
        self._proofs = proofs

    def handlers(self) -> Mapping[str, JobHandler]:
        """Return the queued work."""
        return {BATCH_JOB: self._batches.handler(self._item, concurrency=2)}

    async def start(
        self, principal: Principal, documents: Sequence[bytes], request: SealRequest, *, key: str | None = None
    ) -> str:
        """Queue documents to be sealed alike and return the batch's identifier.

        Args:
            principal: a department system with scope `seal:apply`, or an officer with a grant.
            documents: in the order of their numbers, from 0.
            request: everything but the document, with an officer's second factor.
            key: a department system's own; the same key with the same order is the same batch.

        Raises: as `SealingService.seal` does up to the documents; InvalidInput, TooManyRequests,
            Conflict (the key was used for another order), SealNotPinned (with `HUFU_SEAL_PROOF=required`).
        """
        if not 1 <= len(documents) <= MAX_DOCUMENTS:
            raise InvalidInput(f"A batch has 1 to {MAX_DOCUMENTS} documents.", field="documents")
        seal, loaded = await self._sealing.usable(principal, request, frozenset({SCOPE_SEAL}), human=True)
        if await self._proofs.stop(loaded.key_id):
            raise SealNotPinned("The signer wants a proof for this seal that a batch has not: declare it `recorded`.")
        officer = principal.kind is PrincipalKind.OFFICER
        if officer and request.second_factor is None:
            raise SecondFactorRequired("An officer seals with a second factor.", field="second_factor")
        batch_id = new_id("sba") if key is None else _named(principal, key)
        if key is not None and await self._repeated(batch_id, documents, request):
            return batch_id
        items = [
            {"batch_id": batch_id, "intention_id": new_id("int"), "source": str(await self._blobs.put(document))}
            for document in documents
        ]
        try:
            await self._write(principal, seal, batch_id, items, documents, request)
        except IntegrityError:
            # The same key twice at once: whoever came first wrote the batch.
            if key is None or not await self._repeated(batch_id, documents, request):
                raise
        return batch_id

    async def _write(
        self,
        principal: Principal,
        seal: Seal,
        batch_id: str,
        items: list[dict[str, str]],
        documents: Sequence[bytes],
        request: SealRequest,
    ) -> None:
        officer = principal.kind is PrincipalKind.OFFICER
        async with self._database.transaction() as connection:
            if await _running(connection, seal.organisation_code) >= MAX_RUNNING:
                raise TooManyRequests(f"{MAX_RUNNING} batches are still running; wait for one to end.")
            method = reference = None
            if officer and request.second_factor is not None:
                digests = b"".join(hashlib.sha256(document).digest() for document in documents)
                challenge = hashlib.sha256(seal.seal_id.encode() + digests).digest()
                method = request.second_factor.method
                reference = await self._second_factors.verify(connection, principal, request.second_factor, challenge)
            progress_id = await self._batches.start(
                connection, BATCH_JOB, items, owner=seal.organisation_code, chunk_size=CHUNK
            )
            await connection.execute(
                insert(seal_batches).values(
                    batch_id=batch_id,
                    progress_id=progress_id,
                    seal_id=seal.seal_id,
                    organisation_code=seal.organisation_code,
                    requested_by=principal.audit_name,
                    channel=principal.channel,
                    matter_code=request.matter_code,
                    level=request.level,
                    placement=to_json(request.placement),
                    certify=request.certify,
                    appearance=asdict(request.appearance),
                    flatten=request.active_content is ActiveContentPolicy.FLATTEN,
                    second_factor_method=method,
                    second_factor_reference=reference,
                    created_at=self._clock.now(),
                )
            )
            detail = {"batch_id": batch_id, "documents": len(documents), "matter_code": request.matter_code}
            await self._audit.record(connection, principal, AuditEvent("seal.batch", "seal", seal.seal_id, detail))

    async def _repeated(self, batch_id: str, documents: Sequence[bytes], request: SealRequest) -> bool:
        """Tell whether this batch was started before; raises Conflict when it was another order."""
        async with self._database.read() as connection:
            order = (
                await connection.execute(select(seal_batches).where(seal_batches.c.batch_id == batch_id))
            ).one_or_none()
            if order is None:
                return False
            sources = select(batch_items.c.item["source"].astext).where(batch_items.c.batch_id == order.progress_id)
            stored = (await connection.execute(sources.order_by(batch_items.c.number))).scalars().all()
        before = (order.seal_id, order.matter_code, order.level, order.placement)
        now = (request.seal_id, request.matter_code, request.level, to_json(request.placement))
        digests = [hashlib.sha256(document).digest() for document in documents]
        if before != now or [BlobRef.parse(source).sha256 for source in stored] != digests:
            raise Conflict("The idempotency key was used for another batch.")
        return True

    async def progress(self, principal: Principal, batch_id: str) -> Progress:
        """Return how far an organisation's batch is; raises NotFound."""
        order = await self._order(batch_id, principal.organisation_code)
        async with self._database.read() as connection:
            progress = await self._batches.progress(connection, order.progress_id, owner=order.organisation_code)
        if progress is None:
            raise NotFound("There is no such batch.")
        return progress

    async def documents(self, principal: Principal, batch_id: str) -> tuple[BatchDocument, ...]:
        """Return what became of each document of an organisation's batch; raises NotFound."""
        order = await self._order(batch_id, principal.organisation_code)
        intention = batch_items.c.item["intention_id"].astext
        statement = (
            select(batch_items.c.number, batch_items.c.state, batch_items.c.reason, sealed_documents.c.document_id)
            .outerjoin_from(batch_items, sealed_documents, sealed_documents.c.intention_id == intention)
            .where(batch_items.c.batch_id == order.progress_id)
            .order_by(batch_items.c.number)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(statement)
            return tuple(BatchDocument(row.number, row.state, row.document_id, row.reason) for row in rows)

    async def _order(self, batch_id: str, organisation_code: str | None) -> Any:  # noqa: ANN401 - a row
        statement = select(seal_batches).where(
            seal_batches.c.batch_id == batch_id, seal_batches.c.organisation_code == organisation_code
        )
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("There is no such batch.")
        return row

    async def _item(self, connection: AsyncConnection, item: Mapping[str, Any]) -> None:
        """Seal one document; the caller's transaction ticks the item off and holds its row meanwhile."""
        del connection  # intention and outcome commit by themselves: the one must be durable before the other
        intention_id = item["intention_id"]
        async with self._database.read() as reading:
            found = await IntentionRepository(reading).find(intention_id)
            order = (
                await reading.execute(select(seal_batches).where(seal_batches.c.batch_id == item["batch_id"]))
            ).one()
        principal = requester_of(order.requested_by, order.organisation_code, order.channel)
        if found is None:
            intention = await self._begin(principal, order, item)
        else:
            intention, state = found
            if state is IntentionState.COMPLETED:
                return
            if state is not IntentionState.INTENDED:
                raise SealingFailed("An earlier attempt to seal this document failed.")
        seal = await self._loaded.of_intention(await self._seals.get(intention.seal_id), intention)
        try:
            await self._sealing.carry_on(principal, intention, seal)
        except IntentionSpent:
            async with self._database.read() as reading:
                again = await IntentionRepository(reading).find(intention_id)
            if again is None or again[1] is not IntentionState.COMPLETED:
                raise

    async def _begin(self, principal: Principal, order: Any, item: Mapping[str, Any]) -> Intention:  # noqa: ANN401
        source = await self._blobs.get(item["source"])
        request = SealRequest(
            seal_id=order.seal_id,
            document=source,
            placement=from_json(order.placement),
            matter_code=order.matter_code,
            level=BaselineLevel(order.level),
            appearance=Appearance(**order.appearance),
            certify=order.certify,
            active_content=ActiveContentPolicy.FLATTEN if order.flatten else ActiveContentPolicy.REFUSE,
        )
        now = self._clock.now()
        seal = await self._seals.get(order.seal_id)
        loaded = await self._loaded.get(seal)
        ready = await self._sealing.ready(loaded, request, now)
        blob = await self._blobs.put((ready.source or source) + ready.prepared.update)
        intention = new_intention(
            principal, request, seal, loaded, ready.prepared, now,
            prepared_blob=str(blob),
            second_factor_method=order.second_factor_method,
            intention_id=item["intention_id"],
        )  # fmt: skip
        officer = principal.subject_id if principal.kind is PrincipalKind.OFFICER else None
        async with self._database.transaction() as connection:
            added = await IntentionRepository(connection).add(
                intention,
                IntentionState.INTENDED,
                officer_id=officer,
                second_factor_reference=order.second_factor_reference,
            )
        if not added:
            raise not_usable(await self._seals.get(seal.seal_id))
        return intention


async def _running(connection: AsyncConnection, organisation_code: str) -> int:
    """Return how many batches of an organisation have documents waiting."""
    statement = (
        select(func.count(distinct(seal_batches.c.batch_id)))
        .join(batch_items, batch_items.c.batch_id == seal_batches.c.progress_id)
        .where(seal_batches.c.organisation_code == organisation_code, batch_items.c.state == "waiting")
    )
    return (await connection.execute(statement)).scalar_one()


def _named(principal: Principal, key: str) -> str:
    """Return the name of the one batch a requester's key stands for."""
    return f"sba_{hashlib.sha256(f'{principal.audit_name} {key}'.encode()).hexdigest()[:32]}"


def requester_of(requested_by: str, organisation_code: str, channel: str) -> Principal:
    """Return who asked, from what the rows keep."""
    kind, _, subject = requested_by.partition(":")
    return Principal(PrincipalKind(kind), subject, organisation_code=organisation_code, channel=Channel(channel))
