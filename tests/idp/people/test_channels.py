"""Every act of a person is recorded where it came in, in each channel it may come in by.

`STORIES` is the table: who reads a story sees the acts, `recorded` what the audit says of them. A
test of the sources, `tests/foundation/test_channels.py`, says that no act is missing.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from foundation.channels import REGISTERED
from foundation.principal import SYSTEM, Channel
from foundation.tables import audit_log
from idp.people import totp
from idp.people.errors import RecoveryRefused, SecondFactorRefused, SignInRefused
from idp.people.legal_person import Role
from idp.people.mandate import Act
from idp.people.parties import Named
from idp.people.session import Arrival
from idp.people.tables import mandates, real_name_proofs, sessions, sign_in_attempts
from tests.idp.people.conftest import CHEN_WEI, PASSWORD, Join
from tests.idp.people.test_assisted import AGENT, _officers, _terms, _verified
from tests.idp.people.test_mobile_codes import NEW_PASSWORD, _pause
from tests.idp.people.test_passkeys import _registered
from tests.support.authenticator import Authenticator
from tests.support.channels import AT_COUNTER, STORIES
from tests.support.real_name_authority import CITIZENS, COMPANIES

if TYPE_CHECKING:
    from sqlalchemy import Row

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.people.assembly import People
    from idp.people.session import Session

LI_MING = CITIZENS[1]


class Teller:
    """Does the acts of a story through the services, as somebody in one channel."""

    def __init__(self, people: People, join: Join, clock: FixedClock, database: Database) -> None:
        self.people, self.join, self.clock, self.database = people, join, clock, database

    def code(self, secret_base32: str) -> str:
        """Return the next one-time code of a secret: a step is used once."""
        self.clock.advance(timedelta(seconds=60))
        secret = base64.b32decode(secret_base32 + "=" * (-len(secret_base32) % 8))
        return totp.code_at(secret, totp.step_of(self.clock.now()))

    async def credentials(self) -> None:
        session = await self.join.citizen()
        who, factors = session.principal(), self.people.second_factors
        with pytest.raises(SignInRefused):
            await self.join.sign_in("chenwei", "wrong")
        code_id, code = await self.join.code("verify", CHEN_WEI.mobile, principal=who)
        await self.people.mobile_codes.verify_mobile(who, code_id, code, source="192.0.2.1")
        secret = (await factors.begin_totp(who)).secret_base32
        await factors.confirm_totp(who, self.code(secret))
        pending = await self.join.sign_in("chenwei")
        with pytest.raises(SecondFactorRefused):
            await self.people.sessions.second_factor(pending, "not a code")
        both = await self.people.sessions.second_factor(pending, self.code(secret))
        await self.passkey(both)
        await factors.remove_totp(both.principal(), self.code(secret))
        await self.people.accounts.change_password(both.principal(), PASSWORD, NEW_PASSWORD)

    async def passkey(self, session: Session) -> None:
        device = Authenticator("http://localhost:8000")
        await _registered(self.people, session, device)
        (passkey,) = await self.people.passkeys.of_account(session.principal())
        await self.people.passkeys.remove(session.principal(), passkey.credential_id)

    async def keeping(self) -> None:
        session = await self.join.proven()
        who, other = session.principal(), await self.join.sign_in("chenwei")
        await self.people.own_data.export(who)
        await self.people.own_data.forget_device(who, other.session_id)
        await self.people.sessions.sign_out_everywhere(who)
        again = await self.join.sign_in("chenwei")
        await self.people.sessions.sign_out(again.principal())
        twin = await self.join.proven(CHEN_WEI, "chenwei.two")
        merge = await self.people.duplicates.merge(who, twin.account_id)
        await self.people.duplicates.undo(who, merge)
        evidence, *_ = await self.people.real_name.evidence(who)
        await self.people.upkeep.withdraw(who, evidence.evidence_id, "不是我")
        await self.recover()
        session = await self.join.sign_in("chenwei", NEW_PASSWORD)
        await _pause(self.join)
        code_id, code = await self.join.code("verify", CHEN_WEI.mobile, principal=session.principal())
        await self.people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")
        await _pause(self.join)
        code_id, code = await self.join.code("close", CHEN_WEI.mobile, principal=session.principal())
        await self.people.own_data.close(
            session.principal(), NEW_PASSWORD, source="192.0.2.1", code_id=code_id, unverified_code=code
        )

    async def recover(self) -> None:
        """Recover an account, and try with somebody else's elements."""
        for citizen in (LI_MING, CHEN_WEI):
            code_id, code = await self.join.code("recover", citizen.mobile)
            try:
                await self.people.recovery.recover(
                    "chenwei",
                    "telecom",
                    citizen.elements("telecom"),
                    code_id=code_id,
                    unverified_code=code,
                    unverified_new_password=NEW_PASSWORD,
                    channel=self.join.channel,
                )
            except RecoveryRefused:
                assert citizen is LI_MING

    async def acting(self) -> None:
        owner, agent = await self.join.proven(), await self.join.proven(LI_MING, "liming")
        giver, other = owner.principal(), agent.principal()
        terms, service = _terms(self.clock), self.people.mandates
        offered = await service.propose(giver, Named("liming", LI_MING.name), terms)
        await service.accept(other, offered.mandate_id)
        async with self.database.transaction() as connection:
            await service.use(connection, other, offered.mandate_id, Act("PENSION-1"))
        await service.revoke(giver, offered.mandate_id)
        declined = await service.request(other, Named("chenwei", CHEN_WEI.name), terms)
        await service.decline(giver, declined.mandate_id)
        shop = await self.people.legal_persons.verify(giver, COMPANIES[0].credit_code, COMPANIES[0].company_name)
        assert shop is not None
        agencies = self.people.legal_persons
        named = Named("liming", LI_MING.name)
        agency = await agencies.appoint(giver, shop.legal_person_id, named, Role.AGENT)
        await agencies.accept(other, agency)
        await self.people.sessions.act_for(agent, shop.legal_person_id)
        await agencies.dismiss(giver, agency)

    async def phone(self) -> None:
        phone = (await self.join.citizen()).principal()
        screen = Arrival("198.51.100.7", self.join.channel)
        made = await self.people.qr_sign_in.begin(screen)
        await self.people.qr_sign_in.approve(phone, made.ticket, made.number)
        assert await self.people.qr_sign_in.collect(made.ticket, made.collector, screen)
        await self.people.qr_sign_in.refuse(phone, (await self.people.qr_sign_in.begin(screen)).ticket)

    async def paper(self) -> None:
        first, second = await _officers(self.people, self.join, self.clock)
        check_id = await _verified(self.people, first, second)
        draft = await self.people.assisted.draft(first, check_id, AGENT, _terms(self.clock))
        printed = await self.people.assisted.confirm(second, draft.mandate_id)
        async with self.database.transaction() as connection:
            await self.people.assisted.present(connection, first, printed.code, AGENT)
        draft = await self.people.assisted.draft(first, check_id, AGENT, _terms(self.clock))
        printed = await self.people.assisted.confirm(second, draft.mandate_id)
        agent = (await self.join.proven(LI_MING, "liming")).principal()
        await self.people.assisted.redeem(agent, printed.code)


@pytest.mark.parametrize("channel", [Channel.WEB, Channel.MOBILE, *REGISTERED])
@pytest.mark.parametrize("story", STORIES)
async def test_every_act_is_recorded_where_it_came_in(
    people: People, join: Join, clock: FixedClock, database: Database, story: str, channel: str
) -> None:
    join.channel = Channel(channel)
    await getattr(Teller(people, join, clock, database), story)()
    async with database.read() as connection:
        rows = (await connection.execute(select(audit_log).where(audit_log.c.actor != SYSTEM.audit_name))).all()
        kept = [
            {*(await connection.execute(select(table.c.channel))).scalars()}
            for table in (sessions, sign_in_attempts, real_name_proofs, mandates)
        ]
    wrong = {row.action: row.channel for row in rows if row.channel != ("counter" if _at_counter(row) else channel)}
    assert wrong == {}
    assert STORIES[story] <= {row.action for row in rows}
    assert set().union(*kept) <= {channel, *(["counter"] if story == "paper" else [])}


def _at_counter(row: Row[Any]) -> bool:
    """Tell whether an act is one of a desk: also the proof and the level that officers give."""
    concluded = row.actor.startswith("officer:") and row.action in {"people.prove", "people.level"}
    return concluded or row.action in AT_COUNTER


async def test_no_machine_acts_as_a_person_elsewhere(people: People, join: Join) -> None:
    """A session stays where it began, whoever it acts for afterwards."""
    join.channel = Channel.KIOSK
    who: Principal = (await join.proven()).principal()
    assert who.channel is Channel.KIOSK
    assert (await people.own_data.sessions(who))[0].channel == "kiosk"
