"""Everything the HTTP layer may call, in one frozen value built by `hufu/wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.blobs import BlobStore
    from foundation.cache import Cache
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.settings import Settings
    from idp.oauth.access_tokens import AccessTokens
    from idp.oauth.clients import ClientService
    from idp.oauth.department import DepartmentClients
    from idp.oauth.provider import OpenIdProvider
    from idp.people.accounts import AccountService, PersonService
    from idp.people.assembly import People
    from idp.people.officers import OfficerService
    from idp.people.real_name import RealNameService
    from idp.people.second_factors import SecondFactorService
    from idp.people.sessions import SessionService
    from keys.ca import CertificateAuthority
    from keys.jws import TokenSigner
    from keys.ocsp import OcspResponder
    from keys.service import KeyService
    from keys.tsa import TimestampAuthority
    from licence_vault.assembly import Vault
    from licence_vault.catalogue import Catalogue
    from licence_vault.service import LicenceService
    from signing.batches import SealBatches
    from signing.seal_grants import SealGrants
    from signing.sealing import SealingService
    from signing.seals import SealService
    from verification.assembly import Verification
    from verification.service import VerificationService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases of every package, and the few foundations that routes need themselves."""

    settings: Settings
    clock: Clock
    database: Database
    cache: Cache
    blobs: BlobStore
    directory: Directory

    keys: KeyService
    token_signer: TokenSigner
    authority: CertificateAuthority
    timestamps: TimestampAuthority
    ocsp: OcspResponder

    people: People
    vault: Vault
    verification_parts: Verification
    accounts: AccountService
    persons: PersonService
    real_name: RealNameService
    sessions: SessionService
    second_factors: SecondFactorService
    officers: OfficerService
    provider: OpenIdProvider
    clients: ClientService
    departments: DepartmentClients
    access_tokens: AccessTokens

    seals: SealService
    seal_grants: SealGrants
    sealing: SealingService
    seal_batches: SealBatches

    catalogue: Catalogue
    licences: LicenceService

    verification: VerificationService
