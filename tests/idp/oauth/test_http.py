"""The endpoints over HTTP: forms, headers, cookies, errors."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import jwt as pyjwt
import pytest
from jose import jwt as jose_jwt  # type: ignore[import-untyped] # python-jose ships no types

from foundation.clock import SystemClock
from foundation.principal import SYSTEM, Channel
from tests.idp.oauth.serving import hold_ceremony, served
from tests.idp.oauth.support import ISSUER, REDIRECT_URI, Pkce, authorize_parameters, basic, department, registration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from foundation.database import Database
    from foundation.settings import Settings
    from idp.oauth.clients import ClientRegistration, RegisteredClient

PASSWORD = "correct horse battery staple 42"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    clock = SystemClock()
    await hold_ceremony(settings, database, clock)
    async with served(settings, clock) as app:
        yield app


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as browser:
        yield browser


async def register(app: FastAPI, asked: ClientRegistration | None = None) -> RegisteredClient:
    client: RegisteredClient = await app.state.services.clients.register(SYSTEM, asked or registration())
    return client


async def sign_in(app: FastAPI, browser: httpx2.AsyncClient, username: str = "chenwei") -> None:
    services = app.state.services
    await services.accounts.register(username, PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    session = await services.sessions.sign_in(username, PASSWORD, source="192.0.2.1", channel=Channel.WEB)
    browser.cookies.set("hufu-session", session.secret)


async def authorize(browser: httpx2.AsyncClient, client_id: str, pkce: Pkce, **changes: str | None) -> httpx2.Response:
    return await browser.get("/oauth/authorize?" + urlencode(authorize_parameters(client_id, pkce, **changes)))


def location_parameters(response: httpx2.Response) -> dict[str, str]:
    assert response.status_code == 303, response.text
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


async def tokens(browser: httpx2.AsyncClient, client: RegisteredClient, **changes: str | None) -> dict[str, Any]:
    pkce = Pkce.new()
    code = location_parameters(await authorize(browser, client.client_id, pkce, **changes))["code"]
    answer = await browser.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": pkce.verifier,
        },
        headers={"authorization": basic(client.client_id, client.client_secret)},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


async def test_sign_in_with_real_accounts_keys_and_sessions(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    await sign_in(app, browser)
    got = await tokens(browser, client, scope="openid profile")
    jwks = (await browser.get("/oauth/jwks")).json()
    kid = pyjwt.get_unverified_header(got["id_token"])["kid"]
    key = next(key for key in jwks["keys"] if key["kid"] == kid)
    by_jose = jose_jwt.decode(
        got["id_token"],
        key,
        algorithms=["ES256"],
        audience=client.client_id,
        issuer=ISSUER,
        access_token=got["access_token"],
    )
    by_pyjwt = pyjwt.decode(
        got["id_token"], pyjwt.PyJWK(key), algorithms=["ES256"], audience=client.client_id, issuer=ISSUER
    )
    assert by_jose == by_pyjwt
    access = pyjwt.decode(
        got["access_token"], pyjwt.PyJWK(key), algorithms=["ES256"], audience=f"{ISSUER}/oauth/userinfo", issuer=ISSUER
    )
    assert access["client_id"] == client.client_id
    told = await browser.get("/oauth/userinfo", headers={"authorization": f"Bearer {got['access_token']}"})
    assert told.json() == {"sub": by_jose["sub"], "preferred_username": "chenwei"}
    posted = await browser.post("/oauth/userinfo", data={"access_token": got["access_token"]})
    assert posted.json() == told.json()


async def test_without_session_the_browser_goes_to_sign_in_and_comes_back(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    client = await register(app)
    response = await authorize(browser, client.client_id, Pkce.new(), login_hint="chenwei")
    address = urlsplit(response.headers["location"])
    assert address.path == "/sign-in"
    assert dict(parse_qsl(address.query))["login_hint"] == "chenwei"
    await sign_in(app, browser)
    following = dict(parse_qsl(address.query))["next"]
    assert "code" in location_parameters(await browser.get(following))


async def test_posted_request_goes_on_by_get(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    await sign_in(app, browser)
    parameters = dict(authorize_parameters(client.client_id, Pkce.new()))
    posted = await browser.post("/oauth/authorize", data=parameters)
    assert posted.status_code == 303
    assert posted.headers["location"].startswith("/oauth/continue/")
    assert "code" in location_parameters(await browser.get(posted.headers["location"]))


async def test_form_post_escapes_what_the_client_sent(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    await sign_in(app, browser)
    state = '"><script>alert(1)</script>'
    response = await authorize(browser, client.client_id, Pkce.new(), response_mode="form_post", state=state)
    assert response.status_code == 200
    assert "<script>alert" not in response.text
    assert 'name="code"' in response.text
    policy = response.headers["content-security-policy"]
    assert "form-action https://food.example.gov.cn;" in policy
    assert "unsafe" not in policy


async def test_fragment_mode_and_redirect_headers(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    await sign_in(app, browser)
    response = await authorize(browser, client.client_id, Pkce.new(), response_mode="fragment")
    address = urlsplit(response.headers["location"])
    assert "code" in dict(parse_qsl(address.fragment))
    assert not address.query
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


async def test_state_survives_byte_for_byte(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    await sign_in(app, browser)
    state = "状态 &=+%#?/\\'\"<é>"
    response = await authorize(browser, client.client_id, Pkce.new(), state=state)
    assert location_parameters(response)["state"] == state


async def test_unproven_requests_get_a_page_and_no_redirect(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    for query in (
        "",
        "client_id=cli_unknown&redirect_uri=https://evil.example",
        f"client_id={client.client_id}",
        urlencode(authorize_parameters(client.client_id, Pkce.new(), redirect_uri="https://evil.example/")),
        f"client_id={client.client_id}&redirect_uri=%FF%FE",
        "&".join(f"p{i}=x" for i in range(100)),
    ):
        response = await browser.get(f"/oauth/authorize?{query}")
        assert 400 <= response.status_code < 500, (query, response.status_code)
        assert "location" not in response.headers
        assert "Traceback" not in response.text
    response = await browser.get("/oauth/continue/nothing-here")
    assert 400 <= response.status_code < 500


@pytest.mark.parametrize(
    ("content", "headers", "status", "error"),
    [
        (b"", FORM, 401, "invalid_client"),
        (b"{}", {"content-type": "application/json"}, 415, "invalid_request"),
        (b"grant_type=x&grant_type=y", FORM, 400, "invalid_request"),
        (b"grant_type=%FF", FORM, 400, "invalid_request"),
        ("grant_type=令牌".encode(), FORM, 400, "invalid_request"),
        (b"&".join(b"a%d=b" % i for i in range(100)), FORM, 400, "invalid_request"),
        (b"client_id=cli_x&client_secret=y&grant_type=client_credentials", FORM, 401, "invalid_client"),
    ],
)
async def test_token_endpoint_errors_have_their_form(
    browser: httpx2.AsyncClient, content: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        response = await browser.post(path, content=content, headers=headers)
        assert response.status_code == status, (path, response.text)
        assert response.json()["error"] == error
        assert response.json().get("error_description", "").isascii()
        assert response.headers["cache-control"] == "no-store"


async def test_oversized_body_is_refused(browser: httpx2.AsyncClient) -> None:
    response = await browser.post("/oauth/token", content=b"a=" + b"x" * 100_000, headers=FORM)
    assert response.status_code == 413


async def test_basic_failure_is_challenged(browser: httpx2.AsyncClient) -> None:
    response = await browser.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"authorization": basic("cli_x", "y")}
    )
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "authorization", [b"Basic \xe9\xe9", b"Basic %%%", basic("%00", "x").encode(), basic("a%00b", "%00").encode()]
)
@pytest.mark.parametrize("endpoint", ["token", "par", "device_authorization", "introspect", "revoke"])
async def test_a_header_no_client_sends_is_refused(
    browser: httpx2.AsyncClient, endpoint: str, authorization: bytes
) -> None:
    response = await browser.post(f"/oauth/{endpoint}", data={"token": "x"}, headers={"authorization": authorization})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("subject", ["\0", "cli_\0", "\ud800", "\n"])
async def test_an_assertion_of_an_impossible_client_is_refused(browser: httpx2.AsyncClient, subject: str) -> None:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({}, {"sub": subject}))
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": b".".join((*parts, b"eA")).decode(),
    }
    response = await browser.post("/oauth/token", data={"grant_type": "client_credentials"} | proof)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_userinfo_refuses_in_bearer_form(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    bare = await browser.get("/oauth/userinfo")
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="hufu"')
    client = await register(app, department())
    answer = await browser.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"authorization": basic(client.client_id, client.client_secret)},
    )
    for token in ("garbage", answer.json()["access_token"]):
        refused = await browser.get("/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert (await browser.get(f"/oauth/userinfo?access_token={token}")).status_code == 401


async def test_sign_out_ends_the_tokens_of_the_session(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app)
    await sign_in(app, browser)
    got = await tokens(browser, client)
    session = await app.state.services.sessions.resolve(browser.cookies["hufu-session"])
    await app.state.services.sessions.sign_out(session.principal())
    told = await browser.get("/oauth/userinfo", headers={"authorization": f"Bearer {got['access_token']}"})
    assert told.status_code == 401


async def test_discovery_names_endpoints_that_answer(browser: httpx2.AsyncClient) -> None:
    document = (await browser.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == ISSUER
    assert document == (await browser.get("/.well-known/oauth-authorization-server")).json()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "ES256" in document["id_token_signing_alg_values_supported"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    for name, address in document.items():
        if name.endswith(("_endpoint", "_uri")):
            path = urlsplit(address).path
            statuses = {(await browser.get(path)).status_code, (await browser.post(path)).status_code}
            assert 404 not in statuses, name
            assert not any(status >= 500 for status in statuses), name
