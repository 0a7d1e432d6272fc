"""Verdicts: by identifier, by code offline and online, by PDF beside pdfsig and stock pyHanko."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from asn1crypto import crl
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from sqlalchemy import text

from foundation.principal import ANONYMOUS
from foundation.settings import Profile, Settings
from tests.bench.case import Bench, Case
from tests.signing.peers import ades_lta
from tests.verification.city import BUREAU, small_city
from tests.verification.pki import NOW, Pki
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal
from tests.verification.test_offline import opened
from tests.verification.test_qr import CLAIMS, code_text
from tests.verification.test_qr import NOW as CODE_NOW
from verification.log.merkle import Tiles, leaf_hash
from verification.offline import judge_code_offline
from verification.sandbox import Sandbox
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.case import Operation
    from tests.verification.city import City

CODES, LEAVES = 100, 10_000
ROWS = text(
    "INSERT INTO audit_log (recorded_at, actor, action, object_type, object_id, channel, salt, commitment)"
    " SELECT now(), 'system:system', 'bench.act', 'thing', n::text, 'system', sha256(n::text::bytea),"
    " sha256((random()::text || n)::bytea) FROM generate_series(1, :count) n"
)


@asynccontextmanager
async def city_of(bench: Bench) -> AsyncIterator[City]:
    """Open a small city over fresh servers."""
    settings = Settings(
        profile=Profile.TEST,
        database_url=bench.database_url(),
        redis_url=bench.redis_url(),
        data_directory=bench.directory,
        keystore_passphrase="passphrase of the bench",
        field_keys="1:" + "A" * 43 + "=",
        index_key="A" * 43 + "=",
    )
    async with small_city(settings) as city:
        await bench.watch_database(settings.database_url)
        yield city


@asynccontextmanager
async def by_identifier(bench: Bench) -> AsyncIterator[Operation]:
    """Judge one of twenty licences by identifier, with audit row and signed receipt."""
    async with city_of(bench) as city:
        identifiers = [(await city.issue(f"case-{number}")).identifier for number in range(20)]
        place = 0

        async def operation() -> int:
            nonlocal place
            place = (place + 1) % len(identifiers)
            await city.application.services.verification.by_identifier(ANONYMOUS, identifiers[place])
            return 1

        yield operation


@asynccontextmanager
async def by_code(bench: Bench) -> AsyncIterator[Operation]:
    """Judge a code online, with audit row and signed receipt."""
    async with city_of(bench) as city:
        code = (await city.issue()).qr_text

        async def operation() -> int:
            await city.application.services.verification.by_qr(ANONYMOUS, code)
            return 1

        yield operation


@asynccontextmanager
async def known_document(bench: Bench) -> AsyncIterator[Operation]:
    """Judge a licence PDF whose digest is on record."""
    async with city_of(bench) as city:
        licence = await city.issue()
        pdf = (await city.application.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf

        async def operation() -> int:
            await city.application.services.verification.by_pdf(ANONYMOUS, pdf)
            return 1

        yield operation


@asynccontextmanager
async def by_code_offline(bench: Bench) -> AsyncIterator[Operation]:
    """Judge a code by a pack, one core, no service."""
    del bench
    code, pack = code_text(CLAIMS), opened()

    async def operation() -> int:
        for _ in range(CODES):
            judge_code_offline(code, pack, at=CODE_NOW)
        return CODES

    yield operation


def documents() -> tuple[Pki, bytes, bytes]:
    """Return a PKI, a B-T document and a B-LTA one."""
    pki = Pki()
    basic = seal(blank(pages=2), pki)
    return pki, basic, add_document_timestamp(add_dss(basic, pki), pki)


@asynccontextmanager
async def through_the_gate(bench: Bench, *, long_term: bool) -> AsyncIterator[Operation]:
    """Judge a stranger's PDF after another, in a sandbox as the service has it."""
    pki, basic, archived = documents()
    document = archived if long_term else basic
    material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    sandbox = Sandbox()
    await sandbox.start()
    for process_id in sandbox.process_ids():
        bench.watch(process_id)

    async def operation() -> int:
        await sandbox.validate(document, material, at=NOW)
        return 1

    yield operation
    await sandbox.close()


@asynccontextmanager
async def stock_pyhanko(bench: Bench) -> AsyncIterator[Operation]:
    """Judge the B-T document with pyHanko as its manual shows, in process."""
    del bench
    pki, basic, _ = documents()
    lists = [crl.CertificateList.load(der) for der in pki.crls()]

    async def operation() -> int:
        context = ValidationContext(
            trust_roots=[pki.root.asn1], other_certs=[pki.issuing.asn1], crls=lists, moment=NOW, allow_fetching=False
        )
        status = await async_validate_pdf_signature(PdfFileReader(io.BytesIO(basic)).embedded_signatures[0], context)
        assert status.bottom_line, "stock pyHanko does not pass the sample"
        return 1

    yield operation


@asynccontextmanager
async def stock_pyhanko_long_term(bench: Bench) -> AsyncIterator[Operation]:
    """Judge the B-LTA document with pyHanko's AdES procedure for archived signatures, in process."""
    del bench
    pki, _, archived = documents()

    async def operation() -> int:
        result = await ades_lta(archived, pki.root.der, NOW)
        assert result.ades_subindic is AdESPassed.OK, result.ades_subindic
        return 1

    yield operation


@asynccontextmanager
async def pdfsig(bench: Bench, *, long_term: bool) -> AsyncIterator[Operation]:
    """Judge a document with poppler's pdfsig, which here checks the signatures alone."""
    _, basic, archived = documents()
    path = bench.directory / "sample.pdf"
    path.write_bytes(archived if long_term else basic)

    async def operation() -> int:
        process = await asyncio.create_subprocess_exec(
            "pdfsig",
            "-nocert",
            str(path),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        printed, _ = await process.communicate()
        if b"Signature is Valid" not in printed:
            message = "pdfsig does not pass the sample"
            raise RuntimeError(message)
        return 1

    yield operation


@asynccontextmanager
async def log_leaves(bench: Bench) -> AsyncIterator[Operation]:
    """Append leaves to the tree, tiles in memory."""
    del bench
    leaves = [leaf_hash(number.to_bytes(32, "big")) for number in range(LEAVES)]
    tiles, size = Tiles(), 0

    async def operation() -> int:
        nonlocal size
        tiles.append(size, leaves)
        size += LEAVES
        return LEAVES

    yield operation


@asynccontextmanager
async def log_rows(bench: Bench) -> AsyncIterator[Operation]:
    """Sequence committed audit rows into the stored tree and sign it, PostgreSQL's share counted."""
    async with city_of(bench) as city:
        database, log = city.application.services.database, city.application.verification.log
        await log.sequence()

        async def operation() -> int:
            async with database.transaction() as connection:
                await connection.execute(ROWS, {"count": LEAVES})
            return await log.sequence()

        yield operation


CASES = (
    Case("verification: by identifier", by_identifier, concurrency=32),
    Case("verification: code online", by_code, concurrency=32),
    Case("verification: code offline", by_code_offline),
    Case("verification: pdfsig, B-T", partial(pdfsig, long_term=False)),
    Case("verification: pdfsig, B-LTA", partial(pdfsig, long_term=True)),
    Case("verification: stock pyHanko, B-T", stock_pyhanko),
    Case("verification: stock pyHanko, B-LTA", stock_pyhanko_long_term),
    Case("verification: PDF B-T", partial(through_the_gate, long_term=False), against="verification: pdfsig, B-T"),
    Case(
        "verification: PDF B-LTA",
        partial(through_the_gate, long_term=True),
        against="verification: stock pyHanko, B-LTA",
    ),
    Case("verification: known PDF", known_document, against="verification: pdfsig, B-T"),
    Case("verification: log leaves", log_leaves),
    Case("verification: log rows sequenced", log_rows, warm_up=1),
)
