"""The CMS signature of a PAdES seal (RFC 5652, EN 319 122-1), built once as DER.

All but four values of a seal's CMS are known when the seal is loaded: the message digest,
the signature, the timestamp, and the lengths around them. `SealCms` keeps the rest encoded.
The signed attributes are content-type, message-digest, signing-certificate-v2 (RFC 5035,
ESSCertIDv2 with SHA-256 and without issuerSerial, as EN 319 122-1 clause 5.2.2.3 prefers) and
cms-algorithm-protection (RFC 6211); signing-time stays out, because EN 319 142-1 wants the
claimed time in the signature dictionary alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keys import algorithms, der
from signing.errors import SealKeyUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

ID_DATA = der.oid("1.2.840.113549.1.7.1")
ID_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
ID_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
ID_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
ID_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
ID_SIGNATURE_TIMESTAMP = der.oid("1.2.840.113549.1.9.16.2.14")
ID_ALGORITHM_PROTECTION = der.oid("1.2.840.113549.1.9.52")
SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
SIGNED_ATTRIBUTES = CERTIFICATES = CONTENT = 0xA0
LONGEST_P256_SIGNATURE = 72
UNSIGNED_ATTRIBUTES = SIGNATURE_ALGORITHM = 0xA1

READABLE_ALGORITHMS = frozenset({algorithms.P256_SHA256, algorithms.RSA_SHA256})
"""What common PDF readers check; Ed25519 is not among them."""


class SealCms:
    """Writes the CMS signatures of one certificate."""

    def __init__(self, algorithm: str, chain_der: Sequence[bytes]) -> None:
        """Encode everything that does not change.

        Args:
            algorithm: the key's profile name.
            chain_der: the seal's certificate first, then its issuers; the root may be left out.

        Raises: SealKeyUnusable for an algorithm that PDF readers do not check.
        """
        if algorithm not in READABLE_ALGORITHMS:
            raise SealKeyUnusable(f"PDF readers do not check signatures by {algorithm} keys.")
        self._algorithm = algorithms.profile(algorithm).signature_algorithm_der
        self.certificate_der = chain_der[0]
        certificate = x509.load_der_x509_certificate(chain_der[0])
        self._content_type = der.sequence(ID_CONTENT_TYPE, der.set_of(ID_DATA))
        self._signing_certificate = der.sequence(
            ID_SIGNING_CERTIFICATE_V2,
            der.set_of(
                der.sequence(
                    der.sequence(der.sequence(der.octet_string(hashlib.sha256(chain_der[0]).digest()))),
                )
            ),
        )
        self._protection = der.sequence(
            ID_ALGORITHM_PROTECTION,
            der.set_of(
                der.sequence(SHA256, der.tlv(SIGNATURE_ALGORITHM, self._algorithm[2:])),
            ),
        )
        self._head = (
            der.integer(1)
            + der.set_of(SHA256)
            + der.sequence(ID_DATA)
            + der.tlv(CERTIFICATES, *sorted(chain_der))  # SET OF: DER wants the elements in order
        )
        key = certificate.public_key()
        self._longest_signature = key.key_size // 8 if isinstance(key, rsa.RSAPublicKey) else LONGEST_P256_SIGNATURE
        self._signer_head = (
            der.integer(1)
            + der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number))
            + SHA256
        )

    def signed_attributes(self, message_digest: bytes) -> bytes:
        """Return the signed attributes as the SET OF whose DER is hashed and signed (RFC 5652 section 5.4)."""
        digest = der.sequence(ID_MESSAGE_DIGEST, der.set_of(der.octet_string(message_digest)))
        return der.set_of(self._content_type, digest, self._signing_certificate, self._protection)

    def to_be_signed_digest(self, message_digest: bytes) -> bytes:
        """Return the SHA-256 that the seal's key signs."""
        return hashlib.sha256(self.signed_attributes(message_digest)).digest()

    def signed_data(self, message_digest: bytes, signature: bytes, timestamp_token: bytes | None = None) -> bytes:
        """Return the whole ContentInfo.

        Args:
            message_digest: SHA-256 over the document's byte range.
            signature: over `to_be_signed_digest`, as `KeyService.sign_digest` returns it.
            timestamp_token: RFC 3161 token over SHA-256 of `signature`; makes a B-B into a B-T.
        """
        # Within SignerInfo the same attributes carry the tag [0] in place of SET.
        attributes = b"\xa0" + self.signed_attributes(message_digest)[1:]
        parts = [self._signer_head, attributes, self._algorithm, der.octet_string(signature)]
        if timestamp_token is not None:
            parts.append(
                der.tlv(UNSIGNED_ATTRIBUTES, der.sequence(ID_SIGNATURE_TIMESTAMP, der.set_of(timestamp_token)))
            )
        signer_infos = der.set_of(der.sequence(*parts))
        return der.sequence(ID_SIGNED_DATA, der.tlv(CONTENT, der.sequence(self._head, signer_infos)))

    def size_with(self, timestamp_token_size: int) -> int:
        """Return the greatest size of a ContentInfo with a timestamp token of so many bytes (0: none)."""
        token = bytes(timestamp_token_size) if timestamp_token_size else None
        return len(self.signed_data(bytes(32), bytes(self._longest_signature), token)) + 8
