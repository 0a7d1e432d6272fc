"""OCSP requests read and responses built (RFC 6960, RFC 9654). No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cryptography import x509

from keys import der
from keys.algorithms import profile, public_key_bits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keys.certificates import Issuer
    from keys.model import KeyInfo
    from keys.providers.base import PrivateKey
    from keys.revocation import Revocation

MAX_REQUEST_BYTES = 8192
MAX_CERTIFICATES = 20
MAX_NONCE_BYTES = 128

MALFORMED, INTERNAL_ERROR, TRY_LATER, UNAUTHORIZED = 1, 2, 3, 6

_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_NONCE = der.oid("1.3.6.1.5.5.7.48.1.2")
_SHA1 = der.oid("1.3.14.3.2.26")
_SHA256 = der.oid("2.16.840.1.101.3.4.2.1")
_GOOD = der.tlv(0x80, b"")
_UNKNOWN = der.tlv(0x82, b"")


class Unknown(Enum):
    """The third answer, beside a revocation and None."""

    UNKNOWN = "this serial number was never issued"


@dataclass(frozen=True, slots=True)
class CertificateId:
    """One CertID: its encoding, the issuer it names as hashes, and the serial number."""

    encoded: bytes
    issuer_hashes: tuple[bytes, bytes, bytes]
    serial: int


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What is asked; `nonce_extension` is the whole extension, to be echoed."""

    certificates: tuple[CertificateId, ...]
    nonce_extension: bytes = b""


def issuer_hashes(issuer: x509.Certificate, public_key_der: bytes) -> tuple[tuple[bytes, bytes, bytes], ...]:
    """Return the ways a CertID may name a CA: algorithm, name hash, key hash."""
    name, bits = issuer.subject.public_bytes(), public_key_bits(public_key_der)
    return (
        (
            _SHA1,
            hashlib.sha1(name, usedforsecurity=False).digest(),
            hashlib.sha1(bits, usedforsecurity=False).digest(),
        ),
        (_SHA256, hashlib.sha256(name).digest(), hashlib.sha256(bits).digest()),
    )


def request_for(certificate: x509.Certificate, issuer_name_and_key: tuple[bytes, bytes, bytes]) -> StatusRequest:
    """Return the request that asks for one certificate, without nonce."""
    algorithm, name_hash, key_hash = issuer_name_and_key
    encoded = der.sequence(
        der.sequence(algorithm, der.tlv(der.NULL, b"")),
        der.octet_string(name_hash),
        der.octet_string(key_hash),
        der.integer(certificate.serial_number),
    )
    return StatusRequest((CertificateId(encoded, issuer_name_and_key, certificate.serial_number),))


def parse_request(request_der: bytes) -> StatusRequest:
    """Read an OCSPRequest; a signature on it is allowed and not needed. Raises MalformedDer."""
    if len(request_der) > MAX_REQUEST_BYTES:
        raise der.MalformedDer("The request is too long.")
    outer = der.parse(request_der).expect(der.SEQUENCE).children()
    if not outer:
        raise der.MalformedDer("The request is empty.")
    fields = list(outer[0].expect(der.SEQUENCE).children())
    while fields and fields[0].tag in (0xA0, 0xA1):  # version and requestorName
        fields.pop(0)
    if not fields:
        raise der.MalformedDer("The request asks for nothing.")
    asked = fields.pop(0).expect(der.SEQUENCE).children()
    if not 0 < len(asked) <= MAX_CERTIFICATES:
        raise der.MalformedDer(f"A request asks for 1 to {MAX_CERTIFICATES} certificates.")
    nonce = _nonce(fields[0].expect(0xA2)) if fields else b""
    return StatusRequest(tuple(_certificate_id(one) for one in asked), nonce)


def _certificate_id(request: der.Element) -> CertificateId:
    parts = request.expect(der.SEQUENCE).children()
    fields = parts[0].expect(der.SEQUENCE).children() if parts else ()
    if len(fields) != 4:  # noqa: PLR2004 - the four fields of CertID
        raise der.MalformedDer("A CertID has four fields.")
    algorithm, name_hash, key_hash, serial = fields
    identifier = algorithm.expect(der.SEQUENCE).children()
    if not identifier:
        raise der.MalformedDer("A CertID names no hash algorithm.")
    hashes = (
        identifier[0].expect(der.OID).encoded,
        name_hash.expect(der.OCTET_STRING).content,
        key_hash.expect(der.OCTET_STRING).content,
    )
    return CertificateId(parts[0].encoded, hashes, serial.to_int())


def _nonce(extensions: der.Element) -> bytes:
    listed = extensions.children()
    if len(listed) != 1:
        raise der.MalformedDer("The extensions are not one list.")
    for extension in listed[0].expect(der.SEQUENCE).children():
        parts = extension.expect(der.SEQUENCE).children()
        if len(parts) > 1 and parts[0].encoded == _NONCE:
            value = der.parse(parts[-1].expect(der.OCTET_STRING).content).expect(der.OCTET_STRING).content
            if not 0 < len(value) <= MAX_NONCE_BYTES:
                raise der.MalformedDer("A nonce has 1 to 128 bytes.")
            return extension.encoded
    return b""


def error_response(status: int) -> bytes:
    """Return an OCSPResponse without content."""
    return der.sequence(der.tlv(der.ENUMERATED, bytes([status])))


class ResponseBuilder:
    """Builds the responses of one delegated responder key."""

    def __init__(self, issuer: Issuer, info: KeyInfo, key: PrivateKey) -> None:
        """Encode once what all responses share."""
        self.issuer = issuer
        self._key = key
        leaf_der = info.certificate_chain_der[0]
        key_hash = hashlib.sha1(public_key_bits(info.public_key_der), usedforsecurity=False).digest()
        self._responder = der.tlv(0xA2, der.octet_string(key_hash))
        self._signature_algorithm = profile(info.algorithm).signature_algorithm_der
        self._certificates = der.tlv(0xA0, der.sequence(leaf_der))
        self.expires_at = x509.load_der_x509_certificate(leaf_der).not_valid_after_utc

    def response(
        self,
        request: StatusRequest,
        statuses: Mapping[int, Revocation | Unknown | None],
        *,
        now: datetime,
        next_update: datetime,
    ) -> bytes:
        """Return a signed response; `statuses` maps each serial to a revocation, None (good) or Unknown."""
        this, following = der.generalized_time(now), der.tlv(0xA0, der.generalized_time(next_update))
        singles = (
            der.sequence(one.encoded, _status(statuses[one.serial]), this, following) for one in request.certificates
        )
        nonce = request.nonce_extension
        data = der.sequence(
            self._responder,
            this,
            der.sequence(*singles),
            der.tlv(0xA1, der.sequence(nonce)) if nonce else b"",
        )
        basic = der.sequence(data, self._signature_algorithm, der.bit_string(self._key.sign(data)), self._certificates)
        return der.sequence(
            der.tlv(der.ENUMERATED, b"\0"), der.tlv(0xA0, der.sequence(_BASIC, der.octet_string(basic)))
        )


def _status(status: Revocation | Unknown | None) -> bytes:
    if status is None:
        return _GOOD
    if isinstance(status, Unknown):
        return _UNKNOWN
    reason = der.tlv(0xA0, der.tlv(der.ENUMERATED, bytes([status.reason.code]))) if status.reason.code else b""
    return der.tlv(0xA1, der.generalized_time(status.revoked_at), reason)
