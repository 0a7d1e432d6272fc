"""What another provider vouches for: evidence at the level the settings say, disputed and expiring like any other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from foundation.principal import Principal, PrincipalKind
from foundation.settings import UpstreamProvider
from idp.people.errors import RealNameConflict
from idp.people.level_policy import level_policy, with_vouching
from idp.people.proof import DEFAULT_POLICY, Evidence, Method, level_at
from idp.ports import Statement
from tests.conftest import NOW
from tests.idp.people.conftest import CHEN_WEI, Join
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.settings import Settings
    from idp.people.assembly import People
    from idp.people.session import Session

PROVINCE = "https://id.province.example.gov.cn"
OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_1")
LINKED = NOW - timedelta(days=1)


def provider(**changes: object) -> UpstreamProvider:
    values = {
        "source": "province",
        "name": "省统一身份认证",
        "issuer": PROVINCE,
        "client_id": "city",
        "client_secret": SecretStr("secret of a test"),
        "levels": {"high": "L3", "plain": "L1"},
        "vouches": True,
    }
    return UpstreamProvider.model_validate({**values, **changes})


@pytest.fixture
def gateway_settings(gateway_settings: Settings) -> Settings:
    return gateway_settings.model_copy(update={"upstream_providers": (provider(),)})


def said(stated: str = "high", name: str = CHEN_WEI.name, number: str = CHEN_WEI.citizen_id_number) -> Statement:
    return Statement(PROVINCE, stated, name, number)


async def vouched(people: People, join: Join, statement: Statement) -> Session:
    """Register somebody, keep what is said of them, and sign in again."""
    session = await join.citizen()
    await people.vouching.keep(session.account_id, statement, LINKED)
    return await join.again(session)


async def test_the_mapped_level_is_reached_and_the_voucher_is_named(
    people: People, join: Join, clock: FixedClock
) -> None:
    after = await vouched(people, join, said())
    assert after.acr == "L3"
    (evidence,) = await people.real_name.evidence(after.principal())
    assert (evidence.method, evidence.authority) == (Method.UPSTREAM, PROVINCE)
    claims = (await people.accounts.claims(after.account_id, {"real_name"}))["verified_claims"]
    assert claims["verification"]["assurance_level"] == "L3"
    (shown,) = claims["verification"]["evidence"]
    assert (shown["type"], shown["attestation"]["voucher"]) == ("vouch", {"organization": PROVINCE})
    assert claims["claims"]["name"] == CHEN_WEI.name

    await people.vouching.keep(after.account_id, said(), LINKED)
    assert len(await people.real_name.evidence(after.principal())) == 1
    clock.advance(timedelta(days=2))
    await people.vouching.keep(after.account_id, said(), LINKED)
    assert len(await people.real_name.evidence(after.principal())) == 2

    clock.advance(timedelta(days=366))
    await people.upkeep.expire_levels()
    assert (await join.sign_in("chenwei")).acr == "L0"


async def test_disputed_evidence_does_not_come_back_until_the_accounts_are_linked_anew(
    people: People, join: Join, clock: FixedClock
) -> None:
    after = await vouched(people, join, said())
    (evidence,) = await people.real_name.evidence(after.principal())
    assert await people.upkeep.withdraw(after.principal(), evidence.evidence_id, "不是我") == "L0"
    clock.advance(timedelta(days=2))
    await people.vouching.keep(after.account_id, said(), LINKED)
    assert (await join.sign_in("chenwei")).acr == "L0"
    await people.vouching.keep(after.account_id, said(), clock.now())
    assert (await join.sign_in("chenwei")).acr == "L3"


UNMAPPED = {
    "level": said("unmapped"),
    "number": said(number="500101199001010000"),
    "name": said(name="4711"),
    "issuer": replace(said(), issuer="https://other.example"),
}


@pytest.mark.parametrize("statement", UNMAPPED.values(), ids=UNMAPPED)
async def test_what_the_settings_do_not_map_or_nobody_can_be_raises_nothing(
    people: People, join: Join, statement: Statement
) -> None:
    assert (await vouched(people, join, statement)).acr == "L0"


async def test_a_word_against_what_is_on_record_is_refused_and_left_to_an_officer(people: People, join: Join) -> None:
    after = await vouched(people, join, said())
    other = CITIZENS[1]
    with pytest.raises(RealNameConflict):
        await people.vouching.keep(after.account_id, said(name=other.name, number=other.citizen_id_number), LINKED)
    with pytest.raises(RealNameConflict):
        await people.vouching.keep(after.account_id, said(name="另一个"), LINKED)
    assert len(await people.conflicts.waiting(OPERATOR)) == 2
    assert (await join.again(after)).acr == "L3"


def word(stated: str, *, authority: str = PROVINCE, method: Method = Method.UPSTREAM) -> Evidence:
    return Evidence("evd_1", "per_1", method, authority, stated, NOW, NOW + timedelta(days=900))


def test_levels_follow_the_settings_and_what_is_vouched_for_adds_up_with_nothing() -> None:
    policy = with_vouching(
        DEFAULT_POLICY, (provider(), provider(source="b", issuer="https://b.example", vouches=False))
    )
    assert level_at([word("high")], policy, NOW) == "L3"
    assert level_at([word("high")], DEFAULT_POLICY, NOW) == "L0"
    assert level_at([word("high", authority="https://b.example")], policy, NOW) == "L0"
    capped = with_vouching(level_policy('{"levels": {"upstream": "L2"}, "days": {"upstream": 30}}'), (provider(),))
    assert level_at([word("high")], capped, NOW) == "L2"
    assert level_at([word("high")], capped, NOW + timedelta(days=31)) == "L0"
    bank = word("t", authority="银行", method=Method.BANK_CARD)
    assert level_at([word("high"), bank], capped, NOW) == "L2"
    assert len({DEFAULT_POLICY.digest, policy.digest, capped.digest}) == 3
    assert with_vouching(DEFAULT_POLICY, (provider(vouches=False),)) is DEFAULT_POLICY
