"""Officers as `signing` asks for them: the register of `idp`, joined as `hufu` joins it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from foundation.principal import Principal, PrincipalKind
from hufu.adapters import KeepersOfSeals
from idp.people.officer import Authority
from tests.idp.people.conftest import (
    BUREAU,
    DISTRICT,
    MATTER,
    OTHER_MATTER,
    Join,
    authority,
    directory,
    gateway_settings,
    join,
    notices,
    observer,
    people,
    sms,
)

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from idp.people.assembly import People

__all__ = ["authority", "directory", "gateway_settings", "join", "notices", "observer", "people", "sms"]


@pytest.mark.parametrize("withdrawn", [True, False])
async def test_who_holds_the_authority_seals_until_it_is_withdrawn_or_over(
    people: People, join: Join, clock: FixedClock, *, withdrawn: bool
) -> None:
    officers = KeepersOfSeals(people.officers, clock)
    officer, secret = await join.officer()
    li = await join.officer_principal("officer.li", secret, clock)
    first, second = (Principal(PrincipalKind.OPERATOR, name) for name in ("acc_first", "acc_second"))
    grant = await people.officers.grant(
        first,
        officer.officer_id,
        Authority.SEALING,
        district_code=DISTRICT,
        matter_code=MATTER,
        valid_until=clock.now() + timedelta(minutes=30),
    )
    assert not await officers.may_seal(li, MATTER)
    await people.officers.approve(second, grant.grant_id)
    assert await officers.may_seal(li, MATTER)
    assert await officers.may_seal(li, None)
    assert not await officers.may_seal(li, OTHER_MATTER)
    assert await officers.in_post(officer.officer_id, BUREAU)
    if withdrawn:
        await people.officers.revoke(first, grant.grant_id)
    else:
        clock.advance(timedelta(minutes=31))
    assert not await officers.may_seal(li, MATTER)
    assert not await officers.may_seal(li, None)
