"""The signer believes no row: a department's seal is used when its own key wanted it, or two operators declared it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update

from foundation.jobs import Worker
from hufu.commands.key_pins import warn_unpinned
from keys.errors import SecondOperatorRequired
from keys.seal_proofs import Confirmer, ConfirmerKind
from keys.tables import seal_confirmers, used_seal_proofs
from signing.errors import SealKeyUnusable, SealNotPinned
from signing.model import DigestRequest, SealRequest
from signing.tables import seal_batches
from tests.signing.conftest import BOTH_PROVIDERS, BUREAU, MATTER
from tests.signing.proofs import ISSUER, Client, pin, second_factors, settings

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.assembly import Signing
    from signing.model import Seal

__all__ = ["second_factors", "settings"]
pytestmark = BOTH_PROVIDERS


async def test_a_client_seals_with_its_own_key_once_a_request(
    signing: Signing,
    keys: Keys,
    database: Database,
    client: Principal,
    seal: Seal,
    licence: bytes,
    long_document: bytes,
    clock: FixedClock,
    operator: Principal,
    second_operator: Principal,
) -> None:
    device = Client(clock)
    request = SealRequest(seal.seal_id, licence, matter_code=MATTER)
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.seal(replace(client, proof=device.proof()), request)
    await pin(keys, operator, second_operator, device.confirmer(client.audit_name))
    used = replace(client, proof=device.proof())
    assert (await signing.sealing.seal(used, request)).use_number == 1
    digest = DigestRequest(seal.seal_id, bytes(range(32)), MATTER)
    assert (await signing.sealing.seal_digest(replace(client, proof=device.proof()), digest)).use_number == 2

    # The same proof for another document, also after the attacker has deleted the row that says it was spent.
    request = SealRequest(seal.seal_id, long_document, matter_code=MATTER)
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.seal(used, request)
    async with database.transaction() as connection:
        await connection.execute(delete(used_seal_proofs))
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.seal(used, request)
    stale = device.proof(iat=int((clock.now() - timedelta(minutes=6)).timestamp()))
    wrong = (
        stale,
        device.proof(iat=int((clock.now() + timedelta(minutes=2)).timestamp())),
        device.proof(iat="now"),
        device.proof(htm="GET"),
        device.proof(htu=f"{ISSUER}/token"),
        device.proof(htu=f"{ISSUER}/api/v1/sealed-documentsx"),
        device.proof(htu="https://evil.example/api/v1/sealed-documents"),
        device.proof(jti=""),
        Client(clock).proof(),
        device.proof()[:-4] + "AAAA",
    )
    for proof in wrong:
        with pytest.raises(SealKeyUnusable):
            await signing.sealing.seal(replace(client, proof=proof), request)
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.seal(replace(client, subject_id="another-client", proof=device.proof()), request)


async def test_a_client_confirms_what_it_prepared_and_nothing_else(
    signing: Signing,
    keys: Keys,
    client: Principal,
    seal: Seal,
    licence: bytes,
    clock: FixedClock,
    operator: Principal,
    second_operator: Principal,
) -> None:
    device = Client(clock)
    await pin(keys, operator, second_operator, device.confirmer(client.audit_name))
    request = SealRequest(seal.seal_id, licence, matter_code=MATTER)
    preparing = f"{ISSUER}/api/v1/prepared-sealings"
    prepared = [await signing.sealing.prepare(client, request) for _ in range(4)]

    def confirming(number: int) -> str:
        return f"{preparing}/{prepared[number].intention_id}/confirmation"

    wrong = (None, device.proof(htu=preparing), device.proof(htu=confirming(3)))
    for number, proof in enumerate(wrong):
        with pytest.raises(SealKeyUnusable):
            await signing.sealing.confirm(replace(client, proof=proof), prepared[number].intention_id)
    own = replace(client, proof=device.proof(htu=confirming(3)))
    assert (await signing.sealing.confirm(own, prepared[3].intention_id)).use_number == 1


async def test_a_seal_may_be_declared_to_need_no_proof_by_two_operators(
    signing: Signing,
    keys: Keys,
    database: Database,
    client: Principal,
    seal: Seal,
    licence: bytes,
    operator: Principal,
    second_operator: Principal,
) -> None:
    assert seal.key_id is not None
    key = await keys.service.get(seal.key_id)
    request = SealRequest(seal.seal_id, licence, matter_code=MATTER)
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.seal_licence(client, request)
    recorded = Confirmer(ConfirmerKind.RECORDED, key.key_id, key.key_id, BUREAU, key.public_key_der)
    with pytest.raises(SecondOperatorRequired):
        await keys.service.pin(operator, recorded)
    await pin(keys, operator, second_operator, recorded)
    assert (await signing.sealing.seal_licence(client, request)).use_number == 1
    # The declaration is about this key: another key's row does not profit from a copy.
    async with database.transaction() as connection:
        await connection.execute(update(seal_confirmers).values(confirmer_id="recorded:key_other"))
    with pytest.raises(SealKeyUnusable):
        await signing.sealing.seal_licence(client, request)


async def test_a_batch_of_a_seal_without_a_pin_is_refused_at_its_start(
    signing: Signing,
    keys: Keys,
    database: Database,
    client: Principal,
    seal: Seal,
    licence: bytes,
    settings: Settings,
    operator: Principal,
    second_operator: Principal,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert seal.key_id is not None
    await warn_unpinned(settings, database)
    assert "hufu keys request pin recorded:KEY_ID" in capsys.readouterr().err
    with pytest.raises(SealNotPinned):
        await signing.batches.start(client, [licence], SealRequest(seal.seal_id, b""))
    async with database.read() as connection:
        assert (await connection.execute(select(seal_batches))).all() == []
    key = await keys.service.get(seal.key_id)
    recorded = Confirmer(ConfirmerKind.RECORDED, key.key_id, key.key_id, BUREAU, key.public_key_der)
    await pin(keys, operator, second_operator, recorded)
    await warn_unpinned(settings, database)
    await warn_unpinned(settings.model_copy(update={"seal_proof": "recorded"}), database)
    assert capsys.readouterr().err == ""
    batch_id = await signing.batches.start(client, [licence], SealRequest(seal.seal_id, b""))
    await Worker(database, settings.database_url, signing.job_handlers()).drain()
    assert (await signing.batches.progress(client, batch_id)).done == 1
