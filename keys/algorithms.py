"""Algorithm profiles: everything that differs between algorithms, looked up by name.

Callers hold a name and never branch on it. A new algorithm (SM2 with SM3, ML-DSA) is a
new profile whose provider can generate and sign; its digest may depend on the public
key, as SM2's does, and it may sign messages only, as ML-DSA does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keys import der
from keys.errors import UnsupportedAlgorithm
from keys.model import KeyPurpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from keys.model import KeyInfo

P256_SHA256 = "ecdsa-p256-sha256"
RSA_SHA256 = "rsa-3072-sha256"
ED25519 = "ed25519"
ML_DSA_65 = "ml-dsa-65"


def _sha256(message: bytes, public_key_der: bytes) -> bytes:
    del public_key_der  # only SM2 mixes the key into its digest
    return hashlib.sha256(message).digest()


@dataclass(frozen=True, slots=True)
class AlgorithmProfile:
    """One algorithm by name.

    `signature_algorithm_der` is the AlgorithmIdentifier of certificates and CMS.
    `digest` maps a message and the public key to what `sign_digest` takes; None where
    only whole messages can be signed. `coordinate_bytes` is the size of `r` and `s` in
    JWS and COSE form, 0 where the signature needs no change. `jws` lists JWS names, the
    preferred first.
    """

    name: str
    signature_algorithm_der: bytes
    jws: tuple[str, ...]
    digest: Callable[[bytes, bytes], bytes] | None
    coordinate_bytes: int
    purposes: frozenset[KeyPurpose]


_ALL = frozenset(KeyPurpose)
_DOCUMENTS = _ALL - {KeyPurpose.QR}
_MESSAGES = frozenset({KeyPurpose.TOKEN, KeyPurpose.RECEIPT, KeyPurpose.CHECKPOINT})

_PROFILES = {
    profile.name: profile
    for profile in (
        AlgorithmProfile(P256_SHA256, der.sequence(der.oid("1.2.840.10045.4.3.2")), ("ES256",), _sha256, 32, _ALL),
        AlgorithmProfile(
            RSA_SHA256,
            der.sequence(der.oid("1.2.840.113549.1.1.11"), der.tlv(der.NULL, b"")),
            ("RS256", "PS256"),
            _sha256,
            0,
            _DOCUMENTS,
        ),
        # Common PDF readers cannot check these two, so they serve tokens, receipts and log checkpoints only.
        AlgorithmProfile(ED25519, der.sequence(der.oid("1.3.101.112")), ("EdDSA",), None, 0, _MESSAGES),
        AlgorithmProfile(
            ML_DSA_65, der.sequence(der.oid("2.16.840.1.101.3.4.3.18")), ("ML-DSA-65",), None, 0, _MESSAGES
        ),
    )
}


def profile(name: str) -> AlgorithmProfile:
    """Return a profile by name; raises UnsupportedAlgorithm."""
    try:
        return _PROFILES[name]
    except KeyError:
        raise UnsupportedAlgorithm(f"There is no algorithm profile {name!r}.", field="algorithm") from None


def profile_for(name: str, purpose: KeyPurpose) -> AlgorithmProfile:
    """Return a profile that may serve a purpose; raises UnsupportedAlgorithm."""
    found = profile(name)
    if purpose not in found.purposes:
        raise UnsupportedAlgorithm(f"{name} keys cannot serve as {purpose} keys.", field="algorithm")
    return found


def for_jws(algorithm: str) -> AlgorithmProfile:
    """Return the profile whose keys make a JWS algorithm; raises UnsupportedAlgorithm."""
    for candidate in _PROFILES.values():
        if algorithm in candidate.jws:
            return candidate
    raise UnsupportedAlgorithm(f"There is no algorithm profile for {algorithm!r}.", field="algorithm")


def message_digest(info: KeyInfo, message: bytes) -> bytes:
    """Return what `sign_digest` takes for a message; raises UnsupportedAlgorithm for message-only keys."""
    digest = profile(info.algorithm).digest
    if digest is None:
        raise UnsupportedAlgorithm(f"{info.algorithm} keys sign messages, not digests.", field="algorithm")
    return digest(message, info.public_key_der)


def raw_signature(info: KeyInfo, signature: bytes) -> bytes:
    """Return a signature in the form of JWS and COSE: `r` and `s` side by side for ECDSA."""
    size = profile(info.algorithm).coordinate_bytes
    if not size:
        return signature
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def public_key_bits(public_key_der: bytes) -> bytes:
    """Return the content of the subjectPublicKey BIT STRING, which key identifiers hash."""
    load_der_public_key(public_key_der)
    return der.parse(public_key_der).children()[1].expect(der.BIT_STRING).content[1:]
