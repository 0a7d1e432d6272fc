"""Issuing: check, reserve a number, render, seal, store.

The order is the safety: everything that can be refused is refused before anything is
written; the reservation is committed before the seal is used; the licence appears,
with its state, audit row and document, in one transaction at the end. A process killed
in between leaves a pending reservation, which the same request picks up again.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotFound, NotPermitted, ServiceUnavailable, TrustServiceError
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from licence_vault.errors import (
    IdempotencyMismatch,
    IssueInProgress,
    NoUsableSeal,
    SerialsExhausted,
    UnknownLicenceType,
)
from licence_vault.faces import FaceFacts
from licence_vault.holders import check_holders
from licence_vault.identifier import LicenceIdentifier
from licence_vault.model import IssueRequest, LicenceState, ReasonCode, StateRecord
from licence_vault.repository import LicenceRepository, StoredLicence
from licence_vault.states import civil_date, start_of
from licence_vault.status_allocation import epoch_of
from licence_vault.texts import check_text, normalise_face
from licence_vault.validity import check_validity
from signing.errors import SealNotActive, SealNotFound, SealUseNotGranted

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.catalogue import Catalogue
    from licence_vault.definitions import LicenceType
    from licence_vault.model import Holder
    from licence_vault.ports import IssuingOfficers
    from licence_vault.rendition import FaceMaker, SealedFace
    from licence_vault.repository import StoredDocument
    from signing.seals import SealService

ISSUE_SCOPE = "licence:issue"
LEASE = timedelta(seconds=45)
POLL_SECONDS = 0.05
WAIT_SECONDS = 40.0
MAX_SERIAL = 9_999_999
MAX_KEY = 100
MAX_CASE_NUMBER = 64
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request after every rule: what will be stored, save its number."""

    request: IssueRequest
    licence_type: LicenceType
    issuer_name: str
    holders: tuple[Holder, ...]
    face: dict[str, Any]
    issued_on: date
    seal_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a new version comes from: the licence it replaces."""

    previous_id: str
    serial: str
    version: int


class LicenceIssuer:
    """Issues licences and new versions of them."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        catalogue: Catalogue,
        seals: SealService,
        faces: FaceMaker,
        officers: IssuingOfficers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._directory = directory
        self._catalogue = catalogue
        self._seals = seals
        self._faces = faces
        self._officers = officers

    async def issue(self, principal: Principal, request: IssueRequest) -> StoredLicence:
        """Issue a licence, or return the one an equal request got before."""
        await self.require_issuer(principal, request.issuer_code, request.matter_code)
        checked = await self.check(request)
        return await self.carry_out(principal, checked, lineage=None)

    async def require_issuer(self, principal: Principal, issuer_code: str, matter_code: str | None) -> None:
        """Raise NotPermitted unless the principal may issue for this organisation."""
        if principal.organisation_code != issuer_code or not issuer_code:
            raise NotPermitted("只能以本单位名义签发 / issue in your own organisation's name only.")
        if principal.kind is PrincipalKind.CLIENT and ISSUE_SCOPE in principal.scopes:
            return
        if principal.kind is not PrincipalKind.OFFICER:
            raise NotPermitted(f"Issuing needs a department client with scope {ISSUE_SCOPE} or an officer.")
        await self._officers.require_issuing(principal, matter_code)

    # 1. Checks, without writing anything.

    async def check(self, request: IssueRequest) -> CheckedRequest:
        """Check every field against the type and its fonts; raises what `issue` lists."""
        if not _KEY.fullmatch(request.idempotency_key):
            raise InvalidInput(f"1 to {MAX_KEY} visible ASCII characters.", field="idempotency_key")
        if len(request.case_number) > MAX_CASE_NUMBER:
            raise InvalidInput(f"At most {MAX_CASE_NUMBER} characters.", field="case_number")
        try:
            licence_type = await self._catalogue.get(request.type_code)
        except UnknownLicenceType as error:
            raise InvalidInput(error.detail, field="type_code") from None
        holders = check_holders(request.holders, licence_type)
        face = normalise_face(dict(request.face))
        (await self._catalogue.schema(licence_type)).check(face)
        issued_on = request.issued_on or civil_date(self._clock.now())
        check_validity(licence_type, request.valid_from, request.valid_to, issued_on, civil_date(self._clock.now()))
        number = _check_number(request.licence_number, licence_type)
        issuer_name = await self._issuer_name(request.issuer_code)
        fonts = self._faces.fonts
        for position, holder in enumerate(holders):
            fonts.require(holder.name, f"holders.{position}.name")
        _require_glyphs(face, "face", fonts.require)
        fonts.require(number, "licence_number")
        seal_id = request.seal_id or await self._default_seal(request.issuer_code)
        normal = replace(request, holders=holders, face=face, licence_number=number)
        return CheckedRequest(
            normal, licence_type, issuer_name, holders, face, issued_on, seal_id, self._digest(normal)
        )

    async def _issuer_name(self, issuer_code: str) -> str:
        try:
            return (await self._directory.organisation(issuer_code)).name
        except NotFound as error:
            raise InvalidInput(
                "签发机构未登记 / the issuing authority is not registered.", field="issuer_code"
            ) from error

    async def _default_seal(self, issuer_code: str) -> str:
        try:
            return (await self._seals.statutory_seal(issuer_code)).seal_id
        except (SealNotFound, SealNotActive) as error:
            raise NoUsableSeal("签发机构没有启用的法定名称章 / the issuer has no active statutory seal.") from error

    def _digest(self, request: IssueRequest) -> bytes:
        """Return a keyed digest of the request, so that equal requests are known without storing them in clear."""
        values = {
            "type_code": request.type_code,
            "holders": [[holder.name, holder.code_type, holder.code] for holder in request.holders],
            "face": dict(request.face),
            "valid_from": request.valid_from.isoformat(),
            "valid_to": request.valid_to and request.valid_to.isoformat(),
            "issued_on": request.issued_on and request.issued_on.isoformat(),
            "licence_number": request.licence_number,
            "seal_id": request.seal_id,
            "matter_code": request.matter_code,
            "case_number": request.case_number,
        }
        return self._cipher.blind_index(json.dumps(values, ensure_ascii=False, sort_keys=True), "licences.request")

    # 2. Reservation, 3. face and seal, 4. storing.

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
                return await self._finish(principal, checked, reserved, token)
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
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            values = await self._row(repository, checked, lineage, token)
            ours = await repository.reserve(values, checked.holders)
            found = await repository.by_key(*key)
        if found is None:
            raise IssueInProgress("同一请求正在处理 / the same request is being worked on.")
        return found, ours

    async def _row(
        self, repository: LicenceRepository, checked: CheckedRequest, lineage: Lineage | None, token: str
    ) -> dict[str, Any]:
        request, now = checked.request, self._clock.now()
        serial = lineage.serial if lineage else await self._serial(repository, checked)
        version = lineage.version if lineage else 1
        identifier = LicenceIdentifier(request.type_code, request.issuer_code, serial, version)
        status_list, index = await repository.allocate_status(request.issuer_code, epoch_of(request.valid_to), now)
        return repository.encrypted(request.licence_number or serial, checked.face) | {
            "licence_id": new_id("lic"),
            "identifier": str(identifier),
            "type_code": request.type_code,
            "type_version": checked.licence_type.version,
            "issuer_code": request.issuer_code,
            "issuer_name": checked.issuer_name,
            "serial": serial,
            "version": version,
            "previous_id": lineage.previous_id if lineage else None,
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

    async def _serial(self, repository: LicenceRepository, checked: CheckedRequest) -> str:
        year = checked.issued_on.year
        number = await repository.next_serial(checked.request.type_code, checked.request.issuer_code, year)
        if number > MAX_SERIAL:
            raise SerialsExhausted("本年度流水号已用完 / this year's serial numbers are used up.")
        return f"{year}{number:07d}"

    async def _take_over(self, reserved: StoredLicence, token: str) -> bool:
        now = self._clock.now()
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            return await repository.take_lease(reserved.licence_id, token, now=now, until=now + LEASE)

    async def _finish(
        self, principal: Principal, checked: CheckedRequest, reserved: StoredLicence, token: str
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
        return await self._store(principal, reserved, token, sealed)

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
        self, principal: Principal, reserved: StoredLicence, token: str, sealed: SealedFace
    ) -> StoredLicence:
        now = self._clock.now()
        record = _issued(reserved, principal, now)
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            if await repository.complete(reserved.licence_id, token, qr_text=sealed.qr_text, document=sealed.document):
                await repository.add_state(reserved.licence_id, record)
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


def _check_number(unverified: str, licence_type: LicenceType) -> str:
    """Return the printed number checked against the type's pattern; empty stays empty unless one is required."""
    if not unverified:
        if licence_type.number_pattern:
            raise InvalidInput("须填写证照编号 / the licence number is required.", field="licence_number")
        return ""
    number = check_text(unverified, "licence_number", max_length=80)
    if licence_type.number_pattern and not re.fullmatch(licence_type.number_pattern, number):
        raise InvalidInput("证照编号格式不符合该类型 / the number has not the type's form.", field="licence_number")
    return number


def _require_glyphs(value: Any, field: str, require: Any) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        require(value, field)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _require_glyphs(inner, f"{field}.{name}", require)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _require_glyphs(inner, f"{field}.{index}", require)
