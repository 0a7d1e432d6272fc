from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from foundation.errors import InvalidInput, NotPermitted, UpstreamUnavailable
from foundation.principal import Channel
from idp.people import totp
from idp.people.errors import CodeRefused, RecoveryRefused, SignInRefused, SignInThrottled, WeakPassword
from idp.people.session import Arrival, Session
from idp.people.tables import mobile_codes
from tests.idp.people.conftest import CHEN_WEI, PASSWORD, Join
from tests.support.real_name_authority import CITIZENS, Citizen

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.notices import Notices
    from idp.people.assembly import People
    from tests.support.sms_gateway import SandboxSmsGateway

HERE = Arrival("192.0.2.1", Channel.MOBILE)
MOBILE = CHEN_WEI.mobile
NEW_PASSWORD = "amber-lighthouse-93"


async def _verified(people: People, join: Join, username: str = "chenwei", mobile: str = MOBILE) -> Session:
    session = await join.citizen(username)
    code_id, code = await join.code("verify", mobile, principal=session.principal())
    await people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")
    return session


async def test_a_code_proves_a_number_and_then_signs_in(people: People, join: Join, database: Database) -> None:
    session = await _verified(people, join)
    account = await people.accounts.get(session.account_id)
    assert (account.mobile, account.mobile_verified) == (MOBILE, True)
    await join.sign_in(MOBILE)
    async with database.read() as connection:
        row = (await connection.execute(select(mobile_codes))).one()
    assert MOBILE.encode() not in row.mobile
    assert row.used_at is not None


async def test_signing_in_by_code_opens_a_session_once(
    people: People, join: Join, clock: FixedClock, sms: SandboxSmsGateway
) -> None:
    await _verified(people, join)
    clock.advance(timedelta(minutes=2))
    await _pause(join)
    code_id, code = await join.code("sign_in", MOBILE)
    assert len(sms.messages) == 2
    results = await asyncio.gather(
        *(people.mobile_codes.sign_in(code_id, code, HERE) for _ in range(4)), return_exceptions=True
    )
    (session,) = [result for result in results if isinstance(result, Session)]
    assert session.amr == ("sms",)
    assert session.principal().channel is Channel.MOBILE
    assert all(isinstance(result, (Session, CodeRefused)) for result in results)


async def _pause(join: Join) -> None:
    """Let the pause between two messages pass: it runs on the cache's own clock."""
    cache = join.people.mobile_codes._tools.throttle._cache
    keys = [key async for key in cache.client.scan_iter(match=cache.key("throttle:message_pause:*"))]
    for key in keys:
        await cache.client.delete(key)


async def test_an_unknown_number_gets_the_same_answer_and_no_message(
    people: People, join: Join, sms: SandboxSmsGateway, database: Database
) -> None:
    code_id = await people.mobile_codes.send("sign_in", "13800000001", source="192.0.2.1")
    await people.mobile_codes.deliver({"code_id": code_id})
    assert sms.messages == []
    async with database.read() as connection:
        queued = (await connection.execute(text("SELECT count(*) FROM pgqueuer"))).scalar_one()
    assert queued == 1
    with pytest.raises(CodeRefused):
        await people.mobile_codes.sign_in(code_id, "000000", HERE)
    assert people is join.people


async def test_a_code_is_guessed_at_five_times_and_lives_five_minutes(
    people: People, join: Join, clock: FixedClock
) -> None:
    session = await join.citizen()
    code_id, code = await join.code("verify", MOBILE, principal=session.principal())
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    guesses = [
        people.mobile_codes.verify_mobile(session.principal(), code_id, wrong, source="192.0.2.1") for _ in range(6)
    ]
    await asyncio.gather(*guesses, return_exceptions=True)
    with pytest.raises(CodeRefused):
        await people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")
    await _pause(join)
    code_id, code = await join.code("verify", MOBILE, principal=session.principal())
    clock.advance(timedelta(minutes=5))
    with pytest.raises(CodeRefused):
        await people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")


async def test_a_code_for_one_purpose_or_account_is_worth_nothing_for_another(people: People, join: Join) -> None:
    session, other = await join.citizen(), await join.citizen("liming")
    code_id, code = await join.code("verify", MOBILE, principal=session.principal())
    with pytest.raises(CodeRefused):
        await people.mobile_codes.sign_in(code_id, code, HERE)
    with pytest.raises(CodeRefused):
        await people.mobile_codes.verify_mobile(other.principal(), code_id, code, source="192.0.2.1")
    with pytest.raises(NotPermitted):
        await people.mobile_codes.send("verify", MOBILE, source="192.0.2.1")
    with pytest.raises(InvalidInput):
        await people.mobile_codes.send("sign_in", "12345", source="192.0.2.1")


async def test_messages_to_one_number_are_limited(people: People, join: Join) -> None:
    await people.mobile_codes.send("sign_in", MOBILE, source="192.0.2.1")
    with pytest.raises(SignInThrottled):
        await people.mobile_codes.send("sign_in", MOBILE, source="192.0.2.1")
    for _ in range(3):
        await _pause(join)
        await people.mobile_codes.send("sign_in", MOBILE, source="192.0.2.1")
    await _pause(join)
    with pytest.raises(SignInThrottled):
        await people.mobile_codes.send("sign_in", MOBILE, source="192.0.2.1")


async def test_a_gateway_that_is_down_is_tried_again_and_sends_once(
    people: People, join: Join, sms: SandboxSmsGateway
) -> None:
    session = await join.citizen()
    sms.down = True
    code_id = await people.mobile_codes.send("verify", MOBILE, source="192.0.2.1", principal=session.principal())
    with pytest.raises(UpstreamUnavailable) as caught:
        await people.mobile_codes.deliver({"code_id": code_id})
    assert MOBILE not in str(caught.value)
    sms.down = False
    for _ in range(2):
        await people.mobile_codes.deliver({"code_id": code_id})
    assert len(sms.messages) == 1
    assert set(people.job_handlers()) == {"people.deliver_code"}


async def test_a_number_handed_on_leaves_its_former_account(
    people: People, join: Join, notices: Notices, database: Database
) -> None:
    former = await _verified(people, join)
    await _pause(join)
    await _verified(people, join, "liming")
    assert not (await people.accounts.get(former.account_id)).mobile_verified
    async with database.read() as connection:
        kinds = [notice.kind for notice in await notices.of_account(connection, former.account_id)]
    assert "people.mobile_lost" in kinds


async def test_a_second_factor_is_owed_after_a_code_as_well(people: People, join: Join, clock: FixedClock) -> None:
    session = await _verified(people, join)
    enrolment = await people.second_factors.begin_totp(session.principal())
    import base64  # noqa: PLC0415

    text_secret = enrolment.secret_base32
    secret = base64.b32decode(text_secret + "=" * (-len(text_secret) % 8))
    await people.second_factors.confirm_totp(session.principal(), totp.code_at(secret, totp.step_of(clock.now())))
    await _pause(join)
    code_id, code = await join.code("sign_in", MOBILE)
    assert (await people.mobile_codes.sign_in(code_id, code, HERE)).pending


async def _recover(
    people: People, join: Join, citizen: Citizen = CHEN_WEI, username: str = "chenwei", password: str = NEW_PASSWORD
) -> None:
    await _pause(join)
    code_id, code = await join.code("recover", citizen.mobile)
    await people.recovery.recover(
        username,
        "bank_card",
        citizen.elements("bank_card"),
        code_id=code_id,
        unverified_code=code,
        unverified_new_password=password,
        channel=Channel.WEB,
    )


async def test_proving_the_real_name_again_opens_a_lost_account(people: People, join: Join) -> None:
    session = await join.proven()
    await _recover(people, join)
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    with pytest.raises(SignInRefused):
        await join.sign_in("chenwei", PASSWORD)
    await join.sign_in("chenwei", NEW_PASSWORD)


async def test_another_person_an_unproven_account_and_nobody_get_one_answer(people: People, join: Join) -> None:
    await join.proven()
    await join.citizen("unproven")
    answers = set()
    for citizen, username in ((CITIZENS[1], "chenwei"), (CHEN_WEI, "unproven"), (CHEN_WEI, "nobody.at.all")):
        with pytest.raises(RecoveryRefused) as caught:
            await _recover(people, join, citizen, username)
        answers.add(caught.value.detail)
    assert len(answers) == 1
    await join.sign_in("chenwei")


async def test_recovery_takes_the_phone_and_a_good_password(people: People, join: Join) -> None:
    await join.proven()
    with pytest.raises(WeakPassword):
        await _recover(people, join, password="12345678")
    with pytest.raises(CodeRefused):
        await people.recovery.recover(
            "chenwei",
            "telecom",
            CHEN_WEI.elements("telecom"),
            code_id="otc_none",
            unverified_code="123456",
            unverified_new_password=NEW_PASSWORD,
            channel=Channel.WEB,
        )
    with pytest.raises(InvalidInput) as caught:
        await people.recovery.recover(
            "chenwei",
            "id_card",
            CHEN_WEI.elements("id_card"),
            code_id="otc_none",
            unverified_code="123456",
            unverified_new_password=NEW_PASSWORD,
            channel=Channel.WEB,
        )
    assert caught.value.field == "method"
