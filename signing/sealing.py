"""Sealing documents: policy, prepare, store the intention, sign, check, store the outcome."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, TooManyRequests
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from keys.seal_proofs import ConfirmerKind, keep_client_proof, record_proof
from signing.captions import caption_for
from signing.errors import (
    IntentionExpired,
    IntentionNotFound,
    IntentionSpent,
    SealedDocumentNotFound,
    SealUseNotGranted,
    SecondFactorRequired,
)
from signing.hot_statements import intend
from signing.intention import Intention, Layout
from signing.intention_repository import IntentionRepository
from signing.levels import LONG_TERM
from signing.model import BaselineLevel, IntentionState, PreparedSealing, PreparedState, SealRequest, SealState
from signing.off_loop import off_loop
from signing.placement import Remote
from signing.preparation import Order, make_ready
from signing.seal_rules import SCOPE_ISSUE, SCOPE_SEAL, not_usable, require_reader
from signing.signature_field import Prepared

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from signing.execution import Execution
    from signing.loaded import LoadedSeal, LoadedSeals
    from signing.model import DigestRequest, DigestSeal, Seal, SealedDocument, SecondFactor
    from signing.ports import SecondFactors
    from signing.preparation import Ready
    from signing.seals import SealService
    from signing.workshop import Workshop

MAX_UNCONFIRMED = 200
"""Prepared sealings of one officer or system that may wait at a time; each keeps a document for a while."""


class SealingService:
    """Seals documents and keeps what left."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        blobs: BlobStore,
        seals: SealService,
        loaded: LoadedSeals,
        execution: Execution,
        second_factors: SecondFactors,
        workshop: Workshop,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._blobs = blobs
        self._seals = seals
        self._loaded = loaded
        self._execution = execution
        self._second_factors = second_factors
        self._workshop = workshop

    async def seal(self, principal: Principal, request: SealRequest) -> SealedDocument:
        """Seal one document in one call.

        A department system needs scope `seal:apply` and its own organisation's seal; an officer
        needs a grant and `request.second_factor`.

        Raises: SealNotFound, SealNotActive, SealUseNotGranted, SecondFactorRequired, UnsealablePdf and
            its subclasses, PdfTooLarge, BadPlacement, SealKeyUnusable, SealingFailed, ServiceUnavailable.
        """
        return await self._seal(principal, request, scopes=frozenset({SCOPE_SEAL}), human=True)

    async def seal_licence(self, principal: Principal, request: SealRequest) -> SealedDocument:
        """Seal a licence face for its issuing department, without a human second factor.

        `principal` is the department system, with scope `licence:issue` or `seal:apply`; an officer of
        the seal's organisation, whose right to issue the caller has checked; or the system itself,
        which renders stored licences anew. Recorded like every other use. Raises as `seal` does.
        """
        return await self._seal(principal, request, scopes=frozenset({SCOPE_SEAL, SCOPE_ISSUE}), human=False)

    async def seal_digest(self, principal: Principal, request: DigestRequest) -> DigestSeal:
        """Seal a digest for a department system that keeps its document (as the CSC API's signDoc).

        The caller's digest becomes the message digest of a CMS whose signed attributes are ours, so the key
        never signs a value somebody else chose. B-LT and B-LTA are the caller's to add.
        Raises: InvalidInput, SealNotFound, SealNotActive, SealUseNotGranted, SealKeyUnusable, SealingFailed.
        """
        if len(request.signed_bytes_digest) != hashlib.sha256().digest_size:
            raise InvalidInput("A SHA-256 digest has 32 bytes.", field="digest")
        if request.level in LONG_TERM:
            raise InvalidInput("A digest is sealed at B-B or B-T.", field="level")
        if principal.kind is not PrincipalKind.CLIENT:
            raise SealUseNotGranted("Only department systems have digests sealed; officers see what they seal.")
        order = SealRequest(request.seal_id, b"", Remote(), request.matter_code, request.level)
        seal, loaded = await self.usable(principal, order, frozenset({SCOPE_SEAL}), human=True)
        digest, now = request.signed_bytes_digest, self._clock.now()
        nowhere = Prepared(0, digest, b"", 0, 0, digest, "")
        intention = replace(new_intention(principal, order, seal, loaded, nowhere, now), document_digest=digest)
        async with self._database.transaction() as connection:
            if not await IntentionRepository(connection).add(intention, IntentionState.INTENDED):
                raise not_usable(await self._seals.get(seal.seal_id))
        await keep_client_proof(self._database, intention.intention_id, principal)
        return await self._execution.seal_digest(principal, intention, loaded)

    async def prepare(self, principal: Principal, request: SealRequest) -> PreparedSealing:
        """First half: show an officer, or a department system, exactly what would be sealed.

        Raises: as `seal` does up to the signature; TooManyRequests.
        """
        seal, loaded = await self.usable(principal, request, frozenset({SCOPE_SEAL}), human=True)
        now = self._clock.now()
        async with self._database.read() as connection:
            waiting = await IntentionRepository(connection).unconfirmed(principal.audit_name, now)
        if waiting >= MAX_UNCONFIRMED:
            raise TooManyRequests(f"{waiting} prepared sealings wait already; confirm them or give them up.")
        ready = await self.ready(loaded, request, now, names_attachments=True)
        prepared = ready.prepared
        document = (ready.source or request.document) + prepared.update
        blob = await self._blobs.put(document)
        intention = new_intention(principal, request, seal, loaded, prepared, now, prepared_blob=str(blob))
        async with self._database.transaction() as connection:
            added = await IntentionRepository(connection).add(
                intention, IntentionState.PREPARED, officer_id=_officer_id(principal)
            )
            if not added:
                raise not_usable(await self._seals.get(seal.seal_id))
        return PreparedSealing(
            intention_id=intention.intention_id,
            challenge=intention.challenge,
            document_digest=intention.document_digest,
            signed_bytes_digest=prepared.signed_bytes_digest,
            preview=document,
            pages=prepared.pages,
            findings=ready.findings,
            attachments=ready.attachments,
            expires_at=intention.expires_at,
        )

    async def confirm(
        self, principal: Principal, intention_id: str, factor: SecondFactor | None = None
    ) -> SealedDocument:
        """Second half: seal what was prepared, for an officer with a second factor.

        A department system needs scope `seal:apply` still, and its organisation the seal.
        Raises: IntentionNotFound, IntentionExpired, IntentionSpent, SealNotActive, SealUseNotGranted,
            SecondFactorRequired, NotAuthenticated (wrong factor), SealKeyUnusable, SealingFailed.
        """
        intention = await self._own_intention(principal, intention_id)
        seal = await self._seals.get(intention.seal_id)
        require_reader(principal, seal)
        if principal.kind is PrincipalKind.CLIENT and SCOPE_SEAL not in principal.scopes:
            raise SealUseNotGranted("The client's scopes do not let it apply seals.")
        if principal.kind is PrincipalKind.OFFICER and factor is None:
            raise SecondFactorRequired("An officer seals with a second factor.", field="second_factor")
        if principal.kind is PrincipalKind.OFFICER:
            await self._require_grant(principal, seal, intention.matter_code)
        await self._loaded.get(seal)
        loaded = await self._loaded.of_intention(seal, intention)
        method = await self._confirm(principal, intention, factor if _officer_id(principal) else None)
        return await self.carry_on(principal, replace(intention, second_factor_method=method), loaded)

    async def _confirm(self, principal: Principal, intention: Intention, factor: SecondFactor | None) -> str | None:
        """Confirm once and for all, with what the signer wants to see; return the second factor's method."""
        now, method, reference = self._clock.now(), None, None
        async with self._database.transaction() as connection:
            if factor is not None:
                method = factor.method
                reference = await self._second_factors.verify(connection, principal, factor, intention.challenge)
            confirmed = await IntentionRepository(connection).confirm(
                intention, _officer_id(principal), method=method, reference=reference, at=now
            )
            if not confirmed:
                # Rolls the second factor back too: it was not used for anything.
                raise await self._why_not_confirmed(intention, now)
            if factor is not None and factor.method == ConfirmerKind.PASSKEY:
                await record_proof(connection, intention.intention_id, ConfirmerKind.PASSKEY, factor.response)
            elif factor is None and principal.proof is not None:
                await record_proof(connection, intention.intention_id, ConfirmerKind.CLIENT, principal.proof)
        return method

    async def prepared_state(self, principal: Principal, intention_id: str) -> PreparedState:
        """Return where a sealing stands that the caller prepared; raises IntentionNotFound."""
        intention, state = await self._requested(principal, intention_id)
        async with self._database.read() as connection:
            document_id = await IntentionRepository(connection).document_of(intention_id)
        return PreparedState(intention_id, state, intention.document_digest, intention.expires_at, document_id)

    async def preview(self, principal: Principal, intention_id: str) -> bytes:
        """Return the document as `prepare` made it; raises IntentionNotFound, IntentionSpent."""
        intention = await self._own_intention(principal, intention_id)
        if intention.prepared_blob is None:
            raise IntentionSpent("The sealing has no stored document.")
        return await self._blobs.get(intention.prepared_blob)

    async def withdraw(self, principal: Principal, intention_id: str) -> None:
        """Give a prepared sealing up; raises IntentionNotFound, IntentionSpent."""
        intention = await self._own_intention(principal, intention_id)
        async with self._database.transaction() as connection:
            if not await IntentionRepository(connection).withdraw(intention_id, self._clock.now()):
                raise IntentionSpent("The sealing was confirmed or given up already.")
            event = AuditEvent("seal.withdraw", "seal", intention.seal_id, {"intention_id": intention_id})
            await self._audit.record(connection, principal, event)
        if intention.prepared_blob is not None:
            await self._blobs.delete(intention.prepared_blob)

    async def document(self, principal: Principal, document_id: str) -> bytes:
        """Return a sealed document to its organisation; raises SealedDocumentNotFound."""
        reference = None
        if principal.organisation_code and principal.kind in {PrincipalKind.OFFICER, PrincipalKind.CLIENT}:
            async with self._database.read() as connection:
                reference = await IntentionRepository(connection).document(document_id, principal.organisation_code)
        if reference is None:
            raise SealedDocumentNotFound("There is no such sealed document.")
        return await self._blobs.get(reference)

    async def _seal(
        self, principal: Principal, request: SealRequest, *, scopes: frozenset[str], human: bool
    ) -> SealedDocument:
        # 1. Policy, then everything that can be refused, before anything is written.
        seal, loaded = await self.usable(principal, request, scopes, human=human)
        officer = principal.kind is PrincipalKind.OFFICER and human
        if officer and request.second_factor is None:
            raise SecondFactorRequired("An officer seals with a second factor.", field="second_factor")
        now = self._clock.now()
        ready = await self.ready(loaded, request, now, trusted=not human)
        prepared = ready.prepared
        # 2. The intention, committed.
        method = request.second_factor.method if officer and request.second_factor else None
        intention = new_intention(principal, request, seal, loaded, prepared, now, second_factor_method=method)
        if officer and request.second_factor is not None:
            await self._intend_confirmed(principal, intention, request.second_factor)
        elif not await intend(self._database, intention):
            raise not_usable(await self._seals.get(seal.seal_id))
        await keep_client_proof(self._database, intention.intention_id, principal)
        # 3 to 5. Sign, check, store the outcome.
        source = ready.source or request.document
        face = None if human else request.face
        return await self._execution.carry_out(principal, intention, loaded, prepared, source, face=face)

    async def _intend_confirmed(self, officer: Principal, intention: Intention, factor: SecondFactor) -> None:
        async with self._database.transaction() as connection:
            reference = await self._second_factors.verify(connection, officer, factor, intention.challenge)
            added = await IntentionRepository(connection).add(
                intention,
                IntentionState.INTENDED,
                officer_id=officer.subject_id,
                second_factor_reference=reference,
            )
            if not added:
                # Rolls the second factor back too: it was not used for anything.
                raise not_usable(await self._seals.get(intention.seal_id))

    async def usable(
        self, principal: Principal, request: SealRequest, scopes: frozenset[str], *, human: bool
    ) -> tuple[Seal, LoadedSeal]:
        """Read the facts and decide who may seal; the WHERE clause of the intention decides again.

        `human` asks for an officer's grant; `scopes` are those one of which a department system needs.
        Raises: SealNotFound, SealNotActive, SealUseNotGranted, SealKeyUnusable, InvalidInput (no such matter).
        """
        seal = await self._seals.get(request.seal_id)
        require_reader(principal, seal)
        if principal.kind is PrincipalKind.OFFICER:
            if human:
                await self._require_grant(principal, seal, request.matter_code)
        elif principal.kind is PrincipalKind.CLIENT:
            if not principal.scopes & scopes:
                raise SealUseNotGranted("The client's scopes do not let it apply seals.")
        elif principal.kind is not PrincipalKind.SYSTEM or human:
            raise SealUseNotGranted("Only officers and department systems apply seals.")
        if human:
            # A licence's was checked before its number was reserved.
            await self._seals.require_matter(request.matter_code)
        if seal.state is not SealState.ACTIVE:
            raise not_usable(seal)
        return seal, await self._loaded.get(seal)

    async def _require_grant(self, principal: Principal, seal: Seal, matter_code: str | None) -> None:
        usable = await self._seals.usable_by(principal, matter_code=matter_code)
        if seal.seal_id not in {each.seal_id for each in usable} and seal.state is SealState.ACTIVE:
            raise not_usable(seal)

    async def ready(
        self,
        loaded: LoadedSeal,
        request: SealRequest,
        now: datetime,
        *,
        trusted: bool = False,
        names_attachments: bool = False,
    ) -> Ready:
        """Make a document ready for its signature, uploads in a worker process; raises as `make_ready`."""
        size = await self._loaded.contents_size(loaded, timestamped=request.level.timestamped)
        order = Order(
            document=request.document,
            face=replace(loaded.face, caption=caption_for(request.appearance, loaded.face.name, now)),
            placement=request.placement,
            contents_size=size,
            at=now,
            certify=request.certify,
            trusted=trusted,
            active_content=request.active_content,
            names_attachments=names_attachments,
        )
        if trusted:
            return await off_loop(len(request.document), make_ready, order)
        return await self._workshop.run(make_ready, order)

    async def carry_on(self, principal: Principal, intention: Intention, loaded: LoadedSeal) -> SealedDocument:
        """Carry a confirmed intention out from its stored document, after an interruption or for a batch.

        Raises: IntentionSpent when somebody else finished it, SealKeyUnusable, SealingFailed, ServiceUnavailable.
        """
        if intention.prepared_blob is None:
            raise IntentionSpent("The sealing has no stored document.")
        stored = await self._blobs.get(intention.prepared_blob)
        length = intention.layout.source_length
        prepared = intention.layout.prepared(stored[length:])
        return await self._execution.carry_out(principal, intention, loaded, prepared, stored[:length])

    async def _own_intention(self, principal: Principal, intention_id: str) -> Intention:
        intention, state = await self._requested(principal, intention_id)
        if state is not IntentionState.PREPARED:
            raise IntentionSpent("The sealing was confirmed or given up already.")
        return intention

    async def _requested(self, principal: Principal, intention_id: str) -> tuple[Intention, IntentionState]:
        async with self._database.read() as connection:
            found = await IntentionRepository(connection).find(intention_id)
        if found is None or found[0].requested_by != principal.audit_name:
            raise IntentionNotFound("There is no such prepared sealing.")
        return found

    async def _why_not_confirmed(self, intention: Intention, now: datetime) -> Exception:
        if now >= intention.expires_at:
            return IntentionExpired("The prepared sealing was not confirmed in time; prepare it again.")
        async with self._database.read() as connection:
            found = await IntentionRepository(connection).find(intention.intention_id)
        if found is None or found[1] is not IntentionState.PREPARED:
            return IntentionSpent("The sealing was confirmed or given up already.")
        return not_usable(await self._seals.get(intention.seal_id))


def _officer_id(principal: Principal) -> str | None:
    """Return whose grant must stand; a department system needs none."""
    return principal.subject_id if principal.kind is PrincipalKind.OFFICER else None


def new_intention(
    principal: Principal,
    request: SealRequest,
    seal: Seal,
    loaded: LoadedSeal,
    prepared: Prepared,
    now: datetime,
    *,
    prepared_blob: str | None = None,
    second_factor_method: str | None = None,
    intention_id: str | None = None,
) -> Intention:
    """Return the intention to seal a prepared document."""
    return Intention(
        intention_id=intention_id or new_id("int"),
        seal_id=seal.seal_id,
        key_id=loaded.key_id,
        organisation_code=seal.organisation_code,
        requested_by=principal.audit_name,
        channel=principal.channel,
        matter_code=request.matter_code,
        level=BaselineLevel(request.level),
        placement=request.placement,
        document_digest=hashlib.sha256(request.document).digest(),
        to_be_signed_digest=loaded.cms.to_be_signed_digest(prepared.signed_bytes_digest),
        layout=Layout.of(prepared),
        created_at=now,
        prepared_blob=prepared_blob,
        second_factor_method=second_factor_method,
    )
