"""A small city on real parts: ceremony, directory, one seal, one licence type."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.clock import SystemClock
from foundation.database import Database
from foundation.principal import SYSTEM, Principal, PrincipalKind
from hufu import demo_city, seed
from hufu.wiring import field_cipher, open_application
from keys.ceremony import initialise
from licence_vault.catalogue import publish_seeded_types
from tests.licence_vault.samples import food_request
from tests.support.prepared import prepared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings
    from hufu.wiring import Application
    from licence_vault.model import IssueRequest, Licence, StateChange

BUREAU = Principal(
    PrincipalKind.CLIENT,
    "cli_bureau",
    organisation_code=demo_city.MARKET_BUREAU.credit_code,
    client_id="cli_bureau",
    scopes=frozenset({"licence:issue", "licence:read", "licence:status", "seal:apply", "verify:read"}),
)


@dataclass(frozen=True)
class City:
    """An opened application and the food bureau in it."""

    application: Application

    async def issue(self, key: str = "case-1") -> Licence:
        today = self.application.services.clock.now()
        request: IssueRequest = food_request(
            key,
            issuer_code=demo_city.MARKET_BUREAU.credit_code,
            valid_from=today.date() - timedelta(days=2),
            valid_to=today.date() + timedelta(days=1000),
            licence_number=f"JY2500101{abs(hash(key)) % 10_000_000:07}",
        )
        return await self.application.vault.licences.issue(BUREAU, request)

    async def change(self, identifier: str, change: StateChange) -> None:
        await self.application.vault.licences.change_state(BUREAU, identifier, change)


@asynccontextmanager
async def small_city(settings: Settings) -> AsyncIterator[City]:
    """Open a city over an empty, migrated database; its keys, seal and types are those it was first opened with."""
    await prepared(f"city {settings.service_id} {settings.pki_base}", settings, lambda: _found(settings))
    async with open_application(settings) as application:
        yield City(application)


async def _found(settings: Settings) -> None:
    database = Database(settings.database_url)
    await initialise(settings, database, SystemClock(), field_cipher(settings), (SYSTEM,))
    await database.close()
    async with open_application(settings) as application:
        await seed._directory(application)
        await publish_seeded_types(application.vault.catalogue, SYSTEM)
        await seed._seal(application, demo_city.MARKET_BUREAU, 1, {})
