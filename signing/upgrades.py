"""Later work on sealed documents: timestamps that were not to be had, and renewal.

A seal applied while the timestamp server was down is a B-B. Its upgrade puts the timestamp
into the room that was kept for it within the signature's /Contents, which the byte range
leaves out; what comes after, validation data and document timestamps, are incremental
updates. Handlers read the row again and replace it by a WHERE clause, so that a job run
twice does its work once.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import NotFound
from foundation.jobs import JobHandler, PeriodicJob, Schedule
from foundation.principal import SYSTEM
from signing.documents import DocumentRepository
from signing.errors import SealingFailed
from signing.intention_repository import IntentionRepository
from signing.levels import LONG_TERM, Levelled
from signing.model import BaselineLevel
from signing.off_loop import off_loop
from signing.ports import SealExpectation
from signing.signature_field import finish
from signing.signature_values import document_timestamp_token, seal_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.jobs import Jobs
    from keys.tsa import TimestampAuthority
    from signing.documents import StoredDocument
    from signing.intention import Layout
    from signing.judging import Judging
    from signing.levels import Levels
    from signing.loaded import LoadedSeal, LoadedSeals
    from signing.ports import DocumentReplaced, SelfCheck
    from signing.seals import SealService

logger = logging.getLogger("hufu.signing")
UPGRADE_JOB, RENEW_JOB = "signing.upgrade", "signing.renew"
AT_ONCE = 500
MANY = 1_000
RENEWAL_LOOK = timedelta(hours=1)


class Upgrades:
    """Raises and renews stored documents."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        blobs: BlobStore,
        jobs: Jobs,
        seals: SealService,
        loaded: LoadedSeals,
        levels: Levels,
        timestamps: TimestampAuthority,
        self_check: SelfCheck,
        judging: Judging,
        replaced: DocumentReplaced,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._blobs = blobs
        self._jobs = jobs
        self._seals = seals
        self._loaded = loaded
        self._levels = levels
        self._timestamps = timestamps
        self._self_check = self_check
        self._judging = judging
        self._replaced = replaced

    def handlers(self) -> Mapping[str, JobHandler]:
        """Return the queued work; a server that stays away for hours is asked again all the while."""
        return {
            UPGRADE_JOB: JobHandler(self._upgrade_job, attempts=MANY),
            RENEW_JOB: JobHandler(self._renew_job, attempts=MANY),
        }

    def periodic(self) -> Mapping[str, PeriodicJob]:
        """Return the work that recurs."""
        return {"signing.due_for_renewal": PeriodicJob(self.enqueue_renewals, RENEWAL_LOOK)}

    async def upgrade(self, document_id: str) -> BaselineLevel:
        """Raise a document to the level that was asked for; return its level now.

        Raises: NotFound, SealingFailed, ServiceUnavailable while what is missing is still not to be had.
        """
        stored = await self._stored(document_id)
        if stored.level is stored.wanted_level:
            return stored.level
        document = await self._blobs.get(stored.blob_ref)
        seal, layout = await self._sealed_by(stored)
        signature, token = seal_signature(document, layout.contents_at, layout.contents_size)
        if token is None:
            token = await self._timestamps.timestamp(hashlib.sha256(signature).digest())
            cms = seal.cms.signed_data(layout.signed_bytes_digest, signature, token)
            length = layout.source_length
            document = finish(document[:length], layout.prepared(document[length:]), cms)
        levelled = Levelled(document, BaselineLevel.B_T)
        if stored.wanted_level in LONG_TERM:
            levelled = await self._levels.extend(document, stored.wanted_level, seal.chain, token)
        await self._require(levelled, seal, layout)
        await self._put(stored, levelled, "seal.upgrade")
        return levelled.level

    async def renew(self, document_id: str) -> None:
        """Renew a B-LTA document that is due; raises as `upgrade`.

        What does not pass is not stored; its document is looked at again tomorrow.
        """
        stored = await self._stored(document_id)
        if stored.renew_after is None or stored.renew_after > self._clock.now():
            return
        document = await self._blobs.get(stored.blob_ref)
        levelled = await self._levels.renew(document, document_timestamp_token(document))
        if levelled.renew_after is None or levelled.renew_after <= stored.renew_after:
            # The TSA still has the certificate of the last timestamp: nothing gained, so look again tomorrow.
            async with self._database.transaction() as connection:
                await DocumentRepository(connection).postpone_renewal(stored, self._clock.now() + timedelta(days=1))
            return
        try:
            await self._require(levelled, *await self._sealed_by(stored))
        except SealingFailed as error:
            await self._refuse(stored, error)
            raise
        await self._put(stored, levelled, "seal.renew")

    async def _sealed_by(self, stored: StoredDocument) -> tuple[LoadedSeal, Layout]:
        """Return the seal a document carries, with the certificate it had then, and where its signature stands."""
        async with self._database.read() as connection:
            found = await IntentionRepository(connection).find(stored.intention_id)
        if found is None:
            raise NotFound("There is no intention of this document.")
        seal = await self._loaded.of_intention(await self._seals.get(stored.seal_id), found[0], signed=True)
        return seal, found[0].layout

    async def _require(self, levelled: Levelled, seal: LoadedSeal, layout: Layout) -> None:
        """Let the next revision of a document pass or not; raises SealingFailed, ServiceUnavailable."""
        expectation = SealExpectation(
            certificate_der=seal.cms.certificate_der,
            baseline_level=levelled.level,
            previous_length=layout.source_length,
            previous_sha256=layout.source_sha256,
            field_name=layout.field_name,
        )
        document = levelled.document
        if findings := await off_loop(len(document), self._self_check.check, document, expectation):
            raise SealingFailed(f"The later revision did not pass its check: {', '.join(findings)}.")
        await self._judging.revision(document, layout.field_name)

    async def _refuse(self, stored: StoredDocument, error: SealingFailed) -> None:
        logger.error("renewal refused", extra={"object_id": stored.document_id, "error": error.detail})
        async with self._database.transaction() as connection:
            await DocumentRepository(connection).postpone_renewal(stored, self._clock.now() + timedelta(days=1))
            detail = {"sha256": stored.sha256.hex(), "error": type(error).__name__}
            event = AuditEvent("seal.renewal_refused", "sealed_document", stored.document_id, detail)
            await self._audit.record(connection, SYSTEM, event)

    async def enqueue_renewals(self) -> None:
        """Queue the documents whose newest timestamp will not prove much longer."""
        async with self._database.transaction() as connection:
            for document_id in await DocumentRepository(connection).due_for_renewal(self._clock.now(), AT_ONCE):
                await self._jobs.enqueue(
                    connection, RENEW_JOB, {"document_id": document_id}, Schedule(once_key=document_id)
                )

    async def _upgrade_job(self, payload: Mapping[str, Any]) -> None:
        await self.upgrade(payload["document_id"])

    async def _renew_job(self, payload: Mapping[str, Any]) -> None:
        await self.renew(payload["document_id"])

    async def _stored(self, document_id: str) -> StoredDocument:
        async with self._database.read() as connection:
            stored = await DocumentRepository(connection).find(document_id)
        if stored is None:
            raise NotFound("There is no such sealed document.")
        return stored

    async def _put(self, stored: StoredDocument, levelled: Levelled, action: str) -> None:
        """Store the next revision and tell who keeps the document's digest."""
        blob = await self._blobs.put(levelled.document)
        async with self._database.transaction() as connection:
            if not await DocumentRepository(connection).replace(stored, blob, levelled.level, levelled.renew_after):
                return
            await self._replaced.replaced(connection, stored.document_id, stored.sha256, blob)
            detail = {
                "level": levelled.level,
                "previous_sha256": stored.sha256.hex(),
                "sealed_sha256": blob.sha256.hex(),
            }
            event = AuditEvent(action, "sealed_document", stored.document_id, detail)
            await self._audit.record(connection, SYSTEM, event)
