"""Status lists of trusted cities, fetched ahead so that packs can carry them (decision 0130).

Online a list is asked for when a code needs it (`verification.cities`). A pack must have it
before, and building one waits for nobody: a worker asks every city in turn of the clock and
keeps what it got. Newest lists come first, within a limit for each city and for all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from foundation.errors import UpstreamUnavailable
from verification.packs import CityInPack, LeftOut
from verification.status.encoding import CWT_TYPE
from verification.tables import neighbour_lists
from verification.trust_lists import MAXIMUM_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence
    from datetime import datetime

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.outbound import OutboundClient, OutboundResponse
    from verification.cities import Cities
    from verification.trust_lists import TrustList

LONGEST_TTL_SECONDS = 300
"""A city's status list is read again by then, whatever `ttl` it states; a pack takes none confirmed longer ago."""
FETCH_EVERY = timedelta(minutes=2)
CITY_SECONDS = 60.0
"""For one city at a time; what it did not give by then is asked for the next time."""
AT_ONCE = 8
LONGEST_ETAG = 200
CITY_LISTS, CITY_BYTES = 600, 5 * 1024 * 1024
"""What a city of 150 million licences publishes."""
ALL_LISTS, ALL_BYTES = 3_000, 20 * 1024 * 1024
_OK, _NOT_MODIFIED = 200, 304
logger = logging.getLogger("hufu.verification")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of one city's lists is kept."""

    lists: int
    size: int

    @classmethod
    def for_each_of(cls, cities: int) -> Room:
        """Return each city's equal share: no city crowds out another."""
        return cls(min(CITY_LISTS, ALL_LISTS // max(1, cities)), min(CITY_BYTES, ALL_BYTES // max(1, cities)))


async def ask_for_list(
    outbound: OutboundClient, city: TrustList, number: int, *, etag: str = "", max_bytes: int = MAXIMUM_BYTES
) -> OutboundResponse | None:
    """Ask a city for one of its status lists, or whether it is still the one with this tag; None without an answer."""
    url = city.status_list_address(number)
    etag = _tag(etag)
    headers = {"accept": CWT_TYPE} | ({"if-none-match": etag} if etag else {})
    try:
        response = await outbound.request(
            "GET", url, headers=headers, max_bytes=max_bytes, plain_http=url.startswith("http://")
        )
    except UpstreamUnavailable:
        return None
    return response if response.status == _OK or (etag and response.status == _NOT_MODIFIED) else None


def _tag(unverified: str) -> str:
    """Return a tag that can be sent back as it came; empty for anything else, and the list is fetched whole."""
    return unverified if len(unverified) <= LONGEST_ETAG and unverified.isascii() and unverified.isprintable() else ""


async def in_turn(failed: str, city: TrustList, turn: Awaitable[None]) -> bool:
    """Await what is done for one city and tell whether it was; whatever it brings about, the others have their turn."""
    try:
        await turn
    except Exception as error:  # noqa: BLE001 - of what a stranger's server sends, no failure may be everybody's
        logger.warning(failed, extra={"city": city.service_id, "reason": type(error).__name__})
        return False
    return True


class NeighbourLists:
    """Keeps the status lists of every trusted city; `fetch_all` runs periodically in a worker."""

    def __init__(self, database: Database, clock: Clock, outbound: OutboundClient, cities: Cities) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._outbound = outbound
        self._cities = cities

    async def fetch_all(self) -> None:
        """Ask every trusted city at the same time, so that none waits for another; forget the others."""
        trusted = await self._cities.trusted()
        async with self._database.transaction() as connection:
            await connection.execute(neighbour_lists.delete().where(neighbour_lists.c.service_id.not_in(list(trusted))))
        room = Room.for_each_of(len(trusted))
        turns = (in_turn("status lists not fetched", city, self._fetch(city, room)) for city in trusted.values())
        done = await asyncio.gather(*turns)
        if not all(done):
            logger.warning("status lists not fetched", extra={"failed": done.count(False), "of": len(done)})

    async def _fetch(self, city: TrustList, room: Room) -> None:
        of_city, number = neighbour_lists.c.service_id == city.service_id, neighbour_lists.c.status_list
        numbers = _newest_first(city, room)
        known = select(number, neighbour_lists.c.etag, func.length(neighbour_lists.c.cwt).label("size")).where(of_city)
        async with self._database.transaction() as connection:
            await connection.execute(neighbour_lists.delete().where(of_city, number.not_in(numbers)))
            held = {row.status_list: (row.etag, row.size) for row in await connection.execute(known)}
        ends, left = time.monotonic() + CITY_SECONDS, room.size
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            sizes = await self._fetch_some(city, some, held, room)
            left -= sum(sizes)
            if not sizes or left < 0 or time.monotonic() > ends:
                # It answers nothing, or has more than its room, or takes too long.
                return

    async def _fetch_some(
        self, city: TrustList, numbers: Sequence[int], held: Mapping[int, tuple[str, int]], room: Room
    ) -> list[int]:
        """Ask for some lists at once and keep what came; return their sizes."""
        now = self._clock.now()
        tags = [held.get(number, ("", 0))[0] for number in numbers]
        answers = await asyncio.gather(
            *(
                ask_for_list(self._outbound, city, number, etag=tag, max_bytes=room.size)
                for number, tag in zip(numbers, tags, strict=True)
            )
        )
        same: list[int] = []
        new: list[dict[str, Any]] = []
        for number, answer in zip(numbers, answers, strict=True):
            if answer is None:
                continue
            if answer.status == _NOT_MODIFIED:
                same.append(number)
            elif (token := city.own_status_list(number, answer.body)) is not None:
                row = {"status_list": number, "etag": _tag(answer.headers.get("etag", "")), "cwt": answer.body}
                dates = {"fetched_at": now, "issued_at": token.facts.issued_at}
                new.append(row | dates | {"service_id": city.service_id})
            else:
                logger.warning("status list not believed", extra={"city": city.service_id, "status_list": number})
        await self._keep(city.service_id, same, new, now)
        return [held[number][1] for number in same] + [len(row["cwt"]) for row in new]

    async def _keep(
        self, service_id: str, same: Sequence[int], new: Sequence[Mapping[str, Any]], now: datetime
    ) -> None:
        confirmed = (
            neighbour_lists.update()
            .where(neighbour_lists.c.service_id == service_id, neighbour_lists.c.status_list.in_(same))
            .values(fetched_at=now)
        )
        statement = insert(neighbour_lists)
        changed = {name: statement.excluded[name] for name in ("etag", "fetched_at", "issued_at", "cwt")}
        # An older list given again confirms nothing: the newer one grows old and is left out of packs.
        newer = statement.excluded.issued_at >= neighbour_lists.c.issued_at
        key = [neighbour_lists.c.service_id, neighbour_lists.c.status_list]
        async with self._database.transaction() as connection:
            if same:
                await connection.execute(confirmed)
            if new:
                await connection.execute(
                    statement.on_conflict_do_update(index_elements=key, set_=changed, where=newer), new
                )

    async def for_pack(self) -> tuple[CityInPack, ...]:
        """Return every trusted city with what is held of its lists; asks nobody."""
        trusted = await self._cities.trusted()
        confirmed = self._clock.now() - timedelta(seconds=LONGEST_TTL_SECONDS)
        fresh = select(neighbour_lists).where(neighbour_lists.c.fetched_at >= confirmed)
        held: dict[str, dict[int, bytes]] = {name: {} for name in trusted}
        async with self._database.read() as connection:
            for row in await connection.execute(fresh):
                held.get(row.service_id, {})[row.status_list] = row.cwt
        room = Room.for_each_of(len(trusted))
        return tuple(_in_pack(city, held[name], room) for name, city in trusted.items())


def _newest_first(city: TrustList, room: Room) -> Sequence[int]:
    return sorted(city.status_lists, reverse=True)[: room.lists]


def _in_pack(city: TrustList, held: Mapping[int, bytes], room: Room) -> CityInPack:
    """Choose what a pack holds of a city: the newest lists until its room is full."""
    left_out = dict.fromkeys(city.status_lists, LeftOut.OVER_LIMIT)
    lists: dict[int, bytes] = {}
    left = room.size
    for number in _newest_first(city, room):
        data = held.get(number)
        left -= len(data or b"")
        if left < 0:
            break
        if data is None:
            left_out[number] = LeftOut.NOT_FETCHED
        else:
            lists[number] = data
            del left_out[number]
    return CityInPack(city, lists, left_out)
