from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import NotFound
from foundation.principal import Channel
from idp.people import totp
from idp.people.errors import CodeRefused, MandateRefused, SecondFactorRequired, SignInRefused, UsernameTaken
from idp.people.mandate import Act, Terms
from idp.people.own_data import ClosingFactor
from idp.people.parties import Named
from idp.people.tables import accounts
from tests.idp.people.conftest import CHEN_WEI, PASSWORD, Join
from tests.idp.people.test_mobile_codes import _pause
from tests.support.real_name_authority import CITIZENS

HERE = "192.0.2.1"

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from idp.people.assembly import People


async def test_sessions_and_history_show_where_the_account_was_used(
    people: People, join: Join, clock: FixedClock
) -> None:
    mine = await join.citizen()
    clock.advance(timedelta(minutes=1))
    kiosk = await people.sessions.sign_in(
        "chenwei", PASSWORD, source="198.51.100.7", channel=Channel.KIOSK, device_label="3 号终端"
    )
    with pytest.raises(SignInRefused):
        await people.sessions.sign_in("chenwei", "wrong", source="203.0.113.9", channel=Channel.WEB)
    shown = await people.own_data.sessions(mine.principal())
    assert [(item.session_id, item.current, item.channel, item.device_label) for item in shown] == [
        (kiosk.session_id, False, "kiosk", "3 号终端"),
        (mine.session_id, True, "web", ""),
    ]
    history = await people.own_data.history(mine.principal())
    assert [(item.succeeded, item.channel, item.source, item.new_device) for item in history] == [
        (False, "web", "203.0.113.9", True),
        (True, "kiosk", "198.51.100.7", True),
        (True, "web", "192.0.2.1", False),
    ]


async def test_a_forgotten_device_is_signed_out_and_a_stranger_again(people: People, join: Join) -> None:
    mine, lost = await join.citizen(), await join.sign_in("chenwei")
    await people.own_data.forget_device(mine.principal(), lost.session_id)
    assert lost.secret is not None
    assert await people.sessions.resolve(lost.secret) is None
    assert (await join.sign_in("chenwei", device=lost.device_secret)).new_device
    theirs = await join.citizen("liming")
    with pytest.raises(NotFound):
        await people.own_data.forget_device(mine.principal(), theirs.session_id)


async def test_the_export_holds_everything_and_is_json(people: People, join: Join, clock: FixedClock) -> None:
    session = await join.proven()
    await join.proven(CITIZENS[1], "liming")
    now = clock.now()
    terms = Terms(("*",), ("*",), ("*",), now, now + timedelta(days=1))
    await people.mandates.propose(session.principal(), Named("liming", "李明"), terms)
    data = await people.own_data.export(session.principal())
    assert json.loads(json.dumps(data)) == data
    assert data["person"]["document_number"] == CHEN_WEI.citizen_id_number
    assert data["evidence"][0]["method"] == "bank_card"
    assert len(data["mandates_given"]) == 1
    assert {"account", "sessions", "sign_ins", "passkeys", "done_in_my_name", "acting_for"} <= set(data)
    assert "password_hash" not in json.dumps(data)


async def test_closing_ends_credentials_sessions_and_mandates(
    people: People, join: Join, clock: FixedClock, database: Database
) -> None:
    session = await join.proven()
    agent = (await join.proven(CITIZENS[1], "liming")).principal()
    now = clock.now()
    terms = Terms(("*",), ("*",), ("*",), now, now + timedelta(days=1))
    mandate = await people.mandates.propose(session.principal(), Named("liming", "李明"), terms)
    await people.mandates.accept(agent, mandate.mandate_id)
    owner = session.principal()
    with pytest.raises(SecondFactorRequired):
        await people.own_data.close(owner, PASSWORD, source=HERE)
    assert await people.own_data.closing_factor(owner) is ClosingFactor.NONE
    code_id, code = await join.code("verify", CHEN_WEI.mobile, principal=owner)
    await people.mobile_codes.verify_mobile(owner, code_id, code, source=HERE)
    assert await people.own_data.closing_factor(owner) is ClosingFactor.MESSAGE
    with pytest.raises(CodeRefused):
        await people.own_data.close(owner, PASSWORD, source=HERE, code_id=code_id, unverified_code=code)
    await _pause(join)
    code_id, code = await join.code("close", CHEN_WEI.mobile, principal=owner)
    with pytest.raises(SignInRefused):
        await people.own_data.close(owner, "wrong-password", source=HERE, code_id=code_id, unverified_code=code)
    await people.own_data.close(owner, PASSWORD, source=HERE, code_id=code_id, unverified_code=code)
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    with pytest.raises(SignInRefused):
        await join.sign_in("chenwei")
    with pytest.raises(UsernameTaken):
        await people.accounts.register("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    with pytest.raises(MandateRefused):
        async with database.transaction() as connection:
            await people.mandates.use(connection, agent, mandate.mandate_id, Act("ANY-1"))
    async with database.read() as connection:
        closed = select(accounts).where(accounts.c.account_id == session.account_id)
        row = (await connection.execute(closed)).one()
    assert (row.state, row.password_hash, row.mobile) == ("closed", None, None)


async def test_closing_an_account_with_a_second_factor_takes_it_fresh(
    people: People, join: Join, clock: FixedClock
) -> None:
    session = await join.citizen()
    secret = (await people.second_factors.begin_totp(session.principal())).secret_base32
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    await people.second_factors.confirm_totp(session.principal(), totp.code_at(key, totp.step_of(clock.now())))
    assert await people.own_data.closing_factor(session.principal()) is ClosingFactor.ONE_TIME_CODE
    with pytest.raises(SecondFactorRequired):
        await people.own_data.close(session.principal(), PASSWORD, source=HERE)
    clock.advance(timedelta(minutes=1))
    both = await people.sessions.second_factor(session, totp.code_at(key, totp.step_of(clock.now())))
    clock.advance(timedelta(minutes=11))
    with pytest.raises(SecondFactorRequired):
        await people.own_data.close(both.principal(), PASSWORD, source=HERE)
    again = await people.sessions.second_factor(both, totp.code_at(key, totp.step_of(clock.now())))
    await people.own_data.close(again.principal(), PASSWORD, source=HERE)
    assert again.secret is not None
    assert await people.sessions.resolve(again.secret) is None


async def test_merged_accounts_share_one_inbox(people: People, join: Join) -> None:
    first, second = await join.proven(), await join.proven(username="chenwei.old")
    await people.duplicates.merge(second.principal(), first.account_id)
    kinds = {notice.kind for notice in await people.own_data.inbox(second.principal())}
    assert "people.account_merged" in kinds
    unread = [notice.notice_id for notice in await people.own_data.inbox(second.principal())]
    await people.own_data.read_inbox(second.principal(), unread)
    assert all(notice.read_at for notice in await people.own_data.inbox(first.principal()))
