"""Several posts of one officer: chosen at sign-in, changed on the page, and ended one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM, PrincipalKind
from foundation.tables import audit_log
from idp.people import own_data, totp
from idp.people.errors import AccountClosed, AuthorityMissing, SignInRefused
from idp.people.officer import Authority
from idp.people.parties import Named
from tests.idp.people.conftest import (
    BUREAU,
    DISTRICT,
    OTHER_BUREAU,
    OTHER_DISTRICT,
    PASSWORD,
    Join,
    RecordingObserver,
)

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from idp.people.assembly import People
    from idp.people.officer import Officer
    from idp.people.session import Session

DAY = timedelta(days=1)
LI = Named("officer.li", "李科员")


async def further(
    people: People,
    holder: Named = LI,
    *,
    organisation: str = OTHER_BUREAU,
    by: Principal = SYSTEM,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Officer:
    return await people.officers.appoint(
        by,
        holder,
        organisation_code=organisation,
        district_code=OTHER_DISTRICT,
        post="挂职科员",
        starts_at=starts_at,
        ends_at=ends_at,
    )


async def grant(people: People, officer_id: str, authority: Authority, clock: FixedClock) -> str:
    made = await people.officers.grant(
        SYSTEM, officer_id, authority, district_code=DISTRICT, valid_until=clock.now() + DAY
    )
    return made.grant_id


async def both_factors(join: Join, secret: bytes, clock: FixedClock, username: str = "officer.li") -> Session:
    clock.advance(timedelta(seconds=31))  # a step of the second factor is good once
    pending = await join.sign_in(username)
    return await join.people.sessions.second_factor(pending, totp.code_at(secret, totp.step_of(clock.now())))


async def acting(join: Join, secret: bytes, clock: FixedClock, officer_id: str) -> Session:
    return await join.people.sessions.take_post(await both_factors(join, secret, clock), officer_id)


async def test_with_one_post_nothing_is_asked_and_with_two_nothing_opens_before_the_choice(
    people: People, join: Join, clock: FixedClock
) -> None:
    first, secret = await join.officer()
    alone = await both_factors(join, secret, clock)
    assert alone.principal().subject_id == first.officer_id
    assert (alone.principal().post, alone.principal().district_code) == ("窗口", DISTRICT)
    second = await further(people)
    session = await both_factors(join, secret, clock)
    assert session.choosing
    with pytest.raises(ValueError, match="no principal"):
        session.principal()
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    assert await people.sessions.resolve_pending(session.secret) is None
    assert await people.sessions.posts(session) == (first, second)
    chosen = await people.sessions.take_post(session, second.officer_id)
    principal = chosen.principal()
    assert (principal.subject_id, principal.organisation_code) == (second.officer_id, OTHER_BUREAU)
    assert (principal.post, principal.district_code) == ("挂职科员", OTHER_DISTRICT)
    assert principal.posts == {first.officer_id, second.officer_id}
    assert chosen.session_id == session.session_id
    assert await people.sessions.resolve_choosing(session.secret) is None


async def test_a_session_that_owes_the_second_factor_takes_no_post(people: People, join: Join) -> None:
    first, _ = await join.officer()
    pending = await join.sign_in("officer.li")
    await further(people)
    choosing = await join.sign_in("officer.li")
    for session in (pending, choosing):
        with pytest.raises(SignInRefused):
            await people.sessions.take_post(session, first.officer_id)
        assert session.secret is not None
        assert await people.sessions.resolve_choosing(session.secret) is None
        assert await people.sessions.resolve(session.secret) is None


async def test_only_the_own_posts_in_force_can_be_taken(people: People, join: Join, clock: FixedClock) -> None:
    _, secret = await join.officer()
    someone, _ = await join.officer("officer.wu")
    future = await further(people, starts_at=clock.now() + DAY)
    over = await further(people, ends_at=clock.now() + timedelta(minutes=1))
    left = await further(people)
    clock.advance(timedelta(minutes=1))
    await people.officers.leave(SYSTEM, left.officer_id)
    session = await both_factors(join, secret, clock)
    assert not session.choosing  # one post is in force
    for officer_id in (someone.officer_id, future.officer_id, over.officer_id, left.officer_id, "off_none"):
        with pytest.raises(NotFound):
            await people.sessions.take_post(session, officer_id)
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is not None
    clock.advance(DAY)
    later = await acting(join, secret, clock, future.officer_id)
    assert later.principal().subject_id == future.officer_id


async def test_a_change_of_post_ends_the_session_and_what_was_granted_in_it(
    people: People, join: Join, clock: FixedClock, observer: RecordingObserver
) -> None:
    first, secret = await join.officer()
    second = await further(people)
    before = await acting(join, secret, clock, first.officer_id)
    after = await people.sessions.take_post(before, second.officer_id)
    assert before.secret is not None
    assert after.secret is not None
    assert await people.sessions.resolve(before.secret) is None
    assert observer.ended == [before.session_id]
    assert after.session_id != before.session_id
    assert (after.amr, after.auth_time, after.expires_at, after.channel) == (
        before.amr,
        before.auth_time,
        before.expires_at,
        before.channel,
    )
    with pytest.raises(SignInRefused):  # the page of the old post, sent again
        await people.sessions.take_post(before, first.officer_id)
    assert await people.sessions.resolve(after.secret) is not None


async def test_rights_belong_to_a_post_and_only_the_left_post_loses_them(
    people: People, join: Join, clock: FixedClock, observer: RecordingObserver
) -> None:
    first, secret = await join.officer()
    second = await further(people)
    await grant(people, first.officer_id, Authority.SEALING, clock)
    await grant(people, second.officer_id, Authority.DELIVERY, clock)
    at_first = await acting(join, secret, clock, first.officer_id)
    at_second = await acting(join, secret, clock, second.officer_id)
    require = people.officers.require
    await require(at_first.principal(), "sealing", DISTRICT, "*")
    await require(at_second.principal(), "delivery", DISTRICT, "*")
    for session, authority in ((at_first, "delivery"), (at_second, "sealing")):
        with pytest.raises(AuthorityMissing):
            await require(session.principal(), authority, DISTRICT, "*")
    await people.officers.leave(SYSTEM, first.officer_id)
    assert observer.ended == [at_first.session_id, first.officer_id]
    assert at_first.secret is not None
    assert at_second.secret is not None
    assert await people.sessions.resolve(at_first.secret) is None
    assert await people.sessions.resolve(at_second.secret) is not None
    with pytest.raises(AuthorityMissing):
        await require(at_first.principal(), "sealing", DISTRICT, "*")
    await require(at_second.principal(), "delivery", DISTRICT, "*")
    assert (await both_factors(join, secret, clock)).officer_id == second.officer_id
    await people.officers.leave(SYSTEM, second.officer_id)
    with pytest.raises(AccountClosed):
        await join.sign_in("officer.li")


async def test_a_post_that_ran_out_opens_nothing_from_that_moment(
    people: People, join: Join, clock: FixedClock, observer: RecordingObserver
) -> None:
    first, secret = await join.officer()
    second = await further(people, ends_at=clock.now() + timedelta(minutes=10))
    await grant(people, second.officer_id, Authority.DELIVERY, clock)
    session = await acting(join, secret, clock, second.officer_id)
    assert await people.officers.end_run_out() == 0
    clock.advance(timedelta(minutes=10))
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    with pytest.raises(AuthorityMissing):
        await people.officers.require(session.principal(), "delivery", DISTRICT, "*")
    assert await people.officers.end_run_out() == 1
    assert observer.ended == [session.session_id, second.officer_id]
    assert await people.officers.end_run_out() == 0
    assert (await both_factors(join, secret, clock)).officer_id == first.officer_id


async def test_nobody_approves_through_the_other_post(people: People, join: Join, clock: FixedClock) -> None:
    admin, secret = await join.officer("admin.one")
    again = await further(people, Named("admin.one", "李科员"), organisation=BUREAU)
    for officer in (admin, again):
        await grant(people, officer.officer_id, Authority.ADMINISTRATION, clock)
    clerk, _ = await join.officer("officer.wang")
    here = await people.sessions.take_post(await both_factors(join, secret, clock, "admin.one"), admin.officer_id)
    there = await people.sessions.take_post(await both_factors(join, secret, clock, "admin.one"), again.officer_id)

    async def ask(officer_id: str, by: Principal) -> str:
        made = await people.officers.grant(
            by, officer_id, Authority.SEALING, district_code=DISTRICT, valid_until=clock.now() + DAY
        )
        return made.grant_id

    waiting = await ask(clerk.officer_id, here.principal())
    with pytest.raises(NotPermitted):
        await people.officers.approve(there.principal(), waiting)
    with pytest.raises(NotPermitted, match="himself"):
        await ask(again.officer_id, here.principal())
    other, other_secret = await join.officer("admin.two")
    await grant(people, other.officer_id, Authority.ADMINISTRATION, clock)
    second = (await both_factors(join, other_secret, clock, "admin.two")).principal()
    own = await ask(again.officer_id, second)
    with pytest.raises(NotPermitted):
        await people.officers.approve(here.principal(), own)
    await people.officers.approve(second, waiting)


async def test_a_department_appoints_to_its_own_posts_only(people: People, join: Join, clock: FixedClock) -> None:
    await join.officer()
    admin, secret = await join.officer("admin.one")
    await grant(people, admin.officer_id, Authority.ADMINISTRATION, clock)
    principal = (await both_factors(join, secret, clock, "admin.one")).principal()
    with pytest.raises(NotPermitted):
        await further(people, by=principal, organisation=OTHER_BUREAU)
    elsewhere, _ = await join.officer("officer.west", organisation=OTHER_BUREAU)
    lent = await further(people, Named("officer.west", "李科员"), by=principal, organisation=BUREAU)
    assert lent.account_id == elsewhere.account_id
    with pytest.raises(NotPermitted):
        await people.officers.leave(principal, elsewhere.officer_id)
    await people.officers.leave(principal, lent.officer_id)
    assert (await people.officers.get(elsewhere.officer_id)).active


async def test_bad_appointments_are_refused(people: People, join: Join, clock: FixedClock) -> None:
    await join.officer()
    await join.citizen()
    for holder in (Named("officer.li", "别人"), Named("nobody", "李科员"), Named("chenwei", "李科员")):
        with pytest.raises(NotFound):
            await further(people, holder)
    now = clock.now()
    for starts_at, ends_at in ((None, now), (now + DAY, now + DAY)):
        with pytest.raises(InvalidInput) as caught:
            await further(people, starts_at=starts_at, ends_at=ends_at)
        assert caught.value.field == "ends_at"


async def test_a_person_has_one_officer_account(people: People) -> None:
    new = {
        "password": PASSWORD,
        "name": "王芳",
        "organisation_code": BUREAU,
        "district_code": DISTRICT,
        "post": "窗口",
        "citizen_id_number": "500101199003070225",
    }
    await people.officers.add(SYSTEM, username="officer.one", **new)
    with pytest.raises(Conflict):
        await people.officers.add(SYSTEM, username="officer.two", **new)


async def test_the_audit_names_the_post(people: People, join: Join, clock: FixedClock, database: Database) -> None:
    first, secret = await join.officer()
    second = await further(people)
    session = await acting(join, secret, clock, first.officer_id)
    await people.sessions.take_post(session, second.officer_id)
    async with database.read() as connection:
        taken = select(audit_log).where(audit_log.c.action == "people.post_taken").order_by(audit_log.c.audit_id)
        rows = (await connection.execute(taken)).all()
    assert [row.actor for row in rows] == [f"officer:{first.officer_id}", f"officer:{second.officer_id}"]
    assert [row.detail["from"] for row in rows] == [None, first.officer_id]
    assert [row.detail["post"] for row in rows] == [
        {"name": "窗口", "organisation_code": BUREAU, "district_code": DISTRICT},
        {"name": "挂职科员", "organisation_code": OTHER_BUREAU, "district_code": OTHER_DISTRICT},
    ]


def test_a_principal_knows_itself_at_every_post() -> None:
    principal = replace(SYSTEM, kind=PrincipalKind.OFFICER, subject_id="off_1", posts=frozenset({"off_1", "off_2"}))
    assert principal.audit_names == {"officer:off_1", "officer:off_2"}
    assert principal.is_one("off_2")
    assert not principal.is_one("off_3")
    assert not principal.is_one(None)


async def test_the_history_names_the_post_of_every_session_and_each_change(
    people: People, join: Join, clock: FixedClock
) -> None:
    first, secret = await join.officer()
    await both_factors(join, secret, clock)
    second = await further(people)
    session = await both_factors(join, secret, clock)
    await join.sign_in("officer.li")  # the second factor never came
    in_second = await people.sessions.take_post(session, second.officer_id)
    back = await people.sessions.take_post(in_second, first.officer_id)
    shown = await people.own_data.history(back.own_principal())
    here, there = ("窗口", BUREAU), ("挂职科员", OTHER_BUREAU)
    assert [(one.method, one.post, one.organisation_code) for one in shown] == [
        ("post", *here),
        ("password", None, None),
        ("password", *there),
        ("password", *here),
    ]
    assert (shown[0].source, shown[0].new_device) == (shown[2].source, False)
    living = await people.own_data.sessions(back.own_principal())
    assert [(one.current, one.post, one.organisation_code) for one in living] == [(True, *here), (False, *here)]


async def test_changes_of_post_and_refusals_push_no_sign_in_out_of_the_history(
    people: People, join: Join, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_data, "HISTORY", 3)
    first, secret = await join.officer()
    second = await further(people)
    session = await acting(join, secret, clock, first.officer_id)
    for officer in (second, first) * 3:
        session = await people.sessions.take_post(session, officer.officer_id)
    for _ in range(4):
        with pytest.raises(SignInRefused):
            await join.sign_in("officer.li", "wrong")
    shown = await people.own_data.history(session.own_principal())
    assert [(one.method, one.succeeded) for one in shown] == [
        *[("password", False)] * 3,
        *[("post", True)] * 3,
        ("password", True),
    ]
