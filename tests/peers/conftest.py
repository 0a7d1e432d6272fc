"""One running provider a module: its process takes seconds of work to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.conftest import settings_over
from tests.peers.oidc_support import Running, running_provider
from tests.support.servers import TestServers, clone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider(
    request: pytest.FixtureRequest,
    servers: TestServers,
    worker_name: str,
    worker_redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Running]:
    """Yield the provider over a database that only this module uses; its tests ask for no other service."""
    database_url = clone(servers, f"{worker_name}_{request.module.__name__.rpartition('.')[2]}")
    directory = tmp_path_factory.mktemp("provider")
    networks = ("127.0.0.0/8",)
    async with running_provider(
        settings_over(database_url, worker_redis_url, directory, outbound_networks=networks)
    ) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def running(provider: Running) -> Running:
    """Return the provider and a browser in which nobody else is signed in."""
    return await provider.signed_in()
