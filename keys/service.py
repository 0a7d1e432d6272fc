"""Keys for every other package: public facts, and signatures over digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.principal import Principal
    from keys.model import KeyInfo, KeyPurpose
    from keys.trust import TrustAnchors


class KeyService:
    """The face of the key store.

    Acts commit by themselves, in the signer's own transaction: a key or certificate
    that exists must be on record even when the caller's transaction fails. Call them
    outside your own transaction.
    """

    async def load(self) -> None:
        """Read the service's own keys and open the online ones; call once at start.

        Raises: KeystoreMissing before the ceremony; KeystoreLocked.
        """
        raise NotImplementedError

    async def watch(self) -> None:
        """Notice changed keys within a second, forever; run as a background task."""
        raise NotImplementedError

    async def create(
        self, principal: Principal, purpose: KeyPurpose, owner: str, algorithm: str = "ecdsa-p256-sha256"
    ) -> KeyInfo:
        """Make a key pair; it is pending until a certificate is issued for it, or `activate` is called."""
        raise NotImplementedError

    async def activate(self, principal: Principal, key_id: str) -> KeyInfo:
        """Make a pending key active; the one it replaces becomes retiring."""
        raise NotImplementedError

    async def active(self, purpose: KeyPurpose, owner: str = "") -> KeyInfo:
        """Return the key now used for a purpose and owner; raises KeyNotFound."""
        raise NotImplementedError

    async def get(self, key_id: str) -> KeyInfo:
        """Return one key in any state; raises KeyNotFound."""
        raise NotImplementedError

    def verification_keys(self, purpose: KeyPurpose) -> tuple[KeyInfo, ...]:
        """Return the service's own keys a verifier needs, retired and compromised ones too, from memory."""
        raise NotImplementedError

    async def sign_digest(
        self, key_id: str, purpose: KeyPurpose, digest: bytes, *, intention_id: str | None = None
    ) -> bytes:
        """Sign a 32-byte SHA-256 digest: ECDSA as DER, RSA as PKCS #1 v1.5.

        Seal keys need the `intention_id` of a committed intention that names the digest.
        Raises: KeyNotFound, WrongPurpose, KeyNotUsable, IntentionMissing, ProviderUnavailable.
        """
        raise NotImplementedError

    async def compromise(self, principal: Principal, key_id: str, not_trusted_from: datetime) -> KeyInfo:
        """Mark a key compromised and revoke its certificates from a moment on; cannot be undone."""
        raise NotImplementedError

    async def trust_anchors(self) -> TrustAnchors:
        """Return the public CA certificates."""
        raise NotImplementedError
