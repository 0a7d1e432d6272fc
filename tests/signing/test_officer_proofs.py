"""The signer believes no row: an officer's seal is used only when the officer's own passkey wanted it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, update

from foundation.errors import InvalidInput, NotFound
from keys.errors import IntentionMissing, SecondOperatorRequired
from keys.model import KeyPurpose
from keys.seal_proofs import Confirmer, ConfirmerKind
from keys.tables import keys as keys_table
from keys.tables import seal_confirmers
from signing.errors import SealKeyUnusable
from signing.model import SealRequest, SecondFactor
from tests.keys.test_use import check
from tests.signing.conftest import BOTH_PROVIDERS, BUREAU, CODE, MATTER, OTHER
from tests.signing.proofs import Officer, forged, keep, pin, second_factors, settings, sign
from tests.support.authenticator import b64url

if TYPE_CHECKING:
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import PreparedSealing, Seal

__all__ = ["second_factors", "settings"]
pytestmark = BOTH_PROVIDERS


@pytest.fixture
async def holder(keys: Keys, officer: Principal, operator: Principal, second_operator: Principal) -> Officer:
    holder = Officer()
    await pin(keys, operator, second_operator, holder.confirmer(officer.audit_name))
    return holder


@pytest.fixture
async def prepared(signing: Signing, seal: Seal, officer: Principal, licence: bytes) -> PreparedSealing:
    return await signing.sealing.prepare(officer, SealRequest(seal.seal_id, licence, matter_code=MATTER))


async def test_a_pinned_officers_passkey_seals(
    signing: Signing, prepared: PreparedSealing, officer: Principal, holder: Officer
) -> None:
    factor = SecondFactor("passkey", holder.confirms(prepared.challenge))
    sealed = await signing.sealing.confirm(officer, prepared.intention_id, factor)
    assert sealed.use_number == 1


async def test_what_nobody_confirmed_with_a_key_is_not_sealed(
    signing: Signing, prepared: PreparedSealing, officer: Principal, client: Principal, seal: Seal, licence: bytes
) -> None:
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.confirm(officer, prepared.intention_id, CODE)
    for principal in (client, replace(client, proof=""), replace(client, proof="x.y.z")):
        with pytest.raises(SealKeyUnusable):
            await signing.sealing.seal(principal, SealRequest(seal.seal_id, licence, matter_code=MATTER))


async def test_a_row_alone_is_worth_nothing(keys: Keys, database: Database, prepared: PreparedSealing) -> None:
    intention = await forged(database, prepared.intention_id)
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)


async def test_an_assertion_seals_what_it_was_made_for_and_nothing_else(
    signing: Signing,
    keys: Keys,
    database: Database,
    prepared: PreparedSealing,
    holder: Officer,
    officer: Principal,
    seal: Seal,
    long_document: bytes,
) -> None:
    assertion = holder.confirms(prepared.challenge)
    await keep(database, prepared.intention_id, "passkey", assertion)
    real = await forged(database, prepared.intention_id)

    # Another document prepared by the same officer: the assertion is put beside it.
    other = await signing.sealing.prepare(officer, SealRequest(seal.seal_id, long_document, matter_code=MATTER))
    await keep(database, other.intention_id, "passkey", assertion)
    with pytest.raises(IntentionMissing):
        await sign(keys, await forged(database, other.intention_id))
    # The challenge column is written over: the signer computes it itself.
    with pytest.raises(IntentionMissing):
        await sign(keys, await forged(database, other.intention_id, challenge=prepared.challenge))

    # The confirmed row is made to name the other document's digest, then its layout too.
    await keep(database, prepared.intention_id, "passkey", assertion)
    swapped = await forged(database, other.intention_id)
    changed = await forged(database, prepared.intention_id, to_be_signed_digest=swapped.to_be_signed_digest)
    with pytest.raises(IntentionMissing):
        await sign(keys, changed)
    changed = await forged(database, prepared.intention_id, layout=swapped.layout.to_json())
    with pytest.raises(IntentionMissing):
        await sign(keys, changed)
    for column, value in (("matter_code", "other"), ("level", "B-B"), ("document_digest", bytes(32))):
        restored = {
            "layout": real.layout.to_json(),
            "to_be_signed_digest": real.to_be_signed_digest,
            "matter_code": real.matter_code,
            "level": real.level,
            "document_digest": real.document_digest,
        }
        with pytest.raises(IntentionMissing):
            await sign(keys, await forged(database, prepared.intention_id, **(restored | {column: value})))
    honest = await forged(database, prepared.intention_id, **restored)
    signature = await sign(keys, honest)
    check(await keys.service.get(honest.key_id), signature, honest.to_be_signed_digest)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"type": "webauthn.create"},
        {"challenge": b64url(bytes(32))},
    ],
    ids=["origin", "type", "challenge"],
)
async def test_an_assertion_made_elsewhere_or_for_something_else_seals_nothing(
    keys: Keys, database: Database, prepared: PreparedSealing, holder: Officer, wrong: dict[str, str]
) -> None:
    intention = await forged(database, prepared.intention_id)
    await keep(database, prepared.intention_id, "passkey", holder.confirms(prepared.challenge, **wrong))
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)


async def test_the_officer_has_to_be_verified_by_the_device(
    keys: Keys, database: Database, prepared: PreparedSealing, holder: Officer
) -> None:
    intention = await forged(database, prepared.intention_id)
    holder.device.verifies_user = False
    await keep(database, prepared.intention_id, "passkey", holder.confirms(prepared.challenge))
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)


async def test_a_passkey_of_the_attackers_own_seals_nothing(
    keys: Keys, database: Database, prepared: PreparedSealing, holder: Officer, officer: Principal
) -> None:
    """It swaps the public key in every row it can write, and copies a pin under its own name."""
    intention = await forged(database, prepared.intention_id)
    mine = Officer()
    assert mine.identifier != holder.identifier
    await keep(database, prepared.intention_id, "passkey", mine.confirms(prepared.challenge))
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)
    async with database.transaction() as connection:
        real = (await connection.execute(select(seal_confirmers))).one()
        columns = {**real._asdict(), "confirmer_id": f"passkey:{mine.identifier}"}
        await connection.execute(insert(seal_confirmers).values(columns))
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)
    async with database.transaction() as connection:
        forgery = json.dumps([officer.audit_name, BUREAU, b64url(mine.public_key)]).encode()
        await connection.execute(update(seal_confirmers).values(sealed=forgery))
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)


async def test_another_officer_or_another_organisation_confirms_nothing(
    keys: Keys,
    database: Database,
    prepared: PreparedSealing,
    officer: Principal,
    operator: Principal,
    second_operator: Principal,
) -> None:
    intention = await forged(database, prepared.intention_id)
    for subject, organisation in (("officer:off_wang", BUREAU), (officer.audit_name, OTHER)):
        somebody = Officer()
        await pin(keys, operator, second_operator, somebody.confirmer(subject, organisation))
        await keep(database, prepared.intention_id, "passkey", somebody.confirms(prepared.challenge))
        with pytest.raises(IntentionMissing):
            await sign(keys, intention)


async def test_a_chain_put_into_the_keys_row_says_nothing(
    keys: Keys, database: Database, prepared: PreparedSealing, holder: Officer
) -> None:
    """A certificate of the attacker's own CA could name any organisation."""
    intention = await forged(database, prepared.intention_id)
    await keep(database, prepared.intention_id, "passkey", holder.confirms(prepared.challenge))
    tsa = await keys.service.active(KeyPurpose.TSA)
    async with database.transaction() as connection:
        row = keys_table.c.key_id == intention.key_id
        await connection.execute(
            update(keys_table).where(row).values(certificate_chain=list(tsa.certificate_chain_der))
        )
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)


async def test_a_pin_takes_two_operators_and_ends_when_it_is_taken_back(
    keys: Keys,
    database: Database,
    prepared: PreparedSealing,
    holder: Officer,
    officer: Principal,
    operator: Principal,
) -> None:
    with pytest.raises(SecondOperatorRequired):
        await keys.service.pin(operator, holder.confirmer(officer.audit_name))
    with pytest.raises(InvalidInput):
        Confirmer(ConfirmerKind.PASSKEY, "x", officer.audit_name, BUREAU)
    intention = await forged(database, prepared.intention_id)
    await keep(database, prepared.intention_id, "passkey", holder.confirms(prepared.challenge))
    await sign(keys, intention)
    await keys.service.unpin(operator, f"passkey:{holder.identifier}")
    with pytest.raises(IntentionMissing):
        await sign(keys, intention)
    with pytest.raises(NotFound):
        await keys.service.unpin(operator, f"passkey:{holder.identifier}")


async def test_the_check_costs_little_beside_a_seal(
    keys: Keys, database: Database, prepared: PreparedSealing, holder: Officer
) -> None:
    """Figures are in `make bench ARGS=keys`; here only that it is not another order of magnitude."""
    intention = await forged(database, prepared.intention_id)
    await keep(database, prepared.intention_id, "passkey", holder.confirms(prepared.challenge))
    await sign(keys, intention)
    begun = time.process_time()
    for _ in range(20):
        await sign(keys, intention)
    assert (time.process_time() - begun) / 20 < 0.05
