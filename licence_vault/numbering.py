"""Serial numbers and status places for many licences at once, within one transaction."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from licence_vault.errors import SerialsExhausted
from licence_vault.status_allocation import CAPACITY, SEED_BYTES, place
from licence_vault.tables import licence_serials, licence_status_lists

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

MAX_SERIAL = 9_999_999


def serial_text(year: int, number: int) -> str:
    """Return a serial of GB/T 36904: the year and seven digits; raises SerialsExhausted."""
    if number > MAX_SERIAL:
        raise SerialsExhausted("本年度流水号已用完 / this year's serial numbers are used up.")
    return f"{year}{number:07d}"


class Numbering:
    """Takes numbers in blocks; rows stay locked until the caller's transaction ends, so none is given twice."""

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    async def serials(self, type_code: str, issuer_code: str, years: Sequence[int]) -> list[str]:
        """Return one serial for each year given, in that order."""
        following: dict[int, int] = {}
        # Years in order: two transactions that need several take their locks alike.
        for year, count in sorted(Counter(years).items()):
            statement = upsert(licence_serials).values(
                type_code=type_code, issuer_code=issuer_code, year=year, last=count
            )
            statement = statement.on_conflict_do_update(
                index_elements=["type_code", "issuer_code", "year"], set_={"last": licence_serials.c.last + count}
            )
            last = (await self._connection.execute(statement.returning(licence_serials.c.last))).scalar_one()
            following[year] = last - count
        result = []
        for year in years:
            following[year] += 1
            result.append(serial_text(year, following[year]))
        return result

    async def places(self, issuer_code: str, epochs: Sequence[str]) -> list[tuple[int, int]]:
        """Return a status list and index for each epoch given, in that order."""
        stock = {
            epoch: await self._block(issuer_code, epoch, count) for epoch, count in sorted(Counter(epochs).items())
        }
        return [stock[epoch].pop() for epoch in epochs]

    async def _block(self, issuer_code: str, epoch: str, count: int) -> list[tuple[int, int]]:
        lists = licence_status_lists
        taken: list[tuple[int, int]] = []
        while len(taken) < count:
            open_list = (
                select(lists)
                .where(lists.c.issuer_code == issuer_code, lists.c.epoch == epoch, lists.c.allocated < lists.c.capacity)
                .with_for_update()
            )
            row = (await self._connection.execute(open_list)).one_or_none()
            if row is None:
                opened = upsert(lists).values(
                    issuer_code=issuer_code,
                    epoch=epoch,
                    capacity=CAPACITY,
                    allocated=0,
                    seed=os.urandom(SEED_BYTES),
                    created_at=self._now,
                )
                # Somebody else may open it first: then theirs is found on the next turn.
                await self._connection.execute(
                    opened.on_conflict_do_nothing(
                        index_elements=["issuer_code", "epoch"], index_where=text("allocated < capacity")
                    )
                )
                continue
            step = min(count - len(taken), row.capacity - row.allocated)
            advance = update(lists).where(lists.c.status_list == row.status_list)
            await self._connection.execute(advance.values(allocated=row.allocated + step))
            taken += [
                (row.status_list, place(row.seed, row.allocated + number, row.capacity)) for number in range(step)
            ]
        return taken
