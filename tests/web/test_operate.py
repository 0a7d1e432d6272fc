"""The operators' pages in a real browser: overview, a seal's life with four eyes, a system's new secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.principal import SYSTEM, Principal, PrincipalKind
from hufu import demo_city
from idp.people.officer import Authority
from signing.model import SealState
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
    await expect(hall.get_by_text("这是您申请的，请另一位操作员批准。")).to_be_visible()
    await expect(hall.get_by_role("button", name="批准")).to_have_count(0)

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
    await hall.get_by_label("理由").first.fill("盘点")
    await hall.get_by_role("button", name="停用").click()
    await expect(hall.get_by_text("停用期间不能盖章")).to_be_visible()
    await hall.get_by_role("button", name="恢复启用").click()
    await hall.locator("summary", has_text="注销").click()
    await expect(hall.get_by_text("注销后不能恢复")).to_be_visible()
    await hall.locator("details").get_by_label("理由").fill("机构撤并")
    await hall.get_by_role("button", name="注销这枚印章").click()
    await expect(hall.get_by_text("已注销，不能再用")).to_be_visible()
    await expect(hall.get_by_role("button")).to_have_count(0)
    await other.close()


async def test_an_officer_applies_for_a_seal_and_stops_one_but_does_not_approve(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    page = await context.new_page()
    await sign_in(page, city, demo_city.OFFICERS[2], "/desk/seals")
    await page.locator("summary", has_text="申请印章").click()
    await page.get_by_label("印章种类").select_option("业务专用章")
    await page.get_by_role("button", name="申请", exact=True).click()
    await expect(page.locator("#lower_text-error")).to_be_visible()
    await page.get_by_label("星下面的一行字").fill("窗口专用章")
    await page.get_by_role("button", name="申请", exact=True).click()
    row = page.locator("li", has_text="窗口专用章")
    await expect(row.get_by_text("等待操作员批准")).to_be_visible()
    await expect(row.get_by_text("申请：您")).to_be_visible()
    await expect(row.get_by_role("button")).to_have_count(0)

    colleague = await (await browser.new_context(locale="zh-CN")).new_page()
    await sign_in(colleague, city, demo_city.OFFICERS[3], "/desk/seals")
    await expect(colleague.get_by_text("申请和停用印章需要“印章管理”授信")).to_be_visible()
    await expect(colleague.locator("main button")).to_have_count(0)
    await colleague.context.close()

    other = await browser.new_context(locale="zh-CN")
    second = await other.new_page()
    await sign_in(second, city, FIRST, "/operate/seals")
    found = second.locator("li", has_text="窗口专用章")
    await expect(found.get_by_text(f"申请：{demo_city.OFFICERS[2].name}")).to_be_visible()
    await found.get_by_role("button", name="批准").click()
    await found.get_by_role("button", name="制作").click()
    await found.get_by_label("备案号").first.fill("5001020000078")
    await found.get_by_role("button", name="备案").click()
    await found.get_by_role("button", name="启用").click()
    await expect(found.get_by_text("得到授权的人员可以盖章。")).to_be_visible()
    await other.close()

    await page.reload()
    await row.get_by_label("理由").fill("印章管理员休假")
    await row.get_by_role("button", name="停用").click()
    await expect(row.get_by_text("理由：印章管理员休假")).to_be_visible()
    await expect(row.get_by_role("button")).to_have_count(0)


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


async def test_the_use_of_a_seal_is_given_by_a_keeper_approved_by_an_operator_and_withdrawn(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    seals = city.application.signing.seals
    keeper, operator = demo_city.OFFICERS[0], demo_city.OPERATORS[0]
    (seal, *_) = await seals.of_organisation(demo_city.MARKET_BUREAU.credit_code)
    colleague = await city.application.people.officers.add(
        SYSTEM,
        username="granted1",
        password=demo_city.OFFICER_PASSWORD,
        name="赵得印",
        organisation_code=keeper.organisation.credit_code,
        district_code=keeper.organisation.district_code,
        post="审批科科员",
    )
    await city.application.people.officers.grant(
        SYSTEM,
        colleague.officer.officer_id,
        Authority.SEALING,
        district_code=keeper.organisation.district_code,
        valid_until=datetime.now(UTC) + timedelta(days=3650),
    )
    officer = Principal(
        PrincipalKind.OFFICER, colleague.officer.officer_id, organisation_code=keeper.organisation.credit_code
    )
    page = await context.new_page()
    await sign_in(page, city, keeper, "/desk/seals")
    await page.get_by_role("link", name="用印授权").first.click()
    await page.get_by_label("人员").select_option(label="赵得印 · 审批科科员")
    await page.get_by_label("食品经营许可（新办）").check()
    await page.get_by_label("开始日期").fill("2031-01-02")
    await page.get_by_label("有效期至").fill("2031-01-01")
    await page.get_by_role("button", name="授权，交另一个人批准").click()
    await expect(page.locator("#valid_to-error")).to_be_visible()
    await page.get_by_label("开始日期").fill("")
    await page.get_by_label("食品经营许可（新办）").check()
    await page.get_by_label("有效期至").fill("2031-01-01")
    await page.get_by_role("button", name="授权，交另一个人批准").click()
    waiting = page.locator("li", has_text="赵得印")
    await expect(waiting.get_by_text("食品经营许可（新办）")).to_be_visible()
    await expect(waiting.get_by_role("button", name="批准")).to_have_count(0)
    assert await seals.usable_by(officer) == ()

    other = await (await browser.new_context(locale="zh-CN")).new_page()
    await sign_in(other, city, operator, f"/operate/seals/{seal.seal_id}/grants")
    await other.locator("li", has_text="赵得印").get_by_role("button", name="批准").click()
    await expect(other.locator("li", has_text="赵得印").get_by_role("button", name="批准")).to_have_count(0)
    assert [one.seal_id for one in await seals.usable_by(officer, matter_code=demo_city.MATTER_FOOD)] == [seal.seal_id]
    assert await seals.usable_by(officer, matter_code=demo_city.MATTER_BUSINESS) == ()
    await other.context.close()

    await page.reload()
    await page.locator("li", has_text="赵得印").get_by_role("button", name="撤回").click()
    await expect(page.locator("li", has_text="赵得印")).to_have_count(0)
    assert await seals.usable_by(officer) == ()

    bystander = await (await browser.new_context(locale="zh-CN")).new_page()
    await sign_in(bystander, city, demo_city.OFFICERS[1], "/desk/seals")
    answer = await bystander.goto(f"{city.url}/desk/seals/{seal.seal_id}/grants")
    assert answer is not None
    assert answer.status == 404
    await bystander.context.close()


async def test_a_seal_is_replaced_by_a_successor(context: BrowserContext, browser: Browser, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, demo_city.OFFICERS[1], "/desk/seals")
    await page.locator("summary", has_text="换发新章").click()
    await page.get_by_role("button", name="申请换发").click()
    await expect(page.get_by_text("启用时，备案号")).to_be_visible()

    other = await (await browser.new_context(locale="zh-CN")).new_page()
    await sign_in(other, city, FIRST, "/operate/seals")
    land = other.locator("section", has_text=demo_city.LAND_BUREAU.name)
    fresh = land.locator("li", has_text="启用时，备案号")
    await fresh.get_by_role("button", name="批准").click()
    await fresh.get_by_role("button", name="制作").click()
    await fresh.get_by_label("备案号").first.fill("5001000000079")
    await fresh.get_by_role("button", name="备案").click()
    await fresh.get_by_role("button", name="启用").click()
    await expect(land.get_by_text("这枚印章接替了备案号")).to_be_visible()
    await expect(land.get_by_text("已注销，不能再用")).to_be_visible()
    seals = await city.application.signing.seals.of_organisation(demo_city.LAND_BUREAU.credit_code)
    old, new = seals[-2:]
    await other.goto(f"{city.url}/operate/seals/{new.seal_id}/grants")
    await expect(other.get_by_text("还没有人可以使用。")).to_be_visible()
    await expect(other.get_by_text("人员还须有“盖章”权限")).to_be_visible()
    await other.get_by_role("button", name="沿用，交另一个人批准").click()
    await expect(other.get_by_role("heading", name="等待另一个人批准")).to_be_visible()
    await expect(other.get_by_role("button", name="沿用，交另一个人批准")).to_have_count(0)
    await expect(other.get_by_role("button", name="批准", exact=True)).to_have_count(0)
    await other.context.close()
    assert (old.state, new.state, new.replaces) == (SealState.CANCELLED, SealState.ACTIVE, old.seal_id)
    assert old.key_id != new.key_id
