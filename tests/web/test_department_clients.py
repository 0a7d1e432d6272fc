"""The department's own page: ask for a system, have it approved, see its secret once, change an address."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.principal import SYSTEM, Channel
from hufu import demo_city
from idp.people.officers import Authority

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")
OFFICER = demo_city.OFFICERS[0]


async def page_of(city: City, context: BrowserContext, who: demo_city.DemoOfficer | demo_city.DemoOperator) -> Page:
    sessions = city.application.services.sessions
    session = await sessions.sign_in(who.username, who.password, source="test", channel=Channel.WEB)
    session = await sessions.second_factor(session, await city.one_time_code(who))
    await context.add_cookies([{"name": "hufu-session", "value": session.secret or "", "url": city.url}])
    return await context.new_page()


async def make_administrator(city: City) -> None:
    services = city.application.services
    row = await services.sessions.sign_in(OFFICER.username, OFFICER.password, source="test", channel=Channel.WEB)
    assert row.officer_id is not None
    await services.officers.grant(
        SYSTEM,
        row.officer_id,
        Authority.ADMINISTRATION,
        district_code=OFFICER.organisation.district_code,
        valid_until=services.clock.now() + timedelta(days=1),
    )


async def test_a_system_is_asked_for_approved_and_given_its_secret(city: City, context: BrowserContext) -> None:
    await make_administrator(city)
    page = await page_of(city, context, OFFICER)
    await page.goto(f"{city.url}/department/clients")
    await page.get_by_role("link", name="登记新系统").click()
    await page.get_by_label("系统名称").fill("食品抽检系统")
    await page.get_by_label("登录后的返回地址").fill("http://sampling.example.gov.cn/")
    await page.get_by_label("系统怎样证明自己").select_option("client_secret_basic")
    for box in ("openid", "profile", "authorization_code"):
        await page.get_by_role("checkbox", name=box, exact=True).check()
    await page.get_by_role("button", name="提交").click()
    await expect(page.get_by_role("alert")).to_contain_text("redirect_uris")
    await expect(page.get_by_label("系统名称")).to_have_value("食品抽检系统")
    await page.get_by_label("登录后的返回地址").fill("https://sampling.example.gov.cn/sampling")
    await page.get_by_role("button", name="提交").click()
    await expect(page.get_by_role("status")).to_contain_text("等待运维人员批准")

    operator = await page_of(city, context, demo_city.OPERATORS[0])
    await operator.goto(f"{city.url}/operate/client-requests")
    card = operator.locator("section.card").filter(has_text="食品抽检系统")
    await expect(card).to_contain_text("https://sampling.example.gov.cn/sampling")
    await card.get_by_role("button", name="批准").click()
    await expect(card).to_have_count(0)

    page = await page_of(city, context, OFFICER)
    await page.goto(f"{city.url}/department/clients")
    card = page.locator("section.card").filter(has=page.get_by_role("heading", name="食品抽检系统", level=2))
    await card.get_by_role("button", name="换新密钥").click()
    await expect(page.get_by_role("heading", name="新密钥")).to_be_visible()
    await page.get_by_role("link", name="我已抄好").click()
    await expect(page).to_have_url(f"{city.url}/department/clients")
    await card.get_by_role("link", name="修改").click()
    await page.get_by_label("登录后的返回地址").fill("https://sampling.example.gov.cn/sampling2")
    await page.get_by_role("button", name="提交").click()
    await expect(page.get_by_role("status")).to_contain_text("立即生效")


async def test_an_officer_without_the_authority_is_kept_out(city: City, context: BrowserContext) -> None:
    page = await page_of(city, context, demo_city.OFFICERS[2])
    answer = await page.request.get(f"{city.url}/department/clients")
    assert answer.status == 403
