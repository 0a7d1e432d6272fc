"""The public page of the log: how far it reaches, and where a receipt stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.principal import ANONYMOUS
from tests.support.real_name_authority import CITIZENS
from tests.verification.sequencing import sequence_all
from tests.web.browser import PHONE
from tests.web.test_citizen import issue_to

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def look_up(page: Page, city: City, text: str) -> None:
    await page.goto(f"{city.url}/log")
    await page.get_by_label("回执文字").fill(text)
    await page.get_by_role("button", name="查它在不在日志里").click()


async def test_a_receipt_is_found_in_the_log(context: BrowserContext, city: City) -> None:
    parts = city.application.verification
    identifier = await issue_to(city, CITIZENS[0])
    receipt = (await city.application.services.verification.by_identifier(ANONYMOUS, identifier)).receipt
    page = await context.new_page()
    await look_up(page, city, receipt)
    await expect(page.get_by_role("heading", name="还没有记入")).to_be_visible()
    await sequence_all(parts.log, city.application.services.database)
    await look_up(page, city, receipt)
    await expect(page.get_by_role("heading", name="已记入公开日志")).to_be_visible()
    await page.get_by_text("证明和检查点").click()
    await expect(page.get_by_text((await parts.log.verifier_key()).name).first).to_be_visible()
    size = (await parts.log.checkpoint()).size
    await expect(page.get_by_text(f"{size:,}", exact=True)).to_be_visible()
    await look_up(page, city, receipt[:-9] + "A" * 9)
    await expect(page.get_by_role("heading", name="不是本系统的回执")).to_be_visible()


async def test_the_page_fits_a_phone_in_large_type_and_english(browser: Browser, city: City) -> None:
    for language in ("zh-CN", "en"):
        context = await browser.new_context(viewport=PHONE)
        chosen = {"hufu-type": "large", "hufu-language": language}
        await context.add_cookies([{"name": name, "value": value, "url": city.url} for name, value in chosen.items()])
        page = await context.new_page()
        await page.goto(f"{city.url}/log")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), language
        await context.close()
