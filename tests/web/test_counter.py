"""The counter in a real browser: two officers verify an elder, and her agent takes the paper code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from hufu import demo_city
from tests.support.real_name_authority import CITIZENS
from tests.web.test_desk import sign_in
from tests.web.test_mandates import page_of, proven

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

ELDER, AGENT = CITIZENS[3], CITIZENS[2]


async def test_two_officers_verify_an_elder_and_her_agent_takes_the_code(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    first, second = [officer for officer in demo_city.OFFICERS if officer.organisation is demo_city.WEST_HALL]
    page = await context.new_page()
    await sign_in(page, city, first, "/desk/counter")
    await page.get_by_label("姓名").fill(ELDER.name)
    await page.get_by_label("证件号码").fill("500101199902300011")
    await page.get_by_label("看过的材料").fill("居民身份证原件\n户口簿")
    await page.get_by_label("怎样确认本人在场").select_option("chip_read")
    await page.get_by_label("到场码或编号").fill("READER-20261122-0001")
    await page.get_by_role("button", name="核验无误，交同事复核").click()
    await expect(page.get_by_text("证件号码与证件种类不符")).to_be_visible()
    await page.get_by_label("证件号码").fill(ELDER.citizen_id_number)
    await page.get_by_role("button", name="核验无误，交同事复核").click()
    await expect(page.get_by_text("由您核验，须由另一位同事复核。")).to_be_visible()

    other = await browser.new_context(locale="zh-CN")
    elsewhere = await other.new_page()
    await sign_in(elsewhere, city, second, "/desk/counter")
    await elsewhere.get_by_role("button", name="复核通过").click()
    await expect(elsewhere.get_by_text("复核通过，申请人已达到现场核验实名。")).to_be_visible()
    await elsewhere.get_by_label("代办人姓名").fill(AGENT.name)
    await elsewhere.get_by_label("代办人公民身份号码").fill(AGENT.citizen_id_number)
    await elsewhere.get_by_role("button", name="登记代办授权").click()
    await expect(elsewhere.get_by_text("请另一位同事复核并打印代办码")).to_be_visible()
    await other.close()

    await page.goto(f"{city.url}/desk/counter")
    await page.get_by_role("button", name="复核并打印代办码").click()
    code = await page.locator("p.lead.mono").inner_text()
    await page.emulate_media(media="print")
    await expect(page.locator("header.bar")).to_be_hidden()
    await expect(page.get_by_role("button", name="打印代办码")).to_be_hidden()
    await expect(page.get_by_text(code)).to_be_visible()
    await page.emulate_media(media="screen")
    agents = await browser.new_context(locale="zh-CN")
    agent = await page_of(agents, city, await proven(city, AGENT))
    await agent.goto(f"{city.url}/mandates")
    await agent.get_by_label("代办码").fill("AAAA-BBBB-CCCC")
    await agent.get_by_role("button", name="领取授权").click()
    await expect(agent.get_by_text("代办码不对")).to_be_visible()
    await agent.get_by_label("代办码").fill(code)
    await agent.get_by_role("button", name="领取授权").click()
    await expect(agent.get_by_text("生效中")).to_be_visible()
    await agents.close()


async def test_a_citizen_shows_a_presence_code(context: BrowserContext, city: City) -> None:
    page = await page_of(context, city, await proven(city, CITIZENS[4]))
    await page.goto(f"{city.url}/presence")
    await page.get_by_role("button", name="显示到场码").click()
    await expect(page.locator("p.lead.mono")).to_have_text(re.compile(r"^\d{4} \d{4}$"))
