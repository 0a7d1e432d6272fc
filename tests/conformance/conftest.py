"""The provider of the unit tests, judged as the OpenID Foundation's suite judges one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx2
import pytest

from api.app import build
from tests.conformance.notifications import Notifications
from tests.conformance.op import Op
from tests.idp.oauth.conftest import chen, clients, mandates, provider, signer, subjects, walk
from tests.idp.oauth.support import ISSUER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from tests.idp.oauth.support import Walk

LOOPBACK = "127.0.0.1/32"

__all__ = ["chen", "clients", "mandates", "provider", "signer", "subjects", "walk"]


@pytest.fixture(scope="session")
def application() -> object:
    return build()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let the provider call a client on this machine, and be the trusted proxy that passes certificates on."""
    return settings.model_copy(update={"outbound_networks": (LOOPBACK,), "trusted_proxies": (LOOPBACK,)})


@pytest.fixture(scope="session")
def notifications() -> Iterator[Notifications]:
    with Notifications() as endpoint:
        yield endpoint


@pytest.fixture
async def op(
    provider: OpenIdProvider,
    clients: ClientService,
    clock: FixedClock,
    chen: Principal,
    walk: Walk,
    settings: Settings,
    application: object,
    notifications: Notifications,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Op]:
    application.state.services = SimpleNamespace(provider=provider, settings=settings, clients=clients)  # type: ignore[attr-defined]
    transport = httpx2.ASGITransport(app=application)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
        yield Op(provider, clients, clock, chen, http, walk, monkeypatch, notifications)
    await provider.close()
