"""A key store after its ceremony, over the real database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from foundation.principal import Channel, Principal, PrincipalKind
from keys.assembly import Keys, assemble
from keys.ceremony import CeremonyRecord
from tests.keys.support import StoredIntentions
from tests.support.ground import OPERATOR, hold_ceremony
from tests.support.softhsm import with_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings


@pytest.fixture(params=["software", "pkcs11"])
def provider(request: pytest.FixtureRequest) -> str:
    """Run what uses keys once with each provider."""
    return str(request.param)


@pytest.fixture
def settings(settings: Settings, provider: str) -> Settings:
    """Name a public host, since linters refuse certificates that point to localhost, and the provider."""
    return with_provider(settings.model_copy(update={"pki_url": "http://pki.example.gov.cn"}), provider)


@pytest.fixture(autouse=True)
def no_session_is_left_open() -> Iterator[None]:
    """A session left open would let the next test's wrong PIN look right."""
    yield
    binding = sys.modules.get("keys.providers.pkcs11")
    assert binding is None or not binding._Token._open


@pytest.fixture
def operator() -> Principal:
    return OPERATOR


@pytest.fixture
def second_operator() -> Principal:
    return Principal(PrincipalKind.OPERATOR, "opr_second", channel=Channel.SYSTEM)


@pytest.fixture
async def ceremony(settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher) -> CeremonyRecord:
    record = await hold_ceremony("keys", settings, database, clock, cipher, token_algorithms=("ES256", "EdDSA"))
    return CeremonyRecord(record, settings.data_directory / "keystore" / "root-key.json")


@pytest.fixture
def intentions() -> StoredIntentions:
    return StoredIntentions()


@pytest.fixture
async def keys(
    ceremony: CeremonyRecord,
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
    intentions: StoredIntentions,
) -> AsyncIterator[Keys]:
    del ceremony
    keys = assemble(settings, database, clock, cipher, intentions=intentions)
    await keys.service.load()
    yield keys
    await keys.close()
