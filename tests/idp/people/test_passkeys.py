from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import NotFound, StepUpRequired
from foundation.principal import Channel, PrincipalKind
from idp.people import totp
from idp.people.errors import PasskeyRefused, SecondFactorRequired, SignInRefused, SignInThrottled
from idp.people.session import Arrival, Session
from tests.support.authenticator import Authenticator, b64url

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from idp.people.assembly import People
    from tests.idp.people.conftest import Join

ORIGIN = "http://localhost:8000"
HERE = Arrival("192.0.2.1", Channel.WEB)


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(ORIGIN)


async def _registered(people: People, session: Session, phone: Authenticator) -> None:
    ceremony = await people.passkeys.begin_registration(session.principal())
    answer = phone.create(ceremony.options)
    await people.passkeys.finish_registration(session.principal(), ceremony.ceremony_id, answer, "手机")


async def _sign_in(people: People, phone: Authenticator) -> Session:
    ceremony = await people.passkeys.begin_sign_in()
    return await people.passkeys.finish_sign_in(ceremony.ceremony_id, phone.get(ceremony.options), HERE)


async def test_a_passkey_signs_in_with_both_factors_and_no_name(
    people: People, join: Join, phone: Authenticator
) -> None:
    session = await join.citizen()
    await _registered(people, session, phone)
    signed_in = await _sign_in(people, phone)
    assert (signed_in.account_id, signed_in.pending) == (session.account_id, False)
    assert signed_in.amr == ("pop", "user", "mfa")
    (passkey,) = await people.passkeys.of_account(signed_in.principal())
    assert (passkey.label, passkey.last_used_at is not None) == ("手机", True)


async def test_strangers_who_exhaust_the_password_do_not_stop_the_passkey(
    people: People, join: Join, phone: Authenticator
) -> None:
    await _registered(people, await join.citizen(), phone)
    guesses = [
        people.sessions.sign_in("chenwei", f"guess-{n}", source=f"198.51.100.{n}", channel=Channel.WEB)
        for n in range(30)
    ]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(type(answer) is SignInRefused for answer in answers) == 5
    assert sum(type(answer) is SignInThrottled for answer in answers) == 25
    assert not (await _sign_in(people, phone)).pending


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://hufu.example"},
        {"type": "webauthn.create"},
        {"challenge": b64url(b"another challenge")},
    ],
)
async def test_an_answer_for_something_else_is_refused(
    people: People, join: Join, phone: Authenticator, changes: dict[str, str]
) -> None:
    await _registered(people, await join.citizen(), phone)
    ceremony = await people.passkeys.begin_sign_in()
    with pytest.raises(PasskeyRefused):
        await people.passkeys.finish_sign_in(ceremony.ceremony_id, phone.get(ceremony.options, **changes), HERE)


async def test_a_challenge_is_answered_once(people: People, join: Join, phone: Authenticator) -> None:
    await _registered(people, await join.citizen(), phone)
    phone.counting = False
    ceremony = await people.passkeys.begin_sign_in()
    answer = phone.get(ceremony.options)
    results = await asyncio.gather(
        *(people.passkeys.finish_sign_in(ceremony.ceremony_id, answer, HERE) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Session) for result in results) <= 1
    with pytest.raises(PasskeyRefused):
        await people.passkeys.finish_sign_in(ceremony.ceremony_id, answer, HERE)


async def test_a_copied_authenticator_is_noticed_by_its_counter(
    people: People, join: Join, phone: Authenticator
) -> None:
    await _registered(people, await join.citizen(), phone)
    await _sign_in(people, phone)
    phone.sign_count = 0
    with pytest.raises(PasskeyRefused):
        await _sign_in(people, phone)


async def test_an_authenticator_without_a_counter_is_accepted(people: People, join: Join) -> None:
    phone = Authenticator(ORIGIN, counting=False)
    await _registered(people, await join.citizen(), phone)
    for _ in range(2):
        await _sign_in(people, phone)


async def test_without_user_verification_nothing_is_registered(people: People, join: Join) -> None:
    with pytest.raises(PasskeyRefused):
        await _registered(people, await join.citizen(), Authenticator(ORIGIN, verifies_user=False))


@pytest.mark.parametrize("answer", ["", "{}", "[]", "null", '{"id": 7}', '{"id": "AAAA"}', "x" * 40_000])
async def test_what_is_no_answer_is_refused(people: People, answer: str) -> None:
    ceremony = await people.passkeys.begin_sign_in()
    with pytest.raises(PasskeyRefused):
        await people.passkeys.finish_sign_in(ceremony.ceremony_id, answer, HERE)


async def test_a_ceremony_of_another_account_registers_nothing(
    people: People, join: Join, phone: Authenticator
) -> None:
    mine, theirs = await join.citizen("chenwei"), await join.citizen("liming")
    ceremony = await people.passkeys.begin_registration(mine.principal())
    with pytest.raises(PasskeyRefused):
        await people.passkeys.finish_registration(
            theirs.principal(), ceremony.ceremony_id, phone.create(ceremony.options)
        )


async def test_a_stolen_or_old_session_adds_no_passkey(
    people: People, join: Join, phone: Authenticator, clock: FixedClock
) -> None:
    session = await join.citizen()
    clock.advance(timedelta(minutes=11))
    with pytest.raises(StepUpRequired) as caught:
        await people.passkeys.begin_registration(session.principal())
    assert caught.value.max_age == 600
    fresh = await join.sign_in("chenwei")
    await _registered(people, fresh, phone)
    with pytest.raises(SecondFactorRequired):
        await people.passkeys.begin_registration(fresh.principal())
    await people.passkeys.begin_registration((await _sign_in(people, phone)).principal())


async def test_a_removed_passkey_opens_nothing(people: People, join: Join, phone: Authenticator) -> None:
    await _registered(people, await join.citizen(), phone)
    session = await _sign_in(people, phone)
    (passkey,) = await people.passkeys.of_account(session.principal())
    await people.passkeys.remove(session.principal(), passkey.credential_id)
    with pytest.raises(PasskeyRefused):
        await _sign_in(people, phone)
    with pytest.raises(NotFound):
        await people.passkeys.remove(session.principal(), passkey.credential_id)


async def test_an_act_is_confirmed_by_signing_its_hash(
    people: People, join: Join, phone: Authenticator, clock: FixedClock, database: Database
) -> None:
    _, secret = await join.officer()
    pending = await join.sign_in("officer.li")
    officer = await people.sessions.second_factor(pending, totp.code_at(secret, totp.step_of(clock.now())))
    with pytest.raises(NotFound):
        await people.passkeys.act_options(officer.principal(), b"h" * 32)
    await _registered(people, officer, phone)
    signed_in = await _sign_in(people, phone)
    assert signed_in.principal().kind is PrincipalKind.OFFICER
    options = await people.passkeys.act_options(signed_in.principal(), b"h" * 32)
    answer = phone.get(options)
    with pytest.raises(PasskeyRefused):
        async with database.transaction() as connection:
            await people.passkeys.verify_act(connection, signed_in.principal(), answer, b"x" * 32)
    async with database.transaction() as connection:
        proof = await people.passkeys.verify_act(connection, signed_in.principal(), answer, b"h" * 32)
    assert proof.method == "passkey"
    citizen = await join.citizen()
    with pytest.raises(PasskeyRefused):
        async with database.transaction() as connection:
            await people.passkeys.verify_act(connection, citizen.principal(), phone.get(options), b"h" * 32)
    assert json.loads(answer)["type"] == "public-key"
