"""Concurrent askers share one call, and rows that record many acts share one commit."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.audit import AuditEvent, CommittedAudit
from foundation.gathering import Gathering
from foundation.principal import SYSTEM
from foundation.tables import audit_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.audit import Audit
    from foundation.database import Database


class Doubler:
    """Doubles numbers, and keeps what it was asked; refuses negative ones."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        await asyncio.sleep(0.01)
        if min(numbers) < 0:
            raise ValueError
        return [2 * number for number in numbers]


async def test_who_asks_during_a_call_shares_the_next_and_gets_his_own_answer() -> None:
    doubler = Doubler()
    gathering = Gathering(doubler, at_most=40, at_a_time=1)
    first = asyncio.create_task(gathering(0))
    await asyncio.sleep(0.005)
    answers = await asyncio.gather(*(gathering(number) for number in range(100)))
    assert await first == 0
    assert answers == [2 * number for number in range(100)]
    assert [len(call) for call in doubler.calls] == [1, 40, 40, 20]


async def test_calls_begin_apart_so_that_quick_ones_are_shared_too_and_the_first_waits_for_nobody() -> None:
    doubler = Doubler()
    gathering = Gathering(doubler, apart_seconds=0.1)
    began = time.monotonic()
    assert await gathering(0) == 0
    assert time.monotonic() - began < 0.1
    asked = []
    for number in (1, 2, 3):
        asked.append(asyncio.create_task(gathering(number)))
        await asyncio.sleep(0.001)
    assert doubler.calls == [[0]]
    assert await asyncio.gather(*asked) == [2, 4, 6]
    assert time.monotonic() - began >= 0.1
    assert doubler.calls == [[0], [1, 2, 3]]


async def test_a_failed_call_fails_those_who_shared_it_and_no_others() -> None:
    gathering = Gathering(Doubler(), at_a_time=1)
    outcomes = await asyncio.gather(*(gathering(number) for number in (1, -1, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
    assert await gathering(3) == 6


async def test_one_who_gives_up_stops_nobody() -> None:
    gathering = Gathering(Doubler())
    tasks = [asyncio.create_task(gathering(number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await asyncio.gather(*tasks[1:]) == [2, 4]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_rows_of_many_askers_share_commits_and_each_gets_his_own_receipt(
    database: Database, audit: Audit
) -> None:
    committed = CommittedAudit(database, audit)
    events = [AuditEvent("test.ask", "thing", str(number), {"名": number}) for number in range(300)]
    receipts = await asyncio.gather(*(committed.record(SYSTEM, event) for event in events))
    async with database.read() as connection:
        rows = (await connection.execute(select(audit_log))).all()
        transactions = func.count(audit_log.c.transaction_id.distinct())
        commits = (await connection.execute(select(transactions))).scalar_one()
    stored = {row.audit_id: (row.object_id, row.detail, bytes(row.commitment)) for row in rows}
    expected = [
        (event.object_id, dict(event.detail), receipt.commitment)
        for event, receipt in zip(events, receipts, strict=True)
    ]
    assert [stored[receipt.audit_id] for receipt in receipts] == expected
    assert Counter(receipt.audit_id for receipt in receipts).most_common(1)[0][1] == 1
    assert len(rows) == 300
    assert commits < 10
