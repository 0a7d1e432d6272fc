"""Our own reading of a CMS signature, so that no verdict rests on one library's word.

asn1crypto reads the structure, `cryptography` does the arithmetic; what the gate asks
of pyHanko is asked here a second time, and both have to agree.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, core, parser, tsp
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

import verification.pdf.names  # noqa: F401 - compares names at once; nothing of it is called

if TYPE_CHECKING:
    from datetime import datetime

    from asn1crypto import x509

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}
"""What may still be relied on; anything else is too weak or unknown."""

_REMEMBERED = 256
MINIMUM_RSA_BITS = 2048
MINIMUM_EC_BITS = 224


class MalformedSeal(Exception):
    """The bytes are no CMS SignedData with exactly one signer and its certificate."""


class WeakAlgorithm(Exception):
    """The algorithm is unknown here or no longer trusted; the message names it."""


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """The parts of a SignedData that decide, each as found."""

    content_type: str
    encapsulated: bytes | None
    digest_algorithm: str
    signed_attributes_der: bytes
    message_digest: bytes
    signature: bytes
    signature_parameters: cms.SignedDigestAlgorithm
    certificate: x509.Certificate
    certificates: tuple[x509.Certificate, ...]
    names_certificate: bool | None
    timestamp_tokens_der: tuple[bytes, ...]
    signing_time: datetime | None


def read_message(contents: bytes) -> SignedMessage:
    """Read a DER ContentInfo with nothing but zero bytes after it; raises MalformedSeal."""
    try:
        return _read(contents)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedSeal("The signature is not a readable CMS SignedData.") from error


def _read(contents: bytes) -> SignedMessage:
    # No signature covers what follows the value in its place, so there is room for anything
    # unless it has to be the padding of ISO 32000-2, 12.8.3.3.1.
    if contents[parser.peek(contents) :].strip(b"\0"):
        raise MalformedSeal("Something other than zero padding follows the signature value.")
    info = cms.ContentInfo.load(contents)
    if info["content_type"].native != "signed_data":
        raise MalformedSeal("The content is not SignedData.")
    signed_data = info["content"]
    signers = signed_data["signer_infos"]
    if len(signers) != 1:
        raise MalformedSeal("There is not exactly one signer.")
    signer = signers[0]
    attributes = signer["signed_attrs"]
    if not attributes:
        raise MalformedSeal("There are no signed attributes.")
    by_type = _single_values(attributes)
    certificates = tuple(choice.chosen for choice in signed_data["certificates"] if choice.name == "certificate")
    certificate = _signer_certificate(signer["sid"], certificates)
    content = signed_data["encap_content_info"]
    content_type: str = content["content_type"].native
    if by_type["content_type"].native != content_type:
        raise MalformedSeal("The content type attribute differs from the content type.")
    encapsulated = content["content"]
    time = by_type.get("signing_time")
    return SignedMessage(
        content_type=content_type,
        encapsulated=None if isinstance(encapsulated, core.Void) else bytes(encapsulated),
        digest_algorithm=signer["digest_algorithm"]["algorithm"].native,
        signed_attributes_der=attributes.untag().dump(),
        message_digest=by_type["message_digest"].native,
        signature=signer["signature"].native,
        signature_parameters=signer["signature_algorithm"],
        certificate=certificate,
        certificates=certificates,
        names_certificate=_names(certificate, by_type),
        timestamp_tokens_der=_timestamp_tokens(signer["unsigned_attrs"]),
        signing_time=None if time is None else time.native,
    )


def _single_values(attributes: cms.CMSAttributes) -> dict[str, Any]:
    """Return the one value of each attribute; two of a kind would let two readers differ."""
    by_type: dict[str, Any] = {}
    for attribute in attributes:
        kind = attribute["type"].native
        if kind in by_type or len(attribute["values"]) != 1:
            raise MalformedSeal("A signed attribute occurs more than once.")
        by_type[kind] = attribute["values"][0]
    return by_type


def _signer_certificate(sid: cms.SignerIdentifier, certificates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    if sid.name == "issuer_and_serial_number":
        wanted = sid.chosen
        serial, issuer = wanted["serial_number"].native, wanted["issuer"]
        # Comparing names as RFC 5280 wants costs more than all the rest; equal bytes need no preparing.
        matches = [
            c
            for c in certificates
            if c.serial_number == serial and (c.issuer.dump() == issuer.dump() or c.issuer.hashable == issuer.hashable)
        ]
    else:
        matches = [c for c in certificates if c.key_identifier == sid.chosen.native]
    distinct = {certificate.dump(): certificate for certificate in matches}
    if len(distinct) != 1:
        raise MalformedSeal("The signer's certificate is missing or ambiguous.")
    return next(iter(distinct.values()))


def _names(certificate: x509.Certificate, by_type: dict[str, Any]) -> bool | None:
    """Tell whether a signing-certificate attribute names the certificate; None without one."""
    der = certificate.dump()
    verdicts: list[bool] = []
    if "signing_certificate_v2" in by_type:
        first = by_type["signing_certificate_v2"]["certs"][0]
        algorithm = first["hash_algorithm"]["algorithm"].native
        verdicts.append(algorithm in HASHES and hashlib.new(algorithm, der).digest() == first["cert_hash"].native)
    if "signing_certificate" in by_type:
        first = by_type["signing_certificate"]["certs"][0]
        # RFC 2634 fixes SHA-1 here; it only narrows a choice that the chain has to confirm.
        verdicts.append(hashlib.sha1(der, usedforsecurity=False).digest() == first["cert_hash"].native)
    return all(verdicts) if verdicts else None


def _timestamp_tokens(attributes: cms.CMSAttributes) -> tuple[bytes, ...]:
    return tuple(
        value.dump()
        for attribute in attributes or ()
        if attribute["type"].native == "signature_time_stamp_token"
        for value in attribute["values"]
    )


def digest_of(algorithm: str, *parts: bytes | memoryview) -> bytes:
    """Return the digest of the parts joined; raises WeakAlgorithm."""
    if algorithm not in HASHES:
        raise WeakAlgorithm(algorithm)
    state = hashlib.new(algorithm)
    for part in parts:
        state.update(part)
    return state.digest()


def signature_holds(message: SignedMessage) -> bool:
    """Verify the signature over the signed attributes; raises WeakAlgorithm."""
    return verify_signature(
        message.certificate["tbs_certificate"]["subject_public_key_info"].dump(),
        message.signature_parameters,
        message.signature,
        message.signed_attributes_der,
        message.digest_algorithm,
    )


def verify_signature(
    public_key_der: bytes, algorithm: cms.SignedDigestAlgorithm, signature: bytes, data: bytes, digest_algorithm: str
) -> bool:
    """Verify one signature; raises WeakAlgorithm for what is unknown, too short or not to be relied on."""
    return _holds(public_key_der, algorithm.dump(), signature, data, digest_algorithm)


@lru_cache(maxsize=_REMEMBERED)
def _holds(public_key_der: bytes, algorithm_der: bytes, signature: bytes, data: bytes, digest_algorithm: str) -> bool:
    """Verify by the bytes alone, once: the seals of a document share issuers and lists."""
    algorithm = cms.SignedDigestAlgorithm.load(algorithm_der)
    try:
        key = load_der_public_key(public_key_der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WeakAlgorithm("public key") from error
    named = algorithm.signature_algo
    with suppress(ValueError):  # `rsassa_pkcs1v15` and plain `ecdsa` leave the digest to the SignerInfo
        digest_algorithm = algorithm.hash_algo
    if named not in {"ed25519", "ed448"} and digest_algorithm not in HASHES:
        raise WeakAlgorithm(digest_algorithm)
    try:
        _verify(key, named, algorithm, signature, data, digest_algorithm)
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError) as error:
        raise WeakAlgorithm(named) from error
    return True


def _verify(  # one branch a family; splitting it would only scatter them
    key: object, named: str, algorithm: cms.SignedDigestAlgorithm, signature: bytes, data: bytes, digest_algorithm: str
) -> None:
    if isinstance(key, rsa.RSAPublicKey) and named in {"rsassa_pkcs1v15", "rsassa_pss"}:
        if key.key_size < MINIMUM_RSA_BITS:
            raise WeakAlgorithm(f"rsa-{key.key_size}")
        chosen = HASHES[digest_algorithm]
        if named == "rsassa_pkcs1v15":
            key.verify(signature, data, padding.PKCS1v15(), chosen)
        else:
            parameters = algorithm["parameters"]
            mask = HASHES.get(parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native)
            if mask is None:
                raise WeakAlgorithm("rsassa_pss")
            salt: int = parameters["salt_length"].native
            key.verify(signature, data, padding.PSS(padding.MGF1(mask), salt), chosen)
    elif isinstance(key, ec.EllipticCurvePublicKey) and named == "ecdsa":
        if key.curve.key_size < MINIMUM_EC_BITS:
            raise WeakAlgorithm(key.curve.name)
        digest = hashlib.new(digest_algorithm, data).digest()
        key.verify(signature, digest, ec.ECDSA(Prehashed(HASHES[digest_algorithm])))
    elif (isinstance(key, ed25519.Ed25519PublicKey) and named == "ed25519") or (
        isinstance(key, ed448.Ed448PublicKey) and named == "ed448"
    ):
        key.verify(signature, data)
    else:
        raise WeakAlgorithm(named)


@dataclass(frozen=True, slots=True)
class TimestampFacts:
    """What a time-stamp token says, before anybody asks whether its maker is trusted."""

    message: SignedMessage
    at: datetime
    imprint_algorithm: str
    imprint: bytes


def read_timestamp(token_der: bytes) -> TimestampFacts:
    """Read a TimeStampToken (RFC 3161); raises MalformedSeal."""
    message = read_message(token_der)
    if message.content_type != "tst_info" or message.encapsulated is None:
        raise MalformedSeal("The token holds no TSTInfo.")
    try:
        info = tsp.TSTInfo.load(message.encapsulated, strict=True)
        imprint = info["message_imprint"]
        return TimestampFacts(
            message=message,
            at=info["gen_time"].native,
            imprint_algorithm=imprint["hash_algorithm"]["algorithm"].native,
            imprint=imprint["hashed_message"].native,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise MalformedSeal("The TSTInfo is not readable.") from error


def timestamp_holds(facts: TimestampFacts, *covered: bytes | memoryview) -> bool:
    """Tell whether a token is soundly signed and its imprint is that of what it covers; raises WeakAlgorithm."""
    message = facts.message
    assert message.encapsulated is not None  # noqa: S101 - read_timestamp refuses a token without
    return (
        digest_of(facts.imprint_algorithm, *covered) == facts.imprint
        and digest_of(message.digest_algorithm, message.encapsulated) == message.message_digest
        and message.names_certificate is not False
        and signature_holds(message)
    )
