"""`hufu keys` as an operator types it."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from foundation.clock import SystemClock
from foundation.errors import InvalidInput
from foundation.settings import Profile
from hufu.commands import dispatch, init
from keys.assembly import assemble
from keys.ca import Issuer
from keys.ceremony import initialise
from keys.errors import KeyNotFound
from keys.model import KeyPurpose
from keys.rotation import rotate
from tests.keys.support import CREDIT_CODE, digest_of, make_seal

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys

pytestmark = pytest.mark.parametrize("provider", ["software"], indirect=True)


class Terminal:
    """Types commands with the test's settings in the environment; each runs in a loop of its own."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        environment = {
            "HUFU_PROFILE": "test",
            "HUFU_DATABASE_URL": settings.database_url,
            "HUFU_REDIS_URL": settings.redis_url,
            "HUFU_DATA_DIRECTORY": str(settings.data_directory),
            "HUFU_FIELD_KEYS": settings.field_keys.get_secret_value(),
            "HUFU_INDEX_KEY": settings.index_key.get_secret_value(),
            "HUFU_KEYSTORE_PASSPHRASE": settings.keystore_passphrase.get_secret_value(),
            "HUFU_EXPORT_PASSPHRASE": "a passphrase for the export",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    async def type(self, *arguments: str) -> tuple[int, str]:
        self._capsys.readouterr()
        try:
            code = await asyncio.to_thread(dispatch, ["keys", *arguments])
        except SystemExit as ended:
            code = int(str(ended.code))
        output, errors = self._capsys.readouterr()
        return code, output or errors


@pytest.fixture
def terminal(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(settings, monkeypatch, capsys)


async def test_an_operators_day(
    terminal: Terminal,
    settings: Settings,
    database: Database,
    cipher: FieldCipher,
    operator: Principal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await initialise(settings, database, SystemClock(), cipher, (operator,))
    code, listed = await terminal.type("list", "--json")
    keys = [json.loads(line) for line in listed.splitlines()]
    assert code == 0
    assert {key["purpose"] for key in keys} >= {"root_ca", "issuing_ca", "tsa", "ocsp", "token", "qr"}
    token = next(key for key in keys if key["purpose"] == "token")

    root = str(settings.data_directory / "keystore" / "root-key.json")
    own = (settings.data_directory / "keystore" / "root-key.passphrase").read_text().strip()
    monkeypatch.setenv("HUFU_EXPORT_PASSPHRASE", own)
    assert (await terminal.type("request", "rotate_ca", "seals", "--operator", "wang"))[0] == 0
    assert (await terminal.type("rotate-ca", "seals", root, "--operator", "wang"))[0] == 70
    code, output = await terminal.type("rotate-ca", "seals", root, "--operator", "li")
    assert (code, output.split()[2], output.split()[-1]) == (0, "seals-2", "active")
    assert (await terminal.type("rotate", "ocsp", "--issuer", "seals-2", "--operator", "li"))[0] == 0
    assert (await terminal.type("rotate", "ocsp", "--issuer", "seals-1", "--operator", "li"))[0] == 64
    monkeypatch.setenv("HUFU_EXPORT_PASSPHRASE", "a passphrase for the export")

    code, output = await terminal.type("rotate", "token", "--operator", "wang")
    assert (code, output.split()[-1]) == (0, "active")
    assert (await terminal.type("retire", token["key_id"], "--operator", "wang"))[0] == 0
    code, output = await terminal.type("destroy", token["key_id"], "--operator", "wang")
    assert (code, "Another operator" in output) == (70, True)
    assert (await terminal.type("request", "destroy", token["key_id"], "--operator", "wang"))[0] == 0
    code, output = await terminal.type("destroy", token["key_id"], "--operator", "li")
    assert (code, output.split()[-1]) == (0, "destroyed")

    tsa = next(key for key in keys if key["purpose"] == "tsa")
    recorded = f"recorded:{tsa['key_id']}"
    pin = ("pin", "recorded", tsa["key_id"], "--organisation", CREDIT_CODE, "--operator")
    assert (await terminal.type(*pin, "li"))[0] == 70
    assert (await terminal.type("request", "pin", recorded, "--operator", "wang"))[0] == 0
    assert (await terminal.type(*pin, "li"))[0] == 0
    assert (await terminal.type("pins"))[1].startswith(recorded)
    assert (await terminal.type("unpin", recorded, "--operator", "wang"))[0] == 0
    assert recorded not in (await terminal.type("pins"))[1]
    for wrong in (("passkey", "AAAA"), ("passkey", "!"), ("recorded", "key_none")):
        unknown = ("pin", *wrong, "--subject", "off_x", "--organisation", CREDIT_CODE, "--operator", "li")
        assert (await terminal.type(*unknown))[0] == 70
    assert (await terminal.type("passkeys", "off_none"))[0] == 70

    file = tmp_path / "keystore.json"
    assert (await terminal.type("request", "export", "keystore", "--operator", "wang"))[0] == 0
    assert (await terminal.type("backup", str(file), "--operator", "li"))[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_departments_own_key_is_certified_found_and_revoked(
    terminal: Terminal,
    settings: Settings,
    database: Database,
    cipher: FieldCipher,
    operator: Principal,
    tmp_path: Path,
) -> None:
    await initialise(settings, database, SystemClock(), cipher, (operator,))
    csr = tmp_path / "client.csr"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "food")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    csr.write_bytes(request.sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.PEM))
    assert (await terminal.type("request", "certify_client", "cli_food", "--operator", "wang"))[0] == 0
    facts = ("--organisation", "演示市食品药品监督管理局", "--credit-code", "11500100009001018B")
    code, pem = await terminal.type("certify-client", str(csr), "cli_food", *facts, "--operator", "li")
    assert code == 0
    serial = f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"
    code, found = await terminal.type("certificates", "--subject", "cli_food")
    assert (code, found.split()[0], found.split()[-1]) == (0, serial, "good")
    code, found = await terminal.type("revoke", serial, "--reason", "superseded", "--operator", "li")
    assert (code, found.split()[-2:]) == (0, ["revoked", "superseded"])


@pytest.mark.usefixtures("ceremony")
async def test_wrong_usage_is_told_and_does_nothing(terminal: Terminal) -> None:
    for arguments in ((), ("destroy",), ("create", "seal", "--operator", "x"), ("revoke", "xyz", "--operator", "x")):
        code, _ = await terminal.type(*arguments)
        assert code == 64
    code, output = await terminal.type("activate", "key_none", "--operator", "x")
    assert (code, "no key key_none" in output) == (70, True)


async def test_every_service_key_rotates(keys: Keys, operator: Principal) -> None:
    service = keys.service
    for purpose in (KeyPurpose.TSA, KeyPurpose.QR, KeyPurpose.STATUS_LIST, KeyPurpose.CHECKPOINT):
        before = await service.active(purpose)
        after = await rotate(keys, operator, purpose)
        assert (await service.active(purpose)).key_id == after.key_id != before.key_id
        assert (await service.get(before.key_id)).state.value == "retiring"
    with pytest.raises(KeyNotFound):
        await service.active(KeyPurpose.QR, "somebody")


async def test_rotated_tsa_and_ocsp_keys_answer_at_once(
    keys: Keys, operator: Principal, settings: Settings, database: Database, cipher: FieldCipher
) -> None:
    seal = await make_seal(keys, operator)
    tsa = await rotate(keys, operator, KeyPurpose.TSA)
    ocsp = await rotate(keys, operator, KeyPurpose.OCSP, issuer=Issuer.SEALS)
    assert tsa.certificate_chain_der[0] in await keys.tsa.timestamp(digest_of("a"))
    assert ocsp.certificate_chain_der[0] in await keys.ocsp.response_for(seal.certificate_chain_der[0])
    other = assemble(settings, database, SystemClock(), cipher)
    await other.service.load()
    assert tsa.certificate_chain_der[0] in await other.tsa.timestamp(digest_of("a"))
    await other.close()


def test_each_operator_types_a_part_of_the_roots_passphrase(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = settings.model_copy(update={"profile": Profile.PRODUCTION})
    typed = iter(["wang's half", "wang's half", "li's own half", "li's own half"])
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt.partition(",")[0])
        return next(typed)

    monkeypatch.setattr(getpass, "getpass", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert init._root_passphrase(production, ["wang", "li"]) == "wang's halfli's own half"
    assert asked == ["wang", "wang", "li", "li"]
    for wrong in (["short", "short"], ["long enough", "but different"]):
        typed = iter(wrong)
        with pytest.raises(InvalidInput):
            init._root_passphrase(production, ["wang", "li"])
