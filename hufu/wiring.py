"""Builds every part from the settings: the same for server, worker, command and tests."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.services import Services
from foundation.audit import Audit
from foundation.blobs import BlobStore
from foundation.cache import Cache
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.directory import Directory
from foundation.encryption import FieldCipher
from foundation.jobs import Worker
from foundation.notices import Notices
from foundation.settings import BadSettings
from hufu.adapters import (
    KeepersOfSeals,
    SealGate,
    SealSecondFactors,
    VaultHolders,
    VaultMandates,
    VaultOfficers,
    VaultRoles,
)
from hufu.receipt_papers import SealedReceiptPapers
from idp.oauth.clients import ClientService
from idp.oauth.department import DepartmentClients
from idp.oauth.mandates import RegisteredMandates
from idp.oauth.provider import OpenIdProvider
from idp.oauth.session_end import GrantsEndWithSession
from idp.oauth.subjects import AccountSubjects
from idp.people.assembly import assemble as assemble_people
from keys.assembly import assemble as assemble_keys
from keys.receipt_seal import ReceiptSeal
from licence_vault.assembly import assemble_vault
from licence_vault.rendition import DocumentFollower
from signing.assembly import assemble_signing
from signing.intentions import SealIntentions
from verification.assembly import assemble_verification
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.clock import Clock
    from foundation.settings import Settings
    from idp.people.assembly import People
    from keys.assembly import Keys
    from licence_vault.assembly import Vault
    from signing.assembly import Signing
    from verification.assembly import Verification


@dataclass(frozen=True, slots=True)
class Application:
    """Everything of one process, opened."""

    settings: Settings
    services: Services
    audit: Audit
    cipher: FieldCipher
    notices: Notices
    keys: Keys
    people: People
    signing: Signing
    vault: Vault
    verification: Verification

    async def warm(self) -> None:
        """Start the processes that render and read files, so that nobody waits for the first of them."""
        await asyncio.gather(self.vault.renderer.warm(), self.verification.start(), self.signing.warm())

    def worker(self) -> Worker:
        """Return what runs the queued and periodic jobs of every package."""
        handlers = {
            **self.signing.job_handlers(),
            **self.services.provider.job_handlers(),
            **self.people.job_handlers(),
            **self.verification.job_handlers(),
        }
        periodic = {
            **self.keys.periodic_jobs(),
            **self.services.provider.periodic_jobs(),
            **self.people.periodic_jobs(),
            **self.signing.periodic_jobs(),
            **self.vault.periodic_jobs(),
            **self.verification.periodic_jobs(),
        }
        return Worker(self.services.database, self.settings.database_url, handlers, periodic)


def field_cipher(settings: Settings) -> FieldCipher:
    """Return the cipher of the settings' keys; raises BadSettings when there are none."""
    keys, index_key = settings.field_key_map(), settings.index_key_bytes()
    if not keys or index_key is None:
        message = "HUFU_FIELD_KEYS and HUFU_INDEX_KEY must be set"
        raise BadSettings(message)
    return FieldCipher(keys, index_key)


@asynccontextmanager
async def open_application(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Application]:
    """Open all parts and close them in reverse.

    Raises: BadSettings; KeystoreMissing before `hufu init`; ServiceUnavailable.
    """
    async with AsyncExitStack() as stack:
        clock = clock or SystemClock()
        database = Database(settings.database_url, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        cache = Cache(settings.redis_url)
        stack.push_async_callback(cache.close)
        cipher, audit, directory = field_cipher(settings), Audit(clock), Directory(database)
        notices, blobs = Notices(cipher, clock), BlobStore.from_settings(settings, cipher)

        keys = assemble_keys(settings, database, clock, cipher, intentions=SealIntentions())
        stack.push_async_callback(keys.close)
        await keys.service.load()
        stack.push_async_callback(_cancel, asyncio.create_task(keys.service.watch(), name="keys.watch"))

        clients = ClientService(database, clock, audit)
        people = assemble_people(
            settings,
            database=database,
            cache=cache,
            clock=clock,
            audit=audit,
            cipher=cipher,
            notices=notices,
            directory=directory,
            observers=(GrantsEndWithSession(clock),),
        )
        stack.push_async_callback(people.close)
        provider = OpenIdProvider(
            settings,
            database=database,
            cache=cache,
            clock=clock,
            audit=audit,
            cipher=cipher,
            signer=keys.tokens,
            clients=clients,
            subjects=AccountSubjects(people.accounts, people.officers),
            mandates=RegisteredMandates(database, cipher, people.mandates),
            vouchers=people.vouching,
        )
        stack.push_async_callback(provider.close)
        gate = SealGate()
        signing = assemble_signing(
            settings,
            database,
            clock=clock,
            audit=audit,
            cipher=cipher,
            blobs=blobs,
            directory=directory,
            keys=keys,
            self_check=FastSelfCheck(),
            full_gate=gate,
            second_factors=SealSecondFactors(people.second_factors, people.passkeys),
            officers=KeepersOfSeals(people.officers, clock),
            replaced=DocumentFollower(cipher, clock),
        )
        stack.push_async_callback(signing.close)
        vault = assemble_vault(
            settings,
            database,
            clock=clock,
            audit=audit,
            cipher=cipher,
            blobs=blobs,
            directory=directory,
            keys=keys.service,
            seals=signing.seals,
            sealing=signing.sealing,
            holders=VaultHolders(people.persons, people.legal_persons),
            officers=VaultOfficers(people.officers),
            roles=VaultRoles(people.legal_persons),
            mandates=VaultMandates(people),
            acts=provider.acts,
        )
        stack.callback(vault.close)
        verification = assemble_verification(
            settings,
            database,
            clock=clock,
            audit=audit,
            cache=cache,
            keys=keys,
            licences=vault.records,
            types=vault.catalogue,
            cipher=cipher,
            faces=vault.fresh_faces,
            papers=SealedReceiptPapers(vault.renderer, ReceiptSeal(keys.service, keys.ca, clock), keys.tsa, clock),
        )
        stack.push_async_callback(verification.close)
        gate.join(verification.gate)
        services = Services(
            settings=settings,
            clock=clock,
            database=database,
            cache=cache,
            blobs=blobs,
            directory=directory,
            keys=keys.service,
            token_signer=keys.tokens,
            authority=keys.ca,
            timestamps=keys.tsa,
            ocsp=keys.ocsp,
            people=people,
            vault=vault,
            verification_parts=verification,
            accounts=people.accounts,
            persons=people.persons,
            real_name=people.real_name,
            sessions=people.sessions,
            second_factors=people.second_factors,
            officers=people.officers,
            provider=provider,
            clients=clients,
            departments=DepartmentClients(database, clock, audit, clients=clients, administrators=people.officers),
            access_tokens=provider.access_tokens,
            seals=signing.seals,
            seal_grants=signing.grants,
            sealing=signing.sealing,
            seal_batches=signing.batches,
            catalogue=vault.catalogue,
            licences=vault.licences,
            verification=verification.service,
        )
        yield Application(settings, services, audit, cipher, notices, keys, people, signing, vault, verification)


async def _cancel(task: asyncio.Task[None]) -> None:
    """End a background task and wait for it."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
