"""`hufu officers`: posts are listed, given and ended as on the page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotFound, NotPermitted
from foundation.principal import ANONYMOUS, Principal, PrincipalKind
from foundation.tables import audit_log
from hufu.commands import Parser
from hufu.commands.officers import act, add_arguments
from tests.idp.people.conftest import BUREAU, DISTRICT, OTHER_BUREAU, OTHER_DISTRICT, Join

if TYPE_CHECKING:
    from foundation.database import Database
    from idp.people.assembly import People

OPERATOR = Principal(PrincipalKind.OPERATOR, "wang")
PLACE = ("--organisation", OTHER_BUREAU, "--district", OTHER_DISTRICT)


async def play(people: People, *words: str, who: Principal = OPERATOR) -> list[str]:
    parser = Parser(prog="hufu officers")
    add_arguments(parser)
    return list(await act(people.officers, who, parser.parse_args(words)))


async def test_a_post_is_given_listed_and_ended(people: People, join: Join) -> None:
    first, _ = await join.officer("officer.li")
    assert await play(people, "list", BUREAU) == [f"{first.officer_id}  **员  {DISTRICT}  窗口  -"]
    (lent,) = await play(
        people, "appoint", "officer.li", "--name", "李科员", *PLACE, "--post", "挂职科员", "--until", "2030-05-31"
    )
    assert (await people.officers.get(lent)).ends_at == datetime(2030, 5, 31, 16, tzinfo=UTC)
    line = f"{lent}  **员  {OTHER_DISTRICT}  挂职科员  2030-06-01T00:00+08:00"
    assert await play(people, "list", OTHER_BUREAU) == [line]
    await play(people, "leave", lent)
    assert await play(people, "list", OTHER_BUREAU) == []
    assert len(await play(people, "list", BUREAU)) == 1


async def test_whole_names_are_shown_when_asked_for_and_that_is_on_record(
    people: People, join: Join, database: Database
) -> None:
    first, _ = await join.officer("officer.li")
    asked = select(audit_log.c.actor, audit_log.c.detail).where(audit_log.c.action == "people.officer_names")
    async with database.read() as connection:
        assert not (await connection.execute(asked)).all()
    assert await play(people, "list", BUREAU, "--names") == [f"{first.officer_id}  李科员  {DISTRICT}  窗口  -"]
    async with database.read() as connection:
        assert (await connection.execute(asked)).all() == [("operator:wang", {"officers": 1})]


async def test_a_slip_appoints_nobody(people: People, join: Join) -> None:
    await join.officer("officer.li")
    good = ("appoint", "officer.li", "--name", "李科员", *PLACE, "--post", "挂职科员")
    for words, refusal in (
        ((*good[:3], "王科员", *good[4:]), NotFound),
        ((*good, "--from", "2030-05-02", "--until", "2030-05-01"), InvalidInput),
        ((*good[:-4], "--district", "999999", "--post", "x"), InvalidInput),
    ):
        with pytest.raises(refusal):
            await play(people, *words)
    for attempted in (good, ("list", BUREAU)):
        with pytest.raises(NotPermitted):
            await play(people, *attempted, who=ANONYMOUS)
    with pytest.raises(SystemExit) as caught:
        await play(people, *good, "--until", "tomorrow")
    assert caught.value.code == 64
