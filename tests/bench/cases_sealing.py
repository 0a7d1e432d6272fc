"""Sealing, beside stock pyHanko on the same document in the same run.

The engine rows do everything between a document and a checked B-T file but the database: update,
key, timestamp, CMS, verification's self-check. The service rows add intention, blob store and register.
"""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from foundation.audit import Audit
from foundation.blobs import BlobStore
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.directory import Directory, District, Organisation
from foundation.encryption import FieldCipher
from foundation.principal import SYSTEM, Channel, Principal, PrincipalKind
from foundation.settings import Profile, Settings
from keys.assembly import assemble
from keys.ceremony import initialise
from keys.model import KeyPurpose
from signing.assembly import assemble_signing
from signing.cms import SealCms
from signing.intentions import SealIntentions
from signing.levels import Levels
from signing.model import ActiveContentPolicy, BaselineLevel, SealApplication, SealKind, SealRequest
from signing.pades import SealFace
from signing.placement import Invisible, Rectangle, Seam
from signing.ports import SealExpectation
from signing.preparation import Order, make_ready
from signing.seal_image import draw
from signing.signature_field import finish
from signing.validation_data import ValidationDataSource
from tests.bench.case import Bench, Case
from tests.signing.conftest import BUREAU, OneCode
from tests.signing.documents import typeset
from tests.support.gate import full_gate
from tests.support.seal_officers import Officers
from verification.self_check import FastSelfCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from keys.assembly import Keys
    from signing.placement import Placement
    from tests.bench.case import Operation

SIZE = 50_000
NAME = "演示市食品药品监督管理局"
RSA, P256 = "rsa-3072-sha256", "ecdsa-p256-sha256"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def licence(pages: int = 1) -> bytes:
    """Return a PDF/A-3b of about 50 KB a document, as a licence with its attachment and fonts is."""
    document = typeset(pages)
    padding_bytes = os.urandom(max(0, (SIZE - len(document)) // 2)).hex()
    # A comment behind the header would move every offset; the attachment's place is taken by one more revision.
    at = int(document.rpartition(b"startxref")[2].split()[0])
    trailer = document[at:].partition(b"trailer")[2].partition(b"startxref")[0].strip()
    size = int(trailer.partition(b"/Size")[2].split(b"/")[0])
    body = b"\n%d 0 obj\n<</Length %d>>stream\n%s\nendstream\nendobj\n" % (
        size,
        len(padding_bytes),
        padding_bytes.encode(),
    )
    xref = len(document) + len(body)
    trailer = trailer.replace(b"/Size %d" % size, b"/Size %d/Prev %d" % (size + 1, at))
    table = b"xref\n%d 1\n%010d 00000 n \ntrailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        len(document) + 1,
        trailer,
        xref,
    )
    return document + body + table


def key_and_certificate(algorithm: str) -> tuple[PrivateKey, x509.Certificate]:
    """Return a seal key and its certificate."""
    key: PrivateKey = (
        rsa.generate_private_key(65537, 3072) if algorithm == RSA else ec.generate_private_key(ec.SECP256R1())
    )
    name = x509.Name.from_rfc4514_string(f"CN={NAME},O={NAME},C=CN")
    now = datetime.now(UTC)
    usage = x509.KeyUsage(False, True, False, False, False, False, False, False, False)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=365))
    return key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


@asynccontextmanager
async def a_key_store(bench: Bench) -> AsyncIterator[tuple[Keys, Database, Settings]]:
    """Yield a key store after its ceremony."""
    settings = Settings(
        profile=Profile.TEST,
        database_url=bench.database_url(),
        redis_url=bench.redis_url(),
        data_directory=bench.directory / "data",
        keystore_passphrase="passphrase of the benchmark",
        gate_sample=500,
    )
    database, clock, cipher = Database(settings.database_url), SystemClock(), FieldCipher({1: bytes(32)}, bytes(32))
    await initialise(settings, database, clock, cipher, (SYSTEM,))
    keys = assemble(settings, database, clock, cipher, intentions=SealIntentions())
    await keys.service.load()
    yield keys, database, settings
    await keys.close()
    await database.close()


@asynccontextmanager
async def engine(
    bench: Bench, algorithm: str, placement: Placement, *, pages: int = 1, level: BaselineLevel = BaselineLevel.B_T
) -> AsyncIterator[Operation]:
    """Seal to B-T, everything but the database."""
    async with a_key_store(bench) as (keys, _, _):
        key, certificate = key_and_certificate(algorithm)
        der = certificate.public_bytes(serialization.Encoding.DER)
        cms, face, check = (
            SealCms(algorithm, (der,)),
            SealFace(NAME, draw(SealKind.STATUTORY, NAME).form),
            FastSelfCheck(),
        )
        levels = Levels(ValidationDataSource(keys.ca, keys.ocsp), keys.tsa)
        timestamps = await keys.service.active(KeyPurpose.TSA)
        hashed, document = utils.Prehashed(hashes.SHA256()), licence(pages)
        room = cms.size_with(len(await keys.tsa.timestamp(bytes(32))) + 512)

        def sign(digest: bytes) -> bytes:
            if isinstance(key, rsa.RSAPrivateKey):
                return key.sign(digest, padding.PKCS1v15(), hashed)
            return key.sign(digest, ec.ECDSA(hashed))

        async def operation() -> int:
            now = datetime.now(UTC)
            prepared = make_ready(
                Order(document, face, placement, room, now, False, trusted=True,
                      active_content=ActiveContentPolicy.REFUSE)
            ).prepared  # fmt: skip
            signature = sign(cms.to_be_signed_digest(prepared.signed_bytes_digest))
            token = await keys.tsa.timestamp(hashlib.sha256(signature).digest())
            sealed = finish(document, prepared, cms.signed_data(prepared.signed_bytes_digest, signature, token))
            if level is BaselineLevel.B_LTA:
                sealed = (await levels.extend(sealed, level, timestamps.certificate_chain_der, token)).document
            expectation = SealExpectation(
                der, level, prepared.source_length, prepared.source_sha256, prepared.field_name
            )
            if findings := check.check(sealed, expectation):
                raise AssertionError(findings)
            return 1

        yield operation


def _for_pyhanko(algorithm: str) -> tuple[asn1_x509.Certificate, asn1_keys.PrivateKeyInfo]:
    key, certificate = key_and_certificate(algorithm)
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return asn1_x509.Certificate.load(der), asn1_keys.PrivateKeyInfo.load(pkcs8)


@asynccontextmanager
async def stock(bench: Bench, algorithm: str) -> AsyncIterator[Operation]:
    """Seal to B-T with pyHanko's SimpleSigner and a local timestamper."""
    del bench
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    certificate, private = _for_pyhanko(algorithm)
    signer = SimpleSigner(signing_cert=certificate, signing_key=private, cert_registry=store)
    timestamper = DummyTimeStamper(*_for_pyhanko(RSA), store)  # it knows RSA only
    metadata = PdfSignatureMetadata(field_name="Seal1", subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256")
    document = licence()

    async def operation() -> int:
        sealer = PdfSigner(
            metadata, signer, timestamper=timestamper, new_field_spec=SigFieldSpec("Seal1", box=(380, 80, 499, 199))
        )
        await sealer.async_sign_pdf(IncrementalPdfFileWriter(io.BytesIO(document)))
        return 1

    yield operation


@asynccontextmanager
async def service(bench: Bench) -> AsyncIterator[Operation]:
    """Seal a licence through the service: intention, key, timestamp, check, blob store, register."""
    async with a_key_store(bench) as (keys, database, settings):
        clock, cipher = SystemClock(), FieldCipher({1: bytes(32)}, bytes(32))
        directory = Directory(database)
        async with database.transaction() as connection:
            await directory.add_district(connection, District("500100", "演示市"))
            await directory.add_organisation(connection, Organisation(BUREAU, NAME, "500100", "city"))
        signing = assemble_signing(
            settings, database, clock=clock, audit=Audit(clock), cipher=cipher,
            blobs=BlobStore.in_directory(bench.directory / "blobs", cipher), directory=directory,
            keys=keys, self_check=FastSelfCheck(), full_gate=full_gate(keys, clock),
            second_factors=OneCode(), officers=Officers(),
        )  # fmt: skip
        operators = [Principal(PrincipalKind.OPERATOR, name, channel=Channel.SYSTEM) for name in ("a", "b")]
        seal = await signing.seals.apply(operators[0], SealApplication(BUREAU, SealKind.STATUTORY))
        await signing.seals.approve(operators[1], seal.seal_id)
        await signing.seals.make(operators[1], seal.seal_id)
        await signing.seals.file(operators[1], seal.seal_id, filing_number="1")
        await signing.seals.activate(operators[1], seal.seal_id)
        client = Principal(
            PrincipalKind.CLIENT, "bureau", organisation_code=BUREAU, scopes=frozenset({"licence:issue"})
        )
        request = SealRequest(seal.seal_id, licence(), Rectangle(1, 380, 80), face="bench")

        async def operation() -> int:
            await signing.sealing.seal_licence(client, request)
            return 1

        yield operation
        await signing.close()


def _engine(
    algorithm: str, placement: Placement, *, pages: int = 1, level: BaselineLevel = BaselineLevel.B_T
) -> Callable[[Bench], AbstractAsyncContextManager[Operation]]:
    return lambda bench: engine(bench, algorithm, placement, pages=pages, level=level)


PLACE = Rectangle(1, 380, 80)
CASES = (
    Case("sealing: stock pyHanko, RSA-3072", lambda bench: stock(bench, RSA), warm_up=1),
    Case("sealing: stock pyHanko, P-256", lambda bench: stock(bench, P256), warm_up=1),
    Case("sealing: B-T, P-256, engine", _engine(P256, Invisible()), against="sealing: stock pyHanko, RSA-3072"),
    Case("sealing: B-T with image, P-256, engine", _engine(P256, PLACE), against="sealing: stock pyHanko, P-256"),
    Case("sealing: B-T with image, RSA-3072, engine", _engine(RSA, PLACE), against="sealing: stock pyHanko, RSA-3072"),
    Case("sealing: B-LTA, P-256, engine", _engine(P256, PLACE, level=BaselineLevel.B_LTA)),
    Case("sealing: B-T, seam over 100 pages, engine", _engine(P256, Seam(), pages=100), warm_up=1),
    Case("sealing: B-T with image, P-256, service", service, against="sealing: stock pyHanko, P-256"),
    Case("sealing: B-T, P-256, service, 8 at a time", service, against="sealing: stock pyHanko, P-256", concurrency=8),
)
