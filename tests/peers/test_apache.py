"""Apache's mod_auth_openidc signs a person in, refreshes, signs out, and hears of a sign-out elsewhere."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import pytest

from foundation.jobs import Worker
from hufu.launcher_place import free_port
from tests.peers.apache import PAGE, Apache, apache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.peers.oidc_support import Running

STEPS = 8
pytestmark = pytest.mark.asyncio(loop_scope="session")


class Browser:
    """A person's browser: one cookie jar, redirects followed by hand over both servers."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def open(self, address: str) -> httpx2.Response:
        for _ in range(STEPS):
            answer = await self._http.get(address)
            if not answer.is_redirect:
                return answer
            address = str(answer.url.join(answer.headers["location"]))
        message = f"too many redirects at {address}"
        raise AssertionError(message)

    async def where_to(self, address: str) -> str:
        answer = await self._http.get(address)
        assert answer.is_redirect, answer.text
        return str(answer.url.join(answer.headers["location"]))


@asynccontextmanager
async def bureau(running: Running) -> AsyncIterator[tuple[Apache, Browser]]:
    """Yield Apache as a client of the running provider, and the browser of the person signed in there."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    callback = f"{address}/food/callback"
    client = await running.client(
        redirect_uris=(callback,),
        metadata={
            "post_logout_redirect_uris": (f"{address}/open/",),
            "backchannel_logout_uri": f"{callback}?logout=backchannel",
        },
    )
    name, _, value = running.cookie.partition("=")
    with apache(
        port, issuer=running.issuer, client_id=client.client_id, client_secret=client.client_secret or ""
    ) as server:
        async with httpx2.AsyncClient(cookies={name: value}, timeout=20) as http:
            yield server, Browser(http)


async def info(server: Apache, browser: Browser) -> dict[str, Any]:
    """Return what the module holds of the person's session."""
    answer = await browser.open(f"{server.callback}?info=json")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def tell(running: Running) -> None:
    """Let a worker tell the systems of sign-outs while they still listen."""
    services = running.services
    await Worker(services.database, running.settings.database_url, services.provider.job_handlers()).drain()


async def test_apache_signs_in_refreshes_and_signs_out(running: Running) -> None:
    async with bureau(running) as (server, browser):
        shown = await browser.open(f"{server.address}/food/")
        assert (shown.status_code, shown.text) == (200, PAGE)
        assert shown.headers["x-signed-in-as"] == "chenwei"
        held = await info(server, browser)
        assert held["userinfo"]["sub"] == held["id_token"]["sub"]
        assert held["id_token"]["iss"] == running.issuer

        back = quote(f"{server.address}/food/", safe="")
        renewed = await browser.open(f"{server.callback}?refresh={back}&access_token={quote(held['access_token'])}")
        assert renewed.text == PAGE, server.log.read_text()
        assert (await info(server, browser))["access_token"] != held["access_token"]

        away = await browser.where_to(f"{server.callback}?logout={quote(f'{server.address}/open/', safe='')}")
        assert away.startswith(f"{running.issuer}/oauth/logout?")
        left = await browser.open(away)
        assert f"{server.address}/open/" in left.text
        assert await running.services.sessions.resolve(running.cookie.partition("=")[2]) is None
        assert (await browser.where_to(f"{server.address}/food/")).startswith(f"{running.issuer}/oauth/authorize?")
        await tell(running)


async def test_apache_hears_of_a_sign_out_elsewhere(running: Running) -> None:
    async with bureau(running) as (server, browser):
        assert (await browser.open(f"{server.address}/food/")).text == PAGE
        session = await running.services.sessions.resolve(running.cookie.partition("=")[2])
        await running.services.sessions.sign_out(session.principal())
        assert (await browser.open(f"{server.address}/food/")).text == PAGE
        await tell(running)
        # The module has ended its own session: the next page asks the provider again.
        asked = await browser.where_to(f"{server.address}/food/")
        assert re.match(rf"{re.escape(running.issuer)}/oauth/authorize\?", asked), server.log.read_text()
