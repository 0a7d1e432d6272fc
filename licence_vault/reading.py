"""Reading licences: by holder, issuer, sharing list; no receipt, no data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.principal import PrincipalKind
from licence_vault.access import (
    Entitlement,
    Way,
    entitlement,
    is_holder,
    masked,
    reads_ex_officio,
    shared,
    works_for,
)
from licence_vault.errors import LicenceNotFound
from licence_vault.holders import code_type_of, normalise_code
from licence_vault.identifier import parse_identifier
from licence_vault.model import AccessReceipt, Licence, LicenceDocument, LicenceState, Purpose
from licence_vault.receipts import Access, Receipts
from licence_vault.repository import HOLDER_INDEX_CONTEXT, LicenceRepository
from licence_vault.states import state_at
from licence_vault.texts import check_text
from licence_vault.told import accounts_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.notices import Notices
    from foundation.principal import Principal
    from licence_vault.catalogue import Catalogue
    from licence_vault.late_faces import LateFaces
    from licence_vault.model import Holder, StateRecord
    from licence_vault.ports import EnterpriseRoles, HolderIndexes
    from licence_vault.quota import ReadQuota
    from licence_vault.repository import StoredDocument, StoredLicence

MAX_LIST = 200
MAX_CASE_NUMBER = 64
MAX_REASON = 200
MAX_OPERATOR = 64
READ_NOTICE = "licence_vault.read"
NO_PURPOSE = Purpose()


class LicenceReader:
    """Reads licences and their access receipts."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        blobs: BlobStore,
        directory: Directory,
        catalogue: Catalogue,
        holders: HolderIndexes,
        roles: EnterpriseRoles,
        quota: ReadQuota,
        notices: Notices,
        late_faces: LateFaces,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._blobs = blobs
        self._directory = directory
        self._catalogue = catalogue
        self._holders = holders
        self._roles = roles
        self._quota = quota
        self._notices = notices
        self._late_faces = late_faces

    async def get(self, principal: Principal, identifier: str, purpose: Purpose | None) -> Licence:
        """Return one licence with its receipt's id; raises LicenceNotFound."""
        reason = checked_purpose(purpose)
        await self._count(principal, identifier, reason)
        async with self._database.transaction() as connection:
            stored, granted = await self._entitled(connection, principal, identifier, reason)
            access_id = await self._leave(connection, principal, stored, granted, reason)
            licence = (await self.views(connection, [stored]))[0]
        return replace(masked(licence, granted), access_id=access_id)

    async def face_pdf(self, principal: Principal, identifier: str, purpose: Purpose | None) -> LicenceDocument:
        """Return the sealed PDF; a reader with only some of the fields does not get it.

        Raises: LicenceNotFound, NotPermitted.
        """
        reason = checked_purpose(purpose)
        await self._count(principal, identifier, reason)
        await self._make_if_late(principal, identifier, reason)
        async with self._database.transaction() as connection:
            stored, granted = await self._entitled(connection, principal, identifier, reason)
            if granted.fields is not None:
                raise NotPermitted(
                    "共享清单只含部分字段,不提供证照文件 / the sharing list covers fields, not the file."
                )
            access_id = await self._leave(connection, principal, stored, granted, reason)
            return await self.document_of(connection, stored, access_id)

    async def document_of(self, connection: AsyncConnection, stored: StoredLicence, access_id: str) -> LicenceDocument:
        """Return the newest full document of a licence; the caller has judged and left the receipt."""
        document = _current(await LicenceRepository(connection, self._cipher).documents(stored.licence_id))
        pdf = await self._blobs.get(document.blob_ref)
        return LicenceDocument(stored.identifier, pdf, document.sha256.hex(), access_id)

    async def _make_if_late(self, principal: Principal, identifier: str, purpose: Purpose) -> None:
        """Have a backfilled licence's face made, for a reader who may have it."""
        async with self._database.read() as connection:
            stored, granted = await self._entitled(connection, principal, identifier, purpose)
        if stored.source == "import" and granted.fields is None:
            await self._late_faces.ensure(stored.identifier)

    async def of_holder(self, principal: Principal, *, limit: int) -> tuple[Licence, ...]:
        """Return the licences of whoever is signed in, a person or an enterprise."""
        if not is_holder(principal):
            return ()
        async with self._database.transaction() as connection:
            indexes = await self.indexes(connection, principal)
            repository = LicenceRepository(connection, self._cipher)
            found = await repository.of_holder(indexes, limit=min(limit, MAX_LIST)) if indexes else ()
            found = await self.entrusted(connection, principal, found, NO_PURPOSE)
            return await self._list(connection, principal, found, Entitlement(Way.HOLDER))

    async def of_issuer(self, principal: Principal, *, limit: int) -> tuple[Licence, ...]:
        """Return the newest licences of the principal's own organisation; raises NotPermitted."""
        organisation = principal.organisation_code
        if organisation is None or not works_for(principal, organisation):
            raise NotPermitted("Listing needs an officer or a client with scope licence:read.")
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            found = await repository.of_issuer(organisation, limit=min(limit, MAX_LIST))
            return await self._list(connection, principal, found, Entitlement(Way.ISSUER))

    async def of_holder_ex_officio(
        self, principal: Principal, holder: Holder, type_code: str, purpose: Purpose
    ) -> tuple[Licence, ...]:
        """Return a holder's licences of one type to a department with a case; every attempt counts.

        Raises: NotPermitted, InvalidInput, UnknownLicenceType, AccessQuotaExceeded.
        """
        reason = checked_purpose(purpose)
        if not reads_ex_officio(principal):
            raise NotPermitted("Needs an officer, or a sender-constrained client with scope licence:read.")
        require_complete(principal, reason)
        code_type = code_type_of(holder.code_type, "code_type")
        code = normalise_code(code_type, holder.code, "code")
        licence_type = await self._catalogue.get(type_code)
        granted = shared(principal, licence_type, reason)
        if granted is None:
            raise NotPermitted("该事项不在共享清单中 / the matter is not on the sharing list.")
        await self._quota.spend(principal, reason)
        index = self._cipher.blind_index(code, HOLDER_INDEX_CONTEXT)
        async with self._database.transaction() as connection:
            found = await LicenceRepository(connection, self._cipher).of_holder([index], limit=MAX_LIST)
            wanted = [one for one in found if one.type_code == type_code]
            views = await self.views(connection, wanted)
            ids = [await self._leave(connection, principal, one, granted, reason) for one in wanted]
        return tuple(replace(masked(view, granted), access_id=one) for view, one in zip(views, ids, strict=True))

    async def history(self, principal: Principal, identifier: str) -> tuple[StateRecord, ...]:
        """Return every recorded state to holder or issuer; raises LicenceNotFound."""
        async with self._database.transaction() as connection:
            stored, granted = await self._entitled(connection, principal, identifier, NO_PURPOSE)
            if granted.fields is not None:
                raise LicenceNotFound("没有这份证照 / no such licence.")
            await self._leave(connection, principal, stored, granted, NO_PURPOSE)
            return await LicenceRepository(connection, self._cipher).states(stored.licence_id)

    async def accesses(self, principal: Principal, *, include_own: bool, limit: int) -> tuple[AccessReceipt, ...]:
        """Return who read the signed-in person's licences."""
        if not is_holder(principal):
            return ()
        async with self._database.read() as connection:
            indexes = await self.indexes(connection, principal)
            receipts = Receipts(connection, self._cipher, self._audit)
            found = await receipts.of_holder(indexes, include_own=include_own, limit=min(limit, MAX_LIST))
        return tuple([await self._named(receipt) for receipt in found])

    async def views(self, connection: AsyncConnection, found: Sequence[StoredLicence]) -> list[Licence]:
        """Return stored licences as their readers see them, with the state of this moment."""
        repository = LicenceRepository(connection, self._cipher)
        ids = [one.licence_id for one in found]
        records = await repository.states_of(ids)
        documents = await repository.documents_of(ids)
        views = []
        for one in found:
            previous = None if one.previous_id is None else await repository.identifier_of(one.previous_id)
            licence_type = await self._catalogue.get(one.type_code, one.type_version)
            now = self._clock.now()
            state = state_at(
                records[one.licence_id], valid_from=one.valid_from, valid_to=one.valid_to, at=now, known_at=now
            )
            reason = "" if state.record is None else state.record.reason_text
            views.append(_view(one, licence_type.name, state.state, reason, documents[one.licence_id], previous))
        return views

    async def _count(self, principal: Principal, identifier: str, purpose: Purpose) -> None:
        """Count the attempt of a department that reaches for a licence it did not issue."""
        if reads_ex_officio(principal) and parse_identifier(identifier).issuer_code != principal.organisation_code:
            await self._quota.spend(principal, purpose)

    async def _entitled(
        self, connection: AsyncConnection, principal: Principal, identifier: str, purpose: Purpose
    ) -> tuple[StoredLicence, Entitlement]:
        stored = await LicenceRepository(connection, self._cipher).by_identifier(str(parse_identifier(identifier)))
        if stored is None or stored.state is LicenceState.PENDING:
            raise LicenceNotFound("没有这份证照 / no such licence.")
        licence_type = await self._catalogue.get(stored.type_code)
        indexes = await self.indexes(connection, principal)
        granted = entitlement(principal, stored, licence_type, holder_indexes=indexes, purpose=purpose)
        if granted is None or not await self.entrusted(connection, principal, [stored], purpose):
            raise LicenceNotFound("没有这份证照 / no such licence.")
        return stored, granted

    async def indexes(self, connection: AsyncConnection, principal: Principal) -> tuple[bytes, ...]:
        """Return the indexes of the person or enterprise that is signed in."""
        if not is_holder(principal):
            return ()
        if principal.kind is PrincipalKind.ENTERPRISE:
            return (self._cipher.blind_index(principal.organisation_code or "", HOLDER_INDEX_CONTEXT),)
        return await self._holders.of_person(connection, principal.person_id or "")

    async def entrusted(
        self, connection: AsyncConnection, principal: Principal, found: Sequence[StoredLicence], purpose: Purpose
    ) -> tuple[StoredLicence, ...]:
        """Leave out what an enterprise's agent was not entrusted with: licences of, or asked for, other matters."""
        if principal.kind is not PrincipalKind.ENTERPRISE:
            return tuple(found)
        matters = await self._roles.matters(connection, principal)
        return tuple(
            one for one in found if matters is None or not matters.isdisjoint({one.matter_code, purpose.matter_code})
        )

    async def _leave(
        self,
        connection: AsyncConnection,
        principal: Principal,
        stored: StoredLicence,
        granted: Entitlement,
        purpose: Purpose,
    ) -> str:
        """Write the receipt, and for an ex officio reading tell the holders, in the same transaction."""
        access = Access(principal, stored, granted, purpose, self._clock.now())
        access_id = await Receipts(connection, self._cipher, self._audit).leave(access)
        if granted.way is Way.EX_OFFICIO:
            await self._tell_holders(connection, access, access_id)
        return access_id

    async def _tell_holders(self, connection: AsyncConnection, access: Access, access_id: str) -> None:
        parameters = {
            "access_id": access_id,
            "identifier": access.stored.identifier,
            "type_code": access.stored.type_code,
            "reader_code": access.principal.organisation_code,
            "matter_code": access.purpose.matter_code,
            "reason": access.purpose.reason,
        }
        for account_id in await accounts_told(connection, self._holders, access.stored):
            await self._notices.send(connection, account_id, READ_NOTICE, parameters)

    async def _list(
        self,
        connection: AsyncConnection,
        principal: Principal,
        found: Sequence[StoredLicence],
        granted: Entitlement,
    ) -> tuple[Licence, ...]:
        views = await self.views(connection, found)
        ids = [await self._leave(connection, principal, one, granted, NO_PURPOSE) for one in found]
        return tuple(replace(view, access_id=access_id) for view, access_id in zip(views, ids, strict=True))

    async def _named(self, receipt: AccessReceipt) -> AccessReceipt:
        """Put the type's and the reader's organisation's names where the row has codes."""
        type_name = (await self._catalogue.get(receipt.type_name)).name
        reader_name = receipt.reader_name
        if reader_name:
            try:
                reader_name = (await self._directory.organisation(reader_name)).name
            except NotFound:
                reader_name = receipt.reader_name
        return replace(receipt, type_name=type_name, reader_name=reader_name)


def checked_purpose(purpose: Purpose | None) -> Purpose:
    """Return a purpose whose texts hold nothing hidden; raises InvalidInput naming the field."""
    if purpose is None:
        return NO_PURPOSE
    limits = {"case_number": MAX_CASE_NUMBER, "reason": MAX_REASON, "operator": MAX_OPERATOR}
    texts = {
        name: check_text(getattr(purpose, name), name, max_length=limit)
        for name, limit in limits.items()
        if getattr(purpose, name)
    }
    return replace(purpose, **texts)


def require_complete(principal: Principal, purpose: Purpose) -> None:
    """Raise InvalidInput for the first part of a purpose that an ex officio reading must name."""
    needed = ["matter_code", "case_number", "reason"]
    if principal.kind is PrincipalKind.CLIENT:
        needed.append("operator")
    for name in needed:
        if not getattr(purpose, name):
            raise InvalidInput("依职权查询须填写 / needed for reading ex officio.", field=name)


def _current(documents: Sequence[StoredDocument]) -> StoredDocument:
    """Return the newest full document: the original, or what upgraded it."""
    full = [document for document in documents if document.kind != "copy"]
    if not full:
        raise LicenceNotFound("没有这份证照的文件 / the licence has no file yet.")
    return full[-1]


def _view(
    stored: StoredLicence,
    type_name: str,
    state: LicenceState,
    reason: str,
    documents: Sequence[StoredDocument],
    previous: str | None,
) -> Licence:
    full = [document for document in documents if document.kind != "copy"]
    return Licence(
        licence_id=stored.licence_id,
        identifier=stored.identifier,
        type_code=stored.type_code,
        type_name=type_name,
        type_version=stored.type_version,
        licence_number=stored.licence_number,
        holders=stored.holders,
        face=stored.face,
        issuer_code=stored.issuer_code,
        issuer_name=stored.issuer_name,
        issued_on=stored.issued_on,
        valid_from=stored.valid_from,
        valid_to=stored.valid_to,
        version=stored.version,
        state=state,
        reason=reason,
        status_list=stored.status_list,
        status_index=stored.status_index,
        qr_text=stored.qr_text,
        document_id=full[-1].document_id if full else "",
        document_digest=full[-1].sha256.hex() if full else "",
        registered_at=stored.registered_at,
        previous_identifier=previous,
    )
