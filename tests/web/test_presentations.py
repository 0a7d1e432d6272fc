"""A window asks a person's wallet: the code is drawn, a wallet answers, the result is shown once."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
import zxingcpp
from cryptography import x509
from PIL import Image
from playwright.async_api import expect

from tests.api.test_presentations import BOTH, OPERATOR, Desk, Lists
from tests.support.wallet import VCT, Wallet
from tests.web.axe import complaints, script
from tests.web.browser import PHONE
from tests.web.test_desk import LI_MING, sign_in
from verification.presentation.register import IssuerEntry, Permission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx2 import Response
    from playwright.async_api import BrowserContext, Locator, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLAIMS = (("name",), ("licence_number",))


@pytest_asyncio.fixture(loop_scope="session")
async def desk(city: City) -> AsyncIterator[Desk]:
    anchors = await city.application.keys.service.trust_anchors()
    roots = [x509.load_der_x509_certificate(der) for der in anchors.roots_der]
    register, lists = city.application.verification.presentation_register, Lists()
    one = Desk(city, lists, Wallet(city.http, roots, int(time.time())), {})
    trusted = IssuerEntry("演示发证机关", (VCT,), "https://issuer.example", jwks={"keys": one.issuer.jwks})
    entry = await register.trust(OPERATOR, trusted)
    with lists.server:
        yield one
    await register.withdraw(OPERATOR, entry)


@pytest_asyncio.fixture(loop_scope="session")
async def allowed(city: City) -> AsyncIterator[None]:
    office = LI_MING.organisation.credit_code
    register = city.application.verification.presentation_register
    entry = await register.allow(OPERATOR, Permission(office, "", VCT, "经营许可凭证", CLAIMS))
    yield
    await register.withdraw(OPERATOR, entry)


def link_to(page: Page) -> Locator:
    return page.get_by_role("navigation").get_by_role("link", name="钱包凭证")


async def shown_code(page: Page) -> str:
    """Return what a wallet's camera reads off the page."""
    with Image.open(io.BytesIO(await page.get_by_alt_text("给钱包扫的二维码").screenshot())) as image:
        (code,) = zxingcpp.read_barcodes(image.convert("L"))
    return code.text


async def ask(page: Page) -> None:
    await page.get_by_label("用途").fill("核对食品经营许可")
    await page.get_by_role("button", name="显示二维码").click()
    await expect(page.get_by_role("heading", name="请申请人用钱包扫这个码")).to_be_visible()


async def answer(desk: Desk, link: str, status: int = 0, **claims: object) -> Response:
    asked = await desk.wallet.take(link)
    names = [name for name in BOTH if name not in claims]
    presented = desk.wallet.present(asked, desk.credential(status, **claims), names)
    return await desk.wallet.send(asked, desk.wallet.response(asked, {"credential": [presented]}))


@pytest.mark.usefixtures("allowed")
async def test_a_window_asks_and_a_wallet_answers(context: BrowserContext, city: City, desk: Desk) -> None:
    axe, page = await script(), await context.new_page()
    await page.set_viewport_size(PHONE)
    await sign_in(page, city, LI_MING, "/desk/presentations")
    await expect(link_to(page)).to_have_attribute("aria-current", "page")
    await expect(page.get_by_text("将看到：姓名或名称、证照编号")).to_be_visible()
    assert await complaints(page, axe) == []
    await page.get_by_label("用途").fill(" ")
    await page.get_by_role("button", name="显示二维码").click()
    await expect(page.get_by_text("请写明用途")).to_be_visible()
    await ask(page)
    await expect(page.locator("#left")).to_contain_text("还有 4 分")
    assert await complaints(page, axe) == []
    # Whatever an issuer lets a person be called, the page shows it as text.
    hostile = {"name": "陈\u202e伟\x07<script>alert(1)</script>" + "长" * 400 + "W" * 400}
    assert (await answer(desk, await shown_code(page), **hostile)).status_code == 200
    # The page goes on by itself.
    await page.get_by_role("button", name="查看结果").click()
    await expect(page.get_by_role("heading", name="有效", exact=True)).to_be_visible()
    await expect(page.get_by_text("JY25001010000042")).to_be_visible()
    await expect(page.get_by_text("陈[U+202E]伟[U+0007]<script>alert(1)</script>长")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await expect(page.get_by_text("演示发证机关")).to_be_visible()
    assert await complaints(page, axe) == []
    await page.goto(page.url)
    await expect(page.get_by_text("这次的结果已经看过")).to_be_visible()
    assert await complaints(page, axe) == []


@pytest.mark.usefixtures("allowed")
async def test_what_was_revoked_shows_a_verdict_and_nothing_of_itself(
    context: BrowserContext, city: City, desk: Desk
) -> None:
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/presentations")
    await ask(page)
    link = await shown_code(page)
    # A page that another device opened says so, and does not draw the code.
    await context.clear_cookies(name="hufu-presentation")
    await page.reload()
    await expect(page.get_by_role("heading", name="这个码不在这台设备上")).to_be_visible()
    assert (await answer(desk, link, status=1)).status_code == 200
    await page.get_by_role("button", name="查看结果").click()
    await expect(page.get_by_role("heading", name="无效", exact=True)).to_be_visible()
    await expect(page.get_by_text("凭证已被签发者撤销").first).to_be_visible()
    await expect(page.get_by_text("请不要接受")).to_be_visible()
    await expect(page.get_by_text("JY25001010000042")).to_have_count(0)


@pytest.mark.usefixtures("allowed")
async def test_a_window_takes_its_question_back(context: BrowserContext, city: City, desk: Desk) -> None:
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/presentations")
    await ask(page)
    address, link = page.url, await shown_code(page)
    await page.get_by_role("button", name="不核对了").click()
    await expect(page.get_by_role("heading", name="核对钱包里的凭证")).to_be_visible()
    await page.goto(address)
    await expect(page.get_by_text("这次核对已取消")).to_be_visible()
    assert (await desk.city.http.get(link_target(link))).status_code == 404


def link_target(link: str) -> str:
    return parse_qs(urlsplit(link).query)["request_uri"][0]


async def test_an_organisation_that_may_ask_nothing_is_told_so(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/presentations")
    await expect(page.get_by_text("还没有登记可以核对的凭证")).to_be_visible()
    await expect(link_to(page)).to_have_count(0)
