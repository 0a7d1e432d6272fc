from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from foundation.errors import NotFound, NotPermitted
from foundation.principal import Channel
from idp.people.session import Arrival, Session

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from idp.people.assembly import People
    from tests.idp.people.conftest import Join

KIOSK = Arrival("198.51.100.7", Channel.KIOSK, device_label="西山区政务大厅 3 号终端")


async def test_a_phone_signs_a_browser_in_once(people: People, join: Join) -> None:
    phone = await join.citizen()
    made = await people.qr_sign_in.begin(KIOSK)
    assert await people.qr_sign_in.collect(made.ticket, made.collector, KIOSK) is None
    asking = await people.qr_sign_in.look(phone.principal(), made.ticket)
    assert (asking.source, asking.channel, asking.device_label) == (KIOSK.source, Channel.KIOSK, KIOSK.device_label)
    await people.qr_sign_in.approve(phone.principal(), made.ticket)
    with pytest.raises(NotFound):
        await people.qr_sign_in.approve(phone.principal(), made.ticket)
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
    await people.qr_sign_in.approve(phone.principal(), made.ticket)
    with pytest.raises(NotFound):
        await people.qr_sign_in.collect(made.ticket, "another collector", KIOSK)
    assert await people.qr_sign_in.collect(made.ticket, made.collector, KIOSK) is not None


async def test_unknown_tickets_and_officers_are_refused(people: People, join: Join, clock: FixedClock) -> None:
    phone = (await join.citizen()).principal()
    for act in (people.qr_sign_in.look, people.qr_sign_in.approve):
        with pytest.raises(NotFound):
            await act(phone, "no-such-ticket")
    _, secret = await join.officer()
    officer = await join.officer_principal("officer.li", secret, clock)
    made = await people.qr_sign_in.begin(KIOSK)
    with pytest.raises(NotPermitted):
        await people.qr_sign_in.approve(officer, made.ticket)
