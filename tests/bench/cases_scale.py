"""Verification in a city of HUFU_BENCH_LICENCES licences (a million when not given), PostgreSQL's share counted."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from foundation.principal import ANONYMOUS
from hufu.wiring import open_application
from licence_vault.model import LicenceState, ReasonCode, StateChange
from licence_vault.status_allocation import CAPACITY
from tests.bench.case import Bench, Case
from tests.bench.http_load import api_wires
from tests.bench.scale import Loaded, loaded
from tests.verification.city import BUREAU
from tests.verification.test_offline import status_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hufu.wiring import Application
    from tests.bench.case import Operation
    from tests.bench.http_load import Wire

CITY = 150_000_000
PROMISED = 500
SHARES = (0.01, 0.025, 0.05, 0.20)


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[tuple[Application, Loaded]]:
    """Open the loaded city in this process."""
    city = await loaded(bench)
    await bench.watch_database(city.settings.database_url)
    async with open_application(city.settings) as application:
        yield application, city


@asynccontextmanager
async def by_identifier(bench: Bench) -> AsyncIterator[Operation]:
    """Judge any of the licences by identifier, with audit row and signed receipt."""
    async with opened(bench) as (application, city):
        bench.note = f"{city.rows:,} licences"
        chance = random.Random(1)  # noqa: S311 - the same each time is wanted

        async def operation() -> int:
            identifier = city.identifier(chance.randrange(city.rows))
            verified = await application.services.verification.by_identifier(ANONYMOUS, identifier)
            assert verified.report.licence is not None
            return 1

        yield operation


@asynccontextmanager
async def over_http(bench: Bench, processes: int) -> AsyncIterator[Operation]:
    """Judge any of the licences over HTTP, as a department's system asks."""
    city = await loaded(bench)
    bench.note = f"{city.rows:,} licences"
    async with api_wires(bench, city.settings, processes) as wires:
        idle: asyncio.Queue[Wire] = asyncio.Queue()
        for wire in wires:
            idle.put_nowait(wire)
        chance = random.Random(2)  # noqa: S311 - as above

        async def operation() -> int:
            wire = await idle.get()
            assert b'"verdict":"' in await wire.ask(city.identifier(chance.randrange(city.rows)))
            idle.put_nowait(wire)
            return 1

        yield operation


@asynccontextmanager
async def change_published(bench: Bench) -> AsyncIterator[Operation]:
    """Suspend a licence, or let it be valid again, and publish what that changes in the status lists."""
    async with opened(bench) as (application, city):
        statuses = application.verification.statuses
        await statuses.publish_changes()
        bench.note = f"{city.rows:,} licences"
        suspend = StateChange(LicenceState.SUSPENDED, ReasonCode.INVESTIGATION, "立案调查", "依法")
        restore = replace(suspend, state=LicenceState.VALID, reason_code=ReasonCode.RECTIFIED)
        valid = _valid_ones(application, city)

        async def operation() -> int:
            identifier = await anext(valid)
            for change in (suspend, restore):
                await application.vault.licences.change_state(BUREAU, identifier, change)
                await statuses.publish_changes()
            return 2

        yield operation


async def _valid_ones(application: Application, city: Loaded) -> AsyncIterator[str]:
    chance = random.Random(3)  # noqa: S311 - as above
    while True:
        identifier = city.identifier(chance.randrange(city.rows))
        found = await application.vault.records.current(identifier)
        if found is not None and found.state is LicenceState.VALID:
            yield identifier


@asynccontextmanager
async def offline_pack(bench: Bench) -> AsyncIterator[Operation]:
    """Build the offline pack of the whole city, 2.5 % withdrawn."""
    async with opened(bench) as (application, city):
        await application.verification.statuses.publish_changes()
        packs = application.verification.packs
        assert packs is not None

        async def operation() -> int:
            size = len(await packs.build())
            bench.note = f"{city.rows:,} licences in {size / 1e6:.2f} MB"
            return 1

        yield operation


@asynccontextmanager
async def list_sizes(bench: Bench) -> AsyncIterator[Operation]:
    """Pack, compress and sign one list, 2.5 % withdrawn; the note gives a city of 150 million in lists like it."""
    sizes = {share: len(_one_list(share)) * CITY / CAPACITY / 1e6 for share in SHARES}
    bench.note = "150 million: " + ", ".join(f"{size:.2f} MB at {share:.1%}" for share, size in sizes.items())

    async def operation() -> int:
        _one_list(0.025)
        return 1

    yield operation


def _one_list(share: float) -> bytes:
    chosen = random.Random(4).sample(range(CAPACITY), round(CAPACITY * share))  # noqa: S311 - as above
    return status_token(dict.fromkeys(chosen, 1), size=CAPACITY)


def _served(processes: int) -> tuple[Case, Case]:
    """As many as are answered, and whether a node keeps its promise: 500 a second, p99 at most 50 ms.

    A node of two cores runs two processes, as `compose.yaml` does; one alone shows what a process can do.
    """
    name = "scale: by identifier over HTTP" + (f", {processes} processes" if processes > 1 else "")
    flooded = Case(name, partial(over_http, processes=processes), concurrency=32, warm_up=2000, longest=1800)
    return flooded, replace(flooded, name=f"{name}, at {PROMISED} a second", arrivals_per_second=PROMISED, seconds=20)


CASES = (
    Case("scale: by identifier", by_identifier, concurrency=32, warm_up=200, longest=1800),
    *_served(1),
    *_served(2),
    Case("scale: a change published", change_published, longest=1800),
    Case("scale: offline pack", offline_pack, warm_up=1, longest=1800),
    Case("scale: a status list", list_sizes),
)
