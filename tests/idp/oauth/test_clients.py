"""Clients: registration rules, authentication methods, client credentials, suspension."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from foundation.errors import Conflict, InvalidInput, NotFound
from foundation.principal import SYSTEM, PrincipalKind
from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.clients import AuthenticationMethod
from idp.oauth.errors import InvalidAccessToken, OAuthError
from idp.oauth.model import EndpointRequest
from tests.idp.oauth.support import FOOD_BUREAU, ISSUER, Walk, basic, body, department, register, registration

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from idp.oauth.clients import ClientService
    from idp.oauth.provider import OpenIdProvider

KEY = ECKey.generate_key("P-256", {"kid": "one"})
OTHER_KEY = ECKey.generate_key("P-256", {"kid": "one"})


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
async def bureau(provider: OpenIdProvider, clients: ClientService) -> Walk:
    return Walk(provider, await register(clients, department()))


@pytest.fixture
async def key_client(provider: OpenIdProvider, clients: ClientService) -> Walk:
    asked = department(authentication=AuthenticationMethod.PRIVATE_KEY_JWT, jwks={"keys": [KEY.as_dict(private=False)]})
    return Walk(provider, await register(clients, asked))


async def credentials(walk: Walk, **parameters: str) -> dict[str, Any]:
    return body(await walk.provider.token(walk.request(grant_type="client_credentials", **parameters)))


async def test_token_speaks_for_the_client_and_its_organisation(bureau: Walk) -> None:
    answer = await credentials(bureau, scope="licence:issue")
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 300, "licence:issue")
    access = bureau.provider.access_tokens
    principal = await access.authenticate(answer["access_token"], audience=access.api_audience)
    assert principal.kind is PrincipalKind.CLIENT
    assert principal.organisation_code == FOOD_BUREAU
    assert principal.subject_id == bureau.client.client_id
    assert principal.scopes == {"licence:issue"}
    with pytest.raises(InvalidAccessToken):
        await access.authenticate(answer["access_token"], audience=access.userinfo_audience)


async def test_all_registered_scopes_without_a_request_and_none_beyond(bureau: Walk) -> None:
    assert (await credentials(bureau))["scope"] == "licence:issue licence:read verify:read"
    for scope in ("seal:apply", "licence:issue seal:apply", "openid", "*"):
        with pytest.raises(OAuthError) as refused:
            await credentials(bureau, scope=scope)
        assert refused.value.error == "invalid_scope"


async def test_code_client_may_not_use_client_credentials(walk: Walk) -> None:
    with pytest.raises(OAuthError) as refused:
        await credentials(walk)
    assert refused.value.error == "unauthorized_client"


@pytest.mark.parametrize(("grant", "error"), [("password", "unsupported_grant_type"), ("", "invalid_request")])
async def test_other_grants_are_refused(bureau: Walk, grant: str, error: str) -> None:
    with pytest.raises(OAuthError) as refused:
        await bureau.provider.token(bureau.request(grant_type=grant))
    assert refused.value.error == error


async def test_wrong_secret_and_unknown_client_look_alike(bureau: Walk) -> None:
    told = set()
    for header in (basic(bureau.client.client_id, "wrong"), basic("cli_unknown", "wrong")):
        with pytest.raises(OAuthError) as refused:
            await bureau.provider.token(EndpointRequest((("grant_type", "client_credentials"),), authorization=header))
        told.add((refused.value.error, refused.value.description, refused.value.status))
    assert told == {("invalid_client", "Client authentication failed.", 401)}


async def test_only_the_registered_method_and_only_one(
    provider: OpenIdProvider, clients: ClientService, bureau: Walk
) -> None:
    posting = await register(clients, department(authentication=AuthenticationMethod.SECRET_POST))
    grant = ("grant_type", "client_credentials")
    secret = ("client_secret", str(bureau.client.client_secret))
    posted = (grant, ("client_id", posting.client_id), ("client_secret", str(posting.client_secret)))
    assert "access_token" in body(await provider.token(EndpointRequest(posted)))
    header = basic(bureau.client.client_id, bureau.client.client_secret)
    for wrong in (
        EndpointRequest((grant, ("client_id", bureau.client.client_id), secret)),
        EndpointRequest((grant, ("client_id", bureau.client.client_id))),
        EndpointRequest((grant,)),
        EndpointRequest((grant, secret, ("client_id", bureau.client.client_id)), authorization=header),
        EndpointRequest((grant, ("client_id", posting.client_id)), authorization=header),
        EndpointRequest((grant,), authorization="Basic !!!"),
        EndpointRequest((grant,), authorization="Bearer abc"),
        EndpointRequest((grant,), authorization=basic(posting.client_id, posting.client_secret)),
    ):
        with pytest.raises(OAuthError) as refused:
            await provider.token(wrong)
        assert refused.value.error == "invalid_client"


async def test_repeated_and_oversized_parameters_are_refused(bureau: Walk) -> None:
    header = basic(bureau.client.client_id, bureau.client.client_secret)
    grant = ("grant_type", "client_credentials")
    for parameters in ((grant, grant), (grant, *((f"x{i}", "y") for i in range(40))), (grant, ("scope", "a" * 40_000))):
        with pytest.raises(OAuthError) as refused:
            await bureau.provider.token(EndpointRequest(parameters, authorization=header))
        assert refused.value.error == "invalid_request"


def assertion(
    walk: Walk, clock: FixedClock, *, key: ECKey = KEY, header: dict[str, Any] | None = None, **changes: object
) -> str:
    now = int(clock.now().timestamp())
    claims = {
        "iss": walk.client.client_id,
        "sub": walk.client.client_id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": f"jti-{time.monotonic_ns()}",
        **changes,
    }
    protected = {"alg": "ES256", "kid": "one", **(header or {})}
    present = {name: value for name, value in claims.items() if value is not None}
    return jws.serialize_compact(protected, json.dumps(present), key, algorithms=[protected["alg"]])


def asserted(token: str, **more: str) -> EndpointRequest:
    parameters = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": token,
        **more,
    }
    return EndpointRequest(tuple(parameters.items()))


async def test_private_key_jwt_is_accepted_once(key_client: Walk, clock: FixedClock) -> None:
    token = assertion(key_client, clock)
    assert "access_token" in body(await key_client.provider.token(asserted(token)))
    with pytest.raises(OAuthError) as refused:
        await key_client.provider.token(asserted(token))
    assert refused.value.error == "invalid_client"
    outcomes = await asyncio.gather(
        *(key_client.provider.token(asserted(token)) for token in [assertion(key_client, clock)] * 20),
        return_exceptions=True,
    )
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [ISSUER]},
        {"aud": f"{ISSUER}/oauth/token"},
        {"aud": f"{ISSUER}/"},
        {"aud": None},
        {"iss": "cli_other"},
        {"sub": "cli_other"},
        {"jti": None},
        {"jti": ""},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"key": OTHER_KEY},
        {"header": {"typ": "at+jwt"}},
        {"header": {"kid": "unknown"}},
    ],
)
async def test_private_key_jwt_is_strict(key_client: Walk, clock: FixedClock, changes: dict[str, Any]) -> None:
    with pytest.raises(OAuthError) as refused:
        await key_client.provider.token(asserted(assertion(key_client, clock, **changes)))
    assert refused.value.error == "invalid_client"


async def test_algorithm_confusion_and_embedded_keys_are_refused(key_client: Walk, clock: FixedClock) -> None:
    good = assertion(key_client, clock)
    signing_input = b64url(b'{"alg":"HS256","kid":"one"}') + "." + good.split(".")[1]
    mac = hmac.digest(KEY.as_pem(private=False), signing_input.encode(), "sha256")
    forged_by_hmac = signing_input + "." + b64url(mac)
    unsigned = "eyJhbGciOiJub25lIn0." + good.split(".")[1] + "."
    embedded = assertion(
        key_client, clock, key=OTHER_KEY, header={"jwk": OTHER_KEY.as_dict(private=False), "kid": "one"}
    )
    for token in (forged_by_hmac, unsigned, embedded, "x.y.z", "", good[:-4] + "AAAA", good + ".x"):
        with pytest.raises(OAuthError) as refused:
            await key_client.provider.token(asserted(token))
        assert refused.value.error == "invalid_client"


async def test_unknown_critical_extension_is_refused(key_client: Walk, clock: FixedClock) -> None:
    good = assertion(key_client, clock)
    header = b64url(b'{"alg":"ES256","kid":"one","crit":["x"],"x":1}')
    with pytest.raises(OAuthError) as refused:
        await key_client.provider.token(asserted(header + "." + good.split(".", 1)[1]))
    assert refused.value.error == "invalid_client"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_name": " "}, "client_name"),
        ({"client_name": "x" * 101}, "client_name"),
        ({"organisation_code": "11500100000063010X"}, None),
        ({"redirect_uris": ("http://food.example/cb",)}, "redirect_uris"),
        ({"redirect_uris": ("https://*.example/cb",)}, "redirect_uris"),
        ({"redirect_uris": ("https://food.example/cb#x",)}, "redirect_uris"),
        ({"redirect_uris": ("https://user@food.example/cb",)}, "redirect_uris"),
        ({"redirect_uris": ("https://food.example/a/../cb",)}, "redirect_uris"),
        ({"redirect_uris": ("javascript:alert(1)",)}, "redirect_uris"),
        ({"redirect_uris": ("/cb",)}, "redirect_uris"),
        ({"redirect_uris": ("https://例子.example/cb",)}, "redirect_uris"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"redirect_uris": ("https://a.example/cb", "https://b.example/cb")}, "sector_identifier"),
        ({"scopes": frozenset({"openid", "everything"})}, "scopes"),
        ({"scopes": frozenset({"openid", "licence:issue"})}, "scopes"),
        ({"grant_types": frozenset({"implicit"})}, "grant_types"),
        ({"grant_types": frozenset()}, "grant_types"),
        ({"id_token_algorithm": "HS256"}, "id_token_algorithm"),
        ({"id_token_algorithm": "none"}, "id_token_algorithm"),
        ({"authentication": AuthenticationMethod.PRIVATE_KEY_JWT}, "jwks"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "jwks"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "jwks"),
    ],
)
async def test_registration_names_the_bad_field(
    clients: ClientService, changes: dict[str, Any], field: str | None
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await register(clients, registration(**changes))
    assert field is None or refused.value.field == field


async def test_loopback_redirect_and_named_sector_are_allowed(clients: ClientService) -> None:
    asked = registration(
        redirect_uris=("http://localhost:8100/callback", "https://a.example/cb"), sector_identifier="a.example"
    )
    stored = await clients.get((await register(clients, asked)).client_id)
    assert stored is not None
    assert stored.sector_identifier == "a.example"


async def test_seeded_identifier_is_taken_once(clients: ClientService) -> None:
    await clients.register(SYSTEM, department(), client_id="portal")
    with pytest.raises(Conflict):
        await clients.register(SYSTEM, department(), client_id="portal")


async def test_rotated_secret_overlaps_and_then_ends(bureau: Walk, clients: ClientService, clock: FixedClock) -> None:
    fresh = await clients.rotate_secret(SYSTEM, bureau.client.client_id, overlap_seconds=60)
    renewed = Walk(bureau.provider, type(bureau.client)(bureau.client.client_id, fresh))
    assert "access_token" in await credentials(bureau)
    assert "access_token" in await credentials(renewed)
    clock.advance(timedelta(seconds=61))
    assert "access_token" in await credentials(renewed)
    with pytest.raises(OAuthError):
        await credentials(bureau)
    with pytest.raises(NotFound):
        await clients.rotate_secret(SYSTEM, "cli_unknown")


async def test_suspended_client_and_its_tokens_stop(bureau: Walk, clients: ClientService) -> None:
    token = (await credentials(bureau))["access_token"]
    assert (await bureau.introspect(token))["active"] is True
    await clients.suspend(SYSTEM, bureau.client.client_id)
    access = bureau.provider.access_tokens
    with pytest.raises(InvalidAccessToken):
        await access.authenticate(token, audience=access.api_audience)
    with pytest.raises(OAuthError):
        await credentials(bureau)
    await clients.reinstate(SYSTEM, bureau.client.client_id)
    assert "access_token" in await credentials(bureau)


async def test_revoked_access_token_stops_within_a_second_elsewhere(bureau: Walk) -> None:
    token, other = (await credentials(bureau))["access_token"], (await credentials(bureau))["access_token"]
    access = bureau.provider.access_tokens
    await access.authenticate(token, audience=access.api_audience)
    await bureau.provider.revoke(bureau.request(token=token))
    assert await bureau.introspect(token) == {"active": False}
    await asyncio.sleep(1)
    with pytest.raises(InvalidAccessToken):
        await access.authenticate(token, audience=access.api_audience)
    await access.authenticate(other, audience=access.api_audience)


async def test_stranger_learns_nothing_and_revokes_nothing(
    bureau: Walk, provider: OpenIdProvider, clients: ClientService
) -> None:
    token = (await credentials(bureau))["access_token"]
    stranger = Walk(provider, await register(clients, department()))
    assert await stranger.introspect(token) == {"active": False}
    await provider.revoke(stranger.request(token=token))
    assert (await bureau.introspect(token))["active"] is True


async def test_tampered_expired_and_foreign_tokens_are_refused(bureau: Walk, clock: FixedClock) -> None:
    access = bureau.provider.access_tokens
    token = (await credentials(bureau))["access_token"]
    head, claims, signature = token.split(".")
    flipped = ("B" if claims[10] != "B" else "C").join([claims[:10], claims[11:]])
    for bad in ("", "a.b.c", "x" * 9000, f"{head}.{flipped}.{signature}", f"{head}.{claims}.", token + "=", "令牌"):
        with pytest.raises(InvalidAccessToken):
            await access.authenticate(bad, audience=access.api_audience)
    clock.advance(timedelta(minutes=6))
    with pytest.raises(InvalidAccessToken):
        await access.authenticate(token, audience=access.api_audience)
