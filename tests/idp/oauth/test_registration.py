"""Clients that register themselves, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation.errors import InvalidInput
from foundation.principal import SYSTEM
from idp.oauth.clients import RegisteredClient
from tests.idp.oauth.support import FOOD_BUREAU, REDIRECT_URI
from tests.idp.oauth.test_http import app, browser, sign_in, tokens

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI

__all__ = ["app", "browser"]

ASKED = {"client_name": "自助登记的系统", "redirect_uris": [REDIRECT_URI], "scope": "openid profile email"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def initial(app: FastAPI, uses: int = 1) -> str:
    token: str = await app.state.services.clients.initial_token(SYSTEM, FOOD_BUREAU, uses=uses)
    return token


async def register(app: FastAPI, browser: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:  # noqa: ANN401
    return await browser.post("/oauth/register", json={**ASKED, **changes}, headers=bearer(await initial(app)))


async def test_registered_client_is_its_organisations_and_needs_consent(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    answer = await register(app, browser)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["scope"] == "openid profile"
    assert made["subject_type"] == "pairwise"
    stored = await app.state.services.clients.get(made["client_id"])
    assert (stored.organisation_code, stored.pre_approved) == (FOOD_BUREAU, False)
    await sign_in(app, browser)
    client = RegisteredClient(made["client_id"], made["client_secret"])
    with pytest.raises(KeyError):
        await tokens(browser, client, scope="openid profile")


async def test_initial_token_is_used_up_by_success_only(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    headers = bearer(await initial(app))
    bad = await browser.post("/oauth/register", json={**ASKED, "redirect_uris": ["javascript:x"]}, headers=headers)
    assert (bad.status_code, bad.json()["error"]) == (400, "invalid_redirect_uri")
    assert (await browser.post("/oauth/register", json=ASKED, headers=headers)).status_code == 201
    spent = await browser.post("/oauth/register", json=ASKED, headers=headers)
    assert spent.status_code == 401
    assert 'error="invalid_token"' in spent.headers["www-authenticate"]
    assert (await browser.post("/oauth/register", json=ASKED)).status_code == 401
    with pytest.raises(InvalidInput):
        await initial(app, uses=0)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a.example"}, "invalid_client_metadata"),
        ({"client_name": ""}, "invalid_client_metadata"),
        ({"client_name": 7}, "invalid_client_metadata"),
        ({"scope": "openid licence:issue"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"], "redirect_uris": []}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"subject_type": "public"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"jwks_uri": "https://a.example/jwks"}, "invalid_client_metadata"),
        ({"sector_identifier_uri": "https://a.example/s"}, "invalid_client_metadata"),
        ({"software_statement": "e30.e30.x"}, "invalid_client_metadata"),
        ({"backchannel_logout_uri": "http://169.254.169.254/"}, "invalid_client_metadata"),
    ],
)
async def test_bad_metadata_is_refused(
    app: FastAPI, browser: httpx2.AsyncClient, changes: dict[str, Any], error: str
) -> None:
    answer = await register(app, browser, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_client_reads_replaces_and_ends_its_registration(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    made = (await register(app, browser)).json()
    own, headers = f"/oauth/register/{made['client_id']}", bearer(made["registration_access_token"])
    read = (await browser.get(own, headers=headers)).json()
    assert "client_secret" not in read
    other = (await register(app, browser)).json()
    for wrong in (bearer(other["registration_access_token"]), bearer("x"), {}):
        assert (await browser.get(own, headers=wrong)).status_code == 401
    changed = {**ASKED, "client_id": made["client_id"], "client_name": "改名的系统"}
    assert (await browser.put(own, json=changed, headers=headers)).json()["client_name"] == "改名的系统"
    assert (await browser.put(own, json={**changed, "client_id": "cli_x"}, headers=headers)).status_code == 400
    assert (await browser.delete(own, headers=headers)).status_code == 204
    assert (await browser.get(own, headers=headers)).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("own", ["%00", "a%00b", "%ED%A0%80"])
async def test_a_name_no_client_has_is_refused(browser: httpx2.AsyncClient, method: str, own: str) -> None:
    answer = await browser.request(method, f"/oauth/register/{own}", json=ASKED, headers=bearer("x"))
    assert answer.status_code == 401


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"client_name": "\xff"}', b"[" * 10_000])
async def test_body_that_is_no_json_object_is_refused(
    app: FastAPI, browser: httpx2.AsyncClient, content: bytes
) -> None:
    answer = await browser.post("/oauth/register", content=content, headers=bearer(await initial(app)))
    assert answer.status_code == 400
