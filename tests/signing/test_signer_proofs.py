"""The signer believes no row: a seal is used only when somebody outside the web process wanted it.

The tests play a web process that was taken over. It writes what it likes into the database and
asks the signer; it has neither the officers' passkeys, nor the departments' keys, nor the
signer's secret.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from joserfc import jwk, jws
from sqlalchemy import delete, insert, select, update

from foundation.errors import InvalidInput, NotFound
from foundation.jobs import Worker
from hufu.commands.key_pins import warn_unpinned
from keys.assembly import Keys, assemble
from keys.ceremony import initialise
from keys.dual_control import Act
from keys.errors import IntentionMissing, SecondOperatorRequired
from keys.model import KeyPurpose
from keys.seal_proofs import Confirmer, ConfirmerKind
from keys.tables import keys as keys_table
from keys.tables import seal_confirmers, seal_proofs, used_seal_proofs
from signing.errors import SealKeyUnusable, SealNotPinned
from signing.intention_repository import IntentionRepository
from signing.intentions import SealIntentions
from signing.model import DigestRequest, IntentionState, SealRequest, SecondFactor
from signing.tables import seal_batches, seal_intentions
from tests.keys.test_use import check
from tests.signing.conftest import BOTH_PROVIDERS, BUREAU, CODE, MATTER, OTHER
from tests.support.authenticator import Authenticator, b64url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cryptography.hazmat.primitives.asymmetric import ec
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from signing.assembly import Signing
    from signing.intention import Intention
    from signing.model import PreparedSealing, Seal

pytestmark = BOTH_PROVIDERS
ISSUER = "http://localhost:8000"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"seal_proof": "required", "issuer": ISSUER})


@pytest.fixture
async def keys(
    settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher, operator: Principal
) -> AsyncIterator[Keys]:
    await initialise(settings, database, clock, cipher, (operator,))
    keys = assemble(settings, database, clock, cipher, intentions=SealIntentions())
    await keys.service.load()
    yield keys
    await keys.close()


class Passkeys:
    """Accepts any assertion, as a web process that was taken over does; the signer has to judge by itself."""

    async def verify(
        self, connection: AsyncConnection, principal: Principal, factor: SecondFactor, challenge: bytes
    ) -> str:
        del connection, principal, challenge
        return f"{factor.method}:anything"


@pytest.fixture
def second_factors() -> Passkeys:
    return Passkeys()


class Officer:
    """An officer's passkey, registered and pinned."""

    def __init__(self) -> None:
        self.device = Authenticator(ISSUER)
        made = json.loads(self.device.create({"rp": {"id": "localhost"}, "user": {"id": "AA"}, "challenge": "AA"}))
        self.identifier = made["id"]
        ((key, _, _),) = self.device._keys.values()
        self.public_key = cose(key)

    def confirms(self, asked: bytes, **changes: Any) -> str:  # noqa: ANN401 - what a test falsifies
        return self.device.get({"challenge": b64url(asked)}, **changes)

    def confirmer(self, subject: str, organisation_code: str = BUREAU) -> Confirmer:
        return Confirmer(ConfirmerKind.PASSKEY, self.identifier, subject, organisation_code, self.public_key)


def cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    import cbor2  # noqa: PLC0415 - one use

    numbers = key.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})


class Client:
    """A department system's DPoP key."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self.key = jwk.ECKey.generate_key("P-256")

    def proof(self, **changes: Any) -> str:  # noqa: ANN401 - what a test falsifies
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False)}
        claims = {
            "jti": str(uuid4()),
            "htm": "POST",
            "htu": f"{ISSUER}/api/v1/sealed-documents",
            "iat": int(self._clock.now().timestamp()),
        }
        return jws.serialize_compact(header, json.dumps(claims | changes), self.key)

    def confirmer(self, subject: str) -> Confirmer:
        return Confirmer(ConfirmerKind.CLIENT, self.key.thumbprint(), subject, BUREAU)


async def pin(keys: Keys, operator: Principal, second_operator: Principal, confirmer: Confirmer) -> None:
    await keys.service.request(second_operator, Act.PIN, confirmer.confirmer_id)
    await keys.service.pin(operator, confirmer)


@pytest.fixture
async def holder(keys: Keys, officer: Principal, operator: Principal, second_operator: Principal) -> Officer:
    holder = Officer()
    await pin(keys, operator, second_operator, holder.confirmer(officer.audit_name))
    return holder


@pytest.fixture
async def prepared(signing: Signing, seal: Seal, officer: Principal, licence: bytes) -> PreparedSealing:
    return await signing.sealing.prepare(officer, SealRequest(seal.seal_id, licence, matter_code=MATTER))


async def sign(keys: Keys, intention: Intention, digest: bytes | None = None) -> bytes:
    """Ask the signer as whoever holds its socket can."""
    return await keys.service.sign_digest(
        intention.key_id,
        KeyPurpose.SEAL,
        intention.to_be_signed_digest if digest is None else digest,
        intention_id=intention.intention_id,
    )


async def forged(database: Database, intention_id: str, **columns: object) -> Intention:
    """Write an intention's row as a process with the database in its hands can; return what stands there then."""
    async with database.transaction() as connection:
        table = seal_intentions
        await connection.execute(
            update(table)
            .where(table.c.intention_id == intention_id)
            .values(state=IntentionState.INTENDED, second_factor_method="passkey", **columns)
        )
        found = await IntentionRepository(connection).find(intention_id)
    assert found is not None
    return found[0]


async def keep(database: Database, intention_id: str, kind: str, proof: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(seal_proofs))
        await connection.execute(insert(seal_proofs).values(intention_id=intention_id, kind=kind, proof=proof))


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
