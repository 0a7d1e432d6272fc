"""Pages of the provider in a real browser: one act allowed, systems let in, leaving everywhere, requests gone wrong."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from playwright.async_api import expect
from sqlalchemy import select

from api.examples import ISSUE
from foundation.principal import SYSTEM, Channel
from foundation.tables import audit_log
from hufu import demo_city
from idp.oauth.clients import ClientRegistration
from tests.idp.oauth.support import Pkce
from tests.support.loopback import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import BrowserContext, Page

    from idp.oauth.clients import RegisteredClient
    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Department(LoopbackServer):
    """A department's system: remembers which of its pages a browser loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        department = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                department.loaded.append(self.path)
                body = b"<!doctype html><title>ok</title><p>department</p>"
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)

    def query_of(self, path: str) -> dict[str, str]:
        found = next(each for each in self.loaded if urlsplit(each).path == path)
        return {name: values[0] for name, values in parse_qs(urlsplit(found).query).items()}


@contextmanager
def department() -> Iterator[Department]:
    with Department() as server:
        yield server


async def registered(city: City, system: Department, **changes: Any) -> RegisteredClient:  # noqa: ANN401 - any field
    values: dict[str, Any] = {
        "client_name": "综合窗口系统",
        "organisation_code": demo_city.WEST_HALL.credit_code,
        "redirect_uris": (f"{system.url}/callback",),
        "scopes": frozenset({"openid", "profile"}),
        "grant_types": frozenset({"authorization_code"}),
    }
    return await city.application.services.clients.register(SYSTEM, ClientRegistration(**{**values, **changes}))


async def signed_in(city: City, context: BrowserContext, username: str = "chenwei") -> Page:
    sessions = city.application.services.sessions
    session = await sessions.sign_in(username, demo_city.CITIZEN_PASSWORD, source="test", channel=Channel.WEB)
    await context.add_cookies([{"name": "hufu-session", "value": session.secret or "", "url": city.url}])
    return await context.new_page()


def authorize(city: City, client: RegisteredClient, system: Department, pkce: Pkce, **changes: str) -> str:
    values = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": f"{system.url}/callback",
        "scope": "openid",
        "state": "s",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{city.url}/oauth/authorize?{urlencode(values)}"


async def redeemed(city: City, client: RegisteredClient, system: Department, pkce: Pkce) -> dict[str, Any]:
    answer = await city.http.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": system.query_of("/callback")["code"],
            "redirect_uri": f"{system.url}/callback",
            "code_verifier": pkce.verifier,
        },
        auth=(client.client_id, client.client_secret or ""),
    )
    found: dict[str, Any] = answer.json()
    assert answer.status_code == 200, found
    return found


async def test_one_licence_is_allowed_in_plain_words_and_opens_once(city: City, context: BrowserContext) -> None:
    headers = await city.headers() | {"idempotency-key": uuid.uuid4().hex}
    identifier = (await city.http.post("/api/v1/licences", json=ISSUE, headers=headers)).json()["identifier"]
    detail = {
        "type": "licence_access",
        "licence_identifier": identifier,
        "fields": ["business_premises"],
        "matter_code": ISSUE["matter_code"],
        "purpose": "核对经营场所",
    }
    with department() as system:
        client = await registered(city, system, metadata={"authorization_details_types": ["licence_access"]})
        page, pkce = await signed_in(city, context), Pkce.new()
        await page.goto(authorize(city, client, system, pkce, authorization_details=json.dumps([detail])))
        await expect(page.get_by_role("heading", name="只看这一件证照")).to_be_visible()
        for text in ("食品经营许可证", "经营场所", "只能看一次", "核对经营场所"):
            await expect(page.get_by_text(text).first).to_be_visible()
        await page.get_by_role("button", name="同意这一件事").click()
        await page.wait_for_url(re.compile(r"/callback"))
        token = (await redeemed(city, client, system, pkce))["access_token"]
        bearer = {"authorization": f"Bearer {token}"}
        read = await city.http.get(f"/api/v1/licences/{identifier}", headers=bearer)
        assert read.status_code == 200, read.text
        assert read.json()["face"] == {"business_premises": ISSUE["face"]["business_premises"]}
        assert (await city.http.get(f"/api/v1/licences/{identifier}", headers=bearer)).status_code == 403
        for path in ("/api/v1/licences", f"/api/v1/licences/{identifier}/pdf", f"/api/v1/licences/{identifier}/states"):
            assert (await city.http.get(path, headers=bearer)).status_code == 403, path
        confirming = {"document_sha256": "0" * 64}
        assert (
            await city.http.post("/api/v1/document-confirmations", json=confirming, headers=bearer)
        ).status_code == 403
        await page.goto(f"{city.url}/accesses")
        await expect(page.get_by_text("核对经营场所").first).to_be_visible()


async def test_one_document_is_confirmed_by_its_fingerprint(city: City, context: BrowserContext) -> None:
    detail = {"type": "document_signature", "document_sha256": "ab" * 32, "document_name": "开业承诺书"}
    with department() as system:
        client = await registered(city, system, metadata={"authorization_details_types": ["document_signature"]})
        page, pkce = await signed_in(city, context), Pkce.new()
        await page.goto(authorize(city, client, system, pkce, authorization_details=json.dumps([detail])))
        await expect(page.get_by_text("开业承诺书")).to_be_visible()
        await page.get_by_role("button", name="同意这一件事").click()
        await page.wait_for_url(re.compile(r"/callback"))
        bearer = {"authorization": f"Bearer {(await redeemed(city, client, system, pkce))['access_token']}"}
        statuses = []
        for digest in ("cd" * 32, "ab" * 32, "ab" * 32):
            body = {"document_sha256": digest}
            statuses.append(
                (await city.http.post("/api/v1/document-confirmations", json=body, headers=bearer)).status_code
            )
        assert statuses == [403, 201, 403]


async def test_systems_let_in_are_listed_and_put_out(city: City, context: BrowserContext) -> None:
    with department() as system:
        client = await registered(city, system, client_name=f"试用系统{uuid.uuid4().hex[:6]}")
        page, pkce = await signed_in(city, context, "zhangxiuying"), Pkce.new()
        await page.goto(authorize(city, client, system, pkce))
        await page.get_by_role("button", name="同意并登录").click()
        await page.wait_for_url(re.compile(r"/callback"))
        token = (await redeemed(city, client, system, pkce))["access_token"]
        await page.goto(f"{city.url}/applications")
        card = page.locator("section.card").filter(has=page.locator(f'form[action$="{client.client_id}"]'))
        await card.get_by_role("button", name="收回授权").click()
        await expect(page.get_by_role("status")).to_be_visible()
        await expect(card).to_have_count(0)
        introspected = await city.http.post(
            "/oauth/introspect", data={"token": token}, auth=(client.client_id, client.client_secret or "")
        )
        assert introspected.json() == {"active": False}


async def test_leaving_loads_the_systems_own_logout_pages(city: City, context: BrowserContext) -> None:
    with department() as system:
        metadata = {
            "frontchannel_logout_uri": f"{system.url}/out",
            "frontchannel_logout_session_required": True,
            "post_logout_redirect_uris": [f"{system.url}/bye"],
        }
        client = await registered(city, system, metadata=metadata, pre_approved=True)
        page, pkce = await signed_in(city, context), Pkce.new()
        await page.goto(authorize(city, client, system, pkce))
        await page.wait_for_url(re.compile(r"/callback"))
        hint = (await redeemed(city, client, system, pkce))["id_token"]
        asked = {"id_token_hint": hint, "post_logout_redirect_uri": f"{system.url}/bye"}
        await page.goto(f"{city.url}/oauth/logout?{urlencode(asked)}")
        await page.wait_for_url(re.compile(r"/bye"))
        told = system.query_of("/out")
        assert told["iss"] == city.url
        assert len(told["sid"]) == 32
        await page.goto(f"{city.url}/home")
        await expect(page).to_have_url(re.compile("/sign-in"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"client_id": "cli_unknown"}, "没有在本平台登记"),
        ({"redirect_uri": "https://evil.example/"}, "返回的地址没有登记"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:spent"}, "已经用过或已经过期"),
        ({"request": "e30.e30.x"}, "登录请求有误"),
    ],
    ids=["client", "address", "spent", "object"],
)
async def test_a_wrong_request_says_what_is_wrong_and_goes_nowhere(
    city: City, context: BrowserContext, changes: dict[str, str], sentence: str
) -> None:
    with department() as system:
        client = await registered(city, system)
        await context.clear_cookies()
        answer = await city.http.get(
            authorize(city, client, system, Pkce.new(), **changes), headers={"accept": "text/html"}
        )
        assert answer.status_code == 400
        assert sentence in answer.text
        assert "location" not in answer.headers
        assert "evil.example" not in answer.text


async def test_a_phone_signs_a_kiosk_in_and_the_kiosk_is_on_record(city: City, context: BrowserContext) -> None:
    services, pkce = city.application.services, Pkce.new()
    with department() as system:
        kiosk = await registered(city, system, metadata={"channel": "kiosk"}, client_name="自助终端")
        asked = dict(parse_qsl(urlsplit(authorize(city, kiosk, system, pkce)).query))
        secret = (kiosk.client_id, kiosk.client_secret or "")
        pushed = (await city.http.post("/oauth/par", data=asked, auth=secret)).json()
        query = urlencode({"client_id": kiosk.client_id, "request_uri": pushed["request_uri"]})
        screen = await context.new_page()
        await screen.goto(f"{city.url}/oauth/authorize?{query}")
        await screen.get_by_role("link", name="用已登录的手机扫码登录").click()
        ticket = await screen.locator('#qr-sign-in input[name="ticket"]').get_attribute("value") or ""
        number = await screen.locator("b.mono").inner_text()
        phone = await services.sessions.sign_in(
            "chenwei", demo_city.CITIZEN_PASSWORD, source="test", channel=Channel.MOBILE
        )
        asking = await city.application.people.qr_sign_in.look(phone.principal(), ticket)
        assert asking.channel == Channel.KIOSK
        await city.application.people.qr_sign_in.approve(phone.principal(), ticket, number)
        await screen.get_by_role("button", name="同意并登录").click()
        await screen.wait_for_url(re.compile(r"/callback"))
        await expect(screen.get_by_text("department")).to_be_visible()
        async with services.database.read() as connection:
            rows = await connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(20))
            channels = {row.action: row.channel for row in reversed(rows.all())}
        await screen.close()
    assert {name: channels[name] for name in ("people.qr_approve", "people.sign_in", "idp.consent")} == {
        "people.qr_approve": "mobile",
        "people.sign_in": "kiosk",
        "idp.consent": "kiosk",
    }
