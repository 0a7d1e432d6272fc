"""Two `hufu serve` processes under load by clients that hold sessions and refresh tokens.

Clients do what clients behind a balancer do: a request that finds its process gone is sent once more,
to the other one. Nothing else is forgiven.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from hufu.launcher_place import free_port
from hufu.stack import ROOT
from hufu.surroundings import environment_of
from tests.idp.oauth.support import REDIRECT_URI, Pkce, authorize_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.settings import Settings

READY_SECONDS = 90
REST_SECONDS = 0.1
"""Between a person's rounds: without it the load takes both cores from the process that starts."""
SCOPE = "openid profile offline_access"


@dataclass
class Server:
    """One `hufu serve`, which can be restarted on its port."""

    settings: Settings
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-m", "hufu", "serve", "--port", str(self.port)],
                env=environment_of(self.settings) | {"PYTHONPATH": str(ROOT)},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(READY_SECONDS), httpx2.AsyncClient(timeout=2) as http:
            while not await self._ready(http):
                assert self.process.poll() is None, self.log.read_text("utf-8", "replace")[-2000:]
                await asyncio.sleep(0.1)

    async def _ready(self, http: httpx2.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.address}/readyz")).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    async def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 30)


@dataclass
class Balanced:
    """Requests to the two in turn, each sent once more elsewhere when its process has gone."""

    servers: tuple[Server, Server]
    http: httpx2.AsyncClient
    retried: int = 0
    turn: itertools.count[int] = field(default_factory=itertools.count)

    async def ask(self, method: str, path: str, **arguments: object) -> httpx2.Response:
        number = next(self.turn)
        try:
            return await self._ask(number, method, path, arguments)
        except httpx2.TransportError:
            self.retried += 1
            return await self._ask(number + 1, method, path, arguments)

    async def _ask(self, number: int, method: str, path: str, arguments: dict[str, object]) -> httpx2.Response:
        return await self.http.request(method, self.servers[number % 2].address + path, **arguments)  # type: ignore[arg-type]


@dataclass
class Person:
    """A person's browser and her application, a public client whose refresh tokens rotate."""

    balanced: Balanced
    client_id: str
    cookie: str
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def live(self, until: asyncio.Event) -> None:
        """Sign in to the application, then refresh and sign in again until told to stop."""
        refresh_token = (await self.code_flow())["refresh_token"]
        while not until.is_set():
            answer = await self.balanced.ask(
                "POST",
                "/oauth/token",
                data={"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self.client_id},
            )
            self._note("refresh", answer, answer.status_code == httpx2.codes.OK)
            refresh_token = answer.json().get("refresh_token", refresh_token)
            token = answer.json().get("access_token", "")
            told = await self.balanced.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
            self._note("userinfo", told, told.status_code == httpx2.codes.OK)
            await self.code_flow()
            await asyncio.sleep(REST_SECONDS)

    async def code_flow(self) -> dict[str, str]:
        pkce = Pkce.new()
        asked = dict(authorize_parameters(self.client_id, pkce, scope=SCOPE, state=secrets.token_urlsafe(8)))
        path = "/oauth/authorize?" + urlencode({**asked, "prompt": "none"})
        sent = await self.balanced.ask("GET", path, headers={"cookie": self.cookie})
        told = parse_qs(urlsplit(sent.headers.get("location", "")).query)
        self._note("session", sent, "code" in told)
        form = {
            "grant_type": "authorization_code",
            "code": told.get("code", [""])[0],
            "redirect_uri": REDIRECT_URI,
            "code_verifier": pkce.verifier,
            "client_id": self.client_id,
        }
        answer = await self.balanced.ask("POST", "/oauth/token", data=form)
        self._note("code", answer, answer.status_code == httpx2.codes.OK)
        return dict(answer.json())

    def _note(self, what: str, answer: httpx2.Response, good: bool) -> None:  # noqa: FBT001 - a verdict on the answer
        self.done[what] += 1
        if not good:
            self.wrong.append(f"{what}: {answer.status_code} {answer.headers.get('location', '')} {answer.text[:200]}")
