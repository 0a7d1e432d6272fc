"""Purpose-bound copies (加注件): a sealed copy that says for whom, for what and until when.

The copy is a document of its own with the annotation across its face, in its GB/T 36903
metadata (JZ*) and as a mark in its code, so that it is of no use for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from foundation.audit import AuditEvent
from foundation.clock import civil_date
from foundation.errors import InvalidInput, TooManyRequests
from foundation.principal import SYSTEM
from licence_vault.access import Entitlement, Way
from licence_vault.errors import LicenceNotFound, NoUsableSeal, StateTransitionRefused
from licence_vault.faces import CopyFacts
from licence_vault.identifier import parse_identifier
from licence_vault.model import LicenceDocument, LicenceState, Purpose
from licence_vault.receipts import Access, Receipts
from licence_vault.records import facts_of
from licence_vault.repository import COPY, LicenceRepository
from licence_vault.states import start_of, state_at
from licence_vault.tables import licence_documents
from licence_vault.texts import check_text
from signing.errors import SealNotActive, SealNotFound, SealUseNotGranted

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.catalogue import Catalogue
    from licence_vault.reading import LicenceReader
    from licence_vault.rendition import FaceMaker, SealedFace
    from licence_vault.repository import StoredLicence
    from signing.seals import SealService

MAX_MADE_FOR = 60
MAX_PURPOSE = 60
LONGEST = timedelta(days=366)
COPIES_A_DAY = 20
REASON_TEMPLATE = "加注件:{made_for},{purpose}"


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What a holder wants a copy for; `valid_until` is its last day."""

    made_for: str
    purpose: str
    valid_until: date


class CopyService:
    """Makes purpose-bound copies for holders."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        catalogue: Catalogue,
        reader: LicenceReader,
        seals: SealService,
        faces: FaceMaker,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._catalogue = catalogue
        self._reader = reader
        self._seals = seals
        self._faces = faces

    async def make(self, principal: Principal, identifier: str, request: CopyRequest) -> LicenceDocument:
        """Return a sealed copy of the signed-in person's own, valid licence.

        Raises: LicenceNotFound, InvalidInput, StateTransitionRefused unless the licence is valid,
            TooManyRequests, NoUsableSeal, MissingGlyph, RenderingFailed.
        """
        parsed = str(parse_identifier(identifier))
        async with self._database.read() as connection:
            stored = await self._own(connection, principal, parsed)
            await self._require_valid(connection, stored)
            await self._require_moderation(connection, stored)
        facts = self._check(stored, request)
        sealed = await self._seal(stored, facts)
        access_id = await self._store(principal, stored, facts, sealed)
        return LicenceDocument(stored.identifier, sealed.pdf, sealed.document.sha256.hex(), access_id)

    async def _own(self, connection: AsyncConnection, principal: Principal, identifier: str) -> StoredLicence:
        stored = await LicenceRepository(connection, self._cipher).by_identifier(identifier)
        indexes = await self._reader.indexes(connection, principal)
        if stored is None or stored.state is LicenceState.PENDING or not stored.holder_indexes & set(indexes):
            raise LicenceNotFound("没有这份证照 / no such licence.")
        if not await self._reader.entrusted(connection, principal, [stored], Purpose()):
            raise LicenceNotFound("没有这份证照 / no such licence.")
        return stored

    async def _require_valid(self, connection: AsyncConnection, stored: StoredLicence) -> None:
        records = await LicenceRepository(connection, self._cipher).states(stored.licence_id)
        now = self._clock.now()
        state = state_at(records, valid_from=stored.valid_from, valid_to=stored.valid_to, at=now, known_at=now).state
        if state is not LicenceState.VALID:
            raise StateTransitionRefused(f"{state.label}的证照不能出具加注件 / a {state} licence gets no copies.")

    async def _require_moderation(self, connection: AsyncConnection, stored: StoredLicence) -> None:
        table = licence_documents
        today = start_of(civil_date(self._clock.now()))
        made = select(func.count()).where(
            table.c.licence_id == stored.licence_id, table.c.kind == COPY, table.c.created_at >= today
        )
        if (await connection.execute(made)).scalar_one() >= COPIES_A_DAY:
            raise TooManyRequests("今天的加注件已达上限 / no more copies today.", retry_after_seconds=3600)

    def _check(self, stored: StoredLicence, request: CopyRequest) -> CopyFacts:
        made_for = check_text(request.made_for, "made_for", max_length=MAX_MADE_FOR)
        purpose = check_text(request.purpose, "purpose", max_length=MAX_PURPOSE)
        fonts = self._faces.fonts
        fonts.require(made_for, "made_for")
        fonts.require(purpose, "purpose")
        today = civil_date(self._clock.now())
        latest = today + LONGEST if stored.valid_to is None else min(stored.valid_to, today + LONGEST)
        if not today <= request.valid_until <= latest:
            raise InvalidInput(
                "有效期须在今天至证照有效期内,最长一年 / from today to a year at most.", field="valid_until"
            )
        return CopyFacts(today.isoformat(), made_for, purpose, request.valid_until.isoformat())

    async def _seal(self, stored: StoredLicence, facts: CopyFacts) -> SealedFace:
        licence_type = await self._catalogue.get(stored.type_code, stored.type_version)
        try:
            seal = await self._seals.statutory_seal(stored.issuer_code)
            return await self._faces.make(
                SYSTEM,
                licence_type,
                facts_of(stored),
                status=(stored.status_list, stored.status_index),
                seal_id=seal.seal_id,
                matter_code=None,
                copy=facts,
            )
        except (SealNotFound, SealNotActive, SealUseNotGranted) as error:
            raise NoUsableSeal("签发机构没有启用的法定名称章 / the issuer has no active statutory seal.") from error

    async def _store(self, principal: Principal, stored: StoredLicence, facts: CopyFacts, sealed: SealedFace) -> str:
        """Keep the copy's digest, with its receipt; a licence that ended meanwhile gets none."""
        reason = REASON_TEMPLATE.format(made_for=facts.made_for, purpose=facts.purpose)
        access = Access(principal, stored, Entitlement(Way.HOLDER), Purpose(reason=reason), self._clock.now())
        async with self._database.transaction() as connection:
            await self._require_valid(connection, stored)
            await LicenceRepository(connection, self._cipher).add_document(stored.licence_id, sealed.document)
            detail = {"document_sha256": sealed.document.sha256.hex(), "valid_until": facts.valid_until}
            event = AuditEvent("licence_vault.copy", "licence", stored.identifier, detail)
            await self._audit.record(connection, principal, event)
            return await Receipts(connection, self._cipher, self._audit).leave(access)
