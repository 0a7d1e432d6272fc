"""The signer process, and what a web process that was taken over can do with it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cbor2
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_private_key
from pydantic import SecretStr
from sqlalchemy import select, text

from foundation.clock import SystemClock
from foundation.errors import InvalidInput
from keys.assembly import Keys, assemble, assemble_signer
from keys.ca import Issuer, RevocationReason
from keys.errors import (
    IntentionMissing,
    KeyNotUsable,
    KeystoreLocked,
    ProviderUnavailable,
    WrongPurpose,
)
from keys.keyring import KeyRing
from keys.model import Custody, KeyPurpose, KeyState
from keys.repository import KeyRepository
from keys.signer.client import SignerClient
from keys.signer.port import Signer
from keys.signer.server import SignerServer, peer_uid
from keys.signer.wire import OPERATIONS, PRINCIPAL, frame
from keys.tables import keys as keys_table
from signing.intentions import SealIntentions
from tests.keys.support import CREDIT_CODE, digest_of, make_seal
from tests.keys.test_use import check
from tests.support.ground import hold_ceremony

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings

WEB_USER = 65533
SEALS = """
INSERT INTO seals (seal_id, organisation_code, organisation_name, kind, name, lower_text, state, algorithm, applied_by,
    applied_at, approved_by, approved_at, state_changed_at)
VALUES (:seal_id, :code, '演示市食品药品监督管理局', 'business', '演示市食品药品监督管理局', '', 'approved', 'ES256',
    'operator:opr_first', now(), 'operator:opr_second', now(), now())
"""
INTENTION = """
INSERT INTO seal_intentions (intention_id, seal_id, key_id, organisation_code, requested_by, channel, level,
    placement, document_digest, signed_bytes_digest, to_be_signed_digest, challenge, state, layout,
    created_at, expires_at)
VALUES (:intention_id, 'sel_one', :key_id, '11500100009001018B', 'ofc_1', 'web', 'B-B', '{}', :digest, :digest,
    :digest, :digest, :state, '{}', now(), now() + interval '5 minutes')
"""


@pytest.fixture
def separate(settings: Settings, tmp_path: Path) -> Settings:
    """Give the signer a passphrase and a socket of its own."""
    return settings.model_copy(
        update={"signer_passphrase": SecretStr("only the signer knows"), "signer_socket": str(tmp_path / "signer.sock")}
    )


@pytest.fixture
def web(separate: Settings) -> Settings:
    """Return what a web process is told: everything but the signer's passphrase."""
    return separate.model_copy(update={"signer_passphrase": SecretStr(""), "pkcs11_pin": SecretStr("")})


@asynccontextmanager
async def signer_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `hufu signer` as an operator would."""
    environment = {
        "PATH": os.environ["PATH"],
        "HUFU_PROFILE": "test",
        "HUFU_DATABASE_URL": settings.database_url,
        "HUFU_REDIS_URL": settings.redis_url,
        "HUFU_DATA_DIRECTORY": str(settings.data_directory),
        "HUFU_FIELD_KEYS": settings.field_keys.get_secret_value(),
        "HUFU_INDEX_KEY": settings.index_key.get_secret_value(),
        "HUFU_KEYSTORE_PASSPHRASE": settings.keystore_passphrase.get_secret_value(),
        "HUFU_SIGNER_PASSPHRASE": settings.signer_passphrase.get_secret_value(),
        "HUFU_SIGNER_SOCKET": settings.signer_socket,
        "HUFU_PKI_URL": settings.pki_url,
        "HUFU_KEY_PROVIDER": settings.key_provider,
        "HUFU_PKCS11_MODULE": settings.pkcs11_module,
        "HUFU_PKCS11_TOKEN": settings.pkcs11_token,
        "HUFU_PKCS11_PIN": settings.pkcs11_pin.get_secret_value(),
        "SOFTHSM2_CONF": os.environ.get("SOFTHSM2_CONF", ""),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "hufu", "signer", env=environment, stdout=PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert b"listens" in await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # Python 3.11 closes it in a finaliser, too late


@pytest.fixture
async def opened(separate: Settings, database: Database, cipher: FieldCipher) -> None:
    await hold_ceremony("signer", separate, database, SystemClock(), cipher)


@pytest.fixture
async def behind_socket(
    opened: None, separate: Settings, web: Settings, database: Database, cipher: FieldCipher
) -> AsyncIterator[Keys]:
    """Return the keys as a web process sees them; the signer runs in this process, behind its socket."""
    del opened
    signer = assemble_signer(separate, database, SystemClock(), cipher, SealIntentions())
    server = SignerServer(signer, Path(separate.signer_socket), allowed_uids=frozenset({WEB_USER}))
    await server.start()
    keys = assemble(web, database, SystemClock(), cipher)
    await keys.service.load()
    await approve_seals(database)
    yield keys
    await keys.close()
    await server.close()


async def approve_seals(database: Database) -> None:
    async with database.transaction() as connection:
        for seal_id in ("sel_one", "sel_two"):
            await connection.execute(text(SEALS), {"seal_id": seal_id, "code": CREDIT_CODE})


async def intend(database: Database, key_id: str, digest: bytes, intention_id: str = "int_1") -> None:
    """Store a confirmed intention as `signing` does."""
    async with database.transaction() as connection:
        values = {"intention_id": intention_id, "key_id": key_id, "digest": digest, "state": "intended"}
        await connection.execute(text(INTENTION), values)


async def test_everything_works_through_the_socket(
    behind_socket: Keys, database: Database, operator: Principal
) -> None:
    keys, digest = behind_socket, digest_of("a")
    seal = await make_seal(keys, operator)
    await intend(database, seal.key_id, digest)
    check(seal, await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1"), digest)
    assert (await keys.tsa.timestamp(digest, nonce=1 << 70)).startswith(b"\x30")
    assert (await keys.ocsp.response_for(seal.certificate_chain_der[0])).startswith(b"\x30")
    assert (await keys.ca.crl_der(Issuer.SEALS)).startswith(b"\x30")
    (certificate,) = await keys.ca.search(key_id=seal.key_id)
    await keys.ca.revoke(operator, certificate.serial, RevocationReason.SUPERSEDED)
    assert (await keys.service.get(seal.key_id)).state is KeyState.RETIRED
    with pytest.raises(KeyNotUsable):
        await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1")
    assert keys.tokens.sign({}, typ="JWT")


async def test_an_unintended_digest_is_not_sealed(behind_socket: Keys, database: Database, operator: Principal) -> None:
    seal = await make_seal(behind_socket, operator)
    other = await make_seal(behind_socket, operator, "sel_two")
    await intend(database, seal.key_id, digest_of("intended"))
    service = behind_socket.service
    attempts = (
        (seal.key_id, KeyPurpose.SEAL, digest_of("not intended"), "int_1", IntentionMissing),
        (other.key_id, KeyPurpose.SEAL, digest_of("intended"), "int_1", IntentionMissing),
        (seal.key_id, KeyPurpose.SEAL, digest_of("intended"), None, IntentionMissing),
        (seal.key_id, KeyPurpose.QR, digest_of("not intended"), None, WrongPurpose),
        (seal.key_id, KeyPurpose.SEAL, b"short", "int_1", InvalidInput),
    )
    for key_id, purpose, digest, intention_id, refusal in attempts:
        with pytest.raises(refusal):
            await service.sign_digest(key_id, purpose, digest, intention_id=intention_id)
    with pytest.raises(WrongPurpose):
        await service.sign_message(seal.key_id, KeyPurpose.SEAL, b"not intended")


async def test_authority_keys_sign_nothing_that_comes_over_the_socket(behind_socket: Keys) -> None:
    for purpose in (KeyPurpose.ROOT_CA, KeyPurpose.ISSUING_CA, KeyPurpose.TSA, KeyPurpose.OCSP):
        for info in behind_socket.service.verification_keys(purpose):
            with pytest.raises(WrongPurpose):
                await behind_socket.service.sign_digest(info.key_id, purpose, digest_of("a"))


async def test_a_taken_over_web_process_opens_no_key_of_the_signer(
    behind_socket: Keys, web: Settings, database: Database
) -> None:
    """It has the database, its own passphrase and its own memory; none of these opens a signer key."""
    with pytest.raises(KeystoreLocked):
        await KeyRing(Custody.SIGNER, web).unlock(database)
    ring = behind_socket.service._online
    async with database.read() as connection:
        rows = (await connection.execute(select(keys_table).where(keys_table.c.custody == "signer"))).all()
        held = [await KeyRepository(connection).get(row.key_id) for row in rows]
    assert len(held) >= 12
    for key in held:
        if key.stored is None:
            continue
        with pytest.raises(KeyNotUsable):
            ring.open(key)
        with pytest.raises(KeystoreLocked):
            ring.provider("software").open(key.identity, key.stored, key.info.public_key_der)
        with pytest.raises(ValueError, match=r".*"):
            load_der_private_key(key.stored, None)
    guess = AESGCM(hashlib.sha256(web.keystore_passphrase.get_secret_value().encode()).digest())
    with pytest.raises(InvalidTag):
        guess.decrypt(held[-1].stored[:12], held[-1].stored[12:], b"")  # type: ignore[index]  # the last one is no root


@pytest.mark.parametrize(
    "sent",
    [
        frame([1, "close", []]),
        frame([1, "_ring", []]),
        frame([1, "export", []]),
        frame([1, "__class__", []]),
        frame([1, "sign_digest", ["key_x", "tsa", b"a" * 32, None, "more"]]),
        frame([1, "sign_digest", [1, 2, 3, 4]]),
        frame([1, ["sign_digest"], []]),
        frame([1, "create_key", [["operator", "x", None, "nowhere"], "seal", "a", "b"]]),
    ],
)
async def test_only_the_named_operations_exist(behind_socket: Keys, separate: Settings, sent: bytes) -> None:
    del behind_socket
    reader, writer = await asyncio.open_unix_connection(separate.signer_socket)
    writer.write(sent)
    size = int.from_bytes(await reader.readexactly(4), "big")
    number, failed, kind, *_ = cbor2.loads(await reader.readexactly(size))
    assert (number, failed, kind) == (1, 1, "InvalidInput")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "sent", [b"\xff\xff\xff\xff", b"\0\0\0\1\xff", frame("text"), frame([]), b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_a_peer_that_speaks_something_else_is_cut_off(
    behind_socket: Keys, separate: Settings, sent: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(separate.signer_socket)
    writer.write(sent)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert await behind_socket.tsa.timestamp(digest_of("still there"))


async def call_as(uid: int, path: str, sent: bytes) -> bytes:
    """Send one frame as another user and return what comes back; needs root, as the tests' container has."""
    assert os.geteuid() == 0
    for parent in Path(path).parents:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    script = (
        "import os, socket, sys; os.setuid(int(sys.argv[3])); s = socket.socket(socket.AF_UNIX);"
        "s.connect(sys.argv[1]); s.sendall(bytes.fromhex(sys.argv[2])); print(s.recv(1000).hex())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, path, sent.hex(), str(uid), stdout=PIPE, stderr=PIPE
    )
    output, _ = await process.communicate()
    process._transport.close()  # type: ignore[attr-defined]  # see signer_process
    return bytes.fromhex(output.decode().strip())


async def test_another_user_is_not_let_in(behind_socket: Keys, separate: Settings) -> None:
    del behind_socket
    ping = frame([1, "ping", []])
    assert await call_as(WEB_USER, separate.signer_socket, ping) == frame([1, 0, None])
    assert await call_as(WEB_USER + 1, separate.signer_socket, ping) == b""


async def test_a_web_user_administers_nothing(behind_socket: Keys, separate: Settings, operator: Principal) -> None:
    seal = await make_seal(behind_socket, operator)
    who = PRINCIPAL.pack(operator)
    attempts = (
        ("destroy_key", [who, seal.key_id]),
        ("activate_key", [who, seal.key_id]),
        ("create_key", [who, "tsa", "", "ecdsa-p256-sha256"]),
        ("certify", [who, seal.key_id, ["tsa", "tsa", "x", "", ""]]),
        ("certify_request", [who, b"csr", ["tls_client", "cli_x", "cli_x", "x", CREDIT_CODE]]),
    )
    for name, arguments in attempts:
        answer = cbor2.loads((await call_as(WEB_USER, separate.signer_socket, frame([1, name, arguments])))[4:])
        assert answer[1:3] == [1, "NotPermitted"]


async def test_a_web_process_has_no_certificate_made_for_a_seal_nobody_approved(
    behind_socket: Keys, database: Database, operator: Principal
) -> None:
    with pytest.raises(IntentionMissing):
        await make_seal(behind_socket, operator, "sel_invented")
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE seals SET state = 'cancelled'"))
    with pytest.raises(IntentionMissing):
        await make_seal(behind_socket, operator)


async def test_a_second_signer_does_not_take_the_socket(
    behind_socket: Keys, separate: Settings, database: Database, cipher: FieldCipher
) -> None:
    signer = assemble_signer(separate, database, SystemClock(), cipher, None)
    with pytest.raises(ProviderUnavailable):
        await SignerServer(signer, Path(separate.signer_socket)).start()
    with pytest.raises(KeystoreLocked):
        signer._ring.kek  # noqa: B018 - what the start had opened is closed again
    assert await behind_socket.tsa.timestamp(digest_of("the first still answers"))


async def test_the_process_killed_in_the_middle_loses_no_work(
    opened: None, separate: Settings, web: Settings, database: Database, cipher: FieldCipher, operator: Principal
) -> None:
    del opened
    keys = assemble(web, database, SystemClock(), cipher)
    digests = [digest_of(str(number)) for number in range(200)]
    await approve_seals(database)
    async with signer_process(separate) as process:
        await keys.service.load()
        keys.service._signer._patience = 90.0  # type: ignore[attr-defined]  # a busy machine starts a process slowly
        seal = await make_seal(keys, operator)
        for number, digest in enumerate(digests):
            await intend(database, seal.key_id, digest, f"int_{number}")
        work = [
            asyncio.create_task(
                keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id=f"int_{number}")
            )
            for number, digest in enumerate(digests)
        ]
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        process.kill()
        await process.wait()
    async with signer_process(separate):
        signatures = await asyncio.gather(*work)
    for digest, signature in zip(digests, signatures, strict=True):
        check(seal, signature, digest)
    await keys.close()


async def test_a_signer_that_is_gone_is_a_named_error(
    opened: None, web: Settings, database: Database, cipher: FieldCipher
) -> None:
    del opened
    client = SignerClient(web.signer_socket, patience_seconds=0.2)
    with pytest.raises(ProviderUnavailable):
        await client.load()
    with pytest.raises(ProviderUnavailable):
        await client.timestamp(digest_of("a"), None)
    keys = assemble(web, database, SystemClock(), cipher)
    await keys.service._online.unlock(database)


def test_every_operation_is_one_of_the_interface() -> None:
    methods = {name for name in vars(Signer) if not name.startswith("_")} - {"load", "close"}
    assert set(OPERATIONS) == methods | {"ping"}


def test_the_kernel_names_the_peer() -> None:
    left, right = socket.socketpair()
    assert peer_uid(left) == os.geteuid()
    left.close()
    right.close()
