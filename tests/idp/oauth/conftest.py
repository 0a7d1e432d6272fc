from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from idp.oauth.clients import ClientService
from idp.oauth.provider import OpenIdProvider
from tests.idp.oauth.support import KnownMandates, KnownSubjects, KnownVouchers, LocalSigner, Walk, person, register

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings


@pytest.fixture(scope="session")
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def subjects() -> KnownSubjects:
    return KnownSubjects(
        {
            "acc_chenwei": {
                "name": "陈伟",
                "phone_number": "+8613800000001",
                "verified_claims": {"verification": {"trust_framework": "cn_hufu_real_name"}, "claims": {}},
            },
            "acc_zhao": {"name": "赵敏"},
        }
    )


@pytest.fixture
def mandates() -> KnownMandates:
    return KnownMandates()


@pytest.fixture
def clients(database: Database, clock: FixedClock, audit: Audit) -> ClientService:
    return ClientService(database, clock, audit)


@pytest.fixture
def provider(
    settings: Settings,
    database: Database,
    cache: Cache,
    clock: FixedClock,
    audit: Audit,
    cipher: FieldCipher,
    signer: LocalSigner,
    clients: ClientService,
    subjects: KnownSubjects,
    mandates: KnownMandates,
) -> OpenIdProvider:
    return OpenIdProvider(
        settings,
        database=database,
        cache=cache,
        clock=clock,
        audit=audit,
        cipher=cipher,
        signer=signer,
        clients=clients,
        subjects=subjects,
        mandates=mandates,
        vouchers=KnownVouchers(),
    )


@pytest.fixture
def chen(clock: FixedClock) -> Principal:
    return person(clock.now())


@pytest.fixture
async def walk(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients))
