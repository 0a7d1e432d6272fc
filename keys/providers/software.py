"""Keys in software: PKCS #8 under the keystore's KEK."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from keys.algorithms import ED25519, ML_DSA_65, P256_SHA256, RSA_SHA256
from keys.errors import KeystoreLocked, UnsupportedAlgorithm
from keys.providers.base import CertificateSigner, GeneratedKey, KeyIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

    from keys.providers.base import PrivateKey
    from keys.wrapping import KeyEncryptionKey

_ECDSA = ec.ECDSA(SHA256())
_ECDSA_DIGEST = ec.ECDSA(utils.Prehashed(SHA256()))
_PKCS1 = padding.PKCS1v15()
_PSS = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
_SHA256 = SHA256()
_SHA256_DIGEST = utils.Prehashed(SHA256())


class _P256Key:
    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def sign(self, message: bytes, *, jws: str | None = None) -> bytes:
        del jws
        return self._key.sign(message, _ECDSA)

    def sign_digest(self, digest: bytes) -> bytes:
        return self._key.sign(digest, _ECDSA_DIGEST)

    def certificate_signer(self) -> CertificateSigner:
        return self._key


class _RsaKey:
    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def sign(self, message: bytes, *, jws: str | None = None) -> bytes:
        return self._key.sign(message, _PSS if jws == "PS256" else _PKCS1, _SHA256)

    def sign_digest(self, digest: bytes) -> bytes:
        return self._key.sign(digest, _PKCS1, _SHA256_DIGEST)

    def certificate_signer(self) -> CertificateSigner:
        return self._key


class _MessageKey:
    """A key that signs whole messages only: Ed25519 and ML-DSA."""

    def __init__(self, key: ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey) -> None:
        self._key = key

    def sign(self, message: bytes, *, jws: str | None = None) -> bytes:
        del jws
        return self._key.sign(message)

    def sign_digest(self, digest: bytes) -> bytes:
        del digest
        raise UnsupportedAlgorithm("Keys of this algorithm sign messages, not digests.", field="algorithm")

    def certificate_signer(self) -> CertificateSigner:
        return self._key


def generate_private_key(algorithm: str) -> CertificateSigner:
    """Make a key pair in memory; raises UnsupportedAlgorithm."""
    makers: dict[str, Callable[[], CertificateSigner]] = {
        P256_SHA256: lambda: ec.generate_private_key(ec.SECP256R1()),
        RSA_SHA256: lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
        ED25519: ed25519.Ed25519PrivateKey.generate,
        ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    }
    if algorithm not in makers:
        raise UnsupportedAlgorithm(f"The software provider has no {algorithm} keys.", field="algorithm")
    return makers[algorithm]()


def opened(key: CertificateSigner) -> PrivateKey:
    """Return a loaded key in the form the rest of the package uses."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _RsaKey(key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _P256Key(key)
    return _MessageKey(key)


def public_der(key: CertificateSigner) -> bytes:
    """Return the SubjectPublicKeyInfo of a private key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class SoftwareProvider:
    """Generates and opens keys wrapped under one KEK."""

    name = "software"
    blocking = False

    def __init__(self, kek: KeyEncryptionKey) -> None:
        """Take the KEK of one custody."""
        self._kek = kek

    def generate(self, identity: KeyIdentity) -> GeneratedKey:
        """Make a key pair and wrap its private part."""
        return self.adopt(identity, generate_private_key(identity.algorithm))

    def adopt(self, identity: KeyIdentity, key: CertificateSigner) -> GeneratedKey:
        """Wrap a key that exists already, such as an offline root brought back."""
        pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return GeneratedKey(public_der(key), self._kek.wrap(pkcs8, identity.context))

    def open(self, identity: KeyIdentity, stored: bytes, public_key_der: bytes) -> PrivateKey:
        """Unwrap a key and compare it with the public key on record; raises KeystoreLocked.

        The tag proves that these are the bytes written when the key was made, so the
        36 ms consistency check of an RSA key is not repeated at every start.
        """
        pkcs8 = self._kek.unwrap(stored, identity.context)
        key = cast("CertificateSigner", load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True))
        if public_der(key) != public_key_der:
            raise KeystoreLocked(f"Key {identity.key_id} does not match its public key.")
        return opened(key)

    def destroy(self, identity: KeyIdentity, stored: bytes) -> None:
        """Do nothing: the wrapped bytes lie in the database row, which the caller clears."""

    def close(self) -> None:
        """Do nothing; there is no session."""
