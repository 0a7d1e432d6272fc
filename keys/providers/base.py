"""What a key provider offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

if TYPE_CHECKING:
    from keys.model import KeyPurpose

CertificateSigner: TypeAlias = (
    ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey
)


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """What a stored private key is bound to: moved to another row, it does not open."""

    key_id: str
    purpose: KeyPurpose
    algorithm: str

    @property
    def context(self) -> str:
        """Return the authenticated context."""
        return f"{self.key_id}:{self.purpose}:{self.algorithm}"


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new key: its public side and what the provider needs to find it again."""

    public_key_der: bytes
    stored: bytes


class PrivateKey(Protocol):
    """An opened key; signs, and shows nothing."""

    def sign(self, message: bytes, *, jws: str | None = None) -> bytes:
        """Sign a message; `jws` picks a padding where an algorithm has several."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a digest; raises UnsupportedAlgorithm for message-only keys."""

    def certificate_signer(self) -> CertificateSigner:
        """Return the key in the form the certificate builders take."""


class Provider(Protocol):
    """Generates, opens and destroys keys."""

    name: str
    blocking: bool
    """True when a signature takes a device round trip and must stay off the event loop."""

    def generate(self, identity: KeyIdentity) -> GeneratedKey:
        """Make a key pair; raises ProviderUnavailable."""

    def open(self, identity: KeyIdentity, stored: bytes, public_key_der: bytes) -> PrivateKey:
        """Open a key; raises KeystoreLocked, ProviderUnavailable."""

    def destroy(self, identity: KeyIdentity, stored: bytes) -> None:
        """Erase what the provider itself holds."""

    def close(self) -> None:
        """Give up what is open."""
