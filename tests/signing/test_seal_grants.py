"""The use of a seal: given by one, approved by another, limited by matter and period, withdrawn at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotPermitted
from foundation.tables import audit_log
from signing.errors import FourEyesRequired, SealNotFound, SealStateConflict, SealUseNotGranted
from signing.model import SealKind, SealRequest
from tests.signing.conftest import CODE, MATTER, OTHER, make_active

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.principal import Principal
    from signing.assembly import Signing
    from signing.model import Seal


@pytest.fixture
async def business(signing: Signing, operator: Principal, second_operator: Principal) -> Seal:
    """Return an active seal that nobody may use yet."""
    return await make_active(signing, operator, second_operator, kind=SealKind.BUSINESS, lower_text="审批专用章")


def period(clock: FixedClock) -> dict[str, Any]:
    return {"valid_from": clock.now(), "valid_to": clock.now() + timedelta(days=30)}


async def test_grants_limit_by_matter_and_period(
    signing: Signing, seal: Seal, officer: Principal, clock: FixedClock
) -> None:
    usable = signing.seals.usable_by
    assert [each.seal_id for each in await usable(officer)] == [seal.seal_id]
    assert [each.seal_id for each in await usable(officer, matter_code=MATTER)] == [seal.seal_id]
    assert await usable(officer, matter_code="another") == ()
    assert await usable(replace(officer, subject_id="off_wang")) == ()
    assert await usable(replace(officer, organisation_code=OTHER)) == ()
    clock.advance(timedelta(days=31))
    assert await usable(officer) == ()
    assert await signing.grants.of_seal(officer, seal.seal_id) == ()


async def test_a_grant_holds_once_another_one_approves(
    signing: Signing,
    business: Seal,
    officer: Principal,
    keeper: Principal,
    operator: Principal,
    clock: FixedClock,
    licence: bytes,
    database: Database,
) -> None:
    order = SealRequest(business.seal_id, licence, matter_code=MATTER, second_factor=CODE)
    grant = await signing.grants.grant(
        keeper, business.seal_id, officer.subject_id, matter_codes=[MATTER], **period(clock)
    )
    assert await signing.seals.usable_by(officer) == ()
    with pytest.raises(SealUseNotGranted):
        await signing.sealing.seal(officer, order)
    with pytest.raises(FourEyesRequired):
        await signing.grants.approve(keeper, grant.grant_id)
    await signing.grants.approve(operator, grant.grant_id)
    assert (await signing.sealing.seal(officer, order)).use_number == 1
    with pytest.raises(SealStateConflict):
        await signing.grants.approve(operator, grant.grant_id)

    await signing.grants.withdraw(keeper, grant.grant_id)
    with pytest.raises(SealUseNotGranted):
        await signing.sealing.seal(officer, order)
    with pytest.raises(SealNotFound):
        await signing.grants.withdraw(keeper, grant.grant_id)
    with pytest.raises(SealStateConflict):
        await signing.grants.approve(operator, grant.grant_id)
    async with database.read() as connection:
        rows = await connection.execute(
            select(audit_log.c.action).where(audit_log.c.action.contains("grant")).order_by(audit_log.c.audit_id)
        )
    assert list(rows.scalars()) == ["seal.grant", "seal.approve_grant", "seal.revoke_grant"]


async def test_nobody_grants_or_approves_the_own_use(
    signing: Signing, business: Seal, keeper: Principal, operator: Principal, clock: FixedClock
) -> None:
    with pytest.raises(FourEyesRequired):
        await signing.grants.grant(keeper, business.seal_id, keeper.subject_id, **period(clock))
    grant = await signing.grants.grant(operator, business.seal_id, keeper.subject_id, **period(clock))
    with pytest.raises(FourEyesRequired):
        await signing.grants.approve(keeper, grant.grant_id)
    assert await signing.seals.usable_by(keeper) == ()


async def test_another_post_of_the_same_person_is_no_second_pair_of_eyes(
    signing: Signing, business: Seal, officer: Principal, keeper: Principal, clock: FixedClock
) -> None:
    grant = await signing.grants.grant(keeper, business.seal_id, officer.subject_id, **period(clock))
    other_post = replace(keeper, subject_id="off_keepers_other_post", posts=frozenset({keeper.subject_id}))
    with pytest.raises(FourEyesRequired):
        await signing.grants.approve(other_post, grant.grant_id)
    with pytest.raises(FourEyesRequired):
        await signing.grants.grant(other_post, business.seal_id, keeper.subject_id, **period(clock))
    stranger = replace(other_post, posts=frozenset())
    await signing.grants.approve(stranger, grant.grant_id)
    assert [seal.seal_id for seal in await signing.seals.usable_by(officer)] == [business.seal_id]


async def test_only_keepers_of_the_seals_organisation_give_and_withdraw(
    signing: Signing, seal: Seal, officer: Principal, keeper: Principal, client: Principal, clock: FixedClock
) -> None:
    (standing,) = await signing.grants.of_seal(keeper, seal.seal_id)
    stranger = replace(keeper, organisation_code=OTHER)
    for who, refusal in ((officer, NotPermitted), (client, NotPermitted), (stranger, SealNotFound)):
        with pytest.raises(refusal):
            await signing.grants.grant(who, seal.seal_id, "off_li", **period(clock))
        with pytest.raises(refusal):
            await signing.grants.approve(who, standing.grant_id)
        with pytest.raises(refusal):
            await signing.grants.withdraw(who, standing.grant_id)
    assert await signing.grants.of_seal(keeper, seal.seal_id) == (standing,)


async def test_a_bad_grant_names_its_field(
    signing: Signing, business: Seal, officer: Principal, operator: Principal, clock: FixedClock
) -> None:
    good = {"officer_id": officer.subject_id, "matter_codes": [MATTER], **period(clock)}
    for change, field in (
        ({"officer_id": "off_gone"}, "officer_id"),
        ({"matter_codes": ["nothing"]}, "matter_codes"),
        ({"matter_codes": [f"m{number}" for number in range(101)]}, "matter_codes"),
        ({"valid_to": clock.now()}, "valid_to"),
        ({"valid_from": clock.now() + timedelta(days=40)}, "valid_to"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await signing.grants.grant(operator, business.seal_id, **(good | change))
        assert caught.value.field == field
    await signing.seals.cancel(operator, business.seal_id, reason="机构撤并")
    with pytest.raises(SealStateConflict):
        await signing.grants.grant(operator, business.seal_id, **good)


async def test_a_grant_that_nobody_approved_in_time_is_over(
    signing: Signing,
    business: Seal,
    officer: Principal,
    operator: Principal,
    second_operator: Principal,
    clock: FixedClock,
) -> None:
    grant = await signing.grants.grant(operator, business.seal_id, officer.subject_id, **period(clock))
    clock.advance(timedelta(days=31))
    with pytest.raises(SealStateConflict):
        await signing.grants.approve(second_operator, grant.grant_id)


async def test_a_successor_takes_over_what_stood_and_two_people_do_it(
    signing: Signing,
    business: Seal,
    officer: Principal,
    keeper: Principal,
    operator: Principal,
    second_operator: Principal,
    clock: FixedClock,
) -> None:
    terms = {"matter_codes": [MATTER], **period(clock)}
    standing = await signing.grants.grant(keeper, business.seal_id, officer.subject_id, **terms)
    await signing.grants.approve(operator, standing.grant_id)
    gone = await signing.grants.grant(keeper, business.seal_id, officer.subject_id, **period(clock))
    await signing.grants.approve(operator, gone.grant_id)
    await signing.grants.withdraw(operator, gone.grant_id)
    await signing.grants.grant(keeper, business.seal_id, officer.subject_id, **period(clock))  # approved by nobody
    clock.advance(timedelta(days=1))
    successor = await make_active(
        signing, operator, second_operator, kind=SealKind.BUSINESS, lower_text="审批专用章",
        replaces=business.seal_id, filing_number="5001000000009",
    )  # fmt: skip
    assert await signing.seals.usable_by(officer) == ()
    assert [grant.grant_id for grant in await signing.grants.carriable(keeper, successor.seal_id)] == [
        standing.grant_id
    ]
    assert (
        await signing.grants.carriable(replace(keeper, posts=frozenset({officer.subject_id})), successor.seal_id) == ()
    )
    with pytest.raises(NotPermitted):
        await signing.grants.carry_over(officer, successor.seal_id)

    twice = await asyncio.gather(*(signing.grants.carry_over(keeper, successor.seal_id) for _ in range(2)))
    (carried,) = [grant for each in twice for grant in each]
    assert (carried.officer_id, carried.matter_codes) == (officer.subject_id, frozenset({MATTER}))
    assert (carried.valid_from, carried.valid_to) == (clock.now(), standing.valid_to)
    assert await signing.seals.usable_by(officer) == ()
    with pytest.raises(FourEyesRequired):
        await signing.grants.approve(keeper, carried.grant_id)
    await signing.grants.approve(operator, carried.grant_id)
    assert [seal.seal_id for seal in await signing.seals.usable_by(officer)] == [successor.seal_id]
    assert await signing.grants.carriable(keeper, successor.seal_id) == ()
