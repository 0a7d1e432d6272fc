"""Front-channel logout: the pages of the session's clients, with `iss` and `sid`; no other page is framed."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt as pyjwt
import pytest

from foundation.errors import InvalidInput
from tests.idp.oauth.support import ISSUER, registration
from tests.idp.oauth.test_http import app, browser, register, sign_in, tokens

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI

__all__ = ["app", "browser"]

AFTER = "https://food.example.gov.cn/bye"
PAGE = "https://food.example.gov.cn/frontchannel?from=hufu"


def framing(**metadata: Any) -> Any:  # noqa: ANN401 - any member
    return registration(metadata={"post_logout_redirect_uris": (AFTER,), "frontchannel_logout_uri": PAGE, **metadata})


def frames(response: httpx2.Response) -> list[str]:
    return [unescape(address) for address in re.findall(r'<iframe[^>]* src="([^"]+)"', response.text)]


async def leave(browser: httpx2.AsyncClient, hint: str) -> httpx2.Response:
    return await browser.get(
        "/oauth/logout?" + urlencode({"id_token_hint": hint, "post_logout_redirect_uri": AFTER, "state": "s"})
    )


async def test_the_pages_of_the_sessions_clients_are_loaded_with_iss_and_sid(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    client = await register(app, framing(frontchannel_logout_session_required=True))
    await register(app, framing())
    await sign_in(app, browser)
    got = await tokens(browser, client)
    response = await leave(browser, got["id_token"])
    (frame,) = frames(response)
    sid = pyjwt.decode(got["id_token"], options={"verify_signature": False})["sid"]
    assert frame.startswith(PAGE + "&")
    assert dict(parse_qsl(urlsplit(frame).query)) == {"from": "hufu", "iss": ISSUER, "sid": sid}
    assert f"{AFTER}?state=s" in response.text
    policy = response.headers["content-security-policy"]
    assert "frame-src https://food.example.gov.cn" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert await app.state.services.sessions.resolve(browser.cookies.get("hufu-session") or "none") is None


async def test_without_session_required_nothing_is_told(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app, framing())
    await sign_in(app, browser)
    assert frames(await leave(browser, (await tokens(browser, client))["id_token"])) == [PAGE]


async def test_without_such_clients_the_browser_goes_straight_on(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    client = await register(app, registration(metadata={"post_logout_redirect_uris": (AFTER,)}))
    await sign_in(app, browser)
    response = await leave(browser, (await tokens(browser, client))["id_token"])
    assert frames(response) == []
    assert "frame-src" not in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"frontchannel_logout_uri": "https://evil.example/out"}, "frontchannel_logout_uri"),
        ({"frontchannel_logout_uri": "http://food.example.gov.cn/out"}, "frontchannel_logout_uri"),
        ({"frontchannel_logout_uri": "https://food.example.gov.cn:8443/out"}, "frontchannel_logout_uri"),
        ({"frontchannel_logout_uri": "javascript:alert(1)"}, "frontchannel_logout_uri"),
        ({"frontchannel_logout_session_required": True}, "frontchannel_logout_session_required"),
    ],
    ids=["host", "scheme", "port", "script", "no-address"],
)
async def test_a_page_lies_on_an_origin_of_the_client(app: FastAPI, metadata: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await register(app, registration(metadata=metadata))
    assert refused.value.field == field


def test_it_is_advertised(app: FastAPI) -> None:
    document = app.state.services.provider.discovery()
    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True
