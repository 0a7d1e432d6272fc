"""Timestamp requests read and tokens built (RFC 3161, RFC 5816, ETSI EN 319 422). No I/O.

Everything that does not change between two tokens (certificates, signer identifier,
algorithm identifiers, the signing-certificate attribute) is encoded once; a token then
costs two hashes and one signature.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from cryptography import x509

from keys import der
from keys.algorithms import profile

if TYPE_CHECKING:
    from datetime import datetime

    from keys.model import KeyInfo
    from keys.providers.base import PrivateKey

MAX_REQUEST_BYTES = 8192
MAX_NONCE_BITS = 256
ACCURACY_SECONDS = 1

_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
_SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
_ACCURACY = der.sequence(der.integer(ACCURACY_SECONDS))
_CONTEXT_0 = 0xA0
_TRUE = der.tlv(der.BOOLEAN, b"\xff")

IMPRINT_BYTES = {
    der.oid("2.16.840.1.101.3.4.2.1"): 32,
    der.oid("2.16.840.1.101.3.4.2.2"): 48,
    der.oid("2.16.840.1.101.3.4.2.3"): 64,
    der.oid("1.2.156.10197.1.401"): 32,
}
"""SHA-256, SHA-384, SHA-512 and SM3: a token over a digest asks nothing of the algorithm but its size."""


class Failure(IntEnum):
    """PKIFailureInfo bit numbers."""

    BAD_ALGORITHM = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    SYSTEM_FAILURE = 25


class RequestRefused(Exception):
    """A request that gets a rejection as its answer."""

    def __init__(self, failure: Failure, text: str) -> None:
        """Keep what the rejection says."""
        super().__init__(text)
        self.failure = failure
        self.text = text


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """What is to be stamped; `imprint_der` is the whole MessageImprint as it came."""

    imprint_der: bytes
    nonce_der: bytes = b""
    certificates: bool = True
    policy_der: bytes = b""


def imprint_of(digest: bytes) -> bytes:
    """Return the MessageImprint of a SHA-256 digest."""
    return der.sequence(_SHA256, der.octet_string(digest))


def parse_request(request_der: bytes) -> TimestampRequest:
    """Read a TimeStampReq; raises RequestRefused."""
    if len(request_der) > MAX_REQUEST_BYTES:
        raise RequestRefused(Failure.BAD_REQUEST, "The request is too long.")
    try:
        return _parse(request_der)
    except der.MalformedDer as error:
        raise RequestRefused(Failure.BAD_DATA_FORMAT, "The request is not a TimeStampReq.") from error


def _parse(request_der: bytes) -> TimestampRequest:
    version, imprint, *optional = _at_least(der.parse(request_der).expect(der.SEQUENCE), 2)
    if version.to_int() != 1:
        raise RequestRefused(Failure.BAD_REQUEST, "Only version 1 is known.")
    _check_imprint(imprint.expect(der.SEQUENCE))
    fields: dict[int, bytes] = {}
    order = (der.OID, der.INTEGER, der.BOOLEAN, _CONTEXT_0)
    place = -1
    for element in optional:
        if element.tag not in order or order.index(element.tag) <= place:
            raise der.MalformedDer("An optional field is out of place.")
        place = order.index(element.tag)
        fields[element.tag] = element.encoded
        if element.tag == der.INTEGER and element.to_int().bit_length() > MAX_NONCE_BITS:
            raise RequestRefused(Failure.BAD_REQUEST, "The nonce is too long.")
        if element.tag == _CONTEXT_0:
            raise RequestRefused(Failure.UNACCEPTED_EXTENSION, "No request extension is known.")
    return TimestampRequest(
        imprint.encoded,
        nonce_der=fields.get(der.INTEGER, b""),
        certificates=fields.get(der.BOOLEAN) == _TRUE,
        policy_der=fields.get(der.OID, b""),
    )


def _at_least(element: der.Element, count: int) -> tuple[der.Element, ...]:
    children = element.children()
    if len(children) < count:
        raise der.MalformedDer("A field is missing.")
    return children


def _check_imprint(imprint: der.Element) -> None:
    algorithm, digest, *rest = _at_least(imprint, 2)
    identifier, *parameters = _at_least(algorithm.expect(der.SEQUENCE), 1)
    if rest or any(parameter.encoded != b"\x05\x00" for parameter in parameters):
        raise der.MalformedDer("The message imprint has unknown parts.")
    size = IMPRINT_BYTES.get(identifier.encoded)
    if size is None:
        raise RequestRefused(Failure.BAD_ALGORITHM, "This hash algorithm is not accepted.")
    if len(digest.expect(der.OCTET_STRING).content) != size:
        raise RequestRefused(Failure.BAD_DATA_FORMAT, "The digest has not the size of its algorithm.")


class TokenBuilder:
    """Builds the tokens of one TSA key."""

    def __init__(self, info: KeyInfo, key: PrivateKey, policy: str) -> None:
        """Encode once what all tokens share."""
        leaf_der = info.certificate_chain_der[0]
        leaf = x509.load_der_x509_certificate(leaf_der)
        self._key = key
        self._policy_der = der.oid(policy)
        self._certificates = der.tlv(_CONTEXT_0, *sorted(info.certificate_chain_der))
        self._head = der.integer(1) + self._policy_der
        self._signing_certificate = _attribute(
            _SIGNING_CERTIFICATE_V2,
            der.sequence(der.sequence(der.sequence(der.octet_string(hashlib.sha256(leaf_der).digest())))),
        )
        self._content_type = _attribute(_CONTENT_TYPE, _TST_INFO)
        self._signer = (
            der.integer(1) + der.sequence(leaf.issuer.public_bytes(), der.integer(leaf.serial_number)) + _SHA256
        )
        self._signature_algorithm = profile(info.algorithm).signature_algorithm_der
        self._signed_data_head = der.integer(3) + der.set_of(_SHA256)

    def check(self, request: TimestampRequest) -> None:
        """Raise RequestRefused for a policy that is not ours."""
        if request.policy_der and request.policy_der != self._policy_der:
            raise RequestRefused(Failure.UNACCEPTED_POLICY, "This policy is not offered.")

    def token(self, request: TimestampRequest, at: datetime, serial: int) -> bytes:
        """Return a TimeStampToken for one moment; it promises no order (decision 0016)."""
        content = der.sequence(
            self._head,
            request.imprint_der,
            der.integer(serial),
            der.generalized_time(at, milliseconds=True),
            _ACCURACY,
            request.nonce_der,
        )
        attributes = sorted(
            (
                self._content_type,
                _attribute(_MESSAGE_DIGEST, der.octet_string(hashlib.sha256(content).digest())),
                self._signing_certificate,
            )
        )
        signature = self._key.sign(der.tlv(der.SET, *attributes))
        signer_info = der.sequence(
            self._signer,
            der.tlv(_CONTEXT_0, *attributes),
            self._signature_algorithm,
            der.octet_string(signature),
        )
        signed_data = der.sequence(
            self._signed_data_head,
            der.sequence(_TST_INFO, der.tlv(_CONTEXT_0, der.octet_string(content))),
            self._certificates if request.certificates else b"",
            der.tlv(der.SET, signer_info),
        )
        return der.sequence(_SIGNED_DATA, der.tlv(_CONTEXT_0, signed_data))


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.tlv(der.SET, value))


def granted(token: bytes) -> bytes:
    """Return the TimeStampResp that carries a token."""
    return der.sequence(der.sequence(der.integer(0)), token)


def rejection(failure: Failure, text: str) -> bytes:
    """Return the TimeStampResp that refuses (PKIStatus 2)."""
    bits = bytearray(failure // 8 + 1)
    bits[failure // 8] = 0x80 >> failure % 8
    failure_info = der.tlv(der.BIT_STRING, bytes([7 - failure % 8]), bytes(bits))
    reason = der.sequence(der.tlv(der.UTF8_STRING, text.encode()))
    return der.sequence(der.sequence(der.integer(2), reason, failure_info))
