"""Mandates and acting for an enterprise, in a real browser: two people, two windows."""

from __future__ import annotations

import uuid
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.principal import Channel
from tests.support.real_name_authority import CITIZENS, COMPANIES
from tests.web.test_citizen import PASSWORD, issue_to, sign_in_citizen

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

    from tests.api.city import City
    from tests.support.real_name_authority import Citizen

pytestmark = pytest.mark.asyncio(loop_scope="session")

GIVER, AGENT = CITIZENS[4], CITIZENS[5]


def own_source() -> str:
    """Return an address of one's own: how many accounts one address may open is limited."""
    return str(IPv6Address(uuid.uuid4().int))


async def proven(city: City, person: Citizen) -> str:
    """Register somebody at L2 and return the user name."""
    people, name, source = city.application.people, f"person{uuid.uuid4().hex[:10]}", own_source()
    await people.accounts.register(name, PASSWORD, source=source, channel=Channel.WEB)
    session = await people.sessions.sign_in(name, PASSWORD, source=source, channel=Channel.WEB)
    elements = person.elements("social_security_card")
    await people.real_name.prove(session.principal(), "social_security_card", elements)
    return name


async def page_of(context: BrowserContext, city: City, name: str) -> Page:
    page = await context.new_page()
    await sign_in_citizen(page, city, name, PASSWORD)
    return page


async def test_a_mandate_is_given_accepted_and_withdrawn(context: BrowserContext, browser: Browser, city: City) -> None:
    giver, agent = await proven(city, GIVER), await proven(city, AGENT)
    page = await page_of(context, city, giver)
    await page.goto(f"{city.url}/mandates")
    await page.get_by_role("link", name="请别人替我办").click()
    await page.get_by_label("对方的用户名").fill(agent)
    await page.get_by_label("对方的姓名").fill(GIVER.name)
    await page.get_by_role("button", name="发出授权").click()
    await expect(page.get_by_text("没有找到这个人")).to_be_visible()
    await page.get_by_label("对方的姓名").fill(AGENT.name)
    await page.get_by_label("最多几次").fill("3")
    await page.get_by_role("button", name="发出授权").click()
    await expect(page.get_by_text("等待确认").first).to_be_visible()

    other = await browser.new_context(locale="zh-CN")
    elsewhere = await page_of(other, city, agent)
    await elsewhere.goto(f"{city.url}/mandates")
    await elsewhere.get_by_role("button", name="同意").click()
    await expect(elsewhere.get_by_text("生效中")).to_be_visible()
    await other.close()

    await page.reload()
    await page.get_by_role("button", name="收回授权").click()
    await expect(page.get_by_text("已收回")).to_be_visible()


async def test_an_agent_passes_on_sees_and_shows_within_the_terms(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    giver, agent, helper = [await proven(city, one) for one in (GIVER, AGENT, CITIZENS[2])]
    await issue_to(city, GIVER)
    page = await page_of(context, city, giver)
    await page.goto(f"{city.url}/mandates/new")
    await page.get_by_label("对方的用户名").fill(agent)
    await page.get_by_label("对方的姓名").fill(AGENT.name)
    await page.get_by_label("最多几次").fill("2")
    await page.get_by_label("允许对方再托一个人办").check()
    await page.get_by_role("button", name="发出授权").click()
    await expect(page.get_by_text("代办人可以再托一个人").first).to_be_visible()

    other = await browser.new_context(locale="zh-CN")
    elsewhere = await page_of(other, city, agent)
    await elsewhere.goto(f"{city.url}/mandates")
    await elsewhere.get_by_role("button", name="同意").first.click()
    await elsewhere.get_by_role("link", name="转托别人").first.click()
    await elsewhere.get_by_label("对方的用户名").fill(helper)
    await elsewhere.get_by_label("对方的姓名").fill(CITIZENS[2].name)
    await elsewhere.get_by_label("最多几次").fill("3")
    await elsewhere.get_by_role("button", name="发出授权").click()
    await expect(elsewhere.get_by_text("转托的内容不能超过原来的授权")).to_be_visible()
    assert await elsewhere.get_by_label("对方的用户名").input_value() == helper
    await elsewhere.get_by_label("最多几次").fill("1")
    await elsewhere.get_by_role("button", name="发出授权").click()
    await expect(elsewhere.get_by_role("heading", name="授权代办")).to_be_visible()

    await elsewhere.get_by_role("link", name="看委托人的证照").first.click()
    await elsewhere.get_by_label("哪一种证照").select_option(label="食品经营许可证")
    await elsewhere.get_by_label("用途").fill("替委托人办理变更登记")
    await elsewhere.get_by_role("button", name="查看证照，算用一次").click()
    await expect(elsewhere.get_by_role("heading", name="食品经营许可证").first).to_be_visible()
    await elsewhere.get_by_role("button", name="替委托人出示给窗口").first.click()
    await expect(elsewhere.get_by_alt_text("亮证码")).to_be_visible()
    await other.close()

    await page.goto(f"{city.url}/mandates")
    await expect(page.get_by_text("用了 1 次，最多 2 次").first).to_be_visible()
    await page.goto(f"{city.url}/accesses")
    await expect(page.get_by_text("替委托人办理变更登记").first).to_be_visible()


async def test_the_representative_proves_the_enterprise_and_acts_for_it(context: BrowserContext, city: City) -> None:
    company = COMPANIES[1]
    page = await page_of(context, city, await proven(city, company.representative))
    await page.goto(f"{city.url}/acting")
    await page.get_by_label("企业名称").fill(company.company_name)
    await page.get_by_label("统一社会信用代码").fill("91500101MA5U000N1X")
    await page.get_by_role("button", name="提交核对").click()
    await expect(page.get_by_text("统一社会信用代码不对")).to_be_visible()
    await page.get_by_label("统一社会信用代码").fill(company.credit_code)
    await page.get_by_role("button", name="提交核对").click()
    await page.get_by_role("button", name="代表它办事").click()
    await expect(page.get_by_text("您现在代表")).to_be_visible()
    await page.goto(f"{city.url}/licences")
    await expect(page.get_by_role("heading", name="我的证照")).to_be_visible()
    await page.goto(f"{city.url}/mandates")
    await expect(page.get_by_role("heading", name="替我办事的人")).to_be_visible()
    await page.goto(f"{city.url}/acting")
    await page.get_by_role("button", name="回到我自己").click()
    await expect(page.get_by_text("您现在代表")).to_have_count(0)


async def test_without_a_proven_name_the_way_leads_to_proving_it(context: BrowserContext, city: City) -> None:
    people, name = city.application.people, f"person{uuid.uuid4().hex[:10]}"
    await people.accounts.register(name, PASSWORD, source=own_source(), channel=Channel.WEB)
    page = await page_of(context, city, name)
    for path in ("/mandates", "/acting", "/mandates/new"):
        await page.goto(f"{city.url}{path}")
        await expect(page.get_by_role("heading", name="选一种方式完成实名认证")).to_be_visible()
