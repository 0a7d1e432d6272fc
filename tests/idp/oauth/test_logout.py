"""Logout at a client's wish, and clients told in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt as pyjwt
import pytest

from foundation.errors import UpstreamUnavailable
from foundation.jobs import Worker
from tests.idp.oauth.logout_receiver import LogoutReceiver
from tests.idp.oauth.support import ISSUER, registration
from tests.idp.oauth.test_http import app, browser, register, sign_in, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2
    from fastapi import FastAPI

    from foundation.settings import Settings

__all__ = ["app", "browser"]

AFTER = "https://food.example.gov.cn/bye"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_networks": ("127.0.0.0/8",)})


@pytest.fixture
def receiver() -> Iterator[LogoutReceiver]:
    with LogoutReceiver() as receiver:
        yield receiver


def asking(**metadata: Any) -> Any:  # noqa: ANN401 - any member
    return registration(metadata={"post_logout_redirect_uris": (AFTER,), **metadata})


async def leave(browser: httpx2.AsyncClient, **parameters: str) -> httpx2.Response:
    return await browser.get("/oauth/logout?" + urlencode(parameters))


async def test_hint_of_this_session_signs_out_and_returns(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app, asking())
    await sign_in(app, browser)
    got = await tokens(browser, client)
    response = await leave(browser, id_token_hint=got["id_token"], post_logout_redirect_uri=AFTER, state="s&1")
    assert f"{AFTER}?state=s%261".replace("&", "&amp;") in response.text
    assert await app.state.services.sessions.resolve(browser.cookies.get("hufu-session") or "none") is None
    told = await browser.get("/oauth/userinfo", headers={"authorization": f"Bearer {got['access_token']}"})
    assert told.status_code == 401


async def test_without_hint_the_person_is_asked_and_the_form_is_guarded(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    client = await register(app, asking())
    await sign_in(app, browser)
    secret = browser.cookies["hufu-session"]
    response = await leave(browser, client_id=client.client_id, post_logout_redirect_uri=AFTER)
    assert response.status_code == 200
    assert await app.state.services.sessions.resolve(secret) is not None
    action = response.text.split('action="/oauth/logout/confirm/')[1].split('"')[0]
    foreign = await browser.post(f"/oauth/logout/confirm/{action}", headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert await app.state.services.sessions.resolve(secret) is not None
    form_token = response.text.split('name="form_token" value="')[1].split('"')[0]
    done = await browser.post(
        f"/oauth/logout/confirm/{action}", data={"form_token": form_token}, headers={"origin": ISSUER}
    )
    assert AFTER in done.text
    assert await app.state.services.sessions.resolve(secret) is None


async def test_hint_of_another_session_is_not_enough(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app, asking())
    await sign_in(app, browser, "zhaomin")
    hint = (await tokens(browser, client))["id_token"]
    await sign_in(app, browser)
    response = await leave(browser, id_token_hint=hint, post_logout_redirect_uri=AFTER)
    assert "oauth/logout/confirm" in response.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"post_logout_redirect_uri": AFTER},
        {"post_logout_redirect_uri": "https://evil.example/", "client_id": "CLIENT"},
        {"post_logout_redirect_uri": AFTER + "/", "client_id": "CLIENT"},
        {"post_logout_redirect_uri": AFTER, "client_id": "cli_unknown"},
        {"id_token_hint": "e30.e30.x"},
        {"id_token_hint": "HINT", "client_id": "cli_other"},
    ],
)
async def test_logout_is_no_open_redirect(
    app: FastAPI, browser: httpx2.AsyncClient, parameters: dict[str, str]
) -> None:
    client = await register(app, asking())
    await sign_in(app, browser)
    hint = (await tokens(browser, client))["id_token"]
    filled = {name: {"CLIENT": client.client_id, "HINT": hint}.get(value, value) for name, value in parameters.items()}
    response = await leave(browser, **filled)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert await app.state.services.sessions.resolve(browser.cookies["hufu-session"]) is not None


async def test_posted_logout_goes_on_by_get(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app, asking())
    await sign_in(app, browser)
    hint = (await tokens(browser, client))["id_token"]
    posted = await browser.post("/oauth/logout", data={"id_token_hint": hint, "post_logout_redirect_uri": AFTER})
    assert posted.status_code == 303
    assert AFTER in (await browser.get(posted.headers["location"])).text


async def test_back_channel_logout_reaches_every_client_of_the_session(
    app: FastAPI, browser: httpx2.AsyncClient, receiver: LogoutReceiver, settings: Settings
) -> None:
    services = app.state.services
    client = await register(app, asking(backchannel_logout_uri=receiver.address))
    other = await register(app, asking(backchannel_logout_uri=receiver.address))
    await sign_in(app, browser)
    got = {client.client_id: await tokens(browser, client), other.client_id: await tokens(browser, other)}
    receiver.fail_next(1)
    session = await services.sessions.resolve(browser.cookies["hufu-session"])
    await services.sessions.sign_out(session.principal())
    worker = Worker(services.database, settings.database_url, services.provider.job_handlers())
    await worker.drain()
    assert receiver.refused == 1
    keys = {key["kid"]: pyjwt.PyJWK(key) for key in services.provider.jwks()["keys"] if key.get("alg") == "ES256"}
    told = {}
    for body in receiver.bodies:
        token = dict(parse_qsl(body))["logout_token"]
        header = pyjwt.get_unverified_header(token)
        assert header["typ"] == "logout+jwt"
        claims = pyjwt.decode(token, keys[header["kid"]], algorithms=["ES256"], audience=list(got), issuer=ISSUER)
        told[claims["aud"]] = claims
    assert set(told) == set(got)
    for client_id, claims in told.items():
        id_token = pyjwt.decode(got[client_id]["id_token"], options={"verify_signature": False})
        assert (claims["sub"], claims["sid"]) == (id_token["sub"], id_token["sid"])
        assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
        assert "nonce" not in claims
    assert urlsplit(receiver.address).hostname == "127.0.0.1"


async def test_client_that_stays_down_keeps_the_job(app: FastAPI, receiver: LogoutReceiver) -> None:
    client = await register(app, asking(backchannel_logout_uri=receiver.address))
    receiver.fail_next(1)
    handler = app.state.services.provider.job_handlers()["idp.backchannel_logout"].run
    payload = {"client_id": client.client_id, "account_id": "acc_x", "session_id": "ses_x"}
    with pytest.raises(UpstreamUnavailable):
        await handler(payload)
    await handler(payload)
    assert len(receiver.bodies) == 1
