"""Attacks on the pages of sign-in: forged answers to the consent page, planted sessions, foreign frames."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from api.access import ACCESS
from foundation.errors import InvalidInput
from foundation.principal import SYSTEM
from hufu import demo_city
from idp.oauth.clients import GrantType
from tests.api.test_access import form_token, session_of
from tests.idp.oauth.support import LAND_BUREAU, Pkce, authorize_parameters, registration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKUP = '"><img src=x onerror=alert(1)>'
HIDDEN = "\u202e\u200b"  # turns the direction of what follows, and takes no room
OUTSIDE = "https://evil.example"
VICTIM, INTRUDER = "chenwei", "zhangxiuying"


@asynccontextmanager
async def signed_in(city: City, username: str) -> AsyncIterator[httpx2.AsyncClient]:
    cookies = {"hufu-session": await session_of(city, username, demo_city.CITIZEN_PASSWORD)}
    async with httpx2.AsyncClient(base_url=city.url, cookies=cookies) as browser:
        yield browser


async def test_consent_is_given_by_our_own_page_in_the_same_session_only(city: City) -> None:
    wanted = registration(pre_approved=False, organisation_code=demo_city.MARKET_BUREAU.credit_code)
    client = await city.application.services.clients.register(SYSTEM, wanted)
    async with signed_in(city, VICTIM) as victim, signed_in(city, INTRUDER) as intruder:
        asked = urlencode(authorize_parameters(client.client_id, Pkce.new()))
        page = (await victim.get(f"/oauth/authorize?{asked}")).headers["location"]
        assert urlsplit(page).path.startswith("/consent/")
        own, foreign = await form_token(victim, page), await form_token(intruder, "/v")
        for token, origin in ((own, OUTSIDE), (own, "null"), (foreign, city.url), ("", city.url), (None, city.url)):
            data = {"answer": "yes"} | ({} if token is None else {"form_token": token})
            answer = await victim.post(page, data=data, headers={"origin": origin})
            assert 400 <= answer.status_code < 500, (token, origin)
            assert "code=" not in answer.text
        assert (await victim.post(page, data={"answer": "yes", "form_token": own})).status_code == 403  # no Origin
        yes = {"answer": "yes"}
        at_own = {"origin": city.url}
        other = await intruder.post(page, data=yes | {"form_token": foreign}, headers=at_own)
        assert 400 <= other.status_code < 500
        done = await victim.post(page, data=yes | {"form_token": own}, headers=at_own)
        assert re.search(r"food\.example\.gov\.cn/callback\?[^\"]*code=", done.text + done.headers.get("location", ""))


async def test_a_system_of_an_organisation_outside_the_directory_is_still_named(city: City) -> None:
    """An organisation may leave the directory while its systems stand: the person still sees who asks."""
    wanted = registration(
        client_name="外地证照系统",
        organisation_code=LAND_BUREAU,
        pre_approved=False,
        grant_types=frozenset({GrantType.AUTHORIZATION_CODE, GrantType.DEVICE}),
    )
    client = await city.application.services.clients.register(SYSTEM, wanted)
    async with signed_in(city, VICTIM) as victim:
        asked = urlencode(authorize_parameters(client.client_id, Pkce.new()))
        page = (await victim.get(f"/oauth/authorize?{asked}")).headers["location"]
        auth = (client.client_id, client.client_secret or "")
        codes = (await city.http.post("/oauth/device_authorization", data={"scope": "openid"}, auth=auth)).json()
        form = {"user_code": codes["user_code"], "form_token": await form_token(victim, "/device")}
        question = (await victim.post("/device", data=form, headers={"origin": city.url})).headers["location"]
        for address in (page, question):
            shown = await victim.get(address)
            assert shown.status_code == 200, address
            assert "外地证照系统" in shown.text
            assert LAND_BUREAU in shown.text


async def test_hostile_text_is_shown_as_text_or_not_at_all(city: City) -> None:
    """Names and messages of systems reach pages where people decide: markup is text, hidden characters are refused."""
    clients = city.application.services.clients
    wanted = registration(
        client_name=f"系统{MARKUP}",
        organisation_code=demo_city.MARKET_BUREAU.credit_code,
        pre_approved=False,
        grant_types=frozenset({GrantType.AUTHORIZATION_CODE, GrantType.CIBA}),
        metadata={"authorization_details_types": ["document_signature"]},
    )
    client = await clients.register(SYSTEM, wanted)
    auth = (client.client_id, client.client_secret or "")
    detail = {"type": "document_signature", "document_sha256": "ab" * 32, "document_name": MARKUP}
    question = {"scope": "openid", "login_hint": VICTIM, "binding_message": MARKUP}

    def asking(**changes: str) -> str:
        details = json.dumps([{**detail, **changes}])
        parameters = authorize_parameters(client.client_id, Pkce.new(), authorization_details=details)
        return f"/oauth/authorize?{urlencode(parameters)}"

    async with signed_in(city, VICTIM) as victim:
        consent = (await victim.get(asking())).headers["location"]
        assert (await city.http.post("/oauth/bc-authorize", data=question, auth=auth)).status_code == 200
        listed = await victim.get("/questions")
        asked = re.search(r"/questions/[a-z]+_\w+", listed.text)
        assert asked is not None
        for address in (consent, "/questions", asked[0], f"/device?{urlencode({'user_code': MARKUP[:20]})}"):
            shown = await victim.get(address)
            assert shown.status_code == 200, address
            assert "<img src=x" not in shown.text, address
            assert "&lt;img" in shown.text, address
            assert "script-src" in shown.headers["content-security-policy"]
        hidden = (await victim.get(asking(document_name=f"承诺书{HIDDEN}"))).headers["location"]
        assert "error=invalid_authorization_details" in hidden
    refused = await city.http.post("/oauth/bc-authorize", data={**question, "binding_message": HIDDEN}, auth=auth)
    assert refused.json()["error"] == "invalid_binding_message"
    with pytest.raises(InvalidInput):
        await clients.register(SYSTEM, replace(wanted, client_name=f"系统{HIDDEN}"))


async def test_a_session_known_before_sign_in_is_not_the_one_after_it(city: City) -> None:
    """An intruder who can plant cookies knows what he planted: his own session, and a form secret of his choice."""
    planted = await session_of(city, INTRUDER, demo_city.CITIZEN_PASSWORD)
    for secret in (planted, "a" * 43):
        cookies = {"hufu-session": secret, "hufu-form": "b" * 43}
        async with httpx2.AsyncClient(base_url=city.url, cookies=cookies, headers={"origin": city.url}) as browser:
            data = {
                "form_token": await form_token(browser, "/sign-in?forced=1"),
                "username": VICTIM,
                "password": demo_city.CITIZEN_PASSWORD,
            }
            answer = await browser.post("/sign-in?forced=1", data=data)
            assert answer.status_code == 303, answer.text
            given = re.search(r"hufu-session=([^;]+)", answer.headers["set-cookie"])
            assert given is not None
            assert given[1] != secret
        after = await city.application.services.sessions.resolve(given[1])
        before = await city.application.services.sessions.resolve(secret)
        assert after is not None
        assert before is None or before.account_id != after.account_id


async def test_no_page_stands_in_a_frame(city: City) -> None:
    async with signed_in(city, VICTIM) as browser:
        for method, path in ACCESS:
            if method != "GET":
                continue
            answer = await browser.get(re.sub(r"\{[^}]+\}", "x", path), headers={"accept": "text/html"})
            assert answer.headers["x-frame-options"] == "DENY", path
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
    client = await city.application.services.clients.register(SYSTEM, registration())
    asked = authorize_parameters(client.client_id, Pkce.new(), response_mode="form_post")
    async with signed_in(city, VICTIM) as browser:
        answer = await browser.get(f"/oauth/authorize?{urlencode(asked)}")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        asked = authorize_parameters(client.client_id, Pkce.new())
        back = await browser.get(f"/oauth/authorize?{urlencode(asked)}")
        assert "code" in dict(parse_qsl(urlsplit(back.headers["location"]).query))
        assert back.headers["x-frame-options"] == "DENY"
