"""API processes as production runs them, several over one database, and connections to them that cost very little."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx2

from foundation.principal import SYSTEM
from hufu.demo_city import MARKET_BUREAU
from hufu.launcher_place import free_port
from hufu.surroundings import environment_of
from hufu.wiring import open_application
from idp.oauth.clients import ClientRegistration
from tests.bench.cheap_http import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings
    from tests.bench.case import Bench

READY_SECONDS = 60
CONNECTIONS = 256
SCOPE = "verify:read"


class Wire(Connection):
    """A connection that asks for licences by identifier."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__("127.0.0.1", port)
        self._head = (
            "POST /api/v1/verifications/identifier HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {token}\r\ncontent-length: "
        )

    async def ask(self, identifier: str) -> bytes:
        """Return the answer's body; raises RuntimeError when it is no answer."""
        body = json.dumps({"identifier": identifier})
        head, answer = await self.exchange(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
        if not head[0].startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer)
        return answer


@asynccontextmanager
async def api_wires(bench: Bench, settings: Settings, processes: int) -> AsyncIterator[list[Wire]]:
    """Start API processes over one city; yield connections to all of them in turn, with a department's token."""
    ports = [free_port() for _ in range(processes)]
    settings = settings.model_copy(update={"issuer": f"http://localhost:{ports[0]}"})
    client = await _department(settings)
    async with AsyncExitStack() as stack:
        for port in ports:
            process = await stack.enter_async_context(_serving(settings, port))
            bench.watch(process.pid, instead=True, name="API")
        await bench.watch_database(settings.database_url)
        tokens = [await _token(port, *client) for port in ports]
        wires = [Wire(ports[place % processes], tokens[place % processes]) for place in range(CONNECTIONS)]
        try:
            yield wires
        finally:
            for wire in wires:
                wire.close()


@asynccontextmanager
async def _serving(settings: Settings, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hufu", "serve", "--port", str(port)),
        env=environment_of(settings),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # ended by itself, and the case fails by that
            process.terminate()
        await process.wait()


async def _department(settings: Settings) -> tuple[str, str]:
    """Register a department's system and return its credentials."""
    registration = ClientRegistration(
        client_name="bench",
        organisation_code=MARKET_BUREAU.credit_code,
        scopes=frozenset({SCOPE}),
        grant_types=frozenset({"client_credentials"}),
    )
    async with open_application(settings) as application:
        made = await application.services.clients.register(SYSTEM, registration)
    return made.client_id, made.client_secret or ""


async def _token(port: int, client_id: str, client_secret: str) -> str:
    """Wait until the service answers and return a token of the client."""
    form = {"grant_type": "client_credentials", "scope": SCOPE}
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
