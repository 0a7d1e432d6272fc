"""From a stored intention to a stored document: sign, timestamp, check, write the outcome."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from foundation.audit import AuditEvent
from foundation.errors import NotFound, ServiceUnavailable, TrustServiceError, UpstreamUnavailable
from foundation.ids import new_id
from keys.errors import IntentionMissing, KeyNotFound, KeyNotUsable, WrongPurpose
from keys.model import KeyPurpose
from signing.errors import IntentionSpent, SealingFailed, SealKeyUnusable
from signing.hot_statements import complete
from signing.intention_repository import IntentionRepository, Outcome
from signing.key_trial import verify_signature
from signing.levels import LONG_TERM, Levelled
from signing.model import BaselineLevel, DigestSeal, SealedDocument
from signing.off_loop import off_loop
from signing.ports import SealExpectation
from signing.signature_field import finish
from signing.upgrades import UPGRADE_JOB

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.blobs import BlobRef, BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.jobs import Jobs
    from foundation.principal import Principal
    from keys.service import KeyService
    from keys.tsa import TimestampAuthority
    from signing.intention import Intention
    from signing.judging import Judging
    from signing.levels import Levels
    from signing.loaded import LoadedSeal
    from signing.ports import SelfCheck
    from signing.signature_field import Prepared

logger = logging.getLogger("hufu.signing")
FINISHED = "The sealing was finished or given up meanwhile."


class Execution:
    """Carries intentions out."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        blobs: BlobStore,
        jobs: Jobs,
        keys: KeyService,
        timestamps: TimestampAuthority,
        levels: Levels,
        self_check: SelfCheck,
        judging: Judging,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._blobs = blobs
        self._jobs = jobs
        self._keys = keys
        self._timestamps = timestamps
        self._levels = levels
        self._self_check = self_check
        self._judging = judging

    async def carry_out(
        self,
        principal: Principal,
        intention: Intention,
        seal: LoadedSeal,
        prepared: Prepared,
        source: bytes,
        *,
        face: str | None = None,
    ) -> SealedDocument:
        """Seal what a committed intention describes; `face` tells what rendered it, None is an upload.

        An outage leaves an intention with a stored document open, so that it can be carried out
        later; any other failure closes it with its reason.
        Raises: SealKeyUnusable, SealingFailed, RefusedByVerification, ServiceUnavailable.
        """
        try:
            levelled = await self._sealed(intention, seal, prepared, source)
            if face is None:
                await self._judging.upload(levelled.document, prepared.field_name)
            else:
                await self._judging.face(principal, intention, face, levelled.document)
            blob = await self._blobs.put(levelled.document)
        except ServiceUnavailable as error:
            if intention.prepared_blob is None or isinstance(error, SealKeyUnusable):
                await self._close(principal, intention, error)
            raise
        except TrustServiceError as error:
            await self._close(principal, intention, error)
            raise
        return await self._store(principal, intention, levelled, blob)

    async def seal_digest(self, principal: Principal, intention: Intention, seal: LoadedSeal) -> DigestSeal:
        """Sign what a committed intention for a caller's own document describes; raises as `carry_out`."""
        digest = intention.layout.signed_bytes_digest
        try:
            signature = await self._signature(intention)
            token = None
            if intention.level.timestamped:
                token = await self._timestamp(signature)
            try:
                verify_signature(seal.certificate, signature, intention.to_be_signed_digest)
            except InvalidSignature as error:
                raise SealingFailed("The signature did not pass its check: signature.") from error
        except TrustServiceError as error:
            await self._close(principal, intention, error)
            raise
        cms = seal.cms.signed_data(digest, signature, token)
        level = BaselineLevel.B_B if token is None else BaselineLevel.B_T
        at = self._clock.now()
        async with self._database.transaction() as connection:
            number = await IntentionRepository(connection).complete_use(
                intention.intention_id, hashlib.sha256(cms).digest(), level, at
            )
            if number is None:
                raise IntentionSpent(FINISHED)
            event = use_event(intention, number, hashlib.sha256(cms).digest(), level)
            await self._audit.record(connection, principal, event)
        return DigestSeal(intention.intention_id, number, cms, level, at)

    async def _sealed(self, intention: Intention, seal: LoadedSeal, prepared: Prepared, source: bytes) -> Levelled:
        signature = await self._signature(intention)
        token = await self._token(signature, seal, prepared) if intention.level.timestamped else None
        cms = seal.cms.signed_data(prepared.signed_bytes_digest, signature, token)
        document = await off_loop(len(source), finish, source, prepared, cms)
        levelled = Levelled(document, BaselineLevel.B_B if token is None else BaselineLevel.B_T)
        if token is not None and intention.level in LONG_TERM:
            levelled = await self._long_term(levelled, intention.level, seal, token)
        expectation = SealExpectation(
            certificate_der=seal.cms.certificate_der,
            baseline_level=levelled.level,
            previous_length=prepared.source_length,
            previous_sha256=prepared.source_sha256,
            field_name=prepared.field_name,
        )
        findings = await off_loop(len(source), self._self_check.check, levelled.document, expectation)
        if findings:
            raise SealingFailed(f"The sealed document did not pass its check: {', '.join(findings)}.")
        return levelled

    async def _long_term(self, levelled: Levelled, level: BaselineLevel, seal: LoadedSeal, token: bytes) -> Levelled:
        """Raise a B-T to its level, or leave it while validation data or timestamps are not to be had."""
        try:
            return await self._levels.extend(levelled.document, level, seal.chain, token)
        except (ServiceUnavailable, UpstreamUnavailable, NotFound) as error:
            logger.warning("sealed without long-term data", extra={"error": type(error).__name__})
            return levelled

    async def _signature(self, intention: Intention) -> bytes:
        try:
            return await self._keys.sign_digest(
                intention.key_id,
                KeyPurpose.SEAL,
                intention.to_be_signed_digest,
                intention_id=intention.intention_id,
            )
        except (KeyNotFound, KeyNotUsable, WrongPurpose, IntentionMissing) as error:
            # Not an outage, but the caller can do nothing about it either.
            raise SealKeyUnusable("The seal's key refuses to sign.") from error

    async def _token(self, signature: bytes, seal: LoadedSeal, prepared: Prepared) -> bytes | None:
        """Return a timestamp that fits into its room, or None while there is none to be had."""
        token = await self._timestamp(signature)
        if token is not None and seal.cms.size_with(len(token)) > prepared.contents_size:
            logger.warning("timestamp larger than the room reserved", extra={"bytes": len(token)})
            return None
        return token

    async def _timestamp(self, signature: bytes) -> bytes | None:
        try:
            return await self._timestamps.timestamp(hashlib.sha256(signature).digest())
        except (ServiceUnavailable, UpstreamUnavailable, NotFound) as error:
            logger.warning("sealed without timestamp", extra={"error": type(error).__name__})
            return None

    async def _store(
        self, principal: Principal, intention: Intention, levelled: Levelled, blob: BlobRef
    ) -> SealedDocument:
        outcome = Outcome(new_id("sdo"), blob, levelled.level, self._clock.now(), levelled.renew_after)
        if levelled.level is intention.level:
            number = await self._complete(principal, intention, outcome)
        else:
            number = await self._complete_below(principal, intention, outcome)
        return SealedDocument(
            document_id=outcome.document_id,
            intention_id=intention.intention_id,
            seal_id=intention.seal_id,
            use_number=number,
            document=levelled.document,
            sha256=blob.sha256,
            blob_ref=str(blob),
            level=levelled.level,
            sealed_at=outcome.at,
        )

    async def _complete(self, principal: Principal, intention: Intention, outcome: Outcome) -> int:
        async with self._database.statements() as transaction:
            number = await complete(transaction, intention.intention_id, outcome)
            if number is None:
                raise IntentionSpent(FINISHED)
            await self._audit.append(
                transaction, principal, use_event(intention, number, outcome.blob.sha256, outcome.level)
            )
        return number

    async def _complete_below(self, principal: Principal, intention: Intention, outcome: Outcome) -> int:
        """Complete a sealing whose level must still be raised, and queue that."""
        async with self._database.transaction() as connection:
            number = await IntentionRepository(connection).complete(intention.intention_id, outcome)
            if number is None:
                raise IntentionSpent(FINISHED)
            event = use_event(intention, number, outcome.blob.sha256, outcome.level)
            await self._audit.record(connection, principal, event)
            await self._jobs.enqueue(connection, UPGRADE_JOB, {"document_id": outcome.document_id})
        return number

    async def _close(self, principal: Principal, intention: Intention, error: TrustServiceError) -> None:
        """Write down why a sealing did not come out; nobody can see or confirm its preview any more."""
        failure = f"{type(error).__name__}: {error.detail}"
        async with self._database.transaction() as connection:
            closed = await IntentionRepository(connection).fail(intention.intention_id, failure, self._clock.now())
            if closed:
                detail = {"intention_id": intention.intention_id, "error": type(error).__name__}
                event = AuditEvent("seal.fail", "seal", intention.seal_id, detail)
                await self._audit.record(connection, principal, event)
        if closed and intention.prepared_blob is not None:
            await self._blobs.delete(intention.prepared_blob)


def use_event(intention: Intention, number: int, sealed_digest: bytes, level: BaselineLevel) -> AuditEvent:
    """Return what the audit says of one use of a seal."""
    detail = {
        "intention_id": intention.intention_id,
        "key_id": intention.key_id,
        "use_number": number,
        "document_sha256": intention.document_digest.hex(),
        "sealed_sha256": sealed_digest.hex(),
        "matter_code": intention.matter_code,
        "level": level,
        "second_factor": intention.second_factor_method,
    }
    return AuditEvent("seal.use", "seal", intention.seal_id, detail)
