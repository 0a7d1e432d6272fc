"""Trying a seal's key before the seal is put to use, so that no job dies of it later."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from sqlalchemy import insert

from foundation.errors import TrustServiceError
from foundation.ids import new_id
from keys.model import KeyPurpose
from signing.errors import SealKeyUnusable
from signing.intention import Layout
from signing.intention_repository import IntentionRepository
from signing.model import IntentionState
from signing.tables import seal_intentions

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.database import Database
    from foundation.principal import Principal
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


async def try_key(database: Database, keys: KeyService, seal: Seal, principal: Principal, *, at: datetime) -> None:
    """Sign a random value under an intention of its own and verify it by the certificate.

    Raises: SealKeyUnusable.
    """
    if seal.key_id is None:
        raise SealKeyUnusable("The seal has no key.")
    digest = hashlib.sha256(os.urandom(32)).digest()
    intention_id = await _write_trial(database, seal, principal, digest, at)
    try:
        key = await keys.get(seal.key_id)
        certificate = certificate_of(key)
        require_current(certificate, at)
        signature = await keys.sign_digest(key.key_id, KeyPurpose.SEAL, digest, intention_id=intention_id)
        verify_signature(certificate, signature, digest)
    except SealKeyUnusable:
        raise
    except (TrustServiceError, InvalidSignature) as error:
        raise SealKeyUnusable("The seal's key does not sign.") from error
    finally:
        async with database.transaction() as connection:
            await IntentionRepository(connection).fail(intention_id, "trial of the key", at)


async def _write_trial(database: Database, seal: Seal, principal: Principal, digest: bytes, at: datetime) -> str:
    intention_id = new_id("int")
    values: dict[str, object] = {
        "intention_id": intention_id,
        "seal_id": seal.seal_id,
        "key_id": seal.key_id,
        "organisation_code": seal.organisation_code,
        "requested_by": principal.audit_name,
        "channel": principal.channel,
        "level": "B-B",
        "placement": {"kind": "invisible"},
        "layout": Layout(0, digest, 0, 0, digest, "", ()).to_json(),
        **dict.fromkeys(("document_digest", "signed_bytes_digest", "to_be_signed_digest", "challenge"), digest),
        "state": IntentionState.INTENDED,
        **dict.fromkeys(("created_at", "expires_at", "intended_at"), at),
    }
    async with database.transaction() as connection:
        await connection.execute(insert(seal_intentions).values(values))
    return intention_id


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
