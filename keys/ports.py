"""What `keys` needs from packages it does not know; `hufu/wiring.py` joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database
    from keys.model import KeyInfo


@dataclass(frozen=True, slots=True)
class SealEvidence:
    """What the signer compares a confirmation with: who asked, and the hash of what they asked for."""

    intention_id: str
    requested_by: str
    challenge: bytes


class SealIntentions(Protocol):
    """The signer's own look at the stored intention, implemented by `signing`."""

    async def covers(self, database: Database, *, intention_id: str, key_id: str, digest: bytes) -> bool:
        """Tell whether a committed, confirmed intention names exactly this key and digest.

        `digest` is the 32 bytes about to be signed (SHA-256 over the DER of the CMS
        signed attributes). The signer calls this with a database of its own, so a row
        not yet committed does not count.
        """

    async def evidence(
        self, connection: AsyncConnection, *, intention_id: str, key: KeyInfo, digest: bytes
    ) -> SealEvidence | None:
        """Return what was asked for, computed anew from the intention, or None when it makes another digest.

        The challenge names document, place, seal and matter; the digest must follow from the same facts.
        """

    async def approves_certificate(
        self, connection: AsyncConnection, *, seal_id: str, credit_code: str, organisation_name: str, seal_name: str
    ) -> bool:
        """Tell whether a seal of exactly this name and organisation was approved by a second person."""
