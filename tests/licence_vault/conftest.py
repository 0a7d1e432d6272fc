"""The vault over real keys, seals, PostgreSQL, blobs and rendering processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from foundation.directory import Directory, District, Matter, Organisation
from foundation.errors import NotAuthenticated, NotPermitted
from foundation.principal import SYSTEM, Channel, Principal, PrincipalKind
from keys.ceremony import initialise
from licence_vault.assembly import Vault, assemble_vault
from licence_vault.catalogue import Catalogue, seeded_types
from licence_vault.rendering import FaceRenderer
from signing.model import Seal, SealApplication, SealKind
from tests.licence_vault.samples import (
    BUSINESS,
    ESTATE,
    FOOD,
    ISSUER,
    ISSUER_NAME,
    MATTER,
    OTHER_ISSUER,
    citizen,
)
from tests.support.ground import Ground
from tests.support.prepared import prepared
from tests.support.seal_officers import Officers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.assembly import Keys
    from licence_vault.model import Giver, Mandated, PaperMandate
    from signing.assembly import Signing
    from signing.model import SecondFactor

SCOPES = frozenset({"licence:issue", "licence:read", "licence:status"})
OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_first", channel=Channel.SYSTEM)
SECOND_OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_second", channel=Channel.SYSTEM)
BUREAU = Principal(
    PrincipalKind.CLIENT, "food-bureau", organisation_code=ISSUER, client_id="food-bureau", scopes=SCOPES
)
STRANGER = Principal(
    PrincipalKind.CLIENT, "other-bureau", organisation_code=OTHER_ISSUER, client_id="other-bureau", scopes=SCOPES
)
OFFICER = Principal(PrincipalKind.OFFICER, "off_zhang", organisation_code=ISSUER, channel=Channel.WEB)
CHEN = Principal(PrincipalKind.PERSON, "acc_chen", person_id="per_chen", acr="L2", channel=Channel.WEB)
LI = Principal(PrincipalKind.PERSON, "acc_li", person_id="per_li", acr="L2", channel=Channel.WEB)


@dataclass
class People:
    """What `idp` knows of people and officers, as far as the vault asks."""

    cipher: FieldCipher
    codes: dict[str, str] = field(default_factory=lambda: {"per_chen": citizen(), "per_li": citizen(456)})
    issuing: set[str] = field(default_factory=lambda: {"off_zhang"})
    entrusted: dict[str, frozenset[str]] = field(default_factory=dict)
    spent: dict[str, str] = field(default_factory=dict)
    answering: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def of_person(self, connection: AsyncConnection, person_id: str) -> tuple[bytes, ...]:
        del connection
        code = self.codes.get(person_id)
        return () if code is None else (self.cipher.blind_index(code, "holder_code"),)

    async def accounts_of(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        del connection
        indexes = {self.cipher.blind_index(code, "holder_code"): name for name, code in self.codes.items()}
        return (indexes[holder_index].replace("per_", "acc_"),) if holder_index in indexes else ()

    async def accounts_answering_for(self, connection: AsyncConnection, credit_code: str) -> tuple[str, ...]:
        del connection
        return self.answering.get(credit_code, ())

    async def use_licence_access(
        self, connection: AsyncConnection, principal: Principal, *, licence_identifier: str, licence_type: str
    ) -> Mapping[str, Any]:
        """Let each grant be used once, for the licence it names."""
        del connection
        allowed = principal.authorization or {}
        if allowed.get("licence_identifier") != licence_identifier or principal.grant_id in self.spent:
            raise NotPermitted("Not allowed, or done before.")
        self.spent[principal.grant_id or ""] = licence_type
        return allowed

    async def matters(self, connection: AsyncConnection, principal: Principal) -> frozenset[str] | None:
        del connection
        return self.entrusted.get(principal.actor_id or "")

    async def require_issuing(self, principal: Principal, matter_code: str | None) -> None:
        del matter_code
        if principal.subject_id not in self.issuing:
            raise NotPermitted("The officer may not issue.")


class NoMandates:
    """Nobody gave a mandate; tests/hufu/test_vault_mandates.py joins the register of `idp`."""

    async def check(
        self, connection: AsyncConnection, *, mandate_id: str, agent_id: str, asked: Mandated | None
    ) -> Giver:
        del connection, mandate_id, agent_id, asked
        raise NotPermitted("There is no such mandate.")

    async def use(
        self,
        connection: AsyncConnection,
        principal: Principal,
        *,
        mandate_id: str,
        agent_id: str | None,
        asked: Mandated,
    ) -> Giver:
        del connection, principal, mandate_id, agent_id, asked
        raise NotPermitted("There is no such mandate.")

    async def present(self, connection: AsyncConnection, principal: Principal, paper: PaperMandate) -> tuple[str, str]:
        del connection, principal, paper
        raise NotPermitted("There is no such mandate.")


class NoSecondFactors:
    """Licences are sealed without a human's second factor; one that is asked for is a mistake."""

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        del connection, principal, factor, challenge
        raise NotAuthenticated("Nobody is here to confirm.")


@pytest.fixture(scope="session")
def renderer() -> Iterator[FaceRenderer]:
    with FaceRenderer(workers=2) as renderer:
        yield renderer


@pytest.fixture
def people(cipher: FieldCipher) -> People:
    return People(cipher)


@pytest.fixture
def ground(
    settings: Settings, database: Database, clock: FixedClock, audit: Audit, cipher: FieldCipher, blobs: BlobStore
) -> Ground:
    return Ground(settings, database, clock, audit, cipher, blobs)


@pytest.fixture
async def seal(ground: Ground) -> Seal:
    """Return the issuer's active statutory seal, in a city with keys, a directory and three published types."""
    return await prepared("licence vault", ground.settings, lambda: _found(ground))


async def _found(ground: Ground) -> Seal:
    directory = Directory(ground.database)
    async with ground.database.transaction() as connection:
        await directory.add_district(connection, District("500101", "演示市中心区"))
        await directory.add_organisation(connection, Organisation(ISSUER, ISSUER_NAME, "500101", "district"))
        await directory.add_organisation(
            connection, Organisation(OTHER_ISSUER, "演示市中心区公安局", "500101", "district")
        )
        await directory.add_matter(connection, Matter(MATTER, "食品经营许可", ISSUER))
    await initialise(ground.settings, ground.database, ground.clock, ground.cipher, (OPERATOR,))
    catalogue = Catalogue(ground.database, ground.clock, ground.audit)
    for licence_type in seeded_types():
        if licence_type.code in {FOOD, BUSINESS, ESTATE}:
            await catalogue.publish(SYSTEM, licence_type)
    async with ground.keys() as keys, ground.signing(keys, NoSecondFactors(), Officers()) as signing:
        seal = await signing.seals.apply(OPERATOR, SealApplication(ISSUER, SealKind.STATUTORY))
        await signing.seals.approve(SECOND_OPERATOR, seal.seal_id)
        await signing.seals.make(OPERATOR, seal.seal_id)
        await signing.seals.file(OPERATOR, seal.seal_id, filing_number="5001012026001")
        return await signing.seals.activate(OPERATOR, seal.seal_id)


@pytest.fixture
def directory(database: Database, seal: Seal) -> Directory:
    del seal
    return Directory(database)


@pytest.fixture
async def keys(ground: Ground, seal: Seal) -> AsyncIterator[Keys]:
    del seal
    async with ground.keys() as keys:
        yield keys


@pytest.fixture
async def signing(ground: Ground, keys: Keys) -> AsyncIterator[Signing]:
    async with ground.signing(keys, NoSecondFactors(), Officers()) as signing:
        yield signing


@pytest.fixture
def vault(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    cipher: FieldCipher,
    blobs: BlobStore,
    directory: Directory,
    keys: Keys,
    signing: Signing,
    people: People,
    renderer: FaceRenderer,
) -> Vault:
    """Return the vault with the three types of the main job published."""
    return assemble_vault(
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
        holders=people,
        officers=people,
        roles=people,
        mandates=NoMandates(),
        acts=people,
        renderer=renderer,
    )
