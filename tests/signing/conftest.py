"""Seals on a real key store, and documents to put them on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.directory import Directory, District, Matter, Organisation
from foundation.errors import NotAuthenticated
from foundation.principal import Channel, Principal, PrincipalKind
from keys.assembly import Keys, assemble
from keys.ceremony import initialise
from signing.assembly import Signing, assemble_signing
from signing.intentions import SealIntentions
from signing.model import Seal, SealApplication, SealKind, SecondFactor
from signing.workshop import Workshop
from tests.signing.documents import typeset
from tests.support.gate import full_gate
from tests.support.seal_officers import Officers
from tests.support.softhsm import with_provider
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings

BOTH_PROVIDERS = pytest.mark.parametrize("provider", ["software", "pkcs11"], indirect=True)
BUREAU = "11500100MB1234567X"
OTHER = "11500100MB7654321Y"
MATTER = "500100-food-licence"
CODE = SecondFactor("totp", "246810")
WRONG_CODE = SecondFactor("totp", "000000")


class OneCode:
    """Accepts one code, as a TOTP device would within one step, and remembers the challenges."""

    def __init__(self) -> None:
        self.challenges: list[bytes] = []

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        del connection
        if factor != CODE:
            raise NotAuthenticated("The code is wrong.")
        self.challenges.append(challenge)
        return f"totp:{principal.subject_id}"


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> str:
    """Keep the seals' keys in software; files about keys are run with a token beside it."""
    return str(getattr(request, "param", "software"))


@pytest.fixture
def settings(settings: Settings, provider: str) -> Settings:
    return with_provider(settings, provider)


@pytest.fixture
def operator() -> Principal:
    return Principal(PrincipalKind.OPERATOR, "opr_first", channel=Channel.SYSTEM)


@pytest.fixture
def second_operator() -> Principal:
    return Principal(PrincipalKind.OPERATOR, "opr_second", channel=Channel.SYSTEM)


@pytest.fixture
def officer() -> Principal:
    return Principal(PrincipalKind.OFFICER, "off_li", organisation_code=BUREAU, channel=Channel.WEB)


@pytest.fixture
def keeper() -> Principal:
    return Principal(PrincipalKind.OFFICER, "off_keeper", organisation_code=BUREAU, channel=Channel.WEB)


@pytest.fixture
def client() -> Principal:
    return Principal(
        PrincipalKind.CLIENT, "food-bureau", organisation_code=BUREAU, scopes=frozenset({"seal:apply", "licence:issue"})
    )


@pytest.fixture
def second_factors() -> OneCode:
    return OneCode()


@pytest.fixture
async def directory(database: Database) -> Directory:
    directory = Directory(database)
    async with database.transaction() as connection:
        await directory.add_district(connection, District("500100", "演示市"))
        await directory.add_organisation(connection, Organisation(BUREAU, "演示市食品药品监督管理局", "500100", "city"))
        await directory.add_organisation(connection, Organisation(OTHER, "演示市公安局", "500100", "city"))
        await directory.add_matter(connection, Matter(MATTER, "食品经营许可", BUREAU))
    return directory


@pytest.fixture
async def keys(
    settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher, operator: Principal
) -> AsyncIterator[Keys]:
    await initialise(settings, database, clock, cipher, (operator,))
    keys = assemble(settings, database, clock, cipher, intentions=SealIntentions())
    await keys.service.load()
    yield keys
    await keys.close()


@pytest.fixture
def officers() -> Officers:
    return Officers(in_post={"off_li"}, keepers={"off_keeper", "off_keepers_other_post"})


@pytest.fixture
async def signing(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    cipher: FieldCipher,
    blobs: BlobStore,
    directory: Directory,
    keys: Keys,
    second_factors: OneCode,
    officers: Officers,
) -> AsyncIterator[Signing]:
    workshop = Workshop(workers=1)
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
        full_gate=full_gate(keys, clock),
        second_factors=second_factors,
        officers=officers,
        workshop=workshop,
    )
    yield signing
    await signing.close()


@pytest.fixture
async def seal(
    signing: Signing, officer: Principal, operator: Principal, second_operator: Principal, clock: FixedClock
) -> Seal:
    """Return the bureau's active seal, whose use the officer is granted for one matter."""
    active = await make_active(signing, operator, second_operator)
    grant = await signing.grants.grant(
        operator,
        active.seal_id,
        officer.subject_id,
        matter_codes=[MATTER],
        valid_from=clock.now() - timedelta(days=1),
        valid_to=clock.now() + timedelta(days=30),
    )
    await signing.grants.approve(second_operator, grant.grant_id)
    return active


async def make_active(
    signing: Signing,
    applicant: Principal,
    approver: Principal,
    *,
    kind: SealKind = SealKind.STATUTORY,
    organisation_code: str = BUREAU,
    filing_number: str = "5001000000001",
    **words: str,
) -> Seal:
    """Lead a seal from application to use."""
    seals = signing.seals
    applied = await seals.apply(applicant, SealApplication(organisation_code, kind, **words))
    await seals.approve(approver, applied.seal_id)
    await seals.make(approver, applied.seal_id)
    await seals.file(approver, applied.seal_id, filing_number=filing_number)
    return await seals.activate(approver, applied.seal_id)


@pytest.fixture(scope="session")
def licence() -> bytes:
    """Return a one-page PDF/A-3b with Chinese text."""
    return typeset(1)


@pytest.fixture(scope="session")
def long_document() -> bytes:
    """Return a PDF of 7 pages."""
    return typeset(7)
