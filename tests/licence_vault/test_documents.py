"""A sealed PDF that gets a later timestamp stays the licence's document, in both revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from licence_vault.rendition import DocumentFollower
from tests.licence_vault.conftest import BUREAU, CHEN
from tests.licence_vault.samples import food_request

if TYPE_CHECKING:
    from foundation.blobs import BlobStore
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.assembly import Vault


async def test_the_next_revision_is_handed_out_and_the_first_still_known(
    vault: Vault, database: Database, blobs: BlobStore, cipher: FieldCipher, clock: FixedClock
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    first = await vault.licences.face_pdf(CHEN, issued.identifier)
    later = await blobs.put(first.pdf + b"\n% a later timestamp")
    follower = DocumentFollower(cipher, clock)
    async with database.transaction() as connection:
        await follower.replaced(connection, issued.document_id, bytes.fromhex(first.digest), later)
        await follower.replaced(connection, "doc_of_somebody_else", bytes(32), later)
    second = await vault.licences.face_pdf(CHEN, issued.identifier)
    assert second.digest == later.sha256.hex()
    assert second.pdf.startswith(first.pdf)
    for digest in (first.digest, second.digest):
        assert await vault.records.find_document(bytes.fromhex(digest)) == issued.identifier
