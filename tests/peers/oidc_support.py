"""A running provider with one signed-in person, for relying parties that share no code with it."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.clock import SystemClock
from foundation.database import Database
from foundation.principal import SYSTEM, Channel
from tests.idp.oauth.processes import provider_process
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import registration
from tests.support import node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings
    from idp.oauth.clients import RegisteredClient

NODE_FOLDER = Path(__file__).parent / "oidc_node"
PASSWORD = "violet-harbour-27"
CALLBACK = "http://127.0.0.1:9/callback"
SCOPE = "openid profile offline_access"


@dataclass(frozen=True)
class Running:
    """The provider and the cookie of a browser in which the person is signed in."""

    settings: Settings
    cookie: str
    services: Any

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    async def signed_in(self) -> Running:
        """Return the same with a new session."""
        session = await self.services.sessions.sign_in("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)
        return replace(self, cookie=f"hufu-session={session.secret}")

    async def client(self, **changes: Any) -> RegisteredClient:  # noqa: ANN401 - any field
        asked = registration(**{"redirect_uris": (CALLBACK,), **changes})
        client: RegisteredClient = await self.services.clients.register(SYSTEM, asked)
        return client


@asynccontextmanager
async def running_provider(settings: Settings) -> AsyncIterator[Running]:
    """Yield the provider as a process of its own and the same services here, to set the scene; nobody is signed in."""
    clock = SystemClock()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        own = settings.model_copy(update={"issuer": issuer})
        database = Database(own.database_url, pool_size=1)
        await hold_ceremony(own, database, clock)
        await database.close()
        async with served(own, clock) as app:
            services = app.state.services
            await services.accounts.register("chenwei", PASSWORD, source="192.0.2.1", channel=Channel.WEB)
            with provider_process(own, listener):
                yield Running(own, "", services)


async def install_node_peers() -> None:
    """Install the peers as the lock says, once."""
    await node.install(NODE_FOLDER)


async def play(task: dict[str, Any], script: str = "rp.mjs") -> dict[str, Any]:
    """Let a Node library play the relying party and return what it learned."""
    return await node.play(NODE_FOLDER, script, task)
