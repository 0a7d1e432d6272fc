"""A clock that jumps stops timestamps."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from keys.assembly import assemble
from keys.clock_watch import ClockWatch, seconds_since_boot
from keys.errors import ClockNotTrusted
from keys.tables import timestamp_clock
from tests.keys.support import digest_of
from tests.keys.test_timestamps import IMPRINT, failure_of, request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.settings import Settings
    from keys.assembly import Keys


class Counter:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def watch(clock: FixedClock, database: Database, counter: Counter) -> ClockWatch:
    watch = ClockWatch(clock, database, counter=counter)
    await watch.load()
    watch.now()
    return watch


def pass_time(clock: FixedClock, counter: Counter, seconds: float, *, slew: float = 0.0) -> None:
    clock.advance(timedelta(seconds=seconds + slew))
    counter.seconds += seconds


def test_a_clock_that_goes_as_time_does_is_believed(watch: ClockWatch, clock: FixedClock, counter: Counter) -> None:
    for _ in range(1000):
        pass_time(clock, counter, 7.0, slew=0.003)
        assert watch.now() == clock.now()


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 1.0, 3600.0, 86400.0])
def test_a_clock_that_jumps_stops_until_it_is_put_right(
    watch: ClockWatch, clock: FixedClock, counter: Counter, jump: float
) -> None:
    pass_time(clock, counter, 60.0)
    watch.now()
    clock.advance(timedelta(seconds=jump))
    for _ in range(3):
        pass_time(clock, counter, 30.0)
        with pytest.raises(ClockNotTrusted):
            watch.now()
    clock.advance(timedelta(seconds=-jump))
    assert watch.now() == clock.now()


async def test_a_clock_set_back_while_the_process_was_down_is_not_believed(
    watch: ClockWatch, clock: FixedClock, database: Database
) -> None:
    await watch.mark(watch.now())
    clock.advance(timedelta(hours=-1))
    restarted = ClockWatch(clock, database)
    await restarted.load()
    with pytest.raises(ClockNotTrusted):
        restarted.now()
    clock.advance(timedelta(hours=1))
    assert restarted.now() == clock.now()


@pytest.mark.parametrize("provider", ["software"], indirect=True)
async def test_the_authority_says_that_it_has_no_time(
    keys: Keys, clock: FixedClock, settings: Settings, database: Database, cipher: FieldCipher
) -> None:
    assert await keys.tsa.timestamp(digest_of("a"))
    clock.advance(timedelta(hours=-1))
    assert failure_of(await keys.tsa.respond(request(IMPRINT))) == {"time_not_available"}
    with pytest.raises(ClockNotTrusted):
        await keys.tsa.timestamp(digest_of("a"))
    again = assemble(settings, database, clock, cipher)
    await again.service.load()
    assert failure_of(await again.tsa.respond(request(IMPRINT))) == {"time_not_available"}
    await again.close()
    clock.advance(timedelta(hours=1))
    assert await keys.tsa.timestamp(digest_of("a"))


async def test_many_stamps_at_once_write_one_mark(
    watch: ClockWatch, clock: FixedClock, counter: Counter, database: Database
) -> None:
    pass_time(clock, counter, 5.0)
    at = watch.now()
    await asyncio.gather(*(watch.mark(at) for _ in range(50)))
    async with database.read() as connection:
        stored = (await connection.execute(select(timestamp_clock.c.stamped_until, text("xmin::text")))).one()
        await watch.mark(at)
        again = (await connection.execute(select(timestamp_clock.c.stamped_until, text("xmin::text")))).one()
    assert stored == again
    assert stored.stamped_until == at


def test_the_machines_counter_only_rises() -> None:
    readings = [seconds_since_boot() for _ in range(100)]
    assert readings == sorted(readings)
    assert readings[0] > 0
