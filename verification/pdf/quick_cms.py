"""Reading, in microseconds, the one shape of CMS that seals and timestamps of ours have.

It says yes or nothing. A signature of exactly the expected shape (RFC 5652 with the attributes of
EN 319 122-1, DER throughout, SHA-256 with ECDSA or RSA) whose digests, names and arithmetic all hold
is accepted; everything else is `NotQuick` and left to `verification.pdf.cms`, which reads by schema
and says what is wrong. So nothing is accepted here that is refused there, which
`tests/verification/test_quick_cms.py` tries on altered signatures.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from asn1crypto import cms, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from verification.pdf.cms import MINIMUM_EC_BITS, MINIMUM_RSA_BITS
from verification.pdf.strict_der import (
    BOOLEAN,
    CONTEXT_0,
    CONTEXT_1,
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    UTC_TIME,
    Element,
    NotDer,
    children,
    element,
    only_child,
)

Key: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_DATA = bytes.fromhex("06092a864886f70d010701")
_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_TIME = bytes.fromhex("06092a864886f70d010905")
_ALGORITHM_PROTECTION = bytes.fromhex("06092a864886f70d010934")
_SIGNATURE_TIMESTAMP = bytes.fromhex("060b2a864886f70d010910020e")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_SHA256 = frozenset(map(bytes.fromhex, ("300b0609608648016503040201", "300d06096086480165030402010500")))
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
_ONE, _THREE = bytes.fromhex("020101"), bytes.fromhex("020103")
_DIGEST_BYTES = 32
_OPTIONAL_IN_TST_INFO = (SEQUENCE, BOOLEAN, INTEGER, CONTEXT_0, CONTEXT_1)
"""Accuracy, ordering, nonce, tsa, extensions: each at most once and in this order (RFC 3161)."""
_HASH = hashes.SHA256()
_ECDSA = ec.ECDSA(_HASH)
_PKCS1 = padding.PKCS1v15()


class NotQuick(Exception):
    """Not of the one shape, or something does not hold; the slow reading says which."""


@dataclass(frozen=True, slots=True)
class QuickMessage:
    """What is left to compare once signature, certificate and attributes have held."""

    message_digest: bytes
    content: bytes | None
    signature: bytes
    certificate_der: bytes
    timestamp_token: bytes | None


@dataclass(frozen=True, slots=True)
class _Certificate:
    issuer_and_serial: bytes
    serial: bytes
    sha256: bytes
    key: Key | None


def read_seal(contents: bytes) -> QuickMessage:
    """Read a seal's CMS, zero padding after it allowed, and verify its signature; raises NotQuick."""
    return _guarded(contents, _DATA)


def timestamp_covers(token: bytes, *covered: bytes | memoryview) -> datetime:
    """Verify a TimeStampToken over the parts joined and return its time; raises NotQuick."""
    message = _guarded(token, _TST_INFO)
    content = message.content
    if content is None or hashlib.sha256(content).digest() != message.message_digest:
        raise NotQuick
    state = hashlib.sha256()
    for part in covered:
        state.update(part)
    imprint, at = _tst_info(content)
    if imprint != state.digest():
        raise NotQuick
    return at


def _guarded(contents: bytes, content_type: bytes) -> QuickMessage:
    try:
        return _message(contents, content_type)
    except NotDer as error:
        raise NotQuick from error


def _message(data: bytes, content_type: bytes) -> QuickMessage:
    # 1. ContentInfo and SignedData.
    info = element(data, 0, len(data))
    if info.tag != SEQUENCE or data[info.end :].strip(b"\0"):
        raise NotQuick
    kind, wrapper = children(data, info, OID, CONTEXT_0)
    _require(_of(data, kind) == _SIGNED_DATA)
    signed_data = only_child(data, wrapper, SEQUENCE)
    version, digests, encapsulated, certificates, signers = children(
        data, signed_data, INTEGER, SET, SEQUENCE, CONTEXT_0, SET
    )
    # RFC 5652 section 5.1: 1 around plain data, 3 around anything else.
    _require(_of(data, version) == (_ONE if content_type == _DATA else _THREE))
    _require(data[digests.start : digests.end] in _SHA256)
    content = _content(data, encapsulated, content_type)
    # 2. SignerInfo.
    parts = children(data, only_child(data, signers, SEQUENCE))
    if [part.tag for part in parts[:6]] != [INTEGER, SEQUENCE, SEQUENCE, CONTEXT_0, SEQUENCE, OCTET_STRING]:
        raise NotQuick
    version, signer, digest, attributes, algorithm, signature = parts[:6]
    _require(_of(data, version) == _ONE and _of(data, digest) in _SHA256)
    # 3. The certificate it names, by issuer and serial, by digest, and by the key the signature verifies under.
    certificate_der, certificate = _signer(data, certificates, _of(data, signer))
    message_digest = _attributes(data, attributes, content_type, certificate, _of(data, algorithm))
    value = data[signature.start : signature.end]
    # Signed is the SET OF, which stands here under the tag [0] (RFC 5652 section 5.4).
    _verify(certificate.key, _of(data, algorithm), value, b"\x31" + data[attributes.at + 1 : attributes.end])
    return QuickMessage(message_digest, content, value, certificate_der, _token(data, parts[6:]))


def _content(data: bytes, encapsulated: Element, content_type: bytes) -> bytes | None:
    parts = children(data, encapsulated)
    _require(bool(parts) and _of(data, parts[0]) == content_type)
    tags = [part.tag for part in parts]
    if content_type == _DATA:
        _require(tags == [OID])  # detached
        return None
    _require(tags == [OID, CONTEXT_0])
    octets = only_child(data, parts[1], OCTET_STRING)
    return data[octets.start : octets.end]


def _signer(data: bytes, certificates: Element, signer: bytes) -> tuple[bytes, _Certificate]:
    """Return the one certificate among those carried that a SignerIdentifier means."""
    found: dict[bytes, _Certificate] = {}
    for each in children(data, certificates):
        der = _of(data, each)
        facts = _certificate(der)
        if signer.endswith(facts.serial):  # names may be equal and written differently; none of that here
            found[der] = facts
    _require(len(found) == 1)
    der, facts = next(iter(found.items()))
    _require(facts.issuer_and_serial == signer)
    return der, facts


@lru_cache(maxsize=512)
def _certificate(der: bytes) -> _Certificate:
    """Read a certificate, by schema and once: what a signature must name, and its key. Raises NotQuick."""
    try:
        certificate = x509.Certificate.load(der, strict=True)
        # Read as the slow reading reads them: what it cannot read must not pass here.
        serial = certificate["tbs_certificate"]["serial_number"]
        names = {"issuer": certificate.issuer, "serial_number": serial}
        named = cms.IssuerAndSerialNumber(names).dump()
        key = load_der_public_key(certificate.public_key.dump())
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        raise NotQuick from error
    usable = key if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) and _long_enough(key) else None
    return _Certificate(named, serial.dump(), hashlib.sha256(der).digest(), usable)


def _long_enough(key: Key) -> bool:
    minimum = MINIMUM_RSA_BITS if isinstance(key, rsa.RSAPublicKey) else MINIMUM_EC_BITS
    return key.key_size >= minimum


def _attributes(
    data: bytes, attributes: Element, content_type: bytes, certificate: _Certificate, algorithm: bytes
) -> bytes:
    """Check the signed attributes, each once and of one value; return the message digest."""
    values: dict[bytes, Element] = {}
    for attribute in children(data, attributes):
        kind, members = children(data, attribute, OID, SET)
        name = _of(data, kind)
        value = element(data, members.start, members.end)
        _require(attribute.tag == SEQUENCE and value.end == members.end and name not in values)
        values[name] = value
    digest = values.pop(_MESSAGE_DIGEST, None)
    named = values.pop(_CONTENT_TYPE, None)
    signing_certificate = values.pop(_SIGNING_CERTIFICATE_V2, None)
    protection, time = values.pop(_ALGORITHM_PROTECTION, None), values.pop(_SIGNING_TIME, None)
    if digest is None or named is None or signing_certificate is None or values:
        raise NotQuick
    _require(_of(data, named) == content_type and digest.tag == OCTET_STRING)
    _require(digest.end - digest.start == _DIGEST_BYTES)
    _check_signing_certificate(data, signing_certificate, certificate)
    if protection is not None:
        _check_protection(data, protection, algorithm)
    if time is not None:
        _require(time.tag == UTC_TIME)
        _moment(b"20" + data[time.start : time.end])
    return data[digest.start : digest.end]


def _check_signing_certificate(data: bytes, value: Element, certificate: _Certificate) -> None:
    """Require SigningCertificateV2 with one ESSCertIDv2 of SHA-256, no issuer and no policies (RFC 5035)."""
    _require(value.tag == SEQUENCE)
    identifier = only_child(data, only_child(data, value, SEQUENCE), SEQUENCE)
    digest = only_child(data, identifier, OCTET_STRING)
    _require(data[digest.start : digest.end] == certificate.sha256)


def _check_protection(data: bytes, value: Element, algorithm: bytes) -> None:
    """Require that the algorithms protected are the algorithms used (RFC 6211)."""
    _require(value.tag == SEQUENCE)
    digest, signature = children(data, value, SEQUENCE, CONTEXT_1)
    _require(_of(data, digest) in _SHA256 and data[signature.start : signature.end] == algorithm[2:])


def _token(data: bytes, rest: list[Element]) -> bytes | None:
    """Return the timestamp in the unsigned attributes, where nothing else may stand."""
    if not rest:
        return None
    _require(len(rest) == 1 and rest[0].tag == CONTEXT_1)
    kind, members = children(data, only_child(data, rest[0], SEQUENCE), OID, SET)
    _require(_of(data, kind) == _SIGNATURE_TIMESTAMP)
    return _of(data, only_child(data, members, SEQUENCE))


def _verify(key: Key | None, algorithm: bytes, signature: bytes, signed: bytes) -> None:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm == _ECDSA_SHA256:
            key.verify(signature, signed, _ECDSA)
        elif isinstance(key, rsa.RSAPublicKey) and algorithm == _RSA_SHA256:
            key.verify(signature, signed, _PKCS1, _HASH)
        else:
            raise NotQuick
    except InvalidSignature as error:
        raise NotQuick from error


def _tst_info(content: bytes) -> tuple[bytes, datetime]:
    """Return a TSTInfo's SHA-256 imprint and time."""
    try:
        info = element(content, 0, len(content))
        _require(info.tag == SEQUENCE and info.end == len(content))
        parts = children(content, info)
        required, optional = [part.tag for part in parts[:5]], [part.tag for part in parts[5:]]
        _require(required == [INTEGER, OID, SEQUENCE, INTEGER, GENERALIZED_TIME])
        places = [_OPTIONAL_IN_TST_INFO.index(tag) for tag in optional if tag in _OPTIONAL_IN_TST_INFO]
        _require(len(places) == len(optional) and places == sorted(set(places)))
        version, _, imprint, _, time = parts[:5]
        algorithm, digest = children(content, imprint, SEQUENCE, OCTET_STRING)
    except NotDer as error:
        raise NotQuick from error
    _require(_of(content, version) == _ONE and _of(content, algorithm) in _SHA256)
    return content[digest.start : digest.end], _moment(content[time.start : time.end])


def _moment(text: bytes) -> datetime:
    """Read `YYYYMMDDHHMMSS[.fraction]Z`."""
    seconds, _, fraction = text[:-1].partition(b".")
    sound = text.endswith(b"Z") and len(seconds) == 14 and seconds.isdigit()  # noqa: PLR2004 - YYYYMMDDHHMMSS
    if not sound or (b"." in text and not (fraction.isdigit() and len(fraction) <= 6)):  # noqa: PLR2004 - microseconds
        raise NotQuick
    month, day, hour, minute, second = (int(seconds[at : at + 2]) for at in range(4, 14, 2))
    microsecond = int(fraction.ljust(6, b"0")) if fraction else 0
    try:
        return datetime(int(seconds[:4]), month, day, hour, minute, second, microsecond, UTC)
    except ValueError as error:
        raise NotQuick from error


def _of(data: bytes, each: Element) -> bytes:
    return data[each.at : each.end]


def _require(fact: bool) -> None:  # noqa: FBT001 - a statement, not an option
    if not fact:
        raise NotQuick
