"""The operators' pages in a real browser: overview, a seal's life with four eyes, a system's new secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from hufu import demo_city
from tests.web.test_desk import sign_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST, SECOND = demo_city.OPERATORS


async def test_a_seal_needs_two_operators_from_application_to_use(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    page = await context.new_page()
    await sign_in(page, city, FIRST, "/operate")
    await expect(page.get_by_role("heading", name="总览")).to_be_visible()
    await expect(page.get_by_text("近 30 天签发").first).to_be_visible()
    await page.goto(f"{city.url}/operate/seals")
    hall = page.locator("section", has_text=demo_city.EAST_APPROVAL.name)
    await hall.get_by_role("button", name="申请法定名称章").click()
    await hall.get_by_role("button", name="批准").click()
    await expect(page.get_by_text("请另一位操作员批准")).to_be_visible()

    other = await browser.new_context(locale="zh-CN")
    second = await other.new_page()
    await sign_in(second, city, SECOND, "/operate/seals")
    hall = second.locator("section", has_text=demo_city.EAST_APPROVAL.name)
    await hall.get_by_role("button", name="批准").click()
    await hall.get_by_role("button", name="制作").click()
    await hall.get_by_label("备案号").fill("5001010000077")
    await hall.get_by_role("button", name="备案").click()
    await hall.get_by_role("button", name="启用").click()
    await expect(hall.get_by_text("启用", exact=True)).to_be_visible()
    await other.close()


async def test_a_new_secret_works_and_is_shown_once(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, FIRST, "/operate/clients")
    window = page.locator("section", has_text=demo_city.WINDOW.name)
    await window.get_by_role("button", name="换新密钥").click()
    secret = await page.locator("dd.mono").last.inner_text()
    answer = await city.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "scope": "verify:read"},
        auth=(demo_city.WINDOW.client_id, secret),
    )
    assert answer.status_code == 200
    await page.goto(f"{city.url}/operate/clients")
    await expect(page.get_by_text(secret)).to_have_count(0)
