"""Asking for codes to somebody's number holds nobody up: the pause is the asker's, the numbers are the mobile's."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from foundation.principal import ANONYMOUS, Channel
from idp.people.errors import CodeRefused, MessageJustSent, SignInThrottled
from idp.people.mobile_code_repository import CODE
from idp.people.mobile_codes import Purpose
from idp.people.session import Arrival, Browser
from idp.people.tables import mobile_codes
from idp.people.throttle import Throttle, ThrottlePolicy
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from foundation.cache import Cache
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from idp.people.assembly import People
    from idp.people.session import Session
    from tests.support.sms_gateway import SandboxSmsGateway

MOBILE, HALL = CHEN_WEI.mobile, "192.0.2.50"
UNKNOWN = "13800000001"
POLICY = ThrottlePolicy()
LEFT = POLICY.messages_per_mobile - 1
"""Strangers' places once the owner has proven the number, which was a stranger's request."""


async def owner(people: People, join: Join) -> Session:
    """Sign the number's owner in on a device that is known from then on."""
    session = await join.citizen()
    code_id, code = await join.code("verify", MOBILE, principal=session.principal())
    await people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")
    return session


async def ask(
    people: People,
    mark: str,
    *,
    source: str = HALL,
    device: str | None = None,
    purpose: str = "sign_in",
    principal: Principal = ANONYMOUS,
) -> str:
    browser = Browser(device, mark)
    return await people.mobile_codes.send(purpose, MOBILE, source=source, browser=browser, principal=principal)


async def outcomes(*asked: asyncio.Future[Any]) -> Counter[str]:
    found = await asyncio.gather(*asked, return_exceptions=True)
    return Counter(type(one).__name__ for one in found)


async def test_a_stranger_at_the_same_address_does_not_hold_the_pause(people: People, join: Join) -> None:
    await owner(people, join)
    await ask(people, "stranger")
    with pytest.raises(MessageJustSent):
        await ask(people, "stranger")
    assert await ask(people, "owner on a new device")


async def test_parallel_requests_of_strangers_leave_the_owners_device_its_own(people: People, join: Join) -> None:
    session = await owner(people, join)
    strangers = [
        asyncio.ensure_future(ask(people, f"mark {n}", source=f"198.51.100.{n % 50}", device=f"guessed {n}"))
        for n in range(200)
    ]
    own = [asyncio.ensure_future(ask(people, "own", device=session.device_secret)) for _ in range(5)]
    assert await outcomes(*own) == {"str": 1, "MessageJustSent": 4}
    told = await outcomes(*strangers)
    assert told["str"] == LEFT
    assert told["SignInThrottled"] == 200 - LEFT


async def test_the_owner_signed_in_is_not_held_up_and_another_account_is_a_stranger(
    people: People, join: Join, cache: Cache
) -> None:
    session = await owner(people, join)
    thief = await join.citizen("thief.one")
    for n in range(LEFT):
        await ask(people, f"mark {n}", source=f"198.51.100.{n}")
    with pytest.raises(SignInThrottled):
        await ask(people, "", purpose="verify", principal=thief.principal())
    async for key in cache.client.scan_iter(match=cache.key("throttle:message_pause:*")):
        await cache.client.delete(key)
    assert await ask(people, "", purpose="close", principal=session.principal())


async def test_a_device_known_to_another_account_is_a_stranger(people: People, join: Join) -> None:
    await owner(people, join)
    thief = await join.citizen("thief.one")
    for n in range(LEFT):
        await ask(people, f"mark {n}", source=f"198.51.100.{n}")
    with pytest.raises(SignInThrottled):
        await ask(people, "thief", device=thief.device_secret)


async def test_a_number_never_gets_more_in_an_hour_than_both_numbers_together(
    cache: Cache, cipher: FieldCipher
) -> None:
    throttle = Throttle(cache, cipher, ThrottlePolicy(message_pause_seconds=1, messages_per_mobile=1000))

    async def sent(places: int, *, owned: bool) -> int:
        done = 0
        for n in range(places):
            try:
                await throttle.message(MOBILE, f"2001:db8::{n}", owner=f"dev_{n}" if owned else None)
                done += 1
            except SignInThrottled:
                continue
        return done

    assert await sent(60, owned=False) == POLICY.messages_per_mobile_hour
    assert await sent(60, owned=True) == POLICY.messages_per_owner_hour
    hours = [
        await cache.client.ttl(key) async for key in cache.client.scan_iter(match=cache.key("throttle:message_*r:*"))
    ]
    assert len(hours) == 2
    assert all(3500 < left <= 3600 for left in hours)


async def recover(people: People, citizen_id_number: str, *, source: str, mobile: str = MOBILE) -> str:
    browser = Browser(None, source)
    code_id = await people.mobile_codes.send(
        "recover", mobile, source=source, browser=browser, claimed_owner=citizen_id_number
    )
    async with people.mobile_codes._tools.database.read() as connection:
        queued = await connection.execute(text("SELECT payload FROM pgqueuer ORDER BY id DESC LIMIT 1"))
    await people.mobile_codes.deliver(json.loads(queued.scalar_one()))
    return code_id


async def test_the_owner_on_an_unknown_device_recovers_whatever_strangers_ask_for(
    people: People, join: Join, sms: SandboxSmsGateway
) -> None:
    session = await owner(people, join)
    await people.real_name.prove(session.principal(), "bank_card", CHEN_WEI.elements("bank_card"))
    for mobile, places in ((MOBILE, LEFT), (UNKNOWN, POLICY.messages_per_mobile)):
        for n in range(places):
            await people.mobile_codes.send("recover", mobile, source=f"198.51.100.{n}")
    before = len(sms.messages)
    # A claim that is wrong and a number nobody has are answered alike, and nothing is sent.
    assert await recover(people, CITIZENS[1].citizen_id_number, source="203.0.113.1")
    assert await recover(people, CHEN_WEI.citizen_id_number, source="203.0.113.1", mobile=UNKNOWN)
    assert len(sms.messages) == before
    code_id = await recover(people, CHEN_WEI.citizen_id_number, source="203.0.113.2")
    assert len(sms.messages) == before + 1
    assert await people.mobile_codes.consume(Purpose.RECOVER, code_id, sms.code_for(MOBILE))
    for net, claimed in ((3, CHEN_WEI.citizen_id_number), (4, CITIZENS[1].citizen_id_number)):
        told = [asyncio.ensure_future(recover(people, claimed, source=f"198.51.{net}.{n}")) for n in range(6)]
        assert await outcomes(*told) == {"str": POLICY.messages_per_claim_hour - 1, "SignInThrottled": 3}


async def code_of(people: People, code_id: str) -> str:
    """Return what is stored as a code: what somebody who may guess for ever comes to."""
    tools = people.mobile_codes._tools
    async with tools.database.read() as connection:
        stored = (await connection.execute(select(mobile_codes.c.code).where(mobile_codes.c.code_id == code_id))).one()
    return tools.cipher.decrypt(stored.code, CODE)


async def test_the_code_of_a_wrong_claim_opens_nothing(people: People) -> None:
    for n in range(POLICY.messages_per_mobile):
        await people.mobile_codes.send("recover", MOBILE, source=f"198.51.100.{n}")
    wrong = CITIZENS[1].citizen_id_number
    code_id = await recover(people, wrong, source="203.0.113.1")
    for given in (await code_of(people, code_id), ""):
        with pytest.raises(CodeRefused, match=r"^The code is wrong or too old\.$"):
            await people.mobile_codes.consume(Purpose.RECOVER, code_id, given, claimed_owner=wrong)


async def test_a_number_has_few_guesses_over_all_its_codes_and_strangers_use_up_their_own(
    people: People, join: Join
) -> None:
    session = await owner(people, join)
    codes = [await ask(people, f"mark {n}", source=f"198.51.100.{n}", purpose="recover") for n in range(5)]

    async def guesses(claim: str | None, given: str = "wrong") -> Counter[str]:
        return await outcomes(
            *(
                asyncio.ensure_future(
                    people.mobile_codes.consume(
                        Purpose.RECOVER, one, given, source=f"203.0.113.{n}", claimed_owner=claim
                    )
                )
                for n, one in enumerate(codes)
                for _ in range(4)
            )
        )

    places = POLICY.guesses_per_mobile_hour
    assert await guesses(None) == {"CodeRefused": places, "SignInThrottled": 20 - places}
    with pytest.raises(SignInThrottled):
        await people.mobile_codes.consume(Purpose.RECOVER, codes[0], await code_of(people, codes[0]))
    # Who names the owner has places of his own, and so has the owner's device.
    right = await code_of(people, codes[1])
    assert await people.mobile_codes.consume(Purpose.RECOVER, codes[1], right, claimed_owner=CHEN_WEI.citizen_id_number)
    own = await ask(people, "own", device=session.device_secret)
    browser = Browser(session.device_secret)
    assert await people.mobile_codes.consume(Purpose.SIGN_IN, own, await code_of(people, own), browser=browser)


async def test_a_stranger_at_one_address_uses_up_nobody_elses_guesses(people: People, join: Join) -> None:
    await owner(people, join)
    codes = [
        await ask(people, f"mark {n}", source="198.51.100.7") for n in range(POLICY.messages_per_mobile_and_source)
    ]
    there = Arrival("198.51.100.7", Channel.WEB)
    wrong = [people.mobile_codes.sign_in(one, "wrong", there) for one in codes for _ in range(5)]
    found = Counter(type(one).__name__ for one in await asyncio.gather(*wrong, return_exceptions=True))
    places = POLICY.guesses_per_mobile_and_asker
    assert found == {"CodeRefused": places, "SignInThrottled": 20 - places}
    # The owner, on a device nobody knows, from elsewhere, with a slip of the finger first.
    new_phone = Arrival("192.0.2.77", Channel.MOBILE)
    own = await ask(people, "own", source=new_phone.source)
    with pytest.raises(CodeRefused):
        await people.mobile_codes.sign_in(own, "wrong", new_phone)
    assert (await people.mobile_codes.sign_in(own, await code_of(people, own), new_phone)).amr == ("sms",)


async def test_neither_more_accounts_nor_more_addresses_add_guesses(people: People, join: Join) -> None:
    await owner(people, join)
    there, places = Arrival("198.51.100.7", Channel.WEB), POLICY.guesses_per_mobile_and_asker
    thieves = [(await join.citizen(f"thief.{n}")).principal() for n in range(2)]

    async def wrong(principal: Principal, source: str, count: int) -> Counter[str]:
        one = await ask(people, "", source=source, purpose="verify", principal=principal)
        tried = [people.mobile_codes.verify_mobile(principal, one, "wrong", source=source) for _ in range(count)]
        return await outcomes(*map(asyncio.ensure_future, tried))

    signing = [await ask(people, f"mark {n}", source=there.source) for n in range(2)]
    guesses = [people.mobile_codes.sign_in(one, "wrong", there) for one in signing for _ in range(3)]
    assert {type(one) for one in await asyncio.gather(*guesses, return_exceptions=True)} == {CodeRefused}
    assert await wrong(thieves[0], there.source, 5) == {"CodeRefused": places - 6, "SignInThrottled": 11 - places}
    assert await wrong(thieves[1], there.source, 3) == {"SignInThrottled": 3}
    # An account that moves on takes along what it used up.
    assert await wrong(thieves[1], "198.51.100.8", 5) == {"CodeRefused": 5}
    assert await wrong(thieves[1], "198.51.100.9", 5) == {"CodeRefused": places - 5, "SignInThrottled": 10 - places}
    # The owner, on a device nobody knows, from elsewhere, with the right code at once.
    new_phone = Arrival("192.0.2.77", Channel.MOBILE)
    own = await ask(people, "own", source=new_phone.source)
    assert (await people.mobile_codes.sign_in(own, await code_of(people, own), new_phone)).amr == ("sms",)
