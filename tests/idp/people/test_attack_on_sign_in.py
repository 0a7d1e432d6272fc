"""Strangers guess at an account from everywhere; the owner, on a new device, still gets in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from foundation.principal import Channel
from idp.people.errors import MessageJustSent, SignInRefused, SignInThrottled
from idp.people.session import Arrival
from idp.people.throttle import Throttle, ThrottlePolicy
from tests.idp.people.conftest import CHEN_WEI, PASSWORD, Join
from tests.support.authenticator import Authenticator

if TYPE_CHECKING:
    from foundation.cache import Cache
    from foundation.encryption import FieldCipher
    from idp.people.assembly import People
    from idp.people.session import Session
    from tests.support.sms_gateway import SandboxSmsGateway

NEW_DEVICE = Arrival("203.0.113.80", Channel.MOBILE)
POLICY = ThrottlePolicy(per_stranger=5, strangers_per_account=12, message_pause_seconds=50)


@pytest.fixture
def throttled(people: People, cache: Cache, cipher: FieldCipher, monkeypatch: pytest.MonkeyPatch) -> Throttle:
    """The limits of production, nearly, in every service."""
    throttle = Throttle(cache, cipher, POLICY)
    for service in (people.sessions, people.mobile_codes, people.qr_sign_in, people.accounts):
        monkeypatch.setattr(service, "_tools", replace(service._tools, throttle=throttle))
    return throttle


async def _guess(people: People, count: int, *, source: str = "198.51.100.{n}") -> list[BaseException | Session]:
    # All are under way at once; as many as the database has connections go on together.
    ready = asyncio.Semaphore(8)

    async def guess(n: int) -> Session:
        async with ready:
            address = source.format(n=n)
            return await people.sessions.sign_in("chenwei", f"guess-{n}", source=address, channel=Channel.WEB)

    return await asyncio.gather(*(guess(n) for n in range(count)), return_exceptions=True)


async def _with_mobile(people: People, join: Join) -> Session:
    session = await join.citizen()
    code_id, code = await join.code("verify", CHEN_WEI.mobile, principal=session.principal())
    await people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")
    return session


async def test_one_address_exhausts_its_own_places_only(people: People, join: Join, throttled: Throttle) -> None:
    await join.citizen()
    assert throttled is people.sessions._tools.throttle
    answers = await _guess(people, 40, source="198.51.100.7")
    assert [type(answer) for answer in answers].count(SignInRefused) == 5
    session = await people.sessions.sign_in("chenwei", PASSWORD, source="203.0.113.80", channel=Channel.WEB)
    assert session.new_device


async def test_the_owner_on_a_new_device_is_never_held_out(
    people: People, join: Join, throttled: Throttle, sms: SandboxSmsGateway
) -> None:
    assert throttled is people.sessions._tools.throttle
    phone = await _with_mobile(people, join)
    passkey = Authenticator("http://localhost:8000")
    ceremony = await people.passkeys.begin_registration(phone.principal())
    await people.passkeys.finish_registration(
        phone.principal(), ceremony.ceremony_id, passkey.create(ceremony.options), "手机"
    )
    answers = await _guess(people, 1000, source="2001:db8::{n}")
    assert [type(answer) for answer in answers].count(SignInRefused) == POLICY.strangers_per_account
    assert [type(answer) for answer in answers].count(SignInThrottled) == 1000 - POLICY.strangers_per_account
    for n in range(3):
        await people.mobile_codes.send("sign_in", CHEN_WEI.mobile, source=f"198.51.100.{n}")

    with pytest.raises(SignInThrottled) as held:
        await people.sessions.sign_in("chenwei", PASSWORD, source=NEW_DEVICE.source, channel=Channel.MOBILE)
    assert 0 < (held.value.retry_after_seconds or 0) <= POLICY.window_seconds

    # 1. A code to the mobile, which nobody's guesses or messages have used up.
    code_id = await people.mobile_codes.send("sign_in", CHEN_WEI.mobile, source=NEW_DEVICE.source)
    await people.mobile_codes.deliver({"code_id": code_id})
    by_code = await people.mobile_codes.sign_in(code_id, sms.code_for(CHEN_WEI.mobile), NEW_DEVICE)
    assert by_code.account_id == phone.account_id
    # 2. A passkey. 3. The phone that is signed in. 4. The password, on a device that signed in before.
    ceremony = await people.passkeys.begin_sign_in()
    assert await people.passkeys.finish_sign_in(ceremony.ceremony_id, passkey.get(ceremony.options), NEW_DEVICE)
    ticket = await people.qr_sign_in.begin(NEW_DEVICE)
    await people.qr_sign_in.approve(phone.principal(), ticket.ticket, ticket.number)
    assert await people.qr_sign_in.collect(ticket.ticket, ticket.collector, NEW_DEVICE)
    for device in (phone.device_secret, by_code.device_secret):
        assert await join.sign_in("chenwei", device=device)


async def test_a_stranger_asking_for_codes_uses_up_the_own_places(
    people: People, join: Join, throttled: Throttle, cache: Cache
) -> None:
    await _with_mobile(people, join)
    for sent in range(POLICY.messages_per_mobile_and_source + 2):
        async for key in cache.client.scan_iter(match=cache.key("throttle:message_pause:*")):
            await cache.client.delete(key)
        if sent < POLICY.messages_per_mobile_and_source:
            await people.mobile_codes.send("sign_in", CHEN_WEI.mobile, source="198.51.100.9")
        else:
            with pytest.raises(SignInThrottled):
                await people.mobile_codes.send("sign_in", CHEN_WEI.mobile, source="198.51.100.9")
    assert await people.mobile_codes.send("sign_in", CHEN_WEI.mobile, source=NEW_DEVICE.source)
    with pytest.raises(MessageJustSent):
        await people.mobile_codes.send("sign_in", CHEN_WEI.mobile, source=NEW_DEVICE.source)
    assert throttled is people.mobile_codes._tools.throttle
