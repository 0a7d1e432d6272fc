"""Licences: issued end to end, rendered alone, and history brought in."""

from __future__ import annotations

import base64
import csv
import itertools
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.audit import Audit
from foundation.blobs import BlobStore
from foundation.clock import SystemClock, civil_date
from foundation.database import Database
from foundation.directory import Directory, District, Organisation
from foundation.encryption import FieldCipher
from foundation.principal import SYSTEM, Channel, Principal, PrincipalKind
from foundation.settings import Profile, Settings
from keys.assembly import assemble
from keys.ceremony import initialise
from licence_vault.assembly import assemble_vault
from licence_vault.catalogue import seeded_types
from licence_vault.faces import FaceFacts, template_values
from licence_vault.model import Holder
from licence_vault.qr import symbol
from licence_vault.rendering import FaceRenderer
from signing.assembly import assemble_signing
from signing.intentions import SealIntentions
from signing.model import SealApplication, SealKind
from tests.bench.case import Case
from tests.licence_vault.conftest import BUREAU, NoMandates, NoSecondFactors, People
from tests.licence_vault.samples import FACES, FOOD, ISSUER, ISSUER_NAME, citizen, food_request
from tests.licence_vault.test_backfill import row
from tests.support.gate import full_gate
from tests.support.seal_officers import Officers
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from licence_vault.assembly import Vault
    from tests.bench.case import Bench, Operation

IMPORT_ROWS = 5000
OPERATORS = tuple(Principal(PrincipalKind.OPERATOR, name, channel=Channel.SYSTEM) for name in ("opr_a", "opr_b"))
TYPE = next(one for one in seeded_types() if one.code == FOOD)


@asynccontextmanager
async def _vault(bench: Bench, renderer: FaceRenderer) -> AsyncIterator[Vault]:
    """Yield a vault with keys, an active seal and one type, as a service would have it."""
    settings = Settings(
        profile=Profile.TEST,
        database_url=bench.database_url(),
        redis_url=bench.redis_url(),
        data_directory=bench.directory,
        field_keys="1:" + base64.b64encode(bytes(32)).decode(),
        index_key=base64.b64encode(bytes(32)).decode(),
        keystore_passphrase="passphrase of the measurement",
        gate_sample=500,
    )
    database, clock = Database(settings.database_url), SystemClock()
    audit, cipher = Audit(clock), FieldCipher({1: bytes(32)}, bytes(32))
    blobs, directory = BlobStore.in_directory(bench.directory / "blobs", cipher), Directory(database)
    async with database.transaction() as connection:
        await directory.add_district(connection, District("500101", "演示市中心区"))
        await directory.add_organisation(connection, Organisation(ISSUER, ISSUER_NAME, "500101", "district"))
    await initialise(settings, database, clock, cipher, OPERATORS[:1])
    keys = assemble(settings, database, clock, cipher, intentions=SealIntentions())
    await keys.service.load()
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
        second_factors=NoSecondFactors(),
        officers=Officers(),
    )
    seal = await signing.seals.apply(OPERATORS[0], SealApplication(ISSUER, SealKind.STATUTORY))
    await signing.seals.approve(OPERATORS[1], seal.seal_id)
    await signing.seals.make(OPERATORS[0], seal.seal_id)
    await signing.seals.file(OPERATORS[0], seal.seal_id, filing_number="5001012026001")
    await signing.seals.activate(OPERATORS[0], seal.seal_id)
    people = People(cipher)
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
        holders=people,
        officers=people,
        roles=people,
        mandates=NoMandates(),
        acts=people,
        renderer=renderer,
    )
    await vault.catalogue.publish(SYSTEM, TYPE)
    yield vault
    await signing.close()
    await keys.close()
    await database.close()


@asynccontextmanager
async def issue(bench: Bench) -> AsyncIterator[Operation]:
    """Issue licences: checked, numbered, rendered, sealed B-T, stored."""
    with FaceRenderer() as renderer:
        await renderer.warm()
        async with _vault(bench, renderer) as vault:
            numbers = itertools.count()
            today = civil_date(SystemClock().now())
            last = today + timedelta(days=1000)

            async def operation() -> int:
                await vault.licences.issue(
                    BUREAU, food_request(f"bench-{next(numbers)}", valid_from=today, valid_to=last)
                )
                return 1

            yield operation


@asynccontextmanager
async def render(bench: Bench) -> AsyncIterator[Operation]:
    """Render the same face and nothing else: what issuing cannot be faster than."""
    del bench
    today = civil_date(SystemClock().now())
    facts = FaceFacts(
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "JY25001010012345",
        ISSUER,
        ISSUER_NAME,
        (Holder("陈伟", "111", citizen()),),
        FACES[FOOD],
        today,
        today,
        None,
    )
    values = template_values(TYPE, facts, qr=symbol("HTTP://LOCALHOST/V#HF1" + "A2B7" * 100), metadata_json="{}")
    with FaceRenderer() as renderer:
        await renderer.warm()

        async def operation() -> int:
            await renderer.render(TYPE.template, values, dated=today)
            return 1

        yield operation


@asynccontextmanager
async def backfill(bench: Bench) -> AsyncIterator[Operation]:
    """Import files of history of five thousand rows each."""
    with FaceRenderer() as renderer:
        async with _vault(bench, renderer) as vault:
            numbers = itertools.count(1)

            async def operation() -> int:
                path = bench.directory / "history.csv"
                rows = [row(next(numbers)) for _ in range(IMPORT_ROWS)]
                with path.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, list(rows[0]))
                    writer.writeheader()
                    writer.writerows(rows)
                done = await vault.backfill.run(
                    OPERATORS[0], path, file_format="csv", issuer_code=ISSUER, type_code=FOOD
                )
                return done.accepted

            yield operation


CASES = (
    Case("licences: render a face", render, concurrency=2),
    Case("licences: issue", issue, against="licences: render a face", concurrency=4),
    Case("licences: import a row", backfill, warm_up=1),
)
