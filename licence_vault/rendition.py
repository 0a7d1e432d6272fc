"""From checked facts to a sealed face: code, metadata, rendering, seal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from licence_vault.definitions import POINTS_PER_MILLIMETRE
from licence_vault.faces import metadata, template_values
from licence_vault.qr import QrLicence, symbol
from licence_vault.repository import LicenceRepository, StoredDocument
from signing.model import SealRequest
from signing.placement import Rectangle

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.blobs import BlobRef
    from foundation.clock import Clock
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.definitions import LicenceType
    from licence_vault.faces import CopyFacts, FaceFacts
    from licence_vault.fonts import FontSet
    from licence_vault.qr import QrWriter
    from licence_vault.rendering import FaceRenderer, Rendition
    from signing.sealing import SealingService

TAIL = 4


@dataclass(frozen=True, slots=True)
class SealedFace:
    """A face with its seal, ready to be stored."""

    qr_text: str
    pdf: bytes
    document: StoredDocument


class FaceMaker:
    """Makes sealed faces."""

    def __init__(self, *, clock: Clock, renderer: FaceRenderer, codes: QrWriter, sealing: SealingService) -> None:
        self._clock = clock
        self._renderer = renderer
        self._codes = codes
        self._sealing = sealing
        self._names: dict[tuple[str, int, str, str, bool], str] = {}

    @property
    def fonts(self) -> FontSet:
        """Return the fonts faces are drawn with."""
        return self._renderer.fonts

    async def make(
        self,
        principal: Principal,
        licence_type: LicenceType,
        facts: FaceFacts,
        *,
        status: tuple[int, int],
        seal_id: str,
        matter_code: str | None,
        copy: CopyFacts | None = None,
    ) -> SealedFace:
        """Write the code, render the face and have it sealed by the issuing authority.

        Raises: FaceTooLarge, MissingGlyph, RenderingFailed and what `SealingService.seal_licence` raises.
        """
        qr_text = await self._codes.text(
            qr_licence(licence_type, facts, status, purpose_bound=copy is not None), issued_at=self._clock.now()
        )
        rendition = await self.render(licence_type, facts, qr_text, copy)
        box = licence_type.seal
        side = box.size * POINTS_PER_MILLIMETRE
        place = Rectangle(box.page, box.x * POINTS_PER_MILLIMETRE, box.y * POINTS_PER_MILLIMETRE, side, side)
        sealed = await self._sealing.seal_licence(
            principal,
            SealRequest(
                seal_id,
                rendition.pdf,
                placement=place,
                matter_code=matter_code,
                face=self._name(licence_type, rendition, purpose_bound=copy is not None),
            ),
        )
        document = StoredDocument(
            kind="original" if copy is None else "copy",
            document_id=sealed.document_id,
            blob_ref=sealed.blob_ref,
            sha256=sealed.sha256,
            rendition={"engine": rendition.engine, "fonts": rendition.fonts, "level": sealed.level.value},
            created_at=self._clock.now(),
        )
        return SealedFace(qr_text, sealed.document, document)

    def _name(self, licence_type: LicenceType, rendition: Rendition, *, purpose_bound: bool) -> str:
        """Name what a rendition was made by: whatever changes in it, template or font, makes it another face."""
        version = (licence_type.code, licence_type.version, rendition.engine, rendition.fonts, purpose_bound)
        name = self._names.get(version)
        if name is None:
            parts = (licence_type.digest().hex(), rendition.engine, rendition.fonts, str(purpose_bound))
            name = self._names[version] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return name

    async def render(
        self, licence_type: LicenceType, facts: FaceFacts, qr_text: str, copy: CopyFacts | None = None
    ) -> Rendition:
        """Render a face: the same data, code, engine and fonts give the same bytes."""
        values = template_values(
            licence_type,
            facts,
            qr=symbol(qr_text),
            metadata_json=json.dumps(metadata(licence_type, facts, copy), ensure_ascii=False, indent=1),
            copy=copy,
        )
        return await self._renderer.render(licence_type.template, values, dated=facts.issued_on)


def qr_licence(
    licence_type: LicenceType, facts: FaceFacts, status: tuple[int, int], *, purpose_bound: bool = False
) -> QrLicence:
    """Return what the code says of a licence."""
    return QrLicence(
        identifier=facts.identifier,
        type_name=licence_type.name,
        holder_names=tuple(holder.name for holder in facts.holders),
        holder_code_tail=facts.holders[0].code[-TAIL:],
        valid_from=facts.valid_from,
        valid_to=facts.valid_to,
        status_list=status[0],
        status_index=status[1],
        issuer_name=facts.issuer_name,
        purpose_bound=purpose_bound,
    )


class DocumentFollower:
    """Keeps up with documents that get a later timestamp or are renewed; joined to `signing`."""

    def __init__(self, cipher: FieldCipher, clock: Clock) -> None:
        self._cipher = cipher
        self._clock = clock

    async def replaced(
        self, connection: AsyncConnection, document_id: str, previous_sha256: bytes, blob: BlobRef
    ) -> None:
        """Take note of a licence document's next revision; documents of others are none of ours."""
        repository = LicenceRepository(connection, self._cipher)
        await repository.follow_document(document_id, previous_sha256, str(blob), blob.sha256, self._clock.now())
