"""A department's administrator keeps its clients; what is new waits for another pair of eyes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.principal import Principal, PrincipalKind
from idp.oauth.clients import AuthenticationMethod, GrantType
from idp.oauth.department import DepartmentClients
from tests.idp.oauth.support import FOOD_BUREAU, LAND_BUREAU, department, register, registration

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.database import Database
    from idp.oauth.clients import ClientService

ADMIN = Principal(PrincipalKind.OFFICER, "off_admin", organisation_code=FOOD_BUREAU)
OTHER_ADMIN = Principal(PrincipalKind.OFFICER, "off_other", organisation_code=LAND_BUREAU)
CLERK = Principal(PrincipalKind.OFFICER, "off_clerk", organisation_code=FOOD_BUREAU)
OPERATOR = Principal(PrincipalKind.OPERATOR, "opr_first")
BOTH = Principal(PrincipalKind.OPERATOR, "opr_both", organisation_code=FOOD_BUREAU)
WANTED = registration(pre_approved=False)


class Administrators:
    async def administers(self, principal: Principal, organisation_code: str) -> bool:
        return principal in (ADMIN, OTHER_ADMIN, BOTH) and principal.organisation_code == organisation_code


@pytest.fixture
def departments(database: Database, clock: FixedClock, audit: Audit, clients: ClientService) -> DepartmentClients:
    return DepartmentClients(database, clock, audit, clients=clients, administrators=Administrators())


async def approved(departments: DepartmentClients) -> str:
    assert await departments.ask(ADMIN, WANTED) == "waits"
    ((request, present),) = await departments.waiting(OPERATOR)
    assert present is None
    return await departments.approve(OPERATOR, request.request_id)


async def test_a_new_system_waits_and_its_secret_is_seen_by_the_department_alone(
    departments: DepartmentClients, clients: ClientService, clock: FixedClock
) -> None:
    client_id = await approved(departments)
    client = await clients.get(client_id)
    assert client is not None
    assert (client.organisation_code, client.pre_approved) == (FOOD_BUREAU, False)
    secret = await departments.rotate_secret(ADMIN, client_id)
    rotated = await departments.client(ADMIN, client_id)
    assert rotated.secret_matches(secret, clock.now())
    again = await departments.rotate_secret(ADMIN, client_id)
    both = await departments.client(ADMIN, client_id)
    assert both.secret_matches(secret, clock.now())
    assert both.secret_matches(again, clock.now())
    found, requests = await departments.own(ADMIN)
    assert [one.client_id for one in found] == [client_id]
    assert [one.state for one in requests] == ["approved"]


async def test_a_department_cannot_pre_approve_or_own_for_others(
    departments: DepartmentClients, clients: ClientService
) -> None:
    await departments.ask(ADMIN, replace(WANTED, pre_approved=True, organisation_code=LAND_BUREAU))
    ((request, _),) = await departments.waiting(OPERATOR)
    client = await clients.get(await departments.approve(OPERATOR, request.request_id))
    assert client is not None
    assert (client.organisation_code, client.pre_approved) == (FOOD_BUREAU, False)


async def test_addresses_and_keys_change_at_once_scopes_wait(departments: DepartmentClients) -> None:
    client_id = await approved(departments)
    moved = replace(WANTED, redirect_uris=("https://food.example.gov.cn/new",))
    assert await departments.ask(ADMIN, moved, client_id) == "done"
    assert (await departments.client(ADMIN, client_id)).redirect_uris == moved.redirect_uris
    wider = replace(
        moved,
        scopes=moved.scopes | {"licence:read"},
        grant_types=moved.grant_types | {GrantType.CLIENT_CREDENTIALS},
    )
    assert await departments.ask(ADMIN, wider, client_id) == "waits"
    assert "licence:read" not in (await departments.client(ADMIN, client_id)).scopes
    with pytest.raises(Conflict):
        await departments.ask(ADMIN, wider, client_id)
    ((request, present),) = await departments.waiting(OPERATOR)
    assert present is not None
    await departments.approve(OPERATOR, request.request_id)
    assert "licence:read" in (await departments.client(ADMIN, client_id)).scopes
    assert await departments.waiting(OPERATOR) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"authentication": AuthenticationMethod.SECRET_POST},
        {"metadata": {"authorization_details_types": ["licence_access"]}},
        {"metadata": {"may_act": "cli_x"}},
        {"grant_types": WANTED.grant_types | {GrantType.TOKEN_EXCHANGE}},
    ],
    ids=["authentication", "details", "may-act", "exchange"],
)
async def test_whatever_gives_more_waits(departments: DepartmentClients, changes: dict[str, object]) -> None:
    client_id = await approved(departments)
    assert await departments.ask(ADMIN, replace(WANTED, **changes), client_id) == "waits"  # type: ignore[arg-type]


async def test_a_weaker_binding_waits(departments: DepartmentClients, clients: ClientService) -> None:
    bound = department(metadata={"dpop_bound_access_tokens": True})
    client_id = (await register(clients, bound)).client_id
    assert await departments.ask(ADMIN, bound, client_id) == "done"
    assert await departments.ask(ADMIN, department(), client_id) == "waits"


async def test_who_asked_does_not_approve(departments: DepartmentClients) -> None:
    await departments.ask(BOTH, WANTED)
    ((request, _),) = await departments.waiting(OPERATOR)
    with pytest.raises(NotFound):
        await departments.approve(BOTH, request.request_id)
    for who in (ADMIN, CLERK):
        with pytest.raises(NotPermitted):
            await departments.approve(who, request.request_id)
    await departments.approve(OPERATOR, request.request_id)


async def test_one_decision_only(departments: DepartmentClients) -> None:
    await departments.ask(ADMIN, WANTED)
    ((request, _),) = await departments.waiting(OPERATOR)
    await departments.reject(OPERATOR, request.request_id, "地址不对")
    for act in (departments.approve(OPERATOR, request.request_id), departments.withdraw(ADMIN, request.request_id)):
        with pytest.raises(NotFound):
            await act
    _, requests = await departments.own(ADMIN)
    assert [(one.state, one.reason) for one in requests] == [("rejected", "地址不对")]


async def test_a_request_is_taken_back(departments: DepartmentClients) -> None:
    await departments.ask(ADMIN, WANTED)
    ((request, _),) = await departments.waiting(OPERATOR)
    with pytest.raises(NotFound):
        await departments.withdraw(OTHER_ADMIN, request.request_id)
    await departments.withdraw(ADMIN, request.request_id)
    assert await departments.waiting(OPERATOR) == ()


async def test_others_clients_and_clerks_are_kept_out(departments: DepartmentClients) -> None:
    client_id = await approved(departments)
    with pytest.raises(NotFound):
        await departments.client(OTHER_ADMIN, client_id)
    with pytest.raises(NotFound):
        await departments.rotate_secret(OTHER_ADMIN, client_id)
    with pytest.raises(NotFound):
        await departments.ask(OTHER_ADMIN, WANTED, client_id)
    for act in (departments.own(CLERK), departments.ask(CLERK, WANTED), departments.rotate_secret(CLERK, client_id)):
        with pytest.raises(NotPermitted):
            await act
    with pytest.raises(NotPermitted):
        await departments.waiting(ADMIN)


async def test_a_bad_registration_is_named_before_anybody_decides(departments: DepartmentClients) -> None:
    with pytest.raises(InvalidInput) as refused:
        await departments.ask(ADMIN, replace(WANTED, redirect_uris=("http://food.example.gov.cn/",)))
    assert refused.value.field == "redirect_uris"
    with pytest.raises(InvalidInput) as unbound:
        await departments.ask(ADMIN, department(scopes=frozenset({"seal:apply"})))
    assert unbound.value.field == "scopes"
    assert await departments.waiting(OPERATOR) == ()


async def test_another_name_or_sector_waits(departments: DepartmentClients) -> None:
    client_id = await approved(departments)
    for changed in (
        replace(WANTED, client_name="演示市公安局统一身份认证中心"),
        replace(WANTED, sector_identifier="elsewhere.example.gov.cn"),
        replace(WANTED, redirect_uris=("https://elsewhere.example.gov.cn/callback",)),
    ):
        assert await departments.ask(ADMIN, changed, client_id) == "waits"
        ((request, _),) = await departments.waiting(OPERATOR)
        await departments.withdraw(ADMIN, request.request_id)


async def test_the_sector_of_another_organisation_is_refused(
    departments: DepartmentClients, clients: ClientService
) -> None:
    """Two departments with one sector would know a person by the same number."""
    client_id = await approved(departments)
    sector = (await departments.client(ADMIN, client_id)).sector_identifier
    for taken in (replace(WANTED, sector_identifier=sector), WANTED):
        with pytest.raises(InvalidInput) as caught:
            await departments.ask(OTHER_ADMIN, taken)
        assert caught.value.field == "sector_identifier"
    assert await clients.get(client_id) is not None
