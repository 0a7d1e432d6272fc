"""Where a receipt stands in the log: the proof is computed here and checked as anybody would check it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.errors import NotFound
from keys.jws import verification_jwks
from keys.model import KeyPurpose
from verification.log.cosignatures import cosignatures
from verification.log.merkle import BadProof, leaf_hash, verify_inclusion
from verification.log.notes import open_checkpoint
from verification.receipts import ReceiptRefused, read_receipt

if TYPE_CHECKING:
    from keys.service import KeyService
    from verification.log.cosignatures import Cosignature
    from verification.log.notes import NoteKey
    from verification.log.service import InclusionProof, TransparencyLog


@dataclass(frozen=True, slots=True)
class ReceiptPlace:
    """A genuine receipt: `proof` is None while its row is not sequenced.

    `in_the_log` says that the receipt's own commitment, not another, leads to the root that
    the log signed; `witnesses` who else has seen that root.
    """

    verdict: str
    checked_at: str
    audit_number: int
    proof: InclusionProof | None = None
    in_the_log: bool = False
    witnesses: tuple[Cosignature, ...] = ()


class ReceiptPlaces:
    """Looks receipts up."""

    def __init__(self, log: TransparencyLog, keys: KeyService, witnesses: tuple[NoteKey, ...]) -> None:
        """Take the collaborators."""
        self._log = log
        self._keys = keys
        self._witnesses = witnesses

    async def find(self, unverified_receipt: str) -> ReceiptPlace | None:
        """Return where a receipt stands; None when it is no receipt of ours."""
        try:
            claims = read_receipt(unverified_receipt, verification_jwks(self._keys, KeyPurpose.RECEIPT)).claims
            number, commitment = _audit(claims)
        except (ReceiptRefused, KeyError, TypeError, ValueError, binascii.Error):
            return None
        place = ReceiptPlace(str(claims["verdict"]), str(claims["checked_at"]), number)
        try:
            proof = await self._log.inclusion(number)
        except NotFound:
            return place
        key = await self._log.verifier_key()
        return ReceiptPlace(
            place.verdict,
            place.checked_at,
            number,
            proof,
            _leads_to_root(proof, commitment, key),
            cosignatures(proof.checkpoint, self._witnesses),
        )


def _audit(claims: dict[str, Any]) -> tuple[int, bytes]:
    audit = claims["audit"]
    encoded = str(audit["commitment"])
    return int(audit["number"]), base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def _leads_to_root(proof: InclusionProof, commitment: bytes, key: NoteKey) -> bool:
    checkpoint = open_checkpoint(proof.checkpoint, key)
    try:
        verify_inclusion(leaf_hash(commitment), proof.leaf_index, proof.tree_size, proof.hashes, checkpoint.root)
    except BadProof:
        return False
    return checkpoint.size == proof.tree_size
