from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.principal import SYSTEM, PrincipalKind
from idp.people import totp
from idp.people.errors import AccountClosed, AuthorityMissing, UsernameTaken, WeakPassword
from idp.people.officer import Authority
from tests.idp.people.conftest import BUREAU, DISTRICT, OTHER_DISTRICT, PASSWORD, Join, RecordingObserver

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from idp.people.assembly import People

MATTER = "500101-FOOD"


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
        ("sealing", DISTRICT, "500101-LAND"),
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
    assert observer.ended == [session.session_id]
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
