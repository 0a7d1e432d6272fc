from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.settings import Profile
from foundation.tables import audit_log
from keys import sealed_file
from keys.assembly import assemble
from keys.ceremony import initialise
from keys.errors import BackupUnreadable, KeystoreExists, KeystoreLocked, KeystoreMissing, SecondOperatorRequired
from keys.model import KeyPurpose
from keys.offline_root import KIND as ROOT_KIND
from keys.tables import keys as keys_table

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from keys.ceremony import CeremonyRecord


async def test_the_ceremony_makes_every_key_and_an_audit_row_for_each(
    ceremony: CeremonyRecord, database: Database
) -> None:
    purposes = {(key["purpose"], key["owner"]) for key in ceremony.record["keys"]}
    assert {purpose for purpose, _ in purposes} == set(KeyPurpose) - {KeyPurpose.SEAL, KeyPurpose.PERSON}
    assert {owner for purpose, owner in purposes if purpose == "ocsp"} == {"persons", "seals", "infrastructure"}
    async with database.read() as connection:
        query = select(func.count()).where(audit_log.c.action == "keys.create")
        assert (await connection.execute(query)).scalar_one() == len(ceremony.record["keys"])


async def test_the_root_key_is_nowhere_in_the_database(ceremony: CeremonyRecord, database: Database) -> None:
    async with database.read() as connection:
        query = select(keys_table.c.stored_private).where(keys_table.c.purpose == KeyPurpose.ROOT_CA)
        assert (await connection.execute(query)).scalars().all() == [None]
    assert ceremony.root_export.stat().st_mode & 0o777 == 0o600
    passphrase = ceremony.root_export.with_suffix(".passphrase").read_text()
    assert sealed_file.unseal(ceremony.root_export.read_bytes(), ROOT_KIND, passphrase)
    with pytest.raises(BackupUnreadable):
        sealed_file.unseal(ceremony.root_export.read_bytes(), ROOT_KIND, "not the right passphrase")


@pytest.mark.usefixtures("ceremony")
async def test_a_second_ceremony_is_refused(
    settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher, operator: Principal
) -> None:
    with pytest.raises(KeystoreExists):
        await initialise(settings, database, clock, cipher, (operator,))


async def test_production_wants_two_operators_and_their_passphrase(
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
    operator: Principal,
    second_operator: Principal,
) -> None:
    secret = type(settings.signer_passphrase)("passphrase of the signer")
    production = settings.model_copy(update={"profile": Profile.PRODUCTION, "signer_passphrase": secret})
    for operators in ((operator,), (operator, operator)):
        with pytest.raises(SecondOperatorRequired):
            await initialise(production, database, clock, cipher, operators, root_passphrase="x" * 20)
    both = (operator, second_operator)
    shared = production.model_copy(update={"signer_passphrase": settings.keystore_passphrase})
    with pytest.raises(KeystoreLocked):
        await initialise(shared, database, clock, cipher, both, root_passphrase="x" * 20)
    with pytest.raises(KeystoreLocked):
        await initialise(production, database, clock, cipher, both)
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(keys_table))).scalar_one() == 0
    record = await initialise(production, database, clock, cipher, both, root_passphrase="two halves of one passphrase")
    assert not record.root_export.with_suffix(".passphrase").exists()
    assert record.record["operators"] == ["operator:opr_first", "operator:opr_second"]


async def test_nothing_loads_before_the_ceremony(
    settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher
) -> None:
    with pytest.raises(KeystoreMissing):
        await assemble(settings, database, clock, cipher).service.load()


@pytest.mark.usefixtures("ceremony")
@pytest.mark.parametrize("passphrase", ["another passphrase", ""])
async def test_a_wrong_passphrase_is_named_and_opens_nothing(
    settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher, passphrase: str
) -> None:
    wrong = settings.model_copy(update={"keystore_passphrase": type(settings.keystore_passphrase)(passphrase)})
    with pytest.raises(KeystoreLocked) as caught:
        await assemble(wrong, database, clock, cipher).service.load()
    assert "another passphrase" not in str(caught.value)


async def test_the_record_holds_no_secret(ceremony: CeremonyRecord, settings: Settings) -> None:
    text = ceremony.to_json()
    assert settings.keystore_passphrase.get_secret_value() not in text
    assert "PRIVATE" not in text


async def test_trust_anchors_are_the_root_and_the_issuing_authorities(keys: Keys) -> None:
    anchors = await keys.service.trust_anchors()
    assert (len(anchors.roots_der), len(anchors.intermediates_der)) == (1, 3)
    assert anchors.pem().count("BEGIN CERTIFICATE") == 4
