"""Acts of the offline root: its key comes from the sealed export, signs in memory, and goes again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from foundation.audit import Audit, AuditEvent
from keys import sealed_file
from keys.certificate_repository import CertificateRepository
from keys.certificates import Issuer, IssuerFacts
from keys.dual_control import require_operator
from keys.errors import BackupUnreadable
from keys.model import KeyPurpose
from keys.providers.software import public_der
from keys.repository import KeyRepository
from keys.revocation import ListTimes, build_crl

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.providers.base import CertificateSigner

LIST_LIFETIME = timedelta(days=365)
KIND = "root-key"


async def publish_root_list(
    database: Database,
    clock: Clock,
    cipher: FieldCipher,
    principal: Principal,
    export: Path,
    passphrase: str,
) -> bytes:
    """Sign a new revocation list of the root, once a year or after an issuing CA was revoked.

    Raises: BackupUnreadable (wrong passphrase or another root's key), KeyNotFound, NotPermitted.
    """
    require_operator(principal)
    sealed = await asyncio.to_thread(export.read_bytes)
    pkcs8 = await asyncio.to_thread(sealed_file.unseal, sealed, KIND, passphrase)
    root = cast("CertificateSigner", load_der_private_key(pkcs8, None))
    async with database.transaction() as connection:
        facts = await _facts(connection, root)
        certificates = CertificateRepository(connection, cipher)
        await certificates.hold_list_lock(Issuer.ROOT)
        now = clock.now()
        times = ListTimes(await certificates.next_list_number(Issuer.ROOT), now, now + LIST_LIFETIME)
        crl_der = build_crl(facts, await certificates.revoked(Issuer.ROOT, unexpired_at=now), times)
        await certificates.add_list(Issuer.ROOT, times, crl_der)
        event = AuditEvent("keys.root_list", "crl", f"{Issuer.ROOT}:{times.number}")
        await Audit(clock).record(connection, principal, event)
    return crl_der


async def _facts(connection: AsyncConnection, root: CertificateSigner) -> IssuerFacts:
    info = (await KeyRepository(connection).active(KeyPurpose.ROOT_CA, Issuer.ROOT)).info
    if info.public_key_der != public_der(root):
        raise BackupUnreadable("This file holds another root's key.")
    return IssuerFacts(Issuer.ROOT, x509.load_der_x509_certificate(info.certificate_chain_der[0]), root)
