"""Restarting the service's processes one after the other under load: nobody notices.

`make soak` restarts each of them ten times (HUFU_TEST_RESTARTS), `make test` once.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import httpx2
import pytest

from foundation.principal import SYSTEM, Channel
from hufu.demo_city import CITIZEN_PASSWORD, CITIZENS
from hufu.wiring import open_application
from tests.flows.rolling import Balanced, Person, Server
from tests.idp.oauth.support import PUBLIC, registration

if TYPE_CHECKING:
    from pathlib import Path

    from hufu.stack import Stack

RESTARTS = int(os.environ.get("HUFU_TEST_RESTARTS", "1"))
PEOPLE = 3
BETWEEN_SECONDS = 1.0

pytestmark = pytest.mark.timeout(600 + 60 * RESTARTS)


async def _people(service: Stack, balanced: Balanced) -> list[Person]:
    """Return people who are signed in, each with an application of her own."""
    people = []
    async with open_application(service.settings) as application:
        services = application.services
        for citizen in CITIZENS[:PEOPLE]:
            client = await services.clients.register(SYSTEM, registration(**PUBLIC))
            session = await services.sessions.sign_in(
                citizen.username, CITIZEN_PASSWORD, source="192.0.2.7", channel=Channel.WEB
            )
            people.append(Person(balanced, client.client_id, f"hufu-session={session.secret}"))
    return people


async def test_no_session_is_lost_and_no_refresh_fails(service: Stack, tmp_path: Path) -> None:
    servers = (Server(service.settings, tmp_path / "a.log"), Server(service.settings, tmp_path / "b.log"))
    enough = asyncio.Event()
    try:
        await asyncio.gather(*(server.start() for server in servers))
        async with httpx2.AsyncClient(timeout=20) as http:
            people = await _people(service, Balanced(servers, http))
            lives = [asyncio.create_task(person.live(enough)) for person in people]
            for _ in range(RESTARTS):
                for server in servers:
                    await asyncio.sleep(BETWEEN_SECONDS)
                    assert await server.stop() == 0
                    await server.start()
            await asyncio.sleep(BETWEEN_SECONDS)
            enough.set()
            await asyncio.gather(*lives)
    finally:
        enough.set()
        for server in servers:
            if server.process is not None and server.process.poll() is None:
                await server.stop()
    assert [fault for person in people for fault in person.wrong] == []
    assert all(person.done["refresh"] > RESTARTS for person in people)
    assert people[0].balanced.retried > 0  # somebody did meet a process that was away
