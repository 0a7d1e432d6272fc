"""Raw ECDSA signatures over P-256, as COSE and JOSE carry them."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

COORDINATE = 32


@lru_cache(maxsize=256)
def _load(public_key_der: bytes) -> ec.EllipticCurvePublicKey | None:
    """Return a P-256 key, None for anything else; the few keys there are come again and again."""
    try:
        key = load_der_public_key(public_key_der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1" else None


def is_key(public_key_der: bytes) -> bool:
    """Tell whether this is a P-256 key as everybody writes it: browsers read fewer forms than libraries."""
    key = _load(public_key_der)
    return key is not None and key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public_key_der


def holds(public_key_der: bytes, signature: bytes, signed: bytes) -> bool:
    """Tell whether a P-256 key made a raw (r, s) signature over some bytes."""
    key = _load(public_key_der)
    if key is None or len(signature) != 2 * COORDINATE:
        return False
    r, s = (int.from_bytes(part, "big") for part in (signature[:COORDINATE], signature[COORDINATE:]))
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
