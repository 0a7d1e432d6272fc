"""The face of a stored licence rendered once more, for comparing with a document that claims to be it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from licence_vault.copies import MAX_MADE_FOR, MAX_PURPOSE
from licence_vault.errors import FaceTooLarge, MissingGlyph, RenderingFailed
from licence_vault.faces import CopyFacts
from licence_vault.records import facts_of
from licence_vault.repository import COPY, LicenceRepository
from licence_vault.texts import check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher
    from licence_vault.catalogue import Catalogue
    from licence_vault.rendition import FaceMaker
    from licence_vault.repository import StoredLicence

ORIGINAL = "original"


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
        stored = await LicenceRepository(connection, self._cipher).by_identifier(identifier)
        if stored is None or not stored.qr_text:
            return None
        return await self._render(connection, stored, stored.qr_text, ORIGINAL, None)

    async def of_copy(
        self, connection: AsyncConnection, identifier: str, annotation: Mapping[str, str], *, code_text: str
    ) -> FreshFace | None:
        """Return the face of a purpose-bound copy as the licence's record and the copy's own words give it.

        Args:
            connection: to read by.
            identifier: of the licence on record.
            annotation: the copy's metadata, a stranger's word as yet.
            code_text: the code on the copy, whose signature the caller has checked.

        None when there is no such licence, no copy of ours says such a thing, or it cannot be rendered now.
        """
        stored = await LicenceRepository(connection, self._cipher).by_identifier(identifier)
        facts = _copy_facts(annotation)
        if stored is None or facts is None:
            return None
        return await self._render(connection, stored, code_text, COPY, facts)

    async def _render(
        self, connection: AsyncConnection, stored: StoredLicence, qr_text: str, kind: str, copy: CopyFacts | None
    ) -> FreshFace | None:
        licence_type = await self._catalogue.get(stored.type_code, stored.type_version)
        documents = await LicenceRepository(connection, self._cipher).documents(stored.licence_id)
        made = [(one.rendition.get("engine"), one.rendition.get("fonts")) for one in documents if one.kind == kind]
        try:
            rendition = await self._faces.render(licence_type, facts_of(stored), qr_text, copy)
        except (FaceTooLarge, MissingGlyph, RenderingFailed):
            return None
        now = (rendition.engine, rendition.fonts)
        # Of several copies nobody knows which one this is: all have to have been made as faces are made now.
        return FreshFace(rendition.pdf, bool(made) and all(then == now for then in made))


def _copy_facts(annotation: Mapping[str, str]) -> CopyFacts | None:
    """Return what a copy says of itself, as far as a copy of ours could say it."""
    try:
        return CopyFacts(
            date.fromisoformat(annotation["JZJZZSJ"]).isoformat(),
            check_text(annotation["JZJZZZ"], "made_for", max_length=MAX_MADE_FOR),
            check_text(annotation["JZJZZSY"], "purpose", max_length=MAX_PURPOSE),
            date.fromisoformat(annotation["JZJYXQJZSJ"]).isoformat(),
        )
    except (KeyError, ValueError, InvalidInput):
        return None
