"""What only a token does: one login a process, and a PIN that is never tried twice in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pkcs11
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import AttributeSensitive, UserAlreadyLoggedIn
from pydantic import SecretStr

from keys.assembly import assemble
from keys.dual_control import Act
from keys.errors import KeystoreLocked, ProviderUnavailable
from keys.keyring import open_token
from keys.model import KeyPurpose
from keys.providers.base import KeyIdentity
from tests.keys.support import digest_of, make_seal
from tests.support.softhsm import PIN, SOFTHSM

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from keys.assembly import Keys
    from keys.providers.pkcs11 import Pkcs11Provider

pytestmark = pytest.mark.parametrize("provider", ["pkcs11"], indirect=True)


def objects(label: str) -> int:
    """Count a label's objects in the session the provider holds."""
    from keys.providers.pkcs11 import _Token  # noqa: PLC0415 - loads the C library

    (token,) = _Token._open.values()
    return token.call(lambda session: len(list(session.get_objects({Attribute.LABEL: label}))))


async def test_the_signers_keys_are_in_the_token_and_the_online_ones_are_not(keys: Keys) -> None:
    service = keys.service
    providers = {purpose: {key.provider for key in service._register.all(purpose)} for purpose in KeyPurpose}
    assert providers[KeyPurpose.ROOT_CA] == {"offline"}
    assert providers[KeyPurpose.TOKEN] == providers[KeyPurpose.RECEIPT] == {"software"}
    for purpose in (KeyPurpose.ISSUING_CA, KeyPurpose.TSA, KeyPurpose.OCSP, KeyPurpose.QR, KeyPurpose.CHECKPOINT):
        assert providers[purpose] == {"pkcs11"}


async def test_a_second_login_is_refused_by_the_token_and_not_needed_by_us(
    keys: Keys,
    settings: Settings,
    database: Database,
    clock: FixedClock,
    cipher: FieldCipher,
) -> None:
    token = pkcs11.lib(SOFTHSM).get_token(token_label=settings.pkcs11_token)
    with pytest.raises(UserAlreadyLoggedIn):
        token.open(user_pin=PIN, rw=True)
    second = assemble(settings, database, clock, cipher)
    await second.service.load()
    assert await second.tsa.timestamp(digest_of("a"))
    await second.close()
    assert await keys.tsa.timestamp(digest_of("the first session is still open"))


async def test_no_private_key_leaves_the_token(keys: Keys, operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    from keys.providers.pkcs11 import _Token  # noqa: PLC0415 - loads the C library

    (token,) = _Token._open.values()
    label = f"{seal.key_id}:seal:{seal.algorithm}"
    key = token.call(lambda session: session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label))
    assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
    with pytest.raises(AttributeSensitive):
        key[Attribute.VALUE]
    facts = keys.service._signer._issuer.facts("seals")  # type: ignore[attr-defined]  # the in-process signer
    with pytest.raises(TypeError):
        facts.signer.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


async def test_destroying_deletes_both_halves(keys: Keys, operator: Principal, second_operator: Principal) -> None:
    seal = await make_seal(keys, operator)
    label = f"{seal.key_id}:seal:{seal.algorithm}"
    assert objects(label) == 2
    await keys.service.retire(operator, seal.key_id)
    await keys.service.request(second_operator, Act.DESTROY, seal.key_id)
    await keys.service.destroy(operator, seal.key_id)
    assert objects(label) == 0


async def test_a_wrong_pin_is_tried_once_and_never_again(settings: Settings, tmp_path: Path) -> None:
    wrong = settings.model_copy(update={"pkcs11_pin": SecretStr("000000"), "data_directory": tmp_path / "other"})
    flags = []
    for _ in range(5):
        with pytest.raises(KeystoreLocked) as caught:
            open_token(wrong)
        assert "000000" not in str(caught.value)
        flags.append(pkcs11.lib(SOFTHSM).get_token(token_label=settings.pkcs11_token).flags)
    assert not flags[-1] & pkcs11.TokenFlag.USER_PIN_LOCKED
    kept = tmp_path / "other" / "keystore" / "pkcs11-pin-refused.json"
    assert "000000" not in kept.read_text()
    right = wrong.model_copy(update={"pkcs11_pin": SecretStr(PIN)})
    open_token(right).close()
    assert not kept.exists()


async def test_a_wrong_pin_does_not_open_what_another_part_of_the_process_has_open(
    settings: Settings, keys: Keys
) -> None:
    """A token that is logged in takes any PIN, so the process compares it itself."""
    wrong = settings.model_copy(update={"pkcs11_pin": SecretStr("000000")})
    with pytest.raises(KeystoreLocked):
        open_token(wrong)
    open_token(settings).close()
    assert await keys.tsa.timestamp(digest_of("the first session is still open"))


async def test_the_last_try_is_left_to_a_human(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """SoftHSM never counts down to its last try, so its answer is put in its mouth."""

    class Token:
        flags = pkcs11.TokenFlag.USER_PIN_FINAL_TRY

        def open(self, **_: object) -> None:
            pytest.fail("the last try was used")

    class Library:
        def get_token(self, **_: object) -> Token:
            return Token()

    monkeypatch.setattr(pkcs11, "lib", lambda _: Library())
    with pytest.raises(KeystoreLocked):
        open_token(settings)


@pytest.mark.parametrize(
    "change", [{"pkcs11_module": "/nowhere/lib.so"}, {"pkcs11_token": "no such token"}], ids=["module", "token"]
)
async def test_a_token_that_is_not_there_is_a_named_error(settings: Settings, change: dict[str, str]) -> None:
    with pytest.raises(ProviderUnavailable):
        open_token(settings.model_copy(update=change))


async def test_a_session_lost_in_the_middle_is_a_named_error_and_opens_again(keys: Keys) -> None:
    from keys.providers.pkcs11 import _Token  # noqa: PLC0415 - loads the C library

    qr = await keys.service.active(KeyPurpose.QR)
    (token,) = _Token._open.values()
    assert await keys.service.sign_digest(qr.key_id, KeyPurpose.QR, digest_of("a"))
    session = token.session()
    session.close()
    with pytest.raises(ProviderUnavailable):
        await keys.service.sign_digest(qr.key_id, KeyPurpose.QR, digest_of("a"))
    assert await keys.service.sign_digest(qr.key_id, KeyPurpose.QR, digest_of("a"))


async def test_a_key_the_token_does_not_hold_does_not_open(settings: Settings) -> None:
    opened: Pkcs11Provider = open_token(settings)  # type: ignore[assignment]  # the factory names the interface
    made = opened.generate(KeyIdentity("key_a", KeyPurpose.QR, "ecdsa-p256-sha256"))
    for identity in (
        KeyIdentity("key_a", KeyPurpose.SEAL, "ecdsa-p256-sha256"),
        KeyIdentity("key_b", KeyPurpose.QR, "ecdsa-p256-sha256"),
    ):
        with pytest.raises(KeystoreLocked):
            opened.open(identity, made.stored, made.public_key_der)
    opened.close()
