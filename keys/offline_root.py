"""Acts of the offline root: its key comes from the sealed export, signs in memory, and goes again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from foundation.audit import Audit, AuditEvent
from keys import sealed_file
from keys.certificate_repository import CertificateRepository
from keys.certificates import (
    PROFILES,
    Addresses,
    Issuer,
    IssuerFacts,
    authority_name,
    build_certificate,
    der_of,
    serial_text,
)
from keys.dual_control import Act, DualControl, require_operator
from keys.errors import BackupUnreadable, KeyNotUsable, WrongPurpose
from keys.model import KeyPurpose, KeyState
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
    from foundation.settings import Settings
    from keys.model import KeyInfo
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
    root = await _opened(export, passphrase)
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


async def certify_authority(
    settings: Settings,
    database: Database,
    clock: Clock,
    cipher: FieldCipher,
    principal: Principal,
    key_id: str,
    export: Path,
    passphrase: str,
) -> KeyInfo:
    """Certify the pending key of a CA's next generation, for which another operator has asked.

    Raises: SecondOperatorRequired, BackupUnreadable, KeyNotFound, KeyNotUsable, WrongPurpose.
    """
    require_operator(principal)
    root = await _opened(export, passphrase)
    async with database.transaction() as connection:
        repository, now = KeyRepository(connection), clock.now()
        facts = await _facts(connection, root)
        info = (await repository.get(key_id)).info
        if info.purpose is not KeyPurpose.ISSUING_CA:
            raise WrongPurpose(f"A {info.purpose} key gets no issuing certificate.")
        if info.state is not KeyState.PENDING or info.certificate_chain_der:
            raise KeyNotUsable(f"Key {key_id} is {info.state}, or certified already.")
        issuer = Issuer(info.owner)
        await DualControl(clock, Audit(clock)).spend(connection, principal, Act.ROTATE_CA, issuer.role)
        certificate = build_certificate(
            PROFILES["issuing"],
            facts,
            subject=authority_name(issuer, settings.city_name),
            public_key_der=info.public_key_der,
            now=now,
            addresses=Addresses(settings.pki_base),
        )
        await CertificateRepository(connection, cipher).add(
            Issuer.ROOT, certificate, profile="issuing", key_id=key_id, subject_id=issuer, issued_at=now
        )
        await repository.set_chain(info, (der_of(certificate),))
        detail = {"issuer": Issuer.ROOT, "profile": "issuing", "subject_id": issuer, "key_id": key_id}
        event = AuditEvent("keys.certify", "certificate", serial_text(certificate), detail)
        await Audit(clock).record(connection, principal, event)
    return replace(info, certificate_chain_der=(der_of(certificate),))


async def _opened(export: Path, passphrase: str) -> CertificateSigner:
    sealed = await asyncio.to_thread(export.read_bytes)
    pkcs8 = await asyncio.to_thread(sealed_file.unseal, sealed, KIND, passphrase)
    return cast("CertificateSigner", load_der_private_key(pkcs8, None))


async def _facts(connection: AsyncConnection, root: CertificateSigner) -> IssuerFacts:
    info = (await KeyRepository(connection).active(KeyPurpose.ROOT_CA, Issuer.ROOT)).info
    if info.public_key_der != public_der(root):
        raise BackupUnreadable("This file holds another root's key.")
    return IssuerFacts(Issuer.ROOT, x509.load_der_x509_certificate(info.certificate_chain_der[0]), root)
