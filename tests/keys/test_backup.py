"""A keystore saved, lost, and brought back."""

from __future__ import annotations

import resource
import shutil
import signal
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography import x509
from pydantic import SecretStr
from sqlalchemy import func, select, text

from foundation.errors import InvalidInput
from keys.assembly import assemble
from keys.backup import KEYSTORE, KeystoreBackup
from keys.ca import Issuer
from keys.ceremony import initialise
from keys.dual_control import Act, DualControl
from keys.errors import BackupUnreadable, FileNotWritten, KeystoreExists, KeystoreMissing, SecondOperatorRequired
from keys.model import KeyPurpose
from keys.offline_root import publish_root_list
from keys.tables import keys as keys_table
from tests.keys.support import digest_of, make_seal
from tests.keys.test_use import check

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.ceremony import CeremonyRecord
    from tests.keys.support import StoredIntentions

pytestmark = pytest.mark.parametrize("provider", ["software"], indirect=True)

PASSPHRASE = "first half of one, second half of another"
LOSE = "TRUNCATE keystores, keys, key_store_version, certificates, crls, ceremonies"


async def ask(database: Database, clock: FixedClock, audit: Audit, operator: Principal) -> None:
    async with database.transaction() as connection:
        await DualControl(clock, audit).request(connection, operator, Act.EXPORT, KEYSTORE)


@pytest.mark.parametrize("passphrase", ["passphrase of the tests", ""], ids=["passphrase", "key file"])
async def test_what_was_saved_signs_again_after_everything_was_lost(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
    audit: Audit,
    operator: Principal,
    second_operator: Principal,
    intentions: StoredIntentions,
    tmp_path: Path,
    passphrase: str,
) -> None:
    settings = settings.model_copy(update={"keystore_passphrase": SecretStr(passphrase)})
    await initialise(settings, database, clock, cipher, (operator,))
    before = assemble(settings, database, clock, cipher, intentions=intentions)
    await before.service.load()
    seal = await make_seal(before, operator)
    token, jwks = before.tokens.sign({"a": 1}, typ="JWT"), before.tokens.jwks()
    backup, file = KeystoreBackup(settings, database, clock), tmp_path / "backup" / "keystore.json"
    await ask(database, clock, audit, operator)
    assert await backup.save(second_operator, file, PASSPHRASE) >= 15
    await before.close()

    async with database.transaction() as connection:
        await connection.execute(text(LOSE))
    shutil.rmtree(settings.data_directory)
    with pytest.raises(KeystoreMissing):
        await assemble(settings, database, clock, cipher).service.load()

    await backup.restore(operator, file, PASSPHRASE)
    after = assemble(settings, database, clock, cipher, intentions=intentions)
    await after.service.load()
    assert after.tokens.jwks() == jwks
    assert jwt.decode(token, jwt.PyJWK(after.tokens.jwks()["keys"][0]), algorithms=["ES256"]) == {"a": 1}
    digest = digest_of("sealed after the fire")
    intentions.stored.add(("int_1", seal.key_id, digest))
    check(seal, await after.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1"), digest)
    assert await after.ca.crl_der(Issuer.SEALS)
    await after.close()
    with pytest.raises(KeystoreExists):
        await backup.restore(operator, file, PASSPHRASE)


@pytest.mark.usefixtures("ceremony")
async def test_nobody_exports_alone_and_nothing_is_left_of_a_try(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    operator: Principal,
    second_operator: Principal,
    tmp_path: Path,
) -> None:
    backup, file = KeystoreBackup(settings, database, clock), tmp_path / "keystore.json"
    with pytest.raises(SecondOperatorRequired):
        await backup.save(operator, file, PASSPHRASE)
    await ask(database, clock, audit, operator)
    with pytest.raises(SecondOperatorRequired):
        await backup.save(operator, file, PASSPHRASE)
    with pytest.raises(InvalidInput):
        await backup.save(second_operator, file, "too short")
    assert not file.exists()
    await backup.save(second_operator, file, PASSPHRASE)
    assert file.stat().st_mode & 0o777 == 0o600
    await ask(database, clock, audit, operator)
    written = file.read_bytes()
    with pytest.raises(FileNotWritten):
        await backup.save(second_operator, file, PASSPHRASE)
    assert file.read_bytes() == written


@pytest.mark.usefixtures("ceremony")
async def test_a_full_disk_is_named_and_leaves_nothing(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    operator: Principal,
    second_operator: Principal,
    tmp_path: Path,
) -> None:
    """A file size limit of the process stands in for the disk: both fail in write()."""
    backup, file = KeystoreBackup(settings, database, clock), tmp_path / "keystore.json"
    await ask(database, clock, audit, operator)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FileNotWritten):
            await backup.save(second_operator, file, PASSPHRASE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not file.exists()
    await backup.save(second_operator, file, PASSPHRASE)


@pytest.mark.usefixtures("ceremony")
async def test_a_damaged_or_foreign_file_restores_nothing(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    audit: Audit,
    operator: Principal,
    second_operator: Principal,
    ceremony: CeremonyRecord,
    tmp_path: Path,
) -> None:
    backup, file = KeystoreBackup(settings, database, clock), tmp_path / "keystore.json"
    await ask(database, clock, audit, operator)
    await backup.save(second_operator, file, PASSPHRASE)
    async with database.transaction() as connection:
        await connection.execute(text(LOSE))
    whole = file.read_bytes()
    for damaged in (
        b"",
        b"{}",
        whole[: len(whole) // 2],
        whole.replace(b"A", b"B", 5),
        ceremony.root_export.read_bytes(),
    ):
        file.write_bytes(damaged)
        with pytest.raises(BackupUnreadable):
            await backup.restore(operator, file, PASSPHRASE)
    file.write_bytes(whole)
    with pytest.raises(BackupUnreadable):
        await backup.restore(operator, file, PASSPHRASE + "!")
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(keys_table))).scalar_one() == 0


async def test_the_offline_root_signs_a_new_list(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
    operator: Principal,
    ceremony: CeremonyRecord,
) -> None:
    passphrase = ceremony.root_export.with_suffix(".passphrase").read_text()
    crl_der = await publish_root_list(database, clock, cipher, operator, ceremony.root_export, passphrase)
    crl = x509.load_der_x509_crl(crl_der)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2
    keys = assemble(settings, database, clock, cipher)
    root = x509.load_der_x509_certificate((await keys.service.trust_anchors()).roots_der[0])
    assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]  # an EC key
    with pytest.raises(BackupUnreadable):
        await publish_root_list(database, clock, cipher, operator, ceremony.root_export, "wrong")
