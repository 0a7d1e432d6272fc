"""Tokens, timestamps, certificate status and seal digests; each beside a bare signature or another library."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import cbor2
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from sqlalchemy import text, update

from foundation.clock import SystemClock
from foundation.database import Database
from foundation.encryption import FieldCipher
from foundation.principal import SYSTEM, Principal, PrincipalKind
from foundation.settings import Profile, Settings
from keys.assembly import assemble
from keys.ceremony import initialise
from keys.dual_control import Act
from keys.model import KeyPurpose
from keys.seal_proofs import Confirmer, ConfirmerKind, record_proof
from signing.cms import SealCms
from signing.intention import Layout
from signing.intention_repository import IntentionRepository
from signing.intentions import SealIntentions
from signing.tables import seal_intentions
from tests.bench.case import Bench, Case
from tests.support.authenticator import Authenticator, b64url, unb64url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keys.assembly import Keys
    from keys.model import KeyInfo
    from tests.bench.case import Operation

CREDIT_CODE = "11500100009001018B"
DIGEST = hashlib.sha256(b"bench").digest()
CLAIMS = {
    "iss": "https://id.example.gov.cn",
    "sub": "acc_06h09lbjvdqa138l4j3fn6rrho",
    "aud": "https://id.example.gov.cn/api",
    "scope": "licence:read licence:status",
    "iat": 1_790_000_000,
    "exp": 1_790_000_300,
    "jti": "tok_06h09lbj81qh767ouakih69et0",
}
SEAL = """
INSERT INTO seals (seal_id, organisation_code, organisation_name, kind, name, lower_text, state, algorithm, applied_by,
    applied_at, approved_by, approved_at, state_changed_at)
VALUES ('sel_bench', '11500100009001018B', '演示市', 'business', '演示市', '', 'approved', 'ES256', 'a', now(), 'b',
    now(), now())
"""
INTENTION = """
INSERT INTO seal_intentions (intention_id, seal_id, key_id, organisation_code, requested_by, channel, level, placement,
    document_digest, signed_bytes_digest, to_be_signed_digest, challenge, state, layout, created_at, expires_at)
VALUES ('int_bench', 'sel_bench', :key_id, '11500100009001018B', 'a', 'api', 'B-B', '{}', :digest, :digest, :digest,
    :digest, 'intended', '{}', now(), now() + interval '1 hour')
"""


def settings_of(bench: Bench) -> Settings:
    """Return settings over a fresh database."""
    return Settings(
        profile=Profile.TEST,
        database_url=bench.database_url(),
        redis_url=bench.redis_url(),
        data_directory=bench.directory,
        keystore_passphrase="passphrase of the bench",
        field_keys="1:" + "A" * 43 + "=",
        index_key="A" * 43 + "=",
    )


@asynccontextmanager
async def opened(bench: Bench, settings: Settings | None = None) -> AsyncIterator[tuple[Keys, Database]]:
    """Hold a ceremony and yield the keys, with a seal approved; with a socket, the signer is a process."""
    settings = settings or settings_of(bench)
    database, cipher, clock = Database(settings.database_url), FieldCipher({1: bytes(32)}, bytes(32)), SystemClock()
    await initialise(settings, database, clock, cipher, (SYSTEM,))
    process = await start_signer(bench, settings) if settings.signer_socket else None
    keys = assemble(settings, database, clock, cipher, intentions=SealIntentions())
    await keys.service.load()
    async with database.transaction() as connection:
        await connection.execute(text(SEAL))
    yield keys, database
    await keys.close()
    await database.close()
    if process is not None:
        process.terminate()
        await process.wait()


async def start_signer(bench: Bench, settings: Settings) -> asyncio.subprocess.Process:
    """Run `hufu signer` beside us and count its time."""
    environment = {
        **os.environ,
        "HUFU_PROFILE": "test",
        "HUFU_DATABASE_URL": settings.database_url,
        "HUFU_REDIS_URL": settings.redis_url,
        "HUFU_DATA_DIRECTORY": str(settings.data_directory),
        "HUFU_FIELD_KEYS": settings.field_keys.get_secret_value(),
        "HUFU_INDEX_KEY": settings.index_key.get_secret_value(),
        "HUFU_KEYSTORE_PASSPHRASE": settings.keystore_passphrase.get_secret_value(),
        "HUFU_SIGNER_SOCKET": settings.signer_socket,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "hufu", "signer", env=environment, stdout=PIPE)
    if process.stdout is None or b"listens" not in await process.stdout.readline():
        message = "the signer did not start"
        raise RuntimeError(message)
    bench.watch(process.pid)
    return process


async def sealed_by(keys: Keys, database: Database) -> KeyInfo:
    """Return a certified seal key with a stored intention for DIGEST."""
    key = await keys.service.create(SYSTEM, KeyPurpose.SEAL, "sel_bench")
    info = await keys.ca.issue_organisation_seal(
        SYSTEM, key.key_id, organisation_name="演示市", credit_code=CREDIT_CODE, seal_name="演示市"
    )
    async with database.transaction() as connection:
        await connection.execute(text(INTENTION), {"key_id": info.key_id, "digest": DIGEST})
    return info


@asynccontextmanager
async def bare_signature(bench: Bench) -> AsyncIterator[Operation]:
    """Sign with P-256 and nothing else."""
    del bench
    key, algorithm = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256())

    async def operation() -> int:
        key.sign(DIGEST, algorithm)
        return 1

    yield operation


@asynccontextmanager
async def token(bench: Bench) -> AsyncIterator[Operation]:
    """Make an ES256 access token."""
    async with opened(bench) as (keys, _):

        async def operation() -> int:
            keys.tokens.sign(CLAIMS, typ="at+jwt")
            return 1

        yield operation


@asynccontextmanager
async def pyjwt_token(bench: Bench) -> AsyncIterator[Operation]:
    """Make the same token with PyJWT."""
    del bench
    key = ec.generate_private_key(ec.SECP256R1())

    async def operation() -> int:
        jwt.encode(CLAIMS, key, algorithm="ES256", headers={"kid": "key_bench", "typ": "at+jwt"})
        return 1

    yield operation


@asynccontextmanager
async def timestamp(bench: Bench) -> AsyncIterator[Operation]:
    """Answer an RFC 3161 request."""
    async with opened(bench) as (keys, _):

        async def operation() -> int:
            await keys.tsa.timestamp(DIGEST, nonce=1 << 62)
            return 1

        yield operation


def self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a certificate for a peer's key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = SystemClock().now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, SHA256())


@asynccontextmanager
async def remote_timestamp(bench: Bench) -> AsyncIterator[Operation]:
    """Answer through the signer process."""
    settings = settings_of(bench).model_copy(update={"signer_socket": str(bench.directory / "signer.sock")})
    async with opened(bench, settings) as (keys, _):

        async def operation() -> int:
            await keys.tsa.timestamp(DIGEST, nonce=1 << 62)
            return 1

        yield operation


def status_request(info: KeyInfo, *, nonce: bool) -> bytes:
    """Return an OCSP request for a certificate."""
    leaf, issuer = (x509.load_der_x509_certificate(der) for der in info.certificate_chain_der)
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA256())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(bytes(32)), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@asynccontextmanager
async def status_with_nonce(bench: Bench) -> AsyncIterator[Operation]:
    """Answer an OCSP request that wants a fresh signature."""
    async with opened(bench) as (keys, database):
        request = status_request(await sealed_by(keys, database), nonce=True)

        async def operation() -> int:
            await keys.ocsp.respond(request)
            return 1

        yield operation


@asynccontextmanager
async def status_presigned(bench: Bench) -> AsyncIterator[Operation]:
    """Answer an OCSP request without nonce."""
    async with opened(bench) as (keys, database):
        request = status_request(await sealed_by(keys, database), nonce=False)

        async def operation() -> int:
            await keys.ocsp.respond(request)
            return 1

        yield operation


@asynccontextmanager
async def cryptography_status(bench: Bench) -> AsyncIterator[Operation]:
    """Answer the same with the builder of `cryptography`."""
    async with opened(bench) as (keys, database):
        info = await sealed_by(keys, database)
        request_der = status_request(info, nonce=True)
        leaf, issuer = (x509.load_der_x509_certificate(der) for der in info.certificate_chain_der)
        key = ec.generate_private_key(ec.SECP256R1())
        responder = self_signed(key)

        async def operation() -> int:
            request = ocsp.load_der_ocsp_request(request_der)
            now = SystemClock().now()
            ocsp.OCSPResponseBuilder().add_response(
                leaf, issuer, SHA256(), ocsp.OCSPCertStatus.GOOD, now, now + timedelta(hours=1), None, None
            ).responder_id(ocsp.OCSPResponderEncoding.HASH, responder).certificates([responder]).add_extension(
                request.extensions[0].value, critical=False
            ).sign(key, SHA256()).public_bytes(Encoding.DER)
            return 1

        yield operation


@asynccontextmanager
async def seal_digest(bench: Bench) -> AsyncIterator[Operation]:
    """Sign a seal's digest after reading key state and intention from the database."""
    async with opened(bench) as (keys, database):
        info = await sealed_by(keys, database)

        async def operation() -> int:
            await keys.service.sign_digest(info.key_id, KeyPurpose.SEAL, DIGEST, intention_id="int_bench")
            return 1

        yield operation


@asynccontextmanager
async def proven_seal_digest(bench: Bench) -> AsyncIterator[Operation]:
    """Do the same where the signer also checks the officer's passkey."""
    settings = settings_of(bench).model_copy(update={"seal_proof": "required"})
    async with opened(bench, settings) as (keys, database):
        info = await sealed_by(keys, database)
        digest = await confirmed(keys, database, info, Authenticator(settings.issuer))

        async def operation() -> int:
            await keys.service.sign_digest(info.key_id, KeyPurpose.SEAL, digest, intention_id="int_bench")
            return 1

        yield operation


async def confirmed(keys: Keys, database: Database, info: KeyInfo, device: Authenticator) -> bytes:
    """Make the stored intention a whole one, confirm it by a pinned passkey, and return its digest."""
    credential = json.loads(device.create({"rp": {"id": "localhost"}, "user": {"id": "AA"}, "challenge": "AA"}))
    attested = cbor2.loads(unb64url(credential["response"]["attestationObject"]))["authData"]
    identifier = unb64url(credential["id"])
    public_key = attested[attested.index(identifier) + len(identifier) :]
    digest = SealCms(info.algorithm, info.certificate_chain_der).to_be_signed_digest(DIGEST)
    values = {
        "requested_by": "officer:off_bench",
        "to_be_signed_digest": digest,
        "layout": Layout(0, DIGEST, 0, 0, DIGEST, "", ()).to_json(),
        "placement": {"kind": "invisible"},
    }
    confirmer = Confirmer(ConfirmerKind.PASSKEY, credential["id"], "officer:off_bench", CREDIT_CODE, public_key)
    asks, pins = (Principal(PrincipalKind.OPERATOR, name) for name in ("wang", "li"))
    await keys.service.request(asks, Act.PIN, confirmer.confirmer_id)
    await keys.service.pin(pins, confirmer)
    async with database.transaction() as connection:
        await connection.execute(update(seal_intentions).values(values))
        found = await IntentionRepository(connection).find("int_bench")
        if found is None:
            message = "the bench has no intention"
            raise RuntimeError(message)
        assertion = device.get({"challenge": b64url(found[0].challenge)})
        await record_proof(connection, "int_bench", ConfirmerKind.PASSKEY, assertion)
    return digest


@asynccontextmanager
async def remote_seal_digest(bench: Bench) -> AsyncIterator[Operation]:
    """Do the same through the signer process."""
    settings = settings_of(bench).model_copy(update={"signer_socket": str(bench.directory / "signer.sock")})
    async with opened(bench, settings) as (keys, database):
        info = await sealed_by(keys, database)

        async def operation() -> int:
            await keys.service.sign_digest(info.key_id, KeyPurpose.SEAL, DIGEST, intention_id="int_bench")
            return 1

        yield operation


_SIGNATURE = "keys: P-256 signature, bare"
CASES = (
    Case(_SIGNATURE, bare_signature),
    Case("keys: ES256 token, PyJWT", pyjwt_token),
    Case("keys: ES256 token", token, against="keys: ES256 token, PyJWT"),
    Case("keys: timestamp", timestamp, against=_SIGNATURE),
    Case("keys: timestamp, signer process", remote_timestamp, against="keys: timestamp", concurrency=32),
    Case("keys: OCSP, cryptography", cryptography_status),
    Case("keys: OCSP, nonce", status_with_nonce, against="keys: OCSP, cryptography"),
    Case("keys: OCSP, pre-signed", status_presigned, against="keys: OCSP, cryptography"),
    Case("keys: seal digest", seal_digest, against=_SIGNATURE),
    Case("keys: seal digest, passkey checked", proven_seal_digest, against="keys: seal digest"),
    Case("keys: seal digest, signer process", remote_seal_digest, against="keys: seal digest", concurrency=16),
)
