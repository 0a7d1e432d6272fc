"""A key store after its ceremony, over the real database."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from foundation.principal import Channel, Principal, PrincipalKind
from keys.assembly import Keys, assemble
from keys.ceremony import CeremonyRecord, initialise
from tests.keys.support import PIN, SOFTHSM, StoredIntentions, make_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings


@pytest.fixture(scope="session")
def token() -> Iterator[str]:
    """Yield the label of a fresh SoftHSM2 token; the library reads its configuration once a process.

    SoftHSM writes every object through to the disk, 0.2 s a key, so the token lies in memory where it can.
    """
    memory = Path("/dev/shm")  # noqa: S108 - Linux's memory file system; the directory in it is our own
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        directory = Path(name)
        (directory / "tokens").mkdir()
        configuration = directory / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        yield make_token("hufu-tests")
        del os.environ["SOFTHSM2_CONF"]


@pytest.fixture(params=["software", "pkcs11"])
def provider(request: pytest.FixtureRequest) -> str:
    """Run what uses keys once with each provider."""
    return str(request.param)


@pytest.fixture
def settings(settings: Settings, provider: str, request: pytest.FixtureRequest) -> Settings:
    """Name a public host, since linters refuse certificates that point to localhost, and the provider."""
    update: dict[str, object] = {"pki_url": "http://pki.example.gov.cn", "key_provider": provider}
    if provider == "pkcs11":
        update |= {
            "pkcs11_module": SOFTHSM,
            "pkcs11_token": request.getfixturevalue("token"),
            "pkcs11_pin": SecretStr(PIN),
        }
    return settings.model_copy(update=update)


@pytest.fixture(autouse=True)
def no_session_is_left_open() -> Iterator[None]:
    """A session left open would let the next test's wrong PIN look right."""
    yield
    binding = sys.modules.get("keys.providers.pkcs11")
    assert binding is None or not binding._Token._open


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
