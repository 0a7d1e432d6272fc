"""Operators and department administrators: contradictions, counters, posts and authorities, in a real browser."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.principal import SYSTEM, Channel
from hufu import demo_city
from idp.people.errors import RealNameConflict
from idp.people.officer import Authority
from tests.support.real_name_authority import population
from tests.web.test_desk import sign_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_operator_registers_and_retires_a_counter(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, demo_city.OPERATORS[0], "/operate/people")
    await page.get_by_label("窗口名称").fill("演示八号窗口")
    await page.get_by_role("button", name="登记", exact=True).click()
    row = page.locator(".card", has_text="演示八号窗口")
    await expect(row).to_be_visible()
    await row.get_by_role("button", name="停用").click()
    await expect(page.get_by_text("演示八号窗口")).to_have_count(0)


async def test_an_operator_settles_a_change_of_name(context: BrowserContext, city: City) -> None:
    people, person = city.application.people, tuple(population(60))[55]
    city.authority._people[person.citizen_id_number] = person
    for username, stated in (("renamed.one", person), ("renamed.two", replace(person, name="欧阳新名"))):
        city.authority._people[person.citizen_id_number] = stated
        await people.accounts.register(username, "violet-harbour-27", source="t", channel=Channel.WEB)
        session = await people.sessions.sign_in(username, "violet-harbour-27", source="t", channel=Channel.WEB)
        expected = pytest.raises(RealNameConflict) if stated is not person else nullcontext()
        with expected:
            await people.real_name.prove(session.principal(), "id_card", stated.elements("id_card"))
    page = await context.new_page()
    await sign_in(page, city, demo_city.OPERATORS[0], "/operate/people")
    row = page.locator("section.card", has_text="***名")
    await row.get_by_label("依据").fill("户口簿变更页")
    await row.get_by_role("button", name="采用新姓名").click()
    await expect(page.locator("section.card", has_text="***名")).to_have_count(0)


async def test_a_departments_administrator_appoints_grants_and_ends_a_post(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    officers = city.application.people.officers
    hall = demo_city.LAND_BUREAU
    until = city.application.services.clock.now() + timedelta(days=30)
    held = await officers.of_organisation(SYSTEM, hall.credit_code)
    administration = await officers.grant(
        SYSTEM, held[0].officer_id, Authority.ADMINISTRATION, district_code=hall.district_code, valid_until=until
    )
    page = await context.new_page()
    await sign_in(page, city, demo_city.OFFICERS[1], "/desk/officers")
    await page.locator("#name").fill("赵新员")
    await page.locator("#post").fill("受理窗口")
    await page.locator("#username").fill("land.newcomer")
    await page.get_by_label("初始密码").fill("copper-meadow-58")
    await page.get_by_role("button", name="登记", exact=True).click()
    await expect(page.get_by_text("下面的密钥只显示这一次")).to_be_visible()
    card = page.locator(".card", has_text="受理窗口")
    await card.locator("summary", has_text="授信").click()
    await card.get_by_label("授信").select_option("original_check")
    await card.get_by_label("有效期至").fill(until.strftime("%Y-%m-%d"))
    await card.get_by_role("button", name="授予").click()
    await expect(card.get_by_role("button", name="撤回")).to_have_count(1)
    await card.locator("summary", has_text="授信").click()
    await card.get_by_label("授信").select_option("sealing")
    await card.get_by_label("有效期至").fill(until.strftime("%Y-%m-%d"))
    await card.get_by_role("button", name="授予").click()
    await expect(page.get_by_text("等待另一位管理员批准")).to_be_visible()
    await expect(page.get_by_role("button", name="批准")).to_have_count(0)

    operators = await browser.new_context(locale="zh-CN")
    second = await operators.new_page()
    await sign_in(second, city, demo_city.OPERATORS[1], f"/operate/officers?organisation={hall.credit_code}")
    await second.get_by_role("button", name="批准").click()
    await expect(second.locator(".card", has_text="受理窗口").get_by_role("button", name="撤回")).to_have_count(2)
    await operators.close()

    await page.goto(f"{city.url}/desk/officers")
    await card.locator("summary", has_text="离岗").click()
    await card.get_by_role("button", name="办理离岗").click()
    await expect(page.get_by_text("受理窗口")).to_have_count(0)
    # Other tests count on what this officer may not.
    await officers.revoke(SYSTEM, administration.grant_id)
