"""Builds the package from the settings: one call for server, worker, signer and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.audit import Audit
from foundation.settings import BadSettings, Profile
from keys.ca import CertificateAuthority
from keys.certificates import Addresses
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
from keys.signer.core import SignerCore
from keys.signer.stamping import Stamper
from keys.signer.status_book import StatusBook
from keys.tsa import TimestampAuthority

if TYPE_CHECKING:
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.ports import SealIntentions
    from keys.signer.port import Signer


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything other packages use of this one."""

    service: KeyService
    tokens: TokenSigner
    receipts: TokenSigner
    ca: CertificateAuthority
    tsa: TimestampAuthority
    ocsp: OcspResponder

    async def close(self) -> None:
        """Close the connection to the signer or the token session."""
        await self.service.close()


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
    if settings.signer_socket:
        _refuse_signer_secret(settings)
        signer = SignerClient(settings.signer_socket)
    else:
        signer = assemble_signer(settings, database, clock, cipher, intentions)
    online = KeyRing(Custody.ONLINE, settings)
    lifecycle = Lifecycle(database, clock, Audit(clock), online, "software")
    service = KeyService(database, cipher, Register(database), online, lifecycle, signer)
    return Keys(
        service,
        TokenSigner(service),
        TokenSigner(service, KeyPurpose.RECEIPT),
        CertificateAuthority(database, cipher, service, signer),
        TimestampAuthority(signer),
        OcspResponder(signer),
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
    )
    book = StatusBook(database, clock, issuer)
    stamper = Stamper(clock, ring, register, settings.timestamp_policy)
    responder = Responder(clock, ring, register, book)
    return SignerCore(database, clock, ring, register, lifecycle, issuer, stamper, responder, book, intentions)
