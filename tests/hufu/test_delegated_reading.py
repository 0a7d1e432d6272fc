"""A licence read over HTTP under an exchanged token: provider, register of mandates and vault as `hufu` joins them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from api.app import build
from idp.oauth.clients import GrantType
from idp.oauth.exchange import MANDATE
from idp.oauth.mandates import RegisteredMandates
from idp.oauth.subjects import AccountSubjects
from tests.hufu.test_vault_mandates import (
    _mandate,
    _terms,
    agent,
    authority,
    directory,
    gateway_settings,
    giver,
    ground,
    join,
    keys,
    licence,
    notices,
    observer,
    people,
    renderer,
    seal,
    signing,
    sms,
    vault,
)
from tests.idp.oauth.conftest import clients, provider, signer
from tests.idp.oauth.support import ISSUER, Walk, body, register, registration
from tests.idp.oauth.test_exchange import GRANTS, actor_token
from tests.licence_vault.samples import FOOD, MATTER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.cache import Cache
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from foundation.settings import Settings
    from idp.oauth.acts import AuthorisedActs
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from idp.people.assembly import People
    from licence_vault.assembly import Vault

__all__ = [
    "agent", "authority", "clients", "directory", "gateway_settings", "giver", "ground", "join", "keys", "licence",
    "notices", "observer", "people", "provider", "renderer", "seal", "signer", "signing", "sms", "vault",
]  # fmt: skip


@pytest.fixture
def subjects(people: People) -> AccountSubjects:
    return AccountSubjects(people.accounts, people.officers)


@pytest.fixture
def mandates(database: Database, cipher: FieldCipher, people: People) -> RegisteredMandates:
    return RegisteredMandates(database, cipher, people.mandates)


@pytest.fixture
def acts(provider: OpenIdProvider) -> AuthorisedActs:
    """The vault asks the provider itself what a token allows."""
    return provider.acts


@pytest.fixture
async def department(
    settings: Settings, database: Database, cache: Cache, clock: FixedClock, provider: OpenIdProvider, vault: Vault
) -> AsyncIterator[httpx2.AsyncClient]:
    """A department's system at the JSON API."""
    app = build()
    app.state.services = SimpleNamespace(
        settings=settings,
        clock=clock,
        database=database,
        cache=cache,
        provider=provider,
        access_tokens=provider.access_tokens,
        vault=vault,
        licences=vault.licences,
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


async def test_an_exchanged_token_opens_the_givers_licence_once_and_ends_with_the_mandate(
    department: httpx2.AsyncClient,
    provider: OpenIdProvider,
    clients: ClientService,
    vault: Vault,
    people: People,
    clock: FixedClock,
    giver: Principal,
    agent: Principal,
    licence: str,
) -> None:
    mandate_id = await _mandate(people, giver, agent, _terms(clock, fields=("business_premises",)))
    metadata = {"authorization_details_types": ["licence_access"]}
    walk = Walk(provider, await register(clients, registration(grant_types=GRANTS, metadata=metadata)))

    async def exchanged(**changes: Any) -> str:  # noqa: ANN401 - any member
        detail = {
            "type": "licence_access",
            "licence_identifier": licence,
            "fields": ["business_premises"],
            "matter_code": MATTER,
            **changes,
        }
        request = walk.request(
            grant_type=GrantType.TOKEN_EXCHANGE.value,
            subject_token=mandate_id,
            subject_token_type=MANDATE,
            authorization_details=json.dumps([detail]),
            **actor_token((await walk.tokens(agent))["access_token"]),
        )
        return str(body(await provider.token(request))["access_token"])

    async def read(token: str, path: str = "") -> httpx2.Response:
        return await department.get(f"/api/v1/licences/{licence}{path}", headers={"authorization": f"Bearer {token}"})

    token, spare = await exchanged(), await exchanged()
    assert (await read(token, "/pdf")).status_code == 403
    answer = await read(token)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["identifier"], set(answer.json()["face"])) == (licence, {"business_premises"})
    assert (await read(token)).status_code == 403  # once is once
    (used,) = await people.mandates.uses(giver)
    assert (used.mandate_id, used.agent_person_id, used.licence_type) == (mandate_id, agent.person_id, FOOD)
    (seen,) = await vault.licences.accesses(giver)
    assert (seen.way, seen.reader, seen.matter_code) == ("consent", f"client:{walk.client.client_id}", MATTER)
    await people.mandates.revoke(giver, mandate_id)
    assert (await read(spare)).status_code == 401
    assert len(await people.mandates.uses(giver)) == 1
