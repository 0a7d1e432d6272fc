"""Issuing: check, reserve a number, render, seal, store.

The order is the safety: everything that can be refused is refused before anything is
written; the reservation is committed before the seal is used; the licence appears,
with its state, audit row and document, in one transaction at the end. A process killed
in between leaves a pending reservation, which the same request picks up again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import Conflict, NotPermitted, ServiceUnavailable, TrustServiceError
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from licence_vault.errors import (
    IdempotencyMismatch,
    IssueInProgress,
    LicenceNotFound,
    NoUsableSeal,
)
from licence_vault.faces import FaceFacts
from licence_vault.identifier import LicenceIdentifier, parse_identifier
from licence_vault.model import LicenceState, ReasonCode, StateRecord
from licence_vault.numbering import Numbering
from licence_vault.repository import LicenceRepository, StoredLicence
from licence_vault.revising import require_revisable, revised_request, superseding
from licence_vault.states import start_of
from licence_vault.status_allocation import epoch_of
from signing.errors import SealNotActive, SealNotFound, SealUseNotGranted

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.changing import LicenceChanger
    from licence_vault.checking import CheckedRequest, RequestChecker
    from licence_vault.model import IssueRequest, Revision, StateChange
    from licence_vault.ports import IssuingOfficers
    from licence_vault.rendition import FaceMaker, SealedFace
    from licence_vault.repository import StoredDocument

ISSUE_SCOPE = "licence:issue"
LEASE = timedelta(seconds=45)
POLL_SECONDS = 0.05
WAIT_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a new version comes from: the licence it replaces, and what is recorded about that one."""

    previous: StoredLicence
    supersede: StateChange


class _Taken(Exception):
    """The idempotency key or identifier is in the table already."""


class LicenceIssuer:
    """Issues licences and new versions of them."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        checker: RequestChecker,
        faces: FaceMaker,
        officers: IssuingOfficers,
        changer: LicenceChanger,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._checker = checker
        self._faces = faces
        self._officers = officers
        self._changer = changer

    async def issue(self, principal: Principal, request: IssueRequest) -> StoredLicence:
        """Issue a licence, or return the one an equal request got before."""
        await self.require_issuer(principal, request.issuer_code, request.matter_code)
        checked = await self._checker.check(request)
        return await self.carry_out(principal, checked, lineage=None)

    async def revise(self, principal: Principal, identifier: str, revision: Revision) -> StoredLicence:
        """Issue a new version of a licence; the old one becomes superseded in the same transaction."""
        async with self._database.read() as connection:
            repository = LicenceRepository(connection, self._cipher)
            previous = await repository.by_identifier(str(parse_identifier(identifier)))
            if previous is None or previous.issuer_code != principal.organisation_code:
                raise LicenceNotFound("没有这份证照 / no such licence.")
            known = await repository.by_key(previous.issuer_code, revision.idempotency_key)
            records = await repository.states(previous.licence_id)
        await self.require_issuer(principal, previous.issuer_code, revision.matter_code)
        if known is None:
            require_revisable(previous, records, self._clock.now())
        checked = await self._checker.check(revised_request(previous, revision))
        marked = f"{previous.identifier} {revision.kind} {revision.reason_text} {revision.legal_basis}"
        checked = replace(checked, digest=self._cipher.blind_index(marked + checked.digest.hex(), "licences.request"))
        return await self.carry_out(principal, checked, lineage=Lineage(previous, superseding(revision)))

    async def require_issuer(self, principal: Principal, issuer_code: str, matter_code: str | None) -> None:
        """Raise NotPermitted unless the principal may issue for this organisation."""
        if principal.organisation_code != issuer_code or not issuer_code:
            raise NotPermitted("只能以本单位名义签发 / issue in your own organisation's name only.")
        if principal.kind is PrincipalKind.CLIENT and ISSUE_SCOPE in principal.scopes:
            return
        if principal.kind is not PrincipalKind.OFFICER:
            raise NotPermitted(f"Issuing needs a department client with scope {ISSUE_SCOPE} or an officer.")
        await self._officers.require_issuing(principal, matter_code)

    # Reservation, then face and seal, then storing.

    async def carry_out(
        self, principal: Principal, checked: CheckedRequest, *, lineage: Lineage | None
    ) -> StoredLicence:
        """Reserve, render, seal and store a checked request, once however often it is asked for."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        token = new_id("lease")
        while True:
            reserved, ours = await self._reserve(checked, lineage, token)
            if reserved.request_digest != checked.digest:
                raise IdempotencyMismatch("此幂等键已用于其他请求 / the key was used with other data.")
            if reserved.state is not LicenceState.PENDING:
                return reserved
            if ours or await self._take_over(reserved, token):
                return await self._finish(principal, checked, reserved, token, lineage)
            if asyncio.get_running_loop().time() > deadline:
                raise IssueInProgress("同一请求正在处理 / the same request is being worked on.")
            await asyncio.sleep(POLL_SECONDS)

    async def _reserve(
        self, checked: CheckedRequest, lineage: Lineage | None, token: str
    ) -> tuple[StoredLicence, bool]:
        """Return the reservation of this idempotency key and whether we made it just now."""
        key = (checked.request.issuer_code, checked.request.idempotency_key)
        async with self._database.read() as connection:
            found = await LicenceRepository(connection, self._cipher).by_key(*key)
        if found is not None:
            return found, False
        try:
            return await self._insert(checked, lineage, token), True
        except _Taken:
            async with self._database.read() as connection:
                found = await LicenceRepository(connection, self._cipher).by_key(*key)
        if found is None:
            raise Conflict("该证照的新版本正在办理 / another new version of this licence is under way.")
        return found, False

    async def _insert(self, checked: CheckedRequest, lineage: Lineage | None, token: str) -> StoredLicence:
        """Insert the reservation; raises _Taken, which gives serial number and status place back."""
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            numbering = Numbering(connection, self._clock.now())
            values = await self._row(repository, numbering, checked, lineage, token)
            reserved = None
            if await repository.reserve(values, checked.holders):
                reserved = await repository.by_id(values["licence_id"])
            if reserved is None:
                raise _Taken
            return reserved

    async def _row(
        self,
        repository: LicenceRepository,
        numbering: Numbering,
        checked: CheckedRequest,
        lineage: Lineage | None,
        token: str,
    ) -> dict[str, Any]:
        request, now = checked.request, self._clock.now()
        if lineage is None:
            years = [checked.issued_on.year]
            serial, version = (await numbering.serials(request.type_code, request.issuer_code, years))[0], 1
        else:
            serial, version = lineage.previous.serial, lineage.previous.version + 1
        identifier = LicenceIdentifier(request.type_code, request.issuer_code, serial, version)
        status_list, index = (await numbering.places(request.issuer_code, [epoch_of(request.valid_to)]))[0]
        return repository.encrypted(request.licence_number or serial, checked.face) | {
            "licence_id": new_id("lic"),
            "identifier": str(identifier),
            "type_code": request.type_code,
            "type_version": checked.licence_type.version,
            "issuer_code": request.issuer_code,
            "issuer_name": checked.issuer_name,
            "serial": serial,
            "version": version,
            "previous_id": lineage.previous.licence_id if lineage else None,
            "issued_on": checked.issued_on,
            "valid_from": request.valid_from,
            "valid_to": request.valid_to,
            "status_list": status_list,
            "status_index": index,
            "state": LicenceState.PENDING,
            "state_sequence": 0,
            "source": "issue",
            "idempotency_key": request.idempotency_key,
            "request_digest": checked.digest,
            "lease_token": token,
            "lease_until": now + LEASE,
            "matter_code": request.matter_code,
            "case_number": request.case_number,
            "registered_at": now,
        }

    async def _take_over(self, reserved: StoredLicence, token: str) -> bool:
        now = self._clock.now()
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            return await repository.take_lease(reserved.licence_id, token, now=now, until=now + LEASE)

    async def _finish(
        self,
        principal: Principal,
        checked: CheckedRequest,
        reserved: StoredLicence,
        token: str,
        lineage: Lineage | None,
    ) -> StoredLicence:
        try:
            sealed = await self._make(principal, checked, reserved)
        except ServiceUnavailable:
            # Whether the seal was used is not known: the reservation stays, and the same request goes on with it.
            await self._release(reserved, token)
            raise
        except TrustServiceError as error:
            await self._discard(reserved, token)
            if isinstance(error, SealNotFound | SealNotActive | SealUseNotGranted):
                raise NoUsableSeal("印章不可用 / the seal cannot be used.", field="seal_id") from error
            raise
        try:
            return await self._store(principal, reserved, token, sealed, lineage)
        except Conflict:
            # The old version's state moved on while the new one was made: there is nothing to replace any more.
            await self._discard(reserved, token)
            raise

    async def _make(self, principal: Principal, checked: CheckedRequest, reserved: StoredLicence) -> SealedFace:
        facts = FaceFacts(
            reserved.identifier,
            reserved.licence_number,
            reserved.issuer_code,
            reserved.issuer_name,
            checked.holders,
            checked.face,
            reserved.issued_on,
            reserved.valid_from,
            reserved.valid_to,
        )
        return await self._faces.make(
            principal,
            checked.licence_type,
            facts,
            status=(reserved.status_list, reserved.status_index),
            seal_id=checked.seal_id,
            matter_code=checked.request.matter_code,
        )

    async def _release(self, reserved: StoredLicence, token: str) -> None:
        async with self._database.transaction() as connection:
            await LicenceRepository(connection, self._cipher).release(reserved.licence_id, token)

    async def _discard(self, reserved: StoredLicence, token: str) -> None:
        async with self._database.transaction() as connection:
            await LicenceRepository(connection, self._cipher).discard(reserved.licence_id, token)

    async def _store(
        self,
        principal: Principal,
        reserved: StoredLicence,
        token: str,
        sealed: SealedFace,
        lineage: Lineage | None,
    ) -> StoredLicence:
        now = self._clock.now()
        record = _issued(reserved, principal, now)
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            if await repository.complete(reserved.licence_id, token, qr_text=sealed.qr_text, document=sealed.document):
                await repository.add_state(reserved.licence_id, record)
                if lineage is not None:
                    await self._changer.record(connection, principal, lineage.previous, lineage.supersede, now)
                await self._record(connection, principal, reserved, sealed.document)
        async with self._database.read() as connection:
            stored = await LicenceRepository(connection, self._cipher).by_id(reserved.licence_id)
        if stored is None or stored.state is LicenceState.PENDING:
            raise IssueInProgress("同一请求正在处理 / the same request is being worked on.")
        return stored

    async def _record(
        self,
        connection: AsyncConnection,
        principal: Principal,
        reserved: StoredLicence,
        document: StoredDocument,
    ) -> None:
        detail = {
            "licence_id": reserved.licence_id,
            "type_version": reserved.type_version,
            "document_sha256": document.sha256.hex(),
            "document_id": document.document_id,
            "matter_code": reserved.matter_code,
        }
        event = AuditEvent("licence_vault.issue", "licence", reserved.identifier, detail)
        await self._audit.record(connection, principal, event)


def _issued(reserved: StoredLicence, principal: Principal, now: datetime) -> StateRecord:
    return StateRecord(
        sequence=1,
        state=LicenceState.VALID,
        effective_at=start_of(reserved.valid_from),
        recorded_at=now,
        reason_code=ReasonCode.ISSUED,
        reason_text="签发",
        legal_basis="",
        recorded_by=principal.audit_name,
    )
