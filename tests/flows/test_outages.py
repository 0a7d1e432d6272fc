"""The database or the cache gone for a moment: every route says so properly, and all is well afterwards."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from api.access import methods_and_paths
from api.app import create_app
from foundation.principal import SYSTEM
from hufu.commands.init import hold_ceremony
from hufu.wiring import open_application
from idp.oauth.clients import ClientRegistration
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from foundation.settings import Settings

CREDIT_CODE = "11500100009001018B"
SCOPE = "licence:read verify:read"


class Service:
    """The application behind two proxies, and a department's system that knows its secret."""

    def __init__(
        self, app: FastAPI, http: httpx2.AsyncClient, database: TcpProxy, cache: TcpProxy, client: tuple[str, str]
    ) -> None:
        self.app = app
        self.http = http
        self.database = database
        self.cache = cache
        self.client = client

    async def token(self) -> httpx2.Response:
        """Ask for an access token."""
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        return await self.http.post("/oauth/token", data=form, auth=self.client)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with TcpProxy(settings.database_url) as database, TcpProxy(settings.redis_url) as cache:
        behind = settings.model_copy(update={"database_url": database.url, "redis_url": cache.url})
        await hold_ceremony(behind, ("tests",))
        async with _started(behind) as (app, http, client):
            yield Service(app, http, database, cache, client)


@asynccontextmanager
async def _started(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient, tuple[str, str]]]:
    async with open_application(settings) as application:
        registration = ClientRegistration(
            client_name="outage",
            organisation_code=CREDIT_CODE,
            redirect_uris=(),
            scopes=frozenset(SCOPE.split()),
            grant_types=frozenset({"client_credentials"}),
        )
        made = await application.services.clients.register(SYSTEM, registration, client_id="outage")
        app = create_app(application.services)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=settings.issuer, timeout=30) as http:
            yield app, http, ("outage", made.client_secret or "")


def every_call(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of every route, with something in the place of parameters."""
    return sorted((method, re.sub(r"\{[^}]+\}", "x", path)) for method, path in methods_and_paths(app.routes))


async def statuses(service: Service, token: str) -> dict[tuple[str, str], int]:
    """Call every route as a department's system."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    return {
        (method, path): (await service.http.request(method, path, headers=headers)).status_code
        for method, path in every_call(service.app)
    }


@pytest.mark.parametrize("part", ["database", "cache"])
async def test_every_route_survives_an_outage(service: Service, part: str) -> None:
    token = (await service.token()).json()["access_token"]
    proxy: TcpProxy = getattr(service, part)
    before = await statuses(service, token)
    await proxy.cut()
    during = await statuses(service, token)
    ready = await service.http.get("/readyz")
    await proxy.heal()
    after = await statuses(service, token)

    assert len(before) > 40
    assert {call: status for call, status in during.items() if status >= 500 and status != 503} == {}
    assert (ready.status_code, ready.json()["parts"][part]) == (503, "unreachable")
    assert after == before
    assert (await service.http.get("/readyz")).status_code == 200


async def test_an_outage_is_no_verdict(service: Service) -> None:
    """A licence that cannot be looked up is neither valid nor unknown."""
    headers = {"authorization": f"Bearer {(await service.token()).json()['access_token']}"}
    question = {"identifier": "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"}
    await service.database.cut()
    answer = await service.http.post("/api/v1/verifications/identifier", json=question, headers=headers)
    await service.database.heal()
    assert (answer.status_code, "verdict" in answer.json()) == (503, False)
    answer = await service.http.post("/api/v1/verifications/identifier", json=question, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["report"]["verdict"] in {"INVALID", "UNDETERMINED"}


async def test_the_process_lives_on_without_its_parts(service: Service) -> None:
    await service.database.cut()
    await service.cache.cut()
    assert (await service.http.get("/healthz")).status_code == 200
    assert (await service.http.get("/oauth/jwks")).status_code == 200
