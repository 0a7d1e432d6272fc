"""Intentions as the signer process sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from foundation.statements import Statement
from keys.ports import SealEvidence
from signing.cms import SealCms
from signing.intention_repository import IntentionRepository
from signing.model import IntentionState, SealState
from signing.tables import seal_intentions, seals

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database
    from keys.model import KeyInfo


_COVERS = Statement(
    select(seal_intentions.c.intention_id).where(
        seal_intentions.c.intention_id == bindparam("intention_id"),
        seal_intentions.c.key_id == bindparam("key_id"),
        seal_intentions.c.to_be_signed_digest == bindparam("digest"),
        seal_intentions.c.state == IntentionState.INTENDED,
    )
)


class SealIntentions:
    """Joined to the port of the same name in `keys`: the signer looks before it signs."""

    async def covers(self, database: Database, *, intention_id: str, key_id: str, digest: bytes) -> bool:
        """Tell whether a committed, confirmed and unfinished intention names exactly this key and digest."""
        found = await database.fetch_one(_COVERS, intention_id=intention_id, key_id=key_id, digest=digest)
        return found is not None

    async def evidence(
        self, connection: AsyncConnection, *, intention_id: str, key: KeyInfo, digest: bytes
    ) -> SealEvidence | None:
        """Return what was asked for, or None when the digest does not follow from it.

        Hash and digest are computed from document, place, seal and matter; what the row says of them does not count.
        """
        found = await IntentionRepository(connection).find(intention_id)
        if found is None or not key.certificate_chain_der:
            return None
        intention, _ = found
        cms = SealCms(key.algorithm, key.certificate_chain_der)
        if cms.to_be_signed_digest(intention.layout.signed_bytes_digest) != digest:
            return None
        return SealEvidence(intention_id, intention.requested_by, intention.challenge)

    async def approves_certificate(
        self, connection: AsyncConnection, *, seal_id: str, credit_code: str, organisation_name: str, seal_name: str
    ) -> bool:
        """Tell whether this seal was approved by somebody other than who applied, and is not out of use."""
        statement = select(seals.c.seal_id).where(
            seals.c.seal_id == seal_id,
            seals.c.organisation_code == credit_code,
            seals.c.organisation_name == organisation_name,
            seals.c.name == seal_name,
            seals.c.approved_by.is_not(None),
            seals.c.approved_by != seals.c.applied_by,
            seals.c.state.not_in((SealState.APPLIED, SealState.REJECTED, SealState.CANCELLED)),
        )
        return (await connection.execute(statement)).first() is not None
