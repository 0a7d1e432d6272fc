"""An officer with two posts in a real browser: chosen at sign-in, changed on the page, nothing shared between them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.principal import SYSTEM
from hufu import demo_city
from idp.people.officer import Authority
from tests.web.axe import complaints, script
from tests.web.test_desk import sign_in

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUN_LI = demo_city.OFFICERS[4]


async def test_the_post_is_chosen_at_sign_in_and_changed_on_the_page(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, SUN_LI, "/desk/seals")
    await expect(page.get_by_role("heading", name="您以哪个岗位办事？")).to_be_visible()
    assert await complaints(page, await script()) == []
    assert (await page.request.get(f"{city.url}/desk", max_redirects=0)).status != 200
    await page.locator("form.card", has_text="挂职副科长").get_by_role("button").click()
    await expect(page).to_have_url(f"{city.url}/desk/seals")
    await expect(page.locator("p.post")).to_contain_text("挂职副科长")
    await expect(page.get_by_role("main")).to_contain_text(demo_city.EAST_APPROVAL.name)

    other = await context.new_page()
    await other.goto(f"{city.url}/post")
    await other.locator("form.card", has_text="督查科科员").get_by_role("button").click()
    await expect(other.locator("p.post")).to_contain_text("督查科科员")
    # The page of the former post is still on the screen: what it sends is refused.
    stale = await page.locator("input[name=form_token]").first.get_attribute("value")
    refused = await page.request.post(
        f"{city.url}/desk/seals", form={"form_token": stale or ""}, headers={"origin": city.url}
    )
    assert refused.status == 403
    await page.goto(f"{city.url}/desk/seals")
    await expect(page.get_by_role("main")).to_contain_text(demo_city.SERVICE_OFFICE.name)
    await expect(page.get_by_text(demo_city.EAST_APPROVAL.name)).to_have_count(0)

    await page.goto(f"{city.url}/devices")
    changed, chosen = page.locator("section", has_text="登录记录").last.locator("li").nth(0), page.locator("li").last
    await expect(changed).to_contain_text("切换岗位")
    await expect(changed).to_contain_text(f"督查科科员 · {demo_city.SERVICE_OFFICE.name}")
    await expect(chosen).to_contain_text(f"挂职副科长 · {demo_city.EAST_APPROVAL.name}")


async def test_a_document_opened_in_one_post_is_not_there_in_the_other(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, SUN_LI, "/desk/officers")
    await page.locator("form.card", has_text="挂职副科长").get_by_role("button").click()
    await expect(page.get_by_role("heading", name="人员与授信")).to_be_visible()
    await expect(page.locator(".card", has_text="督查科科员")).to_have_count(0)


async def test_a_department_lends_a_post_for_a_time_and_ends_it(context: BrowserContext, city: City) -> None:
    office, clock = demo_city.SERVICE_OFFICE, city.application.services.clock
    page = await context.new_page()
    await sign_in(page, city, demo_city.OPERATORS[0], f"/operate/officers?organisation={office.credit_code}")
    form = page.locator("form.card", has_text="给已有人员增加岗位")
    await form.get_by_label("用户名").fill(demo_city.OFFICERS[1].username)
    await form.get_by_label("姓名").fill("不是本人")
    await form.get_by_label("新岗位").fill("借调科员")
    await form.get_by_role("button", name="增加岗位").click()
    await expect(page.get_by_text("没有这个用户名和姓名的工作人员")).to_be_visible()
    await form.get_by_label("姓名").fill(demo_city.OFFICERS[1].name)
    await form.get_by_label("任期开始").fill((clock.now() + timedelta(days=30)).strftime("%Y-%m-%d"))
    await form.get_by_role("button", name="增加岗位").click()
    card = page.locator(".card", has_text="借调科员")
    await expect(card.get_by_text("任期自")).to_be_visible()
    await card.locator("summary", has_text="离岗").click()
    await card.get_by_role("button", name="办理离岗").click()
    await expect(page.get_by_text("借调科员")).to_have_count(0)


async def test_who_proposed_an_authority_sees_whom_it_waits_for_and_is_refused(
    context: BrowserContext, city: City
) -> None:
    officers, office = city.application.people.officers, demo_city.SERVICE_OFFICE
    (officer, *_) = await officers.of_organisation(SYSTEM, office.credit_code)
    page = await context.new_page()
    await sign_in(page, city, demo_city.OPERATORS[0], f"/operate/officers?organisation={office.credit_code}")
    card = page.locator(".card", has_text=officer.post)
    await card.locator("summary", has_text="授信").click()
    await card.get_by_label("授信").select_option(Authority.ISSUING)
    until = city.application.services.clock.now() + timedelta(days=30)
    await card.get_by_label("有效期至").fill(until.strftime("%Y-%m-%d"))
    await card.get_by_role("button", name="授予").click()
    await expect(page.get_by_text("等待该单位的另一位管理员或另一位操作员批准")).to_be_visible()
    await expect(page.get_by_role("button", name="批准")).to_have_count(0)
    (grant,) = [one for one in await officers.awaiting_approval(SYSTEM) if one.officer_id == officer.officer_id]
    token = await page.locator("input[name=form_token]").first.get_attribute("value")
    answer = await page.request.post(
        f"{city.url}/operate/grants/{grant.grant_id}",
        form={"form_token": token or "", "act": "approve", "organisation": office.credit_code},
        headers={"origin": city.url},
    )
    assert answer.status == 403
    await page.get_by_role("button", name="撤回").first.click()
    await expect(page.get_by_text("等待该单位的另一位管理员")).to_have_count(0)
