"""Token exchange: delegation that is seen, checked against `may_act` and the mandate register; never impersonation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest

from foundation.principal import SYSTEM, PrincipalKind
from idp.oauth.clients import GrantType
from idp.oauth.delegation import Delegation
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.exchange import ACCESS_TOKEN, ID_TOKEN, MANDATE
from tests.idp.oauth.support import ISSUER, Walk, body, department, person, register, registration

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.principal import Principal
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider
    from tests.idp.oauth.support import KnownMandates, KnownSubjects

GRANTS = frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN, GrantType.TOKEN_EXCHANGE})
API = f"{ISSUER}/api"
IDENTIFIER = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
DETAIL = {
    "type": "licence_access",
    "licence_identifier": IDENTIFIER,
    "fields": ["name"],
    "matter_code": "500101-FOOD",
}


@dataclass
class Stage:
    """A department's system that exchanges tokens, and the register behind the provider."""

    provider: OpenIdProvider
    clients: ClientService
    clock: FixedClock
    mandates: KnownMandates
    walk: Walk

    def delegate(self, **changes: Any) -> Delegation:  # noqa: ANN401 - any field
        """Let Zhao Min act for Chen Wei."""
        values: dict[str, Any] = {
            "mandate_id": "man_1",
            "subject_kind": PrincipalKind.PERSON,
            "subject_id": "acc_chenwei",
            "earlier": (),
            "matters": ("500101-FOOD",),
            "fields": ("name", "scope"),
            "valid_until": self.clock.now() + timedelta(days=1),
        }
        return self.mandates.give("acc_zhao", Delegation(**{**values, **changes}))

    async def token(self, account_id: str, walk: Walk | None = None, **changes: str | None) -> str:
        who = person(self.clock.now(), account_id, session_id=f"ses_{account_id}")
        return str((await (walk or self.walk).tokens(who, **changes))["access_token"])

    async def exchange(self, walk: Walk | None = None, /, **parameters: str) -> dict[str, Any]:
        given = {"grant_type": GrantType.TOKEN_EXCHANGE.value, **parameters}
        return body(await self.provider.token((walk or self.walk).request(**given)))

    async def delegated(self, **parameters: str) -> dict[str, Any]:
        """Exchange Chen Wei's token with Zhao Min as actor."""
        subject, actor = await self.token("acc_chenwei"), await self.token("acc_zhao")
        return await self.exchange(**tokens(subject, actor), **parameters)

    async def mandated(self, **parameters: str) -> dict[str, Any]:
        """Exchange the mandate itself, with its agent as actor."""
        actor = await self.token("acc_zhao")
        given = {"subject_token": "man_1", "subject_token_type": MANDATE, **actor_token(actor), **parameters}
        return await self.exchange(**given)


def actor_token(token: str) -> dict[str, str]:
    return {"actor_token": token, "actor_token_type": ACCESS_TOKEN}


def tokens(subject: str, actor: str | None = None) -> dict[str, str]:
    given = {"subject_token": subject, "subject_token_type": ACCESS_TOKEN}
    return given if actor is None else {**given, **actor_token(actor)}


def claims_of(answer: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = pyjwt.decode(answer["access_token"], options={"verify_signature": False})
    return claims


async def refused(pending: Any, *errors: str) -> OAuthError:  # noqa: ANN401 - an awaitable
    with pytest.raises(OAuthError) as refusal:
        await pending
    assert refusal.value.error in errors
    return refusal.value


@pytest.fixture
async def stage(provider: OpenIdProvider, clients: ClientService, clock: FixedClock, mandates: KnownMandates) -> Stage:
    metadata = {"authorization_details_types": ["licence_access"]}
    client = await register(clients, registration(grant_types=GRANTS, metadata=metadata))
    return Stage(provider, clients, clock, mandates, Walk(provider, client))


async def test_delegated_token_names_both_and_hides_nobody(stage: Stage) -> None:
    stage.delegate()
    answer = await stage.delegated(scope="openid")
    assert (answer["issued_token_type"], answer["scope"], answer["token_type"]) == (ACCESS_TOKEN, "openid", "Bearer")
    assert "refresh_token" not in answer
    claims = claims_of(answer)
    chen = claims_of({"access_token": await stage.token("acc_chenwei")})["sub"]
    zhao = claims_of({"access_token": await stage.token("acc_zhao")})["sub"]
    assert (claims["sub"], claims["act"]) == (chen, {"sub": zhao})
    assert claims["exp"] <= stage.clock.now().timestamp() + 600
    told = body(await stage.provider.userinfo(answer["access_token"]))
    assert told["sub"] == chen
    assert (await stage.walk.introspect(answer["access_token"]))["act"] == {"sub": zhao}


async def test_revoked_mandate_ends_the_token_at_the_next_introspection(stage: Stage) -> None:
    stage.delegate()
    token = (await stage.mandated())["access_token"]
    assert (await stage.walk.introspect(token))["active"] is True
    stage.mandates.withdrawn.add("man_1")
    assert await stage.walk.introspect(token) == {"active": False}
    with pytest.raises(InvalidAccessToken):
        await stage.provider.userinfo(token)
    await refused(stage.mandated(), "invalid_request")


@pytest.mark.parametrize("behind", ["acc_chenwei", "acc_zhao"])
async def test_revoking_a_token_behind_it_ends_the_exchanged_one(stage: Stage, behind: str) -> None:
    stage.delegate()
    held = {who: await stage.token(who) for who in ("acc_chenwei", "acc_zhao")}
    token = (await stage.exchange(**tokens(held["acc_chenwei"], held["acc_zhao"])))["access_token"]
    await stage.provider.revoke(stage.walk.request(token=held[behind]))
    assert await stage.walk.introspect(token) == {"active": False}


async def test_delegation_nests_in_the_order_of_acting(stage: Stage, subjects: KnownSubjects) -> None:
    subjects.people["acc_li"] = {"name": "李娜"}
    stage.delegate()
    first = (await stage.delegated())["access_token"]
    stage.mandates.give("acc_li", replace(stage.delegate(), mandate_id="man_2"))
    second = await stage.exchange(**tokens(first, await stage.token("acc_li")))
    act = claims_of(second)["act"]
    names = {who: claims_of({"access_token": await stage.token(who)})["sub"] for who in ("acc_li", "acc_zhao")}
    assert act == {"sub": names["acc_li"], "act": {"sub": names["acc_zhao"]}}
    stage.mandates.withdrawn.add("man_2")
    assert await stage.walk.introspect(second["access_token"]) == {"active": False}


async def test_mandate_passed_on_names_who_passed_it_on(stage: Stage) -> None:
    stage.delegate(earlier=("account:acc_li",))
    act = claims_of(await stage.mandated())["act"]
    assert set(act) == {"sub", "act"}
    assert act["act"]["sub"] not in {act["sub"], claims_of(await stage.mandated())["sub"]}


async def test_client_named_by_may_act_acts_for_the_person(stage: Stage) -> None:
    front = await register(stage.clients, registration(metadata={"may_act": stage.walk.client.client_id}))
    subject = await stage.token("acc_chenwei", Walk(stage.provider, front))
    assert claims_of({"access_token": subject})["may_act"] == {"sub": stage.walk.client.client_id}
    answer = await stage.exchange(**tokens(subject))
    claims = claims_of(answer)
    assert claims["act"] == {"sub": stage.walk.client.client_id}
    assert claims["client_id"] == stage.walk.client.client_id
    other = await register(stage.clients, registration(grant_types=GRANTS))
    await refused(stage.exchange(Walk(stage.provider, other), **tokens(subject)), "invalid_request")


async def test_impersonation_is_refused(stage: Stage) -> None:
    stage.delegate()
    subject = await stage.token("acc_chenwei")
    error = await refused(stage.exchange(**tokens(subject)), "invalid_request")
    assert "Impersonation" in error.description
    await refused(stage.exchange(**tokens(subject, subject)), "invalid_request")


async def test_without_a_mandate_nobody_acts_for_another(stage: Stage) -> None:
    await refused(stage.delegated(), "invalid_request")
    stage.delegate(subject_id="acc_other")
    await refused(stage.delegated(), "invalid_request")


async def test_tokens_of_other_clients_are_no_subjects_and_no_actors(stage: Stage) -> None:
    stage.delegate()
    foreign = Walk(stage.provider, await register(stage.clients, registration(grant_types=GRANTS)))
    theirs, ours = await stage.token("acc_chenwei", foreign), await stage.token("acc_zhao")
    await refused(stage.exchange(**tokens(theirs, ours)), "invalid_request")
    subject, actor = await stage.token("acc_chenwei"), await stage.token("acc_zhao", foreign)
    await refused(stage.exchange(**tokens(subject, actor)), "invalid_request")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token": "nonsense"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"actor_token": ""}, "invalid_request"),
        ({"actor_token": "nonsense"}, "invalid_request"),
        ({"actor_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"scope": "openid phone"}, "invalid_scope"),
        ({"scope": "openid offline_access"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
        ({"audience": "cli_somebody"}, "invalid_target"),
        ({"resource": API}, "invalid_target"),
        ({"resource": f"{ISSUER}/oauth/userinfo", "audience": API}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([{**DETAIL, "fields": ["holder"]}])}, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([{**DETAIL, "matter_code": "X"}])}, "invalid_authorization_details"),
    ],
)
async def test_malformed_or_wider_wishes_are_refused(stage: Stage, changes: dict[str, str], error: str) -> None:
    stage.delegate()
    subject, actor = await stage.token("acc_chenwei"), await stage.token("acc_zhao")
    await refused(stage.exchange(**{**tokens(subject, actor), **changes}), error)


@pytest.mark.parametrize("kind", [ID_TOKEN, ACCESS_TOKEN], ids=["as-itself", "as-access-token"])
@pytest.mark.parametrize("name", ["subject_token", "actor_token"])
async def test_an_id_token_is_no_credential(stage: Stage, name: str, kind: str) -> None:
    """Not even the client's own: it travels in addresses, is bound to no key, and no revocation ends it."""
    stage.delegate()
    subject, actor = await stage.token("acc_chenwei"), await stage.token("acc_zhao")
    account_id = "acc_chenwei" if name == "subject_token" else "acc_zhao"
    held = (await stage.walk.tokens(person(stage.clock.now(), account_id)))["id_token"]
    error = await refused(
        stage.exchange(**{**tokens(subject, actor), name: held, f"{name}_type": kind}), "invalid_request"
    )
    assert ("ID tokens are not exchanged" in error.description) is (kind == ID_TOKEN)


async def test_expired_and_revoked_subject_tokens_are_refused(stage: Stage) -> None:
    stage.delegate()
    subject, actor = await stage.token("acc_chenwei"), await stage.token("acc_zhao")
    await stage.provider.revoke(stage.walk.request(token=subject))
    await refused(stage.exchange(**tokens(subject, actor)), "invalid_request")
    old = await stage.token("acc_chenwei")
    stage.clock.advance(timedelta(minutes=11))
    await refused(stage.exchange(**tokens(old, await stage.token("acc_zhao"))), "invalid_request")


async def test_only_registered_confidential_clients_exchange(stage: Stage) -> None:
    stage.delegate()
    plain = Walk(stage.provider, await register(stage.clients, registration()))
    subject, actor = await stage.token("acc_chenwei", plain), await stage.token("acc_zhao", plain)
    await refused(stage.exchange(plain, **tokens(subject, actor)), "unauthorized_client")


async def test_client_tokens_speak_for_nobody(stage: Stage) -> None:
    machine = Walk(stage.provider, await register(stage.clients, department()))
    token = body(await stage.provider.token(machine.request(grant_type="client_credentials")))["access_token"]
    await refused(stage.exchange(**tokens(token, await stage.token("acc_zhao"))), "invalid_request")


async def test_exchanged_token_ends_with_what_it_was_made_of(stage: Stage) -> None:
    stage.delegate(valid_until=stage.clock.now() + timedelta(seconds=90))
    assert (await stage.mandated())["expires_in"] == 90


async def test_chain_of_actors_has_an_end(stage: Stage) -> None:
    stage.delegate(earlier=tuple(f"account:acc_{number}" for number in range(4)))
    await refused(stage.mandated(), "invalid_request")


async def test_mandate_opens_one_licence_within_its_terms(stage: Stage) -> None:
    stage.delegate()
    answer = await stage.mandated(authorization_details=json.dumps([DETAIL]))
    claims = claims_of(answer)
    assert claims["aud"] == API
    assert answer["authorization_details"] == claims["authorization_details"] == [{**DETAIL, "use": "once"}]
    principal = await stage.provider.access_tokens.authenticate(answer["access_token"], audience=API)
    assert (principal.subject_id, principal.actor_id) == ("acc_chenwei", "acc_zhao")
    assert principal.person_id == "per_chenwei"
    async with stage.provider._parts.database.transaction() as connection:
        detail = await stage.provider.acts.use_licence_access(
            connection, principal, licence_identifier=IDENTIFIER, licence_type="T"
        )
    assert detail["fields"] == ["name"]
    assert stage.mandates.used == [("man_1", "T")]


async def test_suspended_client_loses_its_exchanged_tokens(stage: Stage) -> None:
    stage.delegate()
    token = (await stage.delegated())["access_token"]
    await stage.clients.suspend(SYSTEM, stage.walk.client.client_id)
    with pytest.raises(InvalidAccessToken):
        await stage.provider.userinfo(token)


async def test_actor_must_be_one_natural_person(stage: Stage, chen: Principal, subjects: KnownSubjects) -> None:
    subjects.people["leg_1"] = {}
    stage.delegate(subject_id="acc_other")
    enterprise = replace(chen, kind=PrincipalKind.ENTERPRISE, subject_id="leg_1", actor_id="acc_zhao")
    actor = str((await stage.walk.tokens(enterprise))["access_token"])
    subject = await stage.token("acc_chenwei")
    await refused(stage.exchange(**tokens(subject, actor)), "invalid_request")
