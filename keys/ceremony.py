"""The key ceremony: root, issuing CAs and the service's own keys, with its record.

One transaction makes all of it or nothing. The root's private key is never stored: it
signs the issuing CAs and its first revocation list in memory and leaves as a sealed file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from foundation.audit import Audit, AuditEvent
from foundation.ids import new_id
from foundation.settings import Profile
from keys import offline_root, sealed_file
from keys.algorithms import ED25519, P256_SHA256, for_jws, profile_for
from keys.certificate_repository import CertificateRepository
from keys.certificates import (
    DELEGATED,
    PRESENTATION_NAME,
    PROFILES,
    TSA_NAME,
    Addresses,
    Issuer,
    IssuerFacts,
    authority_name,
    build_certificate,
    common_name,
    der_of,
    ocsp_name,
    serial_text,
)
from keys.errors import KeystoreExists, KeystoreLocked, SecondOperatorRequired
from keys.keyring import KeyRing, key_file_of, passphrase_of
from keys.lifecycle import generate
from keys.model import Custody, KeyInfo, KeyPurpose, KeyState
from keys.providers.software import generate_private_key, public_der
from keys.repository import KeyRepository, StoredKey
from keys.revocation import ListTimes, build_crl
from keys.wrapping import ARGON2, ARGON2_TEST, KeystoreLock

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.providers.base import CertificateSigner

ISSUING_LIST_LIFETIME = timedelta(hours=24)
_PLAIN = (KeyPurpose.QR, KeyPurpose.STATUS_LIST, KeyPurpose.TRUST_LIST)


@dataclass(frozen=True, slots=True)
class CeremonyRecord:
    """What was made, by whom and when; holds no secret."""

    record: dict[str, Any]
    root_export: Path

    def to_json(self) -> str:
        """Return the record as indented JSON."""
        return json.dumps(self.record, ensure_ascii=False, indent=2)


@dataclass
class _Made:
    """What one ceremony has made so far."""

    keys: list[StoredKey] = field(default_factory=list)
    certificates: list[tuple[Issuer, x509.Certificate, str, StoredKey, str]] = field(default_factory=list)
    lists: list[tuple[Issuer, ListTimes, bytes]] = field(default_factory=list)


async def initialise(
    settings: Settings,
    database: Database,
    clock: Clock,
    cipher: FieldCipher,
    operators: tuple[Principal, ...],
    *,
    root_passphrase: str = "",
    algorithm: str = P256_SHA256,
    token_algorithms: tuple[str, ...] = ("ES256",),
) -> CeremonyRecord:
    """Hold the ceremony: what `hufu init` runs.

    Makes the root, the issuing CAs and the TSA, OCSP, token, QR, receipt, status_list,
    trust_list, checkpoint and presentation keys. In production two different operators take part and
    the root's passphrase is theirs; elsewhere one is enough, and a passphrase may be
    made up, which then lies beside the export.

    Raises: KeystoreExists, SecondOperatorRequired, KeystoreLocked, UnsupportedAlgorithm, InvalidInput.
    """
    _check_operators(settings, operators)
    ceremony = _Ceremony(settings, clock, algorithm, token_algorithms)
    export = settings.data_directory / "keystore" / "root-key.json"
    try:
        async with database.transaction() as connection:
            repository = KeyRepository(connection)
            await repository.hold_ceremony_lock()
            await _refuse_second(repository)
            locks = await asyncio.to_thread(ceremony.fasten)
            for custody, lock in locks.items():
                await repository.add_lock(custody, lock)
            root = ceremony.make()
            record = ceremony.record(operators, export)
            await _store(connection, cipher, ceremony, record)
            await _audit(connection, clock, operators, record)
            # Before the commit: a root that signed and is lost would be worse than a file without a root.
            await asyncio.to_thread(_export_root, settings, export, root, root_passphrase)
    except BaseException:
        await asyncio.to_thread(ceremony.discard)
        raise
    finally:
        ceremony.close()
    return CeremonyRecord(record, export)


async def _refuse_second(repository: KeyRepository) -> None:
    if await repository.lock_of(Custody.SIGNER) is not None:
        raise KeystoreExists("The key ceremony has been held already.")


def _check_operators(settings: Settings, operators: tuple[Principal, ...]) -> None:
    needed = 2 if settings.profile is Profile.PRODUCTION else 1
    if len({operator.audit_name for operator in operators}) < needed:
        raise SecondOperatorRequired(f"The ceremony needs {needed} different operators.")


class _Ceremony:
    """Makes everything in memory; `make` touches no database and no file."""

    def __init__(self, settings: Settings, clock: Clock, algorithm: str, token_algorithms: tuple[str, ...]) -> None:
        self._settings = settings
        self._now = clock.now()
        self._algorithm = profile_for(algorithm, KeyPurpose.ROOT_CA).name
        self._token_algorithms = tuple(dict.fromkeys(for_jws(name).name for name in token_algorithms))
        self._addresses = Addresses(settings.pki_base)
        self._rings: dict[Custody, KeyRing] = {}
        self.made = _Made()

    def fasten(self) -> dict[Custody, KeystoreLock]:
        """Derive the KEKs of both custodies; slow, runs in a thread."""
        locks, testing = {}, self._settings.profile is Profile.TEST
        for custody in Custody:
            passphrase = passphrase_of(self._settings, custody)
            lock, kek = KeystoreLock.fasten(
                custody, passphrase, key_file_of(self._settings, custody), ARGON2_TEST if testing else ARGON2
            )
            ring = KeyRing(custody, self._settings)
            ring.use(kek)
            locks[custody], self._rings[custody] = lock, ring
        return locks

    @property
    def now(self) -> datetime:
        """Return the moment of the ceremony."""
        return self._now

    def make(self) -> CertificateSigner:
        """Make all keys, certificates and first lists; return the root's private key."""
        root = generate_private_key(self._algorithm)
        certificate = self._certify_root(root)
        root_facts = IssuerFacts(Issuer.ROOT, certificate, root)
        issuers = {issuer: self._issuing_ca(issuer, root_facts) for issuer in DELEGATED}
        infrastructure = issuers[Issuer.INFRASTRUCTURE]
        self._certified(KeyPurpose.TSA, "", "tsa", TSA_NAME, infrastructure)
        self._certified(KeyPurpose.PRESENTATION, "", "presentation", PRESENTATION_NAME, infrastructure)
        for issuer, facts in issuers.items():
            self._certified(KeyPurpose.OCSP, issuer, "ocsp", ocsp_name(issuer), facts)
        for purpose in _PLAIN:
            self._plain(Custody.SIGNER, purpose, P256_SHA256)
        # Readers of signed log checkpoints (C2SP signed-note) expect Ed25519.
        self._plain(Custody.SIGNER, KeyPurpose.CHECKPOINT, ED25519)
        self._plain(Custody.ONLINE, KeyPurpose.RECEIPT, P256_SHA256)
        for name in self._token_algorithms:
            self._plain(Custody.ONLINE, KeyPurpose.TOKEN, name)
        for facts in (root_facts, *issuers.values()):
            self._first_list(facts)
        return root

    def _certify_root(self, root: CertificateSigner) -> x509.Certificate:
        subject = authority_name(Issuer.ROOT, self._settings.city_name)
        facts = IssuerFacts(Issuer.ROOT, None, root)
        certificate = build_certificate(
            PROFILES["root"],
            facts,
            subject=subject,
            public_key_der=public_der(root),
            now=self._now,
            addresses=self._addresses,
        )
        info = KeyInfo(
            new_id("key"),
            KeyPurpose.ROOT_CA,
            Issuer.ROOT,
            KeyState.ACTIVE,
            self._algorithm,
            public_der(root),
            (der_of(certificate),),
            created_at=self._now,
        )
        self._keep(StoredKey(info, Custody.SIGNER, "offline", None), Issuer.ROOT, certificate, "root")
        return certificate

    def _issuing_ca(self, issuer: Issuer, root: IssuerFacts) -> IssuerFacts:
        key = self._generate(Custody.SIGNER, KeyPurpose.ISSUING_CA, issuer, self._algorithm)
        certificate = self._certificate("issuing", root, authority_name(issuer, self._settings.city_name), key)
        self._keep(_chained(key, (der_of(certificate),)), Issuer.ROOT, certificate, "issuing")
        return IssuerFacts(issuer, certificate, self._rings[Custody.SIGNER].open(key).certificate_signer())

    def _certified(self, purpose: KeyPurpose, owner: str, profile: str, name: str, facts: IssuerFacts) -> None:
        key = self._generate(Custody.SIGNER, purpose, owner, P256_SHA256)
        subject = common_name("CN", self._settings.city_name, name)
        certificate = self._certificate(profile, facts, subject, key)
        upper = () if facts.certificate is None else (der_of(facts.certificate),)
        self._keep(_chained(key, (der_of(certificate), *upper)), facts.issuer, certificate, profile)

    def _plain(self, custody: Custody, purpose: KeyPurpose, algorithm: str) -> None:
        self.made.keys.append(self._generate(custody, purpose, "", algorithm))

    def _generate(self, custody: Custody, purpose: KeyPurpose, owner: str, algorithm: str) -> StoredKey:
        provider = self._settings.key_provider if custody is Custody.SIGNER else "software"
        key = generate(self._rings[custody], provider, purpose, owner, algorithm, self._now)
        return replace(key, info=replace(key.info, state=KeyState.ACTIVE))

    def _certificate(self, profile: str, facts: IssuerFacts, name: x509.Name, key: StoredKey) -> x509.Certificate:
        return build_certificate(
            PROFILES[profile],
            facts,
            subject=name,
            public_key_der=key.info.public_key_der,
            now=self._now,
            addresses=self._addresses,
        )

    def _keep(self, key: StoredKey, issuer: Issuer, certificate: x509.Certificate, profile: str) -> None:
        self.made.keys.append(key)
        self.made.certificates.append((issuer, certificate, profile, key, key.info.owner or key.info.purpose))

    def _first_list(self, facts: IssuerFacts) -> None:
        lifetime = offline_root.LIST_LIFETIME if facts.issuer == Issuer.ROOT else ISSUING_LIST_LIFETIME
        times = ListTimes(1, self._now, self._now + lifetime)
        self.made.lists.append((facts.issuer, times, build_crl(facts, (), times)))

    def discard(self) -> None:
        """Take back what a failed ceremony left in a device."""
        for key in self.made.keys:
            if key.stored is not None:
                self._rings[key.custody].provider(key.provider).destroy(key.identity, key.stored)

    def close(self) -> None:
        """Leave the devices and drop the KEKs."""
        for ring in self._rings.values():
            ring.close()

    def record(self, operators: tuple[Principal, ...], export: Path) -> dict[str, Any]:
        """Return the ceremony's record."""
        return {
            "ceremony_id": new_id("cer"),
            "held_at": self._now.isoformat(),
            "city": self._settings.city_name,
            "profile": self._settings.profile,
            "operators": [operator.audit_name for operator in operators],
            "provider": self._settings.key_provider,
            "root_export": export.name,
            "keys": [
                {
                    "key_id": key.info.key_id,
                    "purpose": key.info.purpose,
                    "owner": key.info.owner,
                    "algorithm": key.info.algorithm,
                    "custody": key.custody,
                    "provider": key.provider,
                    "public_key_sha256": hashlib.sha256(key.info.public_key_der).hexdigest(),
                }
                for key in self.made.keys
            ],
            "certificates": [
                {
                    "issuer": issuer,
                    "profile": profile,
                    "subject": certificate.subject.rfc4514_string(),
                    "serial": serial_text(certificate),
                    "not_after": certificate.not_valid_after_utc.isoformat(),
                    "sha256": hashlib.sha256(der_of(certificate)).hexdigest(),
                }
                for issuer, certificate, profile, _, _ in self.made.certificates
            ],
        }


def _chained(key: StoredKey, chain: tuple[bytes, ...]) -> StoredKey:
    return replace(key, info=replace(key.info, certificate_chain_der=chain))


async def _store(connection: AsyncConnection, cipher: FieldCipher, ceremony: _Ceremony, record: dict[str, Any]) -> None:
    repository, certificates = KeyRepository(connection), CertificateRepository(connection, cipher)
    for key in ceremony.made.keys:
        await repository.add(key)
    for issuer, certificate, profile, key, subject_id in ceremony.made.certificates:
        await certificates.add(
            issuer,
            certificate,
            profile=profile,
            key_id=key.info.key_id,
            subject_id=subject_id,
            issued_at=ceremony.now,
        )
    for issuer, times, crl_der in ceremony.made.lists:
        await certificates.add_list(issuer, times, crl_der)
    await repository.add_ceremony(record["ceremony_id"], ceremony.now, record)


async def _audit(
    connection: AsyncConnection, clock: Clock, operators: tuple[Principal, ...], record: dict[str, Any]
) -> None:
    audit, names = Audit(clock), [operator.audit_name for operator in operators]
    for key in record["keys"]:
        event = AuditEvent("keys.create", "key", key["key_id"], {**key, "ceremony_id": record["ceremony_id"]})
        await audit.record(connection, operators[0], event)
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    event = AuditEvent("keys.ceremony", "ceremony", record["ceremony_id"], {"operators": names, "sha256": digest})
    for operator in operators:
        await audit.record(connection, operator, event)


def _export_root(settings: Settings, export: Path, root: CertificateSigner, passphrase: str) -> None:
    if not passphrase:
        if settings.profile is Profile.PRODUCTION:
            raise KeystoreLocked("The root's export needs a passphrase of the operators.")
        passphrase = secrets.token_urlsafe(32)
        export.with_suffix(".passphrase").unlink(missing_ok=True)
        sealed_file.write_private(export.with_suffix(".passphrase"), passphrase.encode())
    costs = ARGON2_TEST if settings.profile is Profile.TEST else sealed_file.ARGON2
    pkcs8 = root.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = sealed_file.seal(pkcs8, offline_root.KIND, passphrase, costs)
    if settings.profile is not Profile.PRODUCTION:
        # A demonstration's database may be thrown away and its ceremony held again in the same directory.
        export.unlink(missing_ok=True)
    sealed_file.write_private(export, sealed)
