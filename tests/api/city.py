"""The whole service, seeded with the demo city, answering real HTTP: once a test worker.

Its database is a clone of its own, so that the rows of the seed outlive the tests that
delete theirs. Tests here add what they need and never count what others left.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from redis import Redis
from sqlalchemy import select, update

from api.app import create_app
from foundation.clock import SystemClock
from foundation.settings import Profile, Settings
from hufu.commands.init import hold_ceremony
from hufu.demo.dpop import DpopAuth
from hufu.seed import seed
from hufu.wiring import Application, open_application
from idp.people import totp
from idp.people.tables import accounts, totp_secrets
from tests.support.real_name_authority import SandboxAuthority
from tests.support.servers import clone
from tests.support.sms_gateway import SandboxSmsGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.applications import Starlette

    from hufu import demo_city
    from tests.support.servers import TestServers

GATEWAY_KEY = bytes(range(64, 96))
_OPEN: list[City] = []
SCOPES = "licence:issue licence:read licence:status verify:read"


@dataclass
class City:
    """The running service and what a test needs to use it."""

    application: Application
    app: FastAPI
    url: str
    authority: SandboxAuthority
    sms: SandboxSmsGateway
    secrets: dict[str, str]
    http: httpx2.AsyncClient
    _tokens: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    _bound: dict[str, DpopAuth] = field(default_factory=dict)

    async def token(self, client_id: str = "food-bureau-portal", scope: str = SCOPES) -> str:
        """Return an access token of a department's system."""
        key = (client_id, scope)
        token, until = self._tokens.get(key, ("", 0.0))
        if until < time.monotonic():
            answer = await self.http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials", "scope": scope},
                auth=(client_id, self.secrets[client_id]),
            )
            assert answer.status_code == 200, answer.text
            found = answer.json()
            token = found["access_token"]
            # Half its life: a slow machine must not meet an expired token between two requests.
            self._tokens[key] = (token, time.monotonic() + found["expires_in"] / 2)
        return token

    async def offline_pack(self) -> bytes:
        """Publish the status lists and return the pack of this moment, which browsers fetch from now on."""
        parts = self.application.verification
        await parts.statuses.publish_changes()
        assert parts.packs is not None
        parts.packs.forget()
        answer = await self.http.get("/api/v1/offline-pack")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def headers(self, client_id: str = "food-bureau-portal", scope: str = SCOPES) -> dict[str, str]:
        """Return the Authorization header of a department's system."""
        return {"authorization": f"Bearer {await self.token(client_id, scope)}"}

    def sealing(self, client_id: str = "food-bureau-sealing") -> DpopAuth:
        """Return the authentication of a system that seals, its tokens bound to a key; one for each client."""
        if client_id not in self._bound:
            self._bound[client_id] = DpopAuth(self.url, client_id, self.secrets[client_id], "seal:apply")
        return self._bound[client_id]

    async def one_time_code(self, officer: demo_city.DemoOfficer | demo_city.DemoOperator) -> str:
        """Return the code of this moment and forget that it was used, so that nobody waits half a minute for the next.

        That a code passes once is shown in tests/idp/people/test_sessions.py.
        """
        own = select(accounts.c.account_id).where(accounts.c.username == officer.username).scalar_subquery()
        async with self.application.services.database.transaction() as connection:
            await connection.execute(update(totp_secrets).where(totp_secrets.c.account_id == own).values(last_step=0))
        return totp.code_at(base64.b32decode(officer.totp_secret_base32), totp.step_of(SystemClock().now()))


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(autouse=True)
def fresh_minute() -> None:
    """Forget what a source asked of the city before: the limits of a minute are for each test its own."""
    for city in _OPEN:
        with Redis.from_url(city.application.settings.redis_url) as client:
            for key in client.scan_iter("hufu:public:*", count=1000):
                client.delete(key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def city(
    servers: TestServers, worker_name: str, city_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[City]:
    """Yield the demo city; the folders that import this fixture share one."""
    if _OPEN:
        yield _OPEN[0]
        return
    directory = tmp_path_factory.mktemp("city")
    port = free_port()
    authority, sms = SandboxAuthority(GATEWAY_KEY, SystemClock()).start(), SandboxSmsGateway(GATEWAY_KEY).start()
    settings = _settings(clone(servers, f"{worker_name}_city"), city_redis_url, directory, port, authority.url, sms.url)
    await hold_ceremony(settings, ("tests",))
    async with open_application(settings) as application:
        await seed(application)
        app = create_app(application.services)
        server, serving = await serve(app, port)
        secrets = json.loads((directory / "demo.json").read_text())["clients"]
        async with httpx2.AsyncClient(base_url=settings.issuer, timeout=60) as http:
            _OPEN.append(City(application, app, settings.issuer, authority, sms, secrets, http))
            yield _OPEN[0]
            _OPEN.clear()
        server.should_exit = True
        await serving
    authority.stop()
    sms.stop()


def _settings(database_url: str, redis_url: str, directory: Path, port: int, gateway: str, sms: str) -> Settings:
    return Settings(
        profile=Profile.TEST,
        issuer=f"http://localhost:{port}",
        database_url=database_url,
        redis_url=redis_url,
        data_directory=directory,
        field_keys="1:" + base64.b64encode(bytes(range(32))).decode(),
        index_key=base64.b64encode(bytes(range(32, 64))).decode(),
        keystore_passphrase="passphrase of the tests",
        real_name_gateway_url=gateway,
        real_name_gateway_key=base64.b64encode(GATEWAY_KEY).decode(),
        sms_gateway_url=sms,
        sms_gateway_key=base64.b64encode(GATEWAY_KEY).decode(),
        outbound_networks="127.0.0.0/8",
    )


class QuietServer(uvicorn.Server):
    """Leaves signals to the test runner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(app: Starlette, port: int) -> tuple[uvicorn.Server, asyncio.Task[Any]]:
    """Serve an application in this loop until `should_exit`."""
    # As `hufu serve` does: whose forwarded address counts is the settings' to say.
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", lifespan="auto", ws="none", proxy_headers=False
    )
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers a flag and no event
        await asyncio.sleep(0.02)
    return server, serving
