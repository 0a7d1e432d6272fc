"""Trying a seal's key before the seal is put to use, so that no job dies of it later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from foundation.errors import TrustServiceError
from signing.errors import SealKeyUnusable

if TYPE_CHECKING:
    from datetime import datetime

    from keys.model import KeyInfo
    from keys.service import KeyService
    from signing.model import Seal


def certificate_serial(key: KeyInfo) -> int:
    """Return the serial number of a key's certificate; raises SealKeyUnusable when it has none."""
    return certificate_of(key).serial_number


def certificate_of(key: KeyInfo) -> x509.Certificate:
    """Return a key's certificate; raises SealKeyUnusable when it has none."""
    if not key.certificate_chain_der:
        raise SealKeyUnusable("The seal's key has no certificate.")
    return x509.load_der_x509_certificate(key.certificate_chain_der[0])


def require_current(certificate: x509.Certificate, at: datetime) -> None:
    """Check that a certificate is within its dates; raises SealKeyUnusable."""
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SealKeyUnusable("The seal's certificate is not valid at this time.")


async def try_key(keys: KeyService, seal: Seal, *, at: datetime) -> None:
    """Have the signer try a seal's key, with a message of its own; raises SealKeyUnusable."""
    if seal.key_id is None:
        raise SealKeyUnusable("The seal has no key.")
    try:
        require_current(certificate_of(await keys.get(seal.key_id)), at)
        await keys.try_key(seal.key_id)
    except SealKeyUnusable:
        raise
    except TrustServiceError as error:
        raise SealKeyUnusable("The seal's key does not sign.") from error


def verify_signature(certificate: x509.Certificate, signature: bytes, digest: bytes) -> None:
    """Raise InvalidSignature unless the signature is the certificate's."""
    public_key = certificate.public_key()
    prehashed = utils.Prehashed(hashes.SHA256())
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, digest, padding.PKCS1v15(), prehashed)
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        public_key.verify(signature, digest, ec.ECDSA(prehashed))
    else:
        raise InvalidSignature
