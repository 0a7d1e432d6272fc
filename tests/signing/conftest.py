"""Seals on a real key store, and documents to put them on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from foundation.directory import Directory, District, Matter, Organisation
from foundation.errors import NotAuthenticated
from foundation.jobs import Worker
from foundation.principal import Channel, Principal, PrincipalKind
from keys.ceremony import initialise
from signing.model import Seal, SealApplication, SealKind, SealRequest, SecondFactor
from signing.placement import Rectangle
from signing.tables import sealed_documents
from tests.signing.documents import typeset
from tests.support.ground import Ground
from tests.support.prepared import prepared
from tests.support.seal_officers import Officers
from tests.support.softhsm import with_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import BaselineLevel, SealedDocument

BOTH_PROVIDERS = pytest.mark.parametrize("provider", ["software", "pkcs11"], indirect=True)
BUREAU = "11500100MB1234567X"
OTHER = "11500100MB7654321Y"
MATTER = "500100-food-licence"
OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_first", channel=Channel.SYSTEM)
SECOND_OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_second", channel=Channel.SYSTEM)
OFFICER = Principal(PrincipalKind.OFFICER, "off_li", organisation_code=BUREAU, channel=Channel.WEB)
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
    return OPERATOR


@pytest.fixture
def second_operator() -> Principal:
    return SECOND_OPERATOR


@pytest.fixture
def officer() -> Principal:
    return OFFICER


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
def ground(
    settings: Settings, database: Database, clock: FixedClock, audit: Audit, cipher: FieldCipher, blobs: BlobStore
) -> Ground:
    return Ground(settings, database, clock, audit, cipher, blobs)


@pytest.fixture
async def beginning(request: pytest.FixtureRequest, ground: Ground) -> Seal | None:
    """Give the test a city after its ceremony and, if the test asks for `seal`, with an active seal."""
    known = ground.settings
    of = f"{known.key_provider} {known.seal_proof} {known.pki_base} {ground.clock.now()}"
    if "seal" in request.fixturenames:
        return await prepared(f"seal {of}", known, lambda: _sealing(ground))
    await prepared(f"keys {of}", known, lambda: _found(ground))
    return None


async def _found(ground: Ground) -> None:
    directory = Directory(ground.database)
    async with ground.database.transaction() as connection:
        await directory.add_district(connection, District("500100", "演示市"))
        await directory.add_organisation(connection, Organisation(BUREAU, "演示市食品药品监督管理局", "500100", "city"))
        await directory.add_organisation(connection, Organisation(OTHER, "演示市公安局", "500100", "city"))
        await directory.add_matter(connection, Matter(MATTER, "食品经营许可", BUREAU))
    await initialise(ground.settings, ground.database, ground.clock, ground.cipher, (OPERATOR,))


async def _sealing(ground: Ground) -> Seal:
    await _found(ground)
    now, officers = ground.clock.now(), Officers(in_post={OFFICER.subject_id})
    async with ground.keys() as keys, ground.signing(keys, OneCode(), officers) as signing:
        active = await make_active(signing, OPERATOR, SECOND_OPERATOR)
        grant = await signing.grants.grant(
            OPERATOR,
            active.seal_id,
            OFFICER.subject_id,
            matter_codes=[MATTER],
            valid_from=now - timedelta(days=1),
            valid_to=now + timedelta(days=30),
        )
        await signing.grants.approve(SECOND_OPERATOR, grant.grant_id)
    return active


@pytest.fixture
def directory(database: Database, beginning: Seal | None) -> Directory:
    del beginning
    return Directory(database)


@pytest.fixture
async def keys(ground: Ground, beginning: Seal | None) -> AsyncIterator[Keys]:
    del beginning
    async with ground.keys() as keys:
        yield keys


@pytest.fixture
def officers() -> Officers:
    return Officers(in_post={"off_li"}, keepers={"off_keeper", "off_keepers_other_post"})


@pytest.fixture
async def signing(ground: Ground, keys: Keys, second_factors: OneCode, officers: Officers) -> AsyncIterator[Signing]:
    async with ground.signing(keys, second_factors, officers) as signing:
        yield signing


@pytest.fixture
def seal(beginning: Seal | None) -> Seal:
    """Return the bureau's active seal, whose use the officer is granted for one matter."""
    assert beginning is not None
    return beginning


@dataclass(frozen=True)
class LongTerm:
    """Documents sealed at a level, and what is done to them later."""

    signing: Signing
    seal: Seal
    client: Principal
    database: Database
    url: str

    async def sealed(self, document: bytes, level: BaselineLevel) -> SealedDocument:
        request = SealRequest(self.seal.seal_id, document, Rectangle(1, 380, 80), MATTER, level)
        return await self.signing.sealing.seal(self.client, request)

    async def document(self, sealed: SealedDocument) -> bytes:
        """Return the file as it is kept now."""
        return await self.signing.sealing.document(self.client, sealed.document_id)

    async def make_due(self, sealed: SealedDocument, now: datetime | None) -> None:
        """Let a document's renewal be due, or never."""
        async with self.database.transaction() as connection:
            of_it = sealed_documents.c.document_id == sealed.document_id
            await connection.execute(update(sealed_documents).where(of_it).values(renew_after=now))

    async def renew_due(self) -> None:
        await self.signing.upgrades.enqueue_renewals()
        await self.work()

    async def work(self) -> None:
        """Work off what is queued."""
        await Worker(self.database, self.url, self.signing.job_handlers()).drain()


@pytest.fixture
def long_term(
    signing: Signing, seal: Seal, client: Principal, database: Database, migrated_database_url: str
) -> LongTerm:
    return LongTerm(signing, seal, client, database, migrated_database_url)


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
