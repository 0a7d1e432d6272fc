"""A key store after its ceremony, over the real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation.principal import Channel, Principal, PrincipalKind
from keys.assembly import Keys, assemble
from keys.ceremony import CeremonyRecord, initialise
from tests.keys.support import StoredIntentions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Name a public host: linters refuse certificates that point to localhost."""
    return settings.model_copy(update={"pki_url": "http://pki.example.gov.cn"})


@pytest.fixture
def operator() -> Principal:
    return Principal(PrincipalKind.OPERATOR, "opr_first", channel=Channel.SYSTEM)


@pytest.fixture
def second_operator() -> Principal:
    return Principal(PrincipalKind.OPERATOR, "opr_second", channel=Channel.SYSTEM)


@pytest.fixture
async def ceremony(
    settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher, operator: Principal
) -> CeremonyRecord:
    return await initialise(settings, database, clock, cipher, (operator,), token_algorithms=("ES256", "EdDSA"))


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
