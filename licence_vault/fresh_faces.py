"""The face of a stored licence rendered once more, for comparing with a document that claims to be it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from licence_vault.errors import FaceTooLarge, MissingGlyph, RenderingFailed
from licence_vault.records import facts_of
from licence_vault.repository import LicenceRepository

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from licence_vault.catalogue import Catalogue
    from licence_vault.rendition import FaceMaker


@dataclass(frozen=True, slots=True)
class FreshFace:
    """An unsealed face; `exact` tells whether engine and fonts are those the sealed one was made with."""

    pdf: bytes
    exact: bool


class FreshFaces:
    """Renders what is on record; stores nothing and shows nothing."""

    def __init__(self, cipher: FieldCipher, catalogue: Catalogue, faces: FaceMaker) -> None:
        self._cipher = cipher
        self._catalogue = catalogue
        self._faces = faces

    async def of(self, connection: AsyncConnection, identifier: str) -> FreshFace | None:
        """Return the face of a licence; None when there is none on record or it cannot be rendered now."""
        repository = LicenceRepository(connection, self._cipher)
        stored = await repository.by_identifier(identifier)
        if stored is None or not stored.qr_text:
            return None
        licence_type = await self._catalogue.get(stored.type_code, stored.type_version)
        made = next((one for one in await repository.documents(stored.licence_id) if one.kind == "original"), None)
        try:
            rendition = await self._faces.render(licence_type, facts_of(stored), stored.qr_text)
        except (FaceTooLarge, MissingGlyph, RenderingFailed):
            return None
        then = None if made is None else (made.rendition.get("engine"), made.rendition.get("fonts"))
        return FreshFace(rendition.pdf, then == (rendition.engine, rendition.fonts))
