"""The signer's interface: the same in process and over its socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.principal import Principal
    from keys.certificates import Issuer
    from keys.model import KeyInfo, KeyPurpose
    from keys.revocation import RevocationReason
    from keys.seal_proofs import Confirmer


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """Whom a certificate names; `subject_id` is the credit code, our own person number, or the client id."""

    profile: str
    subject_id: str
    name: str
    organisation_name: str = ""
    credit_code: str = ""


class Signer(Protocol):
    """Everything done with the signer's keys. Acts commit and audit themselves."""

    async def load(self) -> None:
        """Open what is needed; raises KeystoreMissing, KeystoreLocked, ProviderUnavailable."""

    async def create_key(self, principal: Principal, purpose: KeyPurpose, owner: str, algorithm: str) -> KeyInfo:
        """Make a pending key."""

    async def activate_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """Make a pending key active."""

    async def retire_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """End a key's use."""

    async def compromise_key(self, principal: Principal, key_id: str, not_trusted_from: datetime) -> KeyInfo:
        """Mark a key compromised and revoke its certificates."""

    async def destroy_key(self, principal: Principal, key_id: str) -> KeyInfo:
        """Erase the private part of a retired, compromised or never used key."""

    async def sign_digest(self, key_id: str, purpose: KeyPurpose, digest: bytes, intention_id: str | None) -> bytes:
        """Sign what a caller prepared, with a key of a purpose that allows it."""

    async def sign_message(self, key_id: str, purpose: KeyPurpose, message: bytes) -> bytes:
        """Sign a whole message, with a service key of a purpose that allows it."""

    async def try_key(self, key_id: str) -> None:
        """Check that a seal's key signs under its certificate, with a message of the signer's own."""

    async def pin(self, principal: Principal, confirmer: Confirmer) -> None:
        """Pin who or what confirms the use of seals."""

    async def unpin(self, principal: Principal, confirmer_id: str) -> None:
        """Take a pin back."""

    async def certify(self, principal: Principal, key_id: str, subject: SubjectFacts) -> KeyInfo:
        """Issue a certificate for a pending key and make the key active; for an active key, renew it."""

    async def certify_request(self, principal: Principal, csr_der: bytes, subject: SubjectFacts) -> bytes:
        """Issue a certificate for a key held elsewhere."""

    async def revoke(
        self, principal: Principal, serial: int, reason: RevocationReason, invalid_from: datetime | None
    ) -> None:
        """Revoke a certificate and publish the list."""

    async def crl(self, issuer: Issuer) -> bytes:
        """Return a list that is current."""

    async def delta_crl(self, issuer: Issuer) -> bytes:
        """Return a delta to the newest list."""

    async def timestamp(self, digest: bytes, nonce: int | None) -> bytes:
        """Return a TimeStampToken over a SHA-256 digest."""

    async def timestamp_response(self, request_der: bytes) -> bytes:
        """Answer a TimeStampReq."""

    async def ocsp_response(self, request_der: bytes) -> bytes:
        """Answer an OCSPRequest."""

    async def ocsp_response_for(self, certificate_der: bytes) -> bytes:
        """Return the status of one of our certificates."""

    async def close(self) -> None:
        """Give up what is open."""
