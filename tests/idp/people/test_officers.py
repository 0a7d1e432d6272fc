from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM, Principal, PrincipalKind
from idp.people import totp
from idp.people.errors import AccountClosed, AuthorityMissing, UsernameTaken, WeakPassword
from idp.people.officer import Authority
from tests.idp.people.conftest import (
    BUREAU,
    DISTRICT,
    MATTER,
    OTHER_BUREAU,
    OTHER_DISTRICT,
    OTHER_MATTER,
    PASSWORD,
    Join,
    RecordingObserver,
)

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from idp.people.assembly import People


async def test_an_authority_holds_for_its_district_matter_and_period(
    people: People, join: Join, clock: FixedClock
) -> None:
    officer, secret = await join.officer()
    principal = await join.officer_principal("officer.li", secret, clock)
    until = clock.now() + timedelta(hours=1)
    with pytest.raises(AuthorityMissing):
        await people.officers.require(principal, "sealing", DISTRICT, MATTER)
    await people.officers.grant(
        SYSTEM, officer.officer_id, Authority.SEALING, district_code=DISTRICT, matter_code=MATTER, valid_until=until
    )
    await people.officers.require(principal, "sealing", DISTRICT, MATTER)
    for authority, district, matter in (
        ("issuing", DISTRICT, MATTER),
        ("sealing", OTHER_DISTRICT, MATTER),
        ("sealing", DISTRICT, OTHER_MATTER),
    ):
        with pytest.raises(AuthorityMissing):
            await people.officers.require(principal, authority, district, matter)
    clock.advance(timedelta(hours=1))
    with pytest.raises(AuthorityMissing):
        await people.officers.require(principal, "sealing", DISTRICT, MATTER)


async def test_a_revoked_authority_is_gone_at_once(people: People, join: Join, clock: FixedClock) -> None:
    officer, secret = await join.officer()
    principal = await join.officer_principal("officer.li", secret, clock)
    grant = await people.officers.grant(
        SYSTEM,
        officer.officer_id,
        Authority.DELIVERY,
        district_code=DISTRICT,
        valid_until=clock.now() + timedelta(days=1),
    )
    assert await people.officers.authorities(officer.officer_id) == (grant,)
    await people.officers.revoke(SYSTEM, grant.grant_id)
    with pytest.raises(AuthorityMissing):
        await people.officers.require(principal, "delivery", DISTRICT, MATTER)
    with pytest.raises(NotFound):
        await people.officers.revoke(SYSTEM, grant.grant_id)


async def test_leaving_the_post_ends_rights_and_sessions_at_once(
    people: People, join: Join, clock: FixedClock, observer: RecordingObserver
) -> None:
    officer, secret = await join.officer()
    pending = await join.sign_in("officer.li")
    session = await people.sessions.second_factor(pending, totp.code_at(secret, totp.step_of(clock.now())))
    await people.officers.grant(
        SYSTEM,
        officer.officer_id,
        Authority.SEALING,
        district_code=DISTRICT,
        valid_until=clock.now() + timedelta(days=1),
    )
    await people.officers.leave(SYSTEM, officer.officer_id)
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    assert observer.ended == [session.session_id, officer.officer_id]
    with pytest.raises(AuthorityMissing):
        await people.officers.require(session.principal(), "sealing", DISTRICT, MATTER)
    assert not (await people.officers.get(officer.officer_id)).active
    with pytest.raises(AccountClosed):
        await join.sign_in("officer.li")


async def test_bad_appointments_name_the_field(people: People) -> None:
    good = {
        "username": "officer.li",
        "password": PASSWORD,
        "name": "李科员",
        "organisation_code": BUREAU,
        "district_code": DISTRICT,
        "post": "窗口",
    }
    for change, field in (
        ({"organisation_code": "91500101MA00000000"}, "organisation_code"),
        ({"district_code": "999999"}, "district_code"),
        ({"name": " "}, "name"),
        ({"post": ""}, "post"),
        ({"username": "x"}, "username"),
        ({"totp_secret_base32": "1"}, "totp_secret_base32"),
        ({"totp_secret_base32": "ABCD"}, "totp_secret_base32"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await people.officers.add(SYSTEM, **(good | change))
        assert caught.value.field == field
    with pytest.raises(WeakPassword):
        await people.officers.add(SYSTEM, **(good | {"password": "12345678"}))
    await people.officers.add(SYSTEM, **good)
    with pytest.raises(UsernameTaken):
        await people.officers.add(SYSTEM, **good)


async def test_only_operators_appoint_and_grant(people: People, join: Join, clock: FixedClock) -> None:
    officer, secret = await join.officer()
    citizen = (await join.citizen()).principal()
    colleague = await join.officer_principal("officer.li", secret, clock)
    for principal in (citizen, colleague):
        with pytest.raises(NotPermitted):
            await people.officers.grant(
                principal,
                officer.officer_id,
                Authority.SEALING,
                district_code=DISTRICT,
                valid_until=clock.now() + timedelta(days=1),
            )
        with pytest.raises(NotPermitted):
            await people.officers.leave(principal, officer.officer_id)
    with pytest.raises(AuthorityMissing):
        await people.officers.require(citizen, "sealing", DISTRICT, MATTER)


async def test_an_operator_signs_in_with_both_factors(people: People, join: Join, clock: FixedClock) -> None:
    secret = b"o" * 20
    await people.officers.add_operator(
        SYSTEM, username="operator", password=PASSWORD, totp_secret_base32=totp.secret_base32(secret)
    )
    assert (await join.sign_in("operator")).pending
    principal = await join.officer_principal("operator", secret, clock)
    assert (principal.kind, principal.amr) == (PrincipalKind.OPERATOR, ("pwd", "otp", "mfa"))


async def _administrator(people: People, join: Join, clock: FixedClock, username: str) -> Principal:
    officer, secret = await join.officer(username)
    await people.officers.grant(
        SYSTEM,
        officer.officer_id,
        Authority.ADMINISTRATION,
        district_code=DISTRICT,
        valid_until=clock.now() + timedelta(days=1),
    )
    return await join.officer_principal(username, secret, clock)


async def test_a_sealing_authority_holds_once_a_second_administrator_approves(
    people: People, join: Join, clock: FixedClock
) -> None:
    first, second = [await _administrator(people, join, clock, name) for name in ("admin.one", "admin.two")]
    officer, secret = await join.officer("officer.wang")
    principal = await join.officer_principal("officer.wang", secret, clock)
    until = clock.now() + timedelta(days=1)
    grant = await people.officers.grant(
        first, officer.officer_id, Authority.SEALING, district_code=DISTRICT, matter_code=MATTER, valid_until=until
    )
    with pytest.raises(AuthorityMissing):
        await people.officers.require(principal, "sealing", DISTRICT, MATTER)
    assert [waiting.grant_id for waiting in await people.officers.awaiting_approval(second)] == [grant.grant_id]
    for other in (first, principal):
        with pytest.raises(NotPermitted):
            await people.officers.approve(other, grant.grant_id)
    await people.officers.approve(second, grant.grant_id)
    await people.officers.require(principal, "sealing", DISTRICT, MATTER)
    with pytest.raises(NotFound):
        await people.officers.approve(second, grant.grant_id)


async def test_trust_in_officers_elsewhere_never_widens_the_power_to_approve(
    people: People, join: Join, clock: FixedClock
) -> None:
    admin = await _administrator(people, join, clock, "admin.one")
    elsewhere, _ = await join.officer("officer.west", organisation=OTHER_BUREAU)
    until = clock.now() + timedelta(days=1)

    async def grant(officer_id: str, authority: Authority, matter: str) -> str:
        made = await people.officers.grant(
            admin, officer_id, authority, district_code=OTHER_DISTRICT, matter_code=matter, valid_until=until
        )
        return made.grant_id

    trusted = await grant(elsewhere.officer_id, Authority.REMOTE_ACCEPTANCE, MATTER)
    for officer_id, authority, matter in (
        (elsewhere.officer_id, Authority.SEALING, MATTER),
        (elsewhere.officer_id, Authority.REMOTE_ACCEPTANCE, OTHER_MATTER),
        (elsewhere.officer_id, Authority.REMOTE_ACCEPTANCE, "*"),
        (admin.subject_id, Authority.DELIVERY, MATTER),
    ):
        with pytest.raises(NotPermitted):
            await grant(officer_id, authority, matter)
    with pytest.raises(InvalidInput):
        await grant(elsewhere.officer_id, Authority.REMOTE_ACCEPTANCE, "NO-SUCH-MATTER")
    await people.officers.revoke(admin, trusted)
    assert await people.officers.authorities(elsewhere.officer_id) == ()


async def test_an_administrator_keeps_to_the_own_organisation(people: People, join: Join, clock: FixedClock) -> None:
    admin = await _administrator(people, join, clock, "admin.one")
    elsewhere, _ = await join.officer("officer.west", organisation=OTHER_BUREAU)
    new = {"password": PASSWORD, "name": "新人", "district_code": DISTRICT, "post": "窗口"}
    added = await people.officers.add(admin, username="officer.new", organisation_code=BUREAU, **new)
    assert added.officer in await people.officers.of_organisation(admin, BUREAU)
    with pytest.raises(NotPermitted):
        await people.officers.add(admin, username="officer.bad", organisation_code=OTHER_BUREAU, **new)
    with pytest.raises(NotPermitted):
        await people.officers.leave(admin, elsewhere.officer_id)
    with pytest.raises(NotPermitted):
        await people.officers.of_organisation(admin, OTHER_BUREAU)
    await people.officers.leave(admin, added.officer.officer_id)


async def test_seals_are_kept_by_who_was_granted_it_for_the_whole_organisation(
    people: People, join: Join, clock: FixedClock
) -> None:
    officer, secret = await join.officer()
    keeper = await join.officer_principal("officer.li", secret, clock)
    until = clock.now() + timedelta(hours=1)
    operator = Principal(PrincipalKind.OPERATOR, "acc_operator")
    with pytest.raises(InvalidInput) as caught:
        await people.officers.grant(
            operator,
            officer.officer_id,
            Authority.SEAL_KEEPING,
            district_code=DISTRICT,
            matter_code=MATTER,
            valid_until=until,
        )
    assert caught.value.field == "matter_code"
    grant = await people.officers.grant(
        operator, officer.officer_id, Authority.SEAL_KEEPING, district_code=DISTRICT, valid_until=until
    )
    assert not await people.officers.keeps_seals(keeper, BUREAU)
    with pytest.raises(NotPermitted):
        await people.officers.approve(operator, grant.grant_id)
    await people.officers.approve(Principal(PrincipalKind.OPERATOR, "acc_second"), grant.grant_id)
    assert await people.officers.keeps_seals(keeper, BUREAU)
    assert not await people.officers.keeps_seals(keeper, OTHER_BUREAU)
    assert await people.officers.keeps_seals(operator, OTHER_BUREAU)
    clock.advance(timedelta(hours=1))
    assert not await people.officers.keeps_seals(keeper, BUREAU)
