from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import NotFound, NotPermitted
from foundation.principal import Channel
from foundation.tables import audit_log
from idp.people.errors import SignInRefused, SignInThrottled
from idp.people.session import Arrival, Session
from idp.people.throttle import ThrottlePolicy

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from idp.people.assembly import People
    from tests.idp.people.conftest import Join

KIOSK = Arrival("198.51.100.7", Channel.KIOSK, device_label="西山区政务大厅 3 号终端")


async def test_a_phone_signs_a_browser_in_once(people: People, join: Join) -> None:
    phone = await join.citizen()
    made = await people.qr_sign_in.begin(KIOSK)
    assert await people.qr_sign_in.collect(made.ticket, made.collector, KIOSK) is None
    asking = await people.qr_sign_in.look(phone.principal(), made.ticket)
    assert (asking.source, asking.channel, asking.device_label) == (KIOSK.source, Channel.KIOSK, KIOSK.device_label)
    await people.qr_sign_in.approve(phone.principal(), made.ticket, made.number)
    with pytest.raises(NotFound):
        await people.qr_sign_in.approve(phone.principal(), made.ticket, made.number)
    results = await asyncio.gather(
        *(people.qr_sign_in.collect(made.ticket, made.collector, KIOSK) for _ in range(4)), return_exceptions=True
    )
    (session,) = [result for result in results if isinstance(result, Session)]
    assert (session.account_id, session.amr, session.channel) == (phone.account_id, ("mca",), Channel.KIOSK)


async def test_whoever_photographs_the_code_gets_nothing(people: People, join: Join) -> None:
    phone = await join.citizen()
    made = await people.qr_sign_in.begin(KIOSK)
    with pytest.raises(NotFound):
        await people.qr_sign_in.collect(made.ticket, "another collector", KIOSK)
    await people.qr_sign_in.approve(phone.principal(), made.ticket, made.number)
    with pytest.raises(NotFound):
        await people.qr_sign_in.collect(made.ticket, "another collector", KIOSK)
    assert await people.qr_sign_in.collect(made.ticket, made.collector, KIOSK) is not None


async def test_unknown_tickets_and_officers_are_refused(people: People, join: Join, clock: FixedClock) -> None:
    phone = (await join.citizen()).principal()
    for act in (people.qr_sign_in.look, people.qr_sign_in.refuse):
        with pytest.raises(NotFound):
            await act(phone, "no-such-ticket")
    with pytest.raises(NotFound):
        await people.qr_sign_in.approve(phone, "no-such-ticket", "42")
    _, secret = await join.officer()
    officer = await join.officer_principal("officer.li", secret, clock)
    made = await people.qr_sign_in.begin(KIOSK)
    with pytest.raises(NotPermitted):
        await people.qr_sign_in.approve(officer, made.ticket, made.number)


def _another(number: str, by: int = 1) -> str:
    return f"{(int(number) + by) % 100:02d}"


@pytest.mark.parametrize("typed", ["", "another", "both", "full width"])
async def test_who_agrees_without_looking_at_the_screen_agrees_to_nothing(
    people: People, join: Join, database: Database, typed: str
) -> None:
    """A thief's code, forwarded: the victim agrees, and the number is not on any screen before him."""
    victim = (await join.citizen()).principal()
    made = await people.qr_sign_in.begin(KIOSK)
    wide = made.number.translate({ord("0") + digit: ord("０") + digit for digit in range(10)})
    wrong = {"": "", "another": _another(made.number), "both": made.number * 2, "full width": wide}[typed]
    with pytest.raises(SignInRefused):
        await people.qr_sign_in.approve(victim, made.ticket, wrong)
    with pytest.raises(NotFound):
        await people.qr_sign_in.collect(made.ticket, made.collector, KIOSK)
    with pytest.raises(NotFound):
        await people.qr_sign_in.approve(victim, made.ticket, made.number)
    async with database.read() as connection:
        rows = (await connection.execute(select(audit_log).where(audit_log.c.action == "people.qr_refuse"))).all()
    assert [(row.object_id, row.detail) for row in rows] == [(victim.subject_id, {"because": "wrong number"})]


async def test_a_hundred_guesses_at_once_are_one_guess(people: People, join: Join) -> None:
    victim = (await join.citizen()).principal()
    made = await people.qr_sign_in.begin(KIOSK)
    numbers = [_another(made.number, by) for by in range(1, 101)]
    guesses = [people.qr_sign_in.approve(victim, made.ticket, number) for number in numbers]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(type(answer) is NotFound for answer in answers) == 99
    assert sum(type(answer) is SignInRefused or answer is None for answer in answers) == 1


async def test_a_no_ends_the_ticket(people: People, join: Join) -> None:
    owner = (await join.citizen()).principal()
    made = await people.qr_sign_in.begin(KIOSK)
    await people.qr_sign_in.refuse(owner, made.ticket)
    with pytest.raises(NotFound):
        await people.qr_sign_in.collect(made.ticket, made.collector, KIOSK)


async def test_the_code_does_not_tell_the_number(people: People) -> None:
    """What the phone opens holds neither the number nor what it follows from."""
    made = [await people.qr_sign_in.begin(replace(KIOSK, client_id="cli_hall")) for _ in range(200)]
    assert all(one.number.isdigit() and len(one.number) == 2 for one in made)
    assert len({one.number for one in made}) > 60
    same_ticket = replace(made[0], collector="another")
    assert len({replace(same_ticket, collector=f"c{n}").number for n in range(200)}) > 60


async def test_a_hall_of_kiosks_has_places_of_its_own(people: People) -> None:
    """One address shows codes for everybody in the hall; a stranger there uses up the address's places only."""
    policy = ThrottlePolicy()
    service = people.qr_sign_in
    service._tools.throttle._policy = policy
    for _ in range(policy.tickets_per_source):
        await service.begin(KIOSK)
    with pytest.raises(SignInThrottled):
        await service.begin(KIOSK)
    hall = replace(KIOSK, client_id="cli_hall")
    for _ in range(policy.tickets_per_source * 2):
        await service.begin(hall)
    service._tools.throttle._policy = replace(policy, tickets_per_client=policy.tickets_per_source * 2)
    with pytest.raises(SignInThrottled):
        await service.begin(hall)
    assert await service.begin(replace(hall, client_id="cli_other"))
