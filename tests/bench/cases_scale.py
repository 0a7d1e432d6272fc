"""Verification in a city of HUFU_BENCH_LICENCES licences (a million when not given), PostgreSQL's share counted."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.principal import ANONYMOUS, SYSTEM
from hufu.demo_city import MARKET_BUREAU
from hufu.launcher_place import free_port
from hufu.surroundings import environment_of
from hufu.wiring import open_application
from idp.oauth.clients import ClientRegistration
from licence_vault.model import LicenceState, ReasonCode, StateChange
from licence_vault.status_allocation import CAPACITY
from tests.bench.case import Bench, Case
from tests.bench.scale import Loaded, loaded
from tests.verification.city import BUREAU
from tests.verification.test_offline import status_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hufu.wiring import Application
    from tests.bench.case import Operation

CITY = 150_000_000
SHARES = (0.01, 0.025, 0.05, 0.20)
READY_SECONDS = 60


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


class Wire:
    """A connection to the service that costs the machine almost nothing."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = (
            "POST /api/v1/verifications/identifier HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {token}\r\ncontent-length: "
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, identifier: str) -> bytes:
        """Return the answer's body; raises RuntimeError when it is no answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps({"identifier": identifier})
        writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(answer)
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()


@asynccontextmanager
async def over_http(bench: Bench) -> AsyncIterator[Operation]:
    """Judge any of the licences over HTTP, by one API process."""
    city = await loaded(bench)
    port = free_port()
    settings = city.settings.model_copy(update={"port": port, "issuer": f"http://localhost:{port}"})
    async with open_application(settings) as application:
        registration = ClientRegistration(
            client_name="bench",
            organisation_code=MARKET_BUREAU.credit_code,
            scopes=frozenset({"verify:read"}),
            grant_types=frozenset({"client_credentials"}),
        )
        made = await application.services.clients.register(SYSTEM, registration)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hufu",
        "serve",
        "--port",
        str(port),
        env=environment_of(settings),
        stderr=asyncio.subprocess.DEVNULL,
    )
    await bench.watch_database(settings.database_url)
    bench.watch(process.pid, instead=True)
    bench.note = f"{city.rows:,} licences"
    try:
        token = await _token(port, made.client_id, made.client_secret or "")
        idle = [Wire(port, token) for _ in range(64)]
        chance = random.Random(2)  # noqa: S311 - as above

        async def operation() -> int:
            wire = idle.pop()
            assert b'"verdict":"' in await wire.ask(city.identifier(chance.randrange(city.rows)))
            idle.append(wire)
            return 1

        yield operation
        for wire in idle:
            wire.close()
    finally:
        process.terminate()
        await process.wait()


async def _token(port: int, client_id: str, client_secret: str) -> str:
    """Wait until the service answers and return a token of the client."""
    import httpx2  # noqa: PLC0415 - here alone

    form = {"grant_type": "client_credentials", "scope": "verify:read"}
    async with httpx2.AsyncClient(base_url=f"http://localhost:{port}") as http:
        for _ in range(READY_SECONDS * 5):
            try:
                answer = await http.post("/oauth/token", data=form, auth=(client_id, client_secret))
            except httpx2.HTTPError:
                await asyncio.sleep(0.2)
                continue
            token: str = answer.raise_for_status().json()["access_token"]
            return token
    message = "the service did not come up"
    raise RuntimeError(message)


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


CASES = (
    Case("scale: by identifier", by_identifier, concurrency=8, warm_up=200, longest=1800),
    Case("scale: by identifier over HTTP", over_http, concurrency=8, warm_up=200, longest=1800),
    Case("scale: a change published", change_published, longest=1800),
    Case("scale: offline pack", offline_pack, warm_up=1, longest=1800),
    Case("scale: a status list", list_sizes),
)
