"""Builds the package from the settings: one call for server, worker, signer and tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.encryption import FieldCipher
from foundation.jobs import PeriodicJob
from foundation.settings import BadSettings, Profile
from keys.ca import CertificateAuthority
from keys.certificates import Addresses
from keys.clock_watch import ClockWatch, seconds_since_boot
from keys.dual_control import DualControl
from keys.issuing import CertificateIssuer
from keys.jws import TokenSigner
from keys.keyring import KeyRing
from keys.lifecycle import Lifecycle
from keys.model import Custody, KeyPurpose
from keys.ocsp import OcspResponder
from keys.register import Register
from keys.service import KeyService
from keys.signer.answering import Responder
from keys.signer.client import SignerClient
from keys.signer.confirmation import Confirmations
from keys.signer.core import SignerCore
from keys.signer.stamping import Stamper
from keys.signer.status_book import StatusBook
from keys.tsa import TimestampAuthority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings
    from keys.ports import SealIntentions
    from keys.signer.port import Signer


MAINTENANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything other packages use of this one."""

    service: KeyService
    tokens: TokenSigner
    receipts: TokenSigner
    ca: CertificateAuthority
    tsa: TimestampAuthority
    ocsp: OcspResponder
    maintain: Callable[[], Awaitable[None]] | None
    """What has to be done again and again where this process is its own signer; None beside a signer process."""

    def periodic_jobs(self) -> dict[str, PeriodicJob]:
        """Return the jobs of a worker; the signer process does them itself."""
        return {} if self.maintain is None else {"keys.maintain": PeriodicJob(self.maintain, MAINTENANCE)}

    async def close(self) -> None:
        """Close the connection to the signer or the token session."""
        await self.service.close()


def certificate_cipher(settings: Settings) -> FieldCipher:
    """Return the cipher of the stored certificates, for commands that load no other package.

    Raises: BadSettings.
    """
    keys, index_key = settings.field_key_map(), settings.index_key_bytes()
    if not keys or index_key is None:
        message = "HUFU_FIELD_KEYS and HUFU_INDEX_KEY must be set"
        raise BadSettings(message)
    return FieldCipher(keys, index_key)


def assemble(
    settings: Settings,
    database: Database,
    clock: Clock,
    cipher: FieldCipher,
    *,
    intentions: SealIntentions | None = None,
) -> Keys:
    """Join the parts; opens nothing until `await keys.service.load()`.

    With `settings.signer_socket` set, the signer process does what its keys do;
    otherwise this process does (development), and checks `intentions` itself. Without
    `intentions` every seal signature is refused.
    """
    signer: Signer
    maintain = None
    if settings.signer_socket:
        _refuse_signer_secret(settings)
        signer = SignerClient(settings.signer_socket)
    else:
        signer = core = assemble_signer(settings, database, clock, cipher, intentions)
        maintain = core.maintain
    online = KeyRing(Custody.ONLINE, settings)
    audit = Audit(clock)
    lifecycle = Lifecycle(database, clock, audit, online, "software")
    control = DualControl(clock, audit)
    service = KeyService(database, cipher, Register(database), online, lifecycle, signer, control)
    return Keys(
        service,
        TokenSigner(service),
        TokenSigner(service, KeyPurpose.RECEIPT),
        CertificateAuthority(database, cipher, service, signer),
        TimestampAuthority(signer),
        OcspResponder(signer),
        maintain,
    )


def _refuse_signer_secret(settings: Settings) -> None:
    """Keep the signer's secrets out of every other process of a production service."""
    held = settings.signer_passphrase.get_secret_value() or settings.pkcs11_pin.get_secret_value()
    if settings.profile is Profile.PRODUCTION and held:
        message = "HUFU_SIGNER_PASSPHRASE and HUFU_PKCS11_PIN are for the signer process alone; unset them here"
        raise BadSettings(message)


def assemble_signer(
    settings: Settings, database: Database, clock: Clock, cipher: FieldCipher, intentions: SealIntentions | None
) -> SignerCore:
    """Join the parts of the signer itself."""
    audit = Audit(clock)
    ring = KeyRing(Custody.SIGNER, settings)
    register = Register(database)
    lifecycle = Lifecycle(database, clock, audit, ring, settings.key_provider)
    issuer = CertificateIssuer(
        database,
        clock,
        audit,
        cipher,
        ring,
        register,
        lifecycle,
        Addresses(settings.pki_base),
        settings.city_name,
        intentions,
    )
    book = StatusBook(database, clock, issuer)
    # Only the machine's own clock can be compared with the machine's counter.
    counter = seconds_since_boot if isinstance(clock, SystemClock) else None
    watch = ClockWatch(clock, database, counter=counter)
    stamper = Stamper(watch, ring, register, settings.timestamp_policy)
    responder = Responder(clock, ring, register, book)
    confirmations = Confirmations(
        database,
        clock,
        audit,
        ring,
        register,
        issuer=settings.issuer,
        required=settings.seal_proof_required,
    )
    return SignerCore(
        database, clock, ring, register, lifecycle, issuer, stamper, responder, book, intentions, confirmations
    )
