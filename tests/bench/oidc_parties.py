"""Two OpenID Providers behind real HTTP, each a process of its own: ours and npm `oidc-provider`."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from foundation.clock import SystemClock
from foundation.database import Database
from foundation.principal import SYSTEM, Channel
from foundation.settings import Profile, Settings
from hufu.launcher_place import free_port
from idp.oauth.clients import AuthenticationMethod, ClientRegistration, GrantType
from tests.bench.cheap_http import CheapHttp
from tests.idp.oauth.processes import provider_process
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import FOOD_BUREAU, Pkce

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.case import Bench

PEER_FOLDER = Path(__file__).parent / "oidc_node"
CALLBACK = "http://localhost:9/callback"
PASSWORD = "violet-harbour-27"
USER_SCOPE = "openid profile offline_access"
MAX_REDIRECTS = 6
START_SECONDS = 60


@dataclass(frozen=True)
class Paths:
    """Where a provider's endpoints lie."""

    authorize: str
    token: str
    introspect: str
    userinfo: str


OURS = Paths("/oauth/authorize", "/oauth/token", "/oauth/introspect", "/oauth/userinfo")
PEERS = Paths("/auth", "/token", "/token/introspection", "/me")


@dataclass(frozen=True)
class Party:
    """One provider as its clients use it."""

    http: CheapHttp
    paths: Paths
    machine: tuple[str, str]
    web: tuple[str, str]
    app: str

    async def client_credentials(self) -> str:
        """Ask for an access token in the client's own name."""
        form = {"grant_type": "client_credentials", "scope": "licence:issue"}
        return str((await self._posted(self.paths.token, form, self.machine))["access_token"])

    async def code_flow(self, *, public: bool = False) -> dict[str, Any]:
        """Sign a person in who has a session: authorize, redeem; both answer with a refresh token."""
        pkce = Pkce.new()
        answer = await self.http.get(
            self.paths.authorize,
            params={
                "client_id": self.app if public else self.web[0],
                "response_type": "code",
                "redirect_uri": CALLBACK,
                "scope": "openid profile" if self.paths is PEERS else USER_SCOPE,
                "state": secrets.token_urlsafe(8),
                "nonce": secrets.token_urlsafe(8),
                "code_challenge": pkce.challenge,
                "code_challenge_method": "S256",
            },
        )
        for _ in range(MAX_REDIRECTS):
            if answer.headers["location"].startswith(CALLBACK):
                break
            answer = await self.http.get(answer.headers["location"])
        told = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert "code" in told, told
        code = told["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        form["code_verifier"] = pkce.verifier
        return await self._posted(self.paths.token, form, None if public else self.web)

    async def refresh(self, refresh_token: str) -> str:
        """Refresh a public client's rotating token and return its successor."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return str((await self._posted(self.paths.token, form, None))["refresh_token"])

    async def introspect(self, token: str) -> None:
        """Ask about a token, which must be active."""
        assert (await self._posted(self.paths.introspect, {"token": token}, self.web))["active"] is True

    async def userinfo(self, token: str) -> None:
        """Read the claims a token opens."""
        answer = await self.http.get(self.paths.userinfo, headers={"authorization": f"Bearer {token}"})
        assert answer.json()["preferred_username"] == "chenwei", answer.text

    async def _posted(self, path: str, form: dict[str, str], client: tuple[str, str] | None) -> dict[str, Any]:
        given = form if client else {**form, "client_id": self.app}
        answer = await self.http.post(path, data=given, auth=client)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def _settings(bench: Bench, issuer: str) -> Settings:
    key = base64.b64encode(bytes(range(32))).decode()
    return Settings(
        profile=Profile.TEST,
        database_url=bench.database_url(),
        redis_url=bench.redis_url(),
        issuer=issuer,
        data_directory=bench.directory / "data",
        field_keys=f"1:{key}",
        index_key=key,
        keystore_passphrase="passphrase of the bench",
    )


@asynccontextmanager
async def ours(bench: Bench) -> AsyncIterator[Party]:
    """Yield our provider: one API process on PostgreSQL and Redis, a person signed in."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = _settings(bench, f"http://127.0.0.1:{listener.getsockname()[1]}")
        database, clock = Database(settings.database_url), SystemClock()
        await hold_ceremony(settings, database, clock)
        await database.close()
        async with served(settings, clock) as app:
            services = app.state.services
            await services.accounts.register("chenwei", PASSWORD, source="bench", channel=Channel.WEB)
            session = await services.sessions.sign_in("chenwei", PASSWORD, source="bench", channel=Channel.WEB)
            machine = await services.clients.register(SYSTEM, _machine())
            web = await services.clients.register(SYSTEM, _web())
            public = replace(_web(), authentication=AuthenticationMethod.NONE)
            app_client = await services.clients.register(SYSTEM, public)
        with provider_process(settings, listener) as started:
            bench.watch(started.pid, instead=True, name="provider")
            http = CheapHttp(settings.issuer, {("/", "hufu-session"): session.secret or ""})
            yield Party(http, OURS, _pair(machine), _pair(web), app_client.client_id)
            http.close()


def _machine() -> ClientRegistration:
    grants = frozenset({GrantType.CLIENT_CREDENTIALS})
    return ClientRegistration("bench", FOOD_BUREAU, scopes=frozenset({"licence:issue"}), grant_types=grants)


def _web() -> ClientRegistration:
    return ClientRegistration(
        "bench",
        FOOD_BUREAU,
        redirect_uris=(CALLBACK,),
        scopes=frozenset(USER_SCOPE.split()),
        grant_types=frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN}),
        pre_approved=True,
    )


def _pair(client: Any) -> tuple[str, str]:  # noqa: ANN401 - RegisteredClient
    return client.client_id, client.client_secret or ""


@asynccontextmanager
async def peer(bench: Bench) -> AsyncIterator[Party]:
    """Yield npm `oidc-provider` on its PostgreSQL adapter, installed as the lock says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "Node.js is needed for the peer"
    assert npm, "npm is needed for the peer"
    if not (PEER_FOLDER / "node_modules" / ".package-lock.json").exists():
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        await asyncio.to_thread(subprocess.run, command, cwd=PEER_FOLDER, check=True, stdout=subprocess.DEVNULL)
    port, secret = free_port(), secrets.token_urlsafe(32)
    issuer = f"http://localhost:{port}"
    task = {"port": port, "secret": secret, "issuer": issuer, "redirect_uri": CALLBACK}
    task["database_url"] = bench.database_url()
    environment = {**os.environ, "OIDC_BENCH_PEER": json.dumps(task), "NODE_ENV": "production"}
    process = await asyncio.create_subprocess_exec(
        node, "server.mjs", cwd=PEER_FOLDER, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        bench.watch(process.pid, instead=True, name="provider")
        async with httpx2.AsyncClient(base_url=issuer, timeout=30) as first:
            await _until_up(first)
        http = CheapHttp(issuer)
        yield Party(http, PEERS, ("machine", secret), ("web", secret), "app")
        http.close()
    finally:
        process.terminate()
        await process.wait()


async def _until_up(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                (await http.get("/.well-known/openid-configuration")).raise_for_status()
            except httpx2.TransportError:
                await asyncio.sleep(0.2)
            else:
                return
