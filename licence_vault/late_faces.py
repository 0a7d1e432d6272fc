"""Faces of backfilled licences, made and sealed when somebody first wants one.

The seal is the issuing authority's, applied by the system itself; its register of use
says so. Parallel readers wait for one making, as with a licence being issued.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.ids import new_id
from foundation.principal import SYSTEM
from licence_vault.errors import IssueInProgress, NoUsableSeal
from licence_vault.records import facts_of
from licence_vault.repository import COPY, LicenceRepository
from signing.errors import SealNotActive, SealNotFound, SealUseNotGranted

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.catalogue import Catalogue
    from licence_vault.rendition import FaceMaker
    from licence_vault.repository import StoredLicence
    from signing.seals import SealService

LEASE = timedelta(seconds=45)
POLL_SECONDS = 0.1
WAIT_SECONDS = 30.0


class LateFaces:
    """Makes the face of a stored licence that has none."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        catalogue: Catalogue,
        seals: SealService,
        faces: FaceMaker,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._catalogue = catalogue
        self._seals = seals
        self._faces = faces

    async def ensure(self, identifier: str) -> None:
        """See to it that a licence has its face; one that does not exist is left to the reader to refuse.

        Raises: NoUsableSeal, MissingGlyph, FaceTooLarge, RenderingFailed, IssueInProgress.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        token = new_id("lease")
        while True:
            async with self._database.read() as connection:
                repository = LicenceRepository(connection, self._cipher)
                stored = await repository.by_identifier(identifier)
                if stored is None or stored.source != "import" or await self._has_face(repository, stored):
                    return
            now = self._clock.now()
            async with self._database.transaction() as connection:
                ours = await LicenceRepository(connection, self._cipher).take_face_lease(
                    stored.licence_id, token, now=now, until=now + LEASE
                )
            if ours:
                await self._make(stored, token)
                return
            if asyncio.get_running_loop().time() > deadline:
                raise IssueInProgress("证照文件正在制作 / the file is being made.")
            await asyncio.sleep(POLL_SECONDS)

    async def _has_face(self, repository: LicenceRepository, stored: StoredLicence) -> bool:
        return any(one.kind != COPY for one in await repository.documents(stored.licence_id))

    async def _make(self, stored: StoredLicence, token: str) -> None:
        try:
            licence_type = await self._catalogue.get(stored.type_code, stored.type_version)
            seal = await self._seals.statutory_seal(stored.issuer_code)
            sealed = await self._faces.make(
                SYSTEM,
                licence_type,
                facts_of(stored),
                status=(stored.status_list, stored.status_index),
                seal_id=seal.seal_id,
                matter_code=None,
            )
        except BaseException as error:
            async with self._database.transaction() as connection:
                await LicenceRepository(connection, self._cipher).release(stored.licence_id, token)
            if isinstance(error, SealNotFound | SealNotActive | SealUseNotGranted):
                raise NoUsableSeal("签发机构没有启用的法定名称章 / the issuer has no active statutory seal.") from error
            raise
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            if await repository.complete_face(
                stored.licence_id, token, qr_text=sealed.qr_text, document=sealed.document
            ):
                detail = {"document_sha256": sealed.document.sha256.hex(), "document_id": sealed.document.document_id}
                event = AuditEvent("licence_vault.late_face", "licence", stored.identifier, detail)
                await self._audit.record(connection, SYSTEM, event)
