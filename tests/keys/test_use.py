"""Keys in use: purposes, states, intentions, tokens."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jose import jwt as jose_jwt  # type: ignore[import-untyped]
from sqlalchemy import select, text

from foundation.errors import InvalidInput, NotPermitted
from foundation.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from foundation.tables import audit_log
from keys.assembly import assemble
from keys.dual_control import Act
from keys.errors import (
    IntentionMissing,
    KeyNotFound,
    KeyNotUsable,
    KeystoreLocked,
    SecondOperatorRequired,
    UnsupportedAlgorithm,
    WrongPurpose,
)
from keys.jws import TokenSigner, sign_jws
from keys.model import TRANSITIONS, KeyPurpose, KeyState
from tests.keys.support import digest_of, make_seal

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.assembly import Keys
    from keys.model import KeyInfo
    from tests.keys.support import StoredIntentions


def check(info: KeyInfo, signature: bytes, digest: bytes) -> None:
    """Raise InvalidSignature unless the signature is the key's over the digest."""
    key = load_der_public_key(info.public_key_der)
    prehashed = utils.Prehashed(SHA256())
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, digest, padding.PKCS1v15(), prehashed)
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, digest, ec.ECDSA(prehashed))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_seal_key_signs_what_was_intended_and_nothing_else(
    keys: Keys, operator: Principal, intentions: StoredIntentions, algorithm: str
) -> None:
    seal = await make_seal(keys, operator, algorithm=algorithm)
    digest = digest_of("许可")
    intentions.stored.add(("int_1", seal.key_id, digest))
    signature = await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1")
    check(seal, signature, digest)
    with pytest.raises(InvalidSignature):
        check(seal, signature, digest_of("别的"))
    for other, intention in ((digest_of("别的"), "int_1"), (digest, "int_2"), (digest, None), (digest, "")):
        with pytest.raises(IntentionMissing):
            await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, other, intention_id=intention)


async def test_without_a_look_at_intentions_nothing_is_sealed(
    keys: Keys,
    operator: Principal,
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
) -> None:
    seal = await make_seal(keys, operator)
    blind = assemble(settings, database, clock, cipher)
    await blind.service.load()
    with pytest.raises(IntentionMissing):
        await blind.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest_of("a"), intention_id="int_1")
    await blind.close()


@pytest.mark.parametrize("purpose", [KeyPurpose.ROOT_CA, KeyPurpose.ISSUING_CA, KeyPurpose.TSA, KeyPurpose.OCSP])
async def test_authority_keys_sign_nothing_a_caller_prepared(keys: Keys, purpose: KeyPurpose) -> None:
    for info in keys.service.verification_keys(purpose):
        for named in (purpose, KeyPurpose.QR):
            with pytest.raises(WrongPurpose):
                await keys.service.sign_digest(info.key_id, named, digest_of("a"), intention_id="int_1")
            with pytest.raises(WrongPurpose):
                await keys.service.sign_message(info.key_id, named, b"a")


async def test_a_key_serves_its_own_purpose_only(keys: Keys) -> None:
    qr = await keys.service.active(KeyPurpose.QR)
    check(qr, await keys.service.sign_digest(qr.key_id, KeyPurpose.QR, digest_of("a")), digest_of("a"))
    with pytest.raises(WrongPurpose):
        await keys.service.sign_digest(qr.key_id, KeyPurpose.STATUS_LIST, digest_of("a"))
    with pytest.raises(InvalidInput):
        await keys.service.sign_digest(qr.key_id, KeyPurpose.QR, b"short")
    with pytest.raises(KeyNotFound):
        await keys.service.sign_digest("key_none", KeyPurpose.QR, digest_of("a"))


async def test_a_key_out_of_use_signs_no_more(
    keys: Keys, operator: Principal, clock: FixedClock, intentions: StoredIntentions
) -> None:
    seal = await make_seal(keys, operator)
    digest = digest_of("a")
    intentions.stored.add(("int_1", seal.key_id, digest))
    await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1")
    since = clock.now() - timedelta(days=1)
    compromised = await keys.service.compromise(operator, seal.key_id, since)
    assert (compromised.state, compromised.not_trusted_from) == (KeyState.COMPROMISED, since)
    with pytest.raises(KeyNotUsable):
        await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1")
    with pytest.raises(KeyNotUsable):
        await keys.service.activate(operator, seal.key_id)
    (certificate,) = await keys.ca.search(key_id=seal.key_id)
    assert certificate.revocation is not None
    assert certificate.revocation.invalid_from == since


async def test_a_destroyed_key_is_gone_from_the_database(
    keys: Keys, operator: Principal, second_operator: Principal, database: Database
) -> None:
    seal = await make_seal(keys, operator)
    await keys.service.request(second_operator, Act.DESTROY, seal.key_id)
    with pytest.raises(KeyNotUsable):
        await keys.service.destroy(operator, seal.key_id)
    await keys.service.retire(operator, seal.key_id)
    await keys.service.destroy(operator, seal.key_id)
    async with database.read() as connection:
        statement = text("SELECT stored_private FROM keys WHERE key_id = :key_id")
        assert (await connection.execute(statement, {"key_id": seal.key_id})).scalar_one() is None
        actions = select(audit_log.c.action).where(audit_log.c.object_id == seal.key_id).order_by(audit_log.c.audit_id)
        found = list((await connection.execute(actions)).scalars())
    assert found == ["keys.create", "keys.activate", "keys.retire", "keys.destroy"]


async def test_nobody_destroys_a_key_alone(
    keys: Keys, operator: Principal, second_operator: Principal, clock: FixedClock
) -> None:
    seal = await make_seal(keys, operator)
    await keys.service.retire(operator, seal.key_id)
    with pytest.raises(SecondOperatorRequired):
        await keys.service.destroy(operator, seal.key_id)
    await keys.service.request(operator, Act.DESTROY, seal.key_id)
    with pytest.raises(SecondOperatorRequired):
        await keys.service.destroy(operator, seal.key_id)
    for stranger in (SYSTEM, ANONYMOUS, Principal(PrincipalKind.OFFICER, "ofc_1")):
        with pytest.raises(NotPermitted):
            await keys.service.destroy(stranger, seal.key_id)
        with pytest.raises(NotPermitted):
            await keys.service.request(stranger, Act.DESTROY, seal.key_id)
    clock.advance(timedelta(hours=25))
    with pytest.raises(SecondOperatorRequired):
        await keys.service.destroy(second_operator, seal.key_id)
    await keys.service.request(operator, Act.DESTROY, seal.key_id)
    results = await asyncio.gather(
        *(keys.service.destroy(second_operator, seal.key_id) for _ in range(5)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert (await keys.service.get(seal.key_id)).state is KeyState.DESTROYED


def test_no_way_leads_back_from_compromised_or_destroyed() -> None:
    assert TRANSITIONS[KeyState.COMPROMISED] == {KeyState.DESTROYED}
    assert TRANSITIONS[KeyState.DESTROYED] == frozenset()


async def test_only_one_of_many_activations_wins(keys: Keys, operator: Principal) -> None:
    key = await keys.service.create(operator, KeyPurpose.QR, "")
    results = await asyncio.gather(
        *(keys.service.activate(operator, key.key_id) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
async def test_other_libraries_validate_our_tokens_from_the_key_set(
    keys: Keys, operator: Principal, algorithm: str
) -> None:
    if algorithm in ("RS256", "PS256"):
        rsa_key = await keys.service.create(operator, KeyPurpose.TOKEN, "", "RS256")
        await keys.service.activate(operator, rsa_key.key_id)
    claims = {"iss": "http://localhost:8000", "sub": "陈伟", "iat": 1, "exp": 4_000_000_000}
    token = keys.tokens.sign(claims, typ="at+jwt", algorithm=algorithm)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == (algorithm, "at+jwt")
    (jwk,) = (one for one in keys.tokens.jwks()["keys"] if one["kid"] == header["kid"])
    assert jwt.decode(token, jwt.PyJWK(jwk, algorithm=algorithm), algorithms=[algorithm]) == claims
    if algorithm in ("ES256", "RS256"):
        assert jose_jwt.decode(token, {**jwk, "alg": algorithm}, algorithms=[algorithm]) == claims
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-6] + "AAAAAA", jwt.PyJWK(jwk, algorithm=algorithm), algorithms=[algorithm])


async def test_the_default_is_es256_and_no_private_part_is_published(keys: Keys) -> None:
    assert keys.tokens.algorithms()[0] == "ES256"
    assert jwt.get_unverified_header(keys.tokens.sign({}, typ="JWT"))["alg"] == "ES256"
    for signer in (keys.tokens, keys.receipts):
        for jwk in signer.jwks()["keys"]:
            assert not {"d", "p", "q", "dp", "dq", "qi"} & set(jwk)
    with pytest.raises(UnsupportedAlgorithm):
        keys.tokens.sign({}, typ="JWT", algorithm="none")
    with pytest.raises(KeyNotFound):
        keys.receipts.sign({}, typ="JWT", algorithm="RS256")
    with pytest.raises(ValueError, match="not held"):
        TokenSigner(keys.service, KeyPurpose.SEAL)


async def test_rotation_publishes_the_next_key_first_and_the_last_one_still(keys: Keys, operator: Principal) -> None:
    before = jwt.get_unverified_header(keys.tokens.sign({}, typ="JWT"))["kid"]
    following = await keys.service.create(operator, KeyPurpose.TOKEN, "")
    assert {before, following.key_id} <= {jwk["kid"] for jwk in keys.tokens.jwks()["keys"]}
    assert jwt.get_unverified_header(keys.tokens.sign({}, typ="JWT"))["kid"] == before
    await keys.service.activate(operator, following.key_id)
    assert jwt.get_unverified_header(keys.tokens.sign({}, typ="JWT"))["kid"] == following.key_id
    assert {before, following.key_id} <= {jwk["kid"] for jwk in keys.tokens.jwks()["keys"]}
    await keys.service.retire(operator, before)
    assert before not in {jwk["kid"] for jwk in keys.tokens.jwks()["keys"]}


async def test_another_process_sees_a_rotation(
    keys: Keys,
    operator: Principal,
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
) -> None:
    other = assemble(settings, database, clock, cipher)
    await other.service.load()
    watching = asyncio.create_task(other.service.watch())
    following = await keys.service.create(operator, KeyPurpose.TOKEN, "")
    await keys.service.activate(operator, following.key_id)
    async with asyncio.timeout(5):
        while jwt.get_unverified_header(other.tokens.sign({}, typ="JWT"))["kid"] != following.key_id:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
    watching.cancel()
    await other.close()


async def test_the_signers_service_keys_make_jws_too(keys: Keys) -> None:
    for purpose in (KeyPurpose.STATUS_LIST, KeyPurpose.TRUST_LIST):
        token = await sign_jws(keys.service, purpose, {"a": 1}, typ="statuslist+jwt")
        info = await keys.service.active(purpose)
        assert jwt.decode(token, load_der_public_key(info.public_key_der), algorithms=["ES256"]) == {"a": 1}  # type: ignore[arg-type]


async def test_checkpoints_are_signed_with_ed25519(keys: Keys) -> None:
    info = await keys.service.active(KeyPurpose.CHECKPOINT)
    signature = await keys.service.sign_message(info.key_id, KeyPurpose.CHECKPOINT, b"tree head")
    key = load_der_public_key(info.public_key_der)
    assert isinstance(key, ed25519.Ed25519PublicKey)
    key.verify(signature, b"tree head")
    with pytest.raises(UnsupportedAlgorithm):
        await keys.service.sign_digest(info.key_id, KeyPurpose.CHECKPOINT, digest_of("a"))


async def test_a_wrapped_key_moved_to_another_row_does_not_open(
    keys: Keys, settings: Settings, database: Database, clock: FixedClock, cipher: FieldCipher
) -> None:
    """Whoever can write the database cannot turn a QR key into a seal key, or the other way round."""
    qr = await keys.service.active(KeyPurpose.QR)
    status = await keys.service.active(KeyPurpose.STATUS_LIST)
    async with database.transaction() as connection:
        statement = text(
            "UPDATE keys SET stored_private = (SELECT stored_private FROM keys WHERE key_id = :source),"
            " public_key_der = (SELECT public_key_der FROM keys WHERE key_id = :source) WHERE key_id = :target"
        )
        await connection.execute(statement, {"source": qr.key_id, "target": status.key_id})
    fresh = assemble(settings, database, clock, cipher)
    await fresh.service.load()
    with pytest.raises(KeystoreLocked):
        await fresh.service.sign_digest(status.key_id, KeyPurpose.STATUS_LIST, digest_of("a"))
    await fresh.close()


async def test_an_online_key_is_never_opened_by_the_signer_nor_the_reverse(keys: Keys, operator: Principal) -> None:
    token = await keys.service.active(KeyPurpose.TOKEN)
    with pytest.raises(WrongPurpose):
        await keys.service.sign_digest(token.key_id, KeyPurpose.TOKEN, digest_of("a"))
    with pytest.raises(UnsupportedAlgorithm):
        await keys.service._lifecycle.create(operator, KeyPurpose.SEAL, "sel_x", "ecdsa-p256-sha256")
    assert "private" not in json.dumps(keys.tokens.jwks()).lower()


@pytest.mark.parametrize("provider", ["software"], indirect=True)
async def test_a_post_quantum_algorithm_is_one_more_profile(
    keys: Keys,
    operator: Principal,
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
) -> None:
    key = await keys.service.create(operator, KeyPurpose.TOKEN, "", "ML-DSA-65")
    await keys.service.activate(operator, key.key_id)
    again = assemble(settings, database, clock, cipher)
    await again.service.load()
    signing_input, _, signature = again.tokens.sign({"a": 1}, typ="JWT", algorithm="ML-DSA-65").rpartition(".")
    (jwk,) = (one for one in keys.tokens.jwks()["keys"] if one["kid"] == key.key_id)
    assert (jwk["kty"], jwk["alg"]) == ("AKP", "ML-DSA-65")
    public = mldsa.MLDSA65PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["pub"] + "=="))
    public.verify(base64.urlsafe_b64decode(signature + "=="), signing_input.encode())
    await again.close()


async def test_an_expired_certificate_ends_the_use_of_its_key(
    keys: Keys, operator: Principal, clock: FixedClock, intentions: StoredIntentions
) -> None:
    seal, digest = await make_seal(keys, operator), digest_of("late")
    intentions.stored.add(("int_1", seal.key_id, digest))
    clock.advance(timedelta(days=3 * 365, minutes=-1))
    await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1")
    clock.advance(timedelta(minutes=1))
    with pytest.raises(KeyNotUsable):
        await keys.service.sign_digest(seal.key_id, KeyPurpose.SEAL, digest, intention_id="int_1")


async def test_an_unknown_algorithm_is_named(keys: Keys, operator: Principal) -> None:
    for purpose, algorithm in ((KeyPurpose.SEAL, "EdDSA"), (KeyPurpose.QR, "RS256"), (KeyPurpose.SEAL, "nonsense")):
        with pytest.raises(UnsupportedAlgorithm):
            await keys.service.create(operator, purpose, "sel_x", algorithm)


async def test_a_key_is_tried_by_the_certificate_it_has(keys: Keys, operator: Principal, database: Database) -> None:
    """A wrong certificate is noticed before a seal is put to use, and other keys are not tried."""
    seal, other = await make_seal(keys, operator), await make_seal(keys, operator, "sel_two")
    await keys.service.try_key(seal.key_id)
    async with database.transaction() as connection:
        statement = text("UPDATE keys SET certificate_chain = :chain WHERE key_id = :key_id")
        await connection.execute(statement, {"chain": list(other.certificate_chain_der), "key_id": seal.key_id})
    with pytest.raises(KeyNotUsable):
        await keys.service.try_key(seal.key_id)
    await keys.service.try_key(other.key_id)
    with pytest.raises(WrongPurpose):
        await keys.service.try_key((await keys.service.active(KeyPurpose.TSA)).key_id)
