"""The example portal against the service: sign in through Hufu at L2, apply, issue, verify."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import expect

from examples.department_portal.app import create_app
from examples.department_portal.config import Config
from foundation.principal import SYSTEM
from hufu import demo_city
from idp.oauth.clients import ClientRegistration
from tests.api.city import free_port, serve
from tests.web.test_citizen import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def portal(city: City) -> AsyncIterator[str]:
    """Yield the address of a portal that the service knows as a client."""
    port = free_port()
    address = f"http://localhost:{port}"
    made = await city.application.services.clients.register(
        SYSTEM,
        ClientRegistration(
            client_name="演示市食品经营许可系统",
            organisation_code=demo_city.MARKET_BUREAU.credit_code,
            redirect_uris=(f"{address}/callback",),
            sector_identifier="localhost",
            scopes=demo_city.PORTAL.scopes,
            grant_types=frozenset({"client_credentials", "authorization_code"}),
        ),
        client_id=f"portal-{uuid.uuid4().hex[:8]}",
    )
    assert made.client_secret is not None
    config = Config(city.url, address, made.client_id, made.client_secret)
    server, serving = await serve(create_app(config), port)
    yield address
    server.should_exit = True
    await serving


async def sign_in_through_hufu(page: Page, portal: str, username: str, password: str) -> None:
    await page.goto(portal)
    await page.get_by_role("link", name="用统一身份登录").click()
    await page.get_by_label("用户名").fill(username)
    await page.get_by_label("密码").fill(password)
    await page.get_by_role("button", name="登录", exact=True).click()


async def test_a_citizen_signs_in_applies_and_gets_a_licence(context: BrowserContext, portal: str) -> None:
    page = await context.new_page()
    await sign_in_through_hufu(page, portal, "chenwei", demo_city.CITIZEN_PASSWORD)
    await page.get_by_role("button", name="同意并登录").click()
    await expect(page.get_by_role("heading", name="您好，陈伟")).to_be_visible()
    await expect(page.get_by_text("银联卡")).to_be_visible()
    await expect(page.get_by_text("L2", exact=True)).to_be_visible()

    await page.get_by_role("link", name="新的申请").click()
    await page.get_by_label("经营场所").fill("短")
    await page.get_by_role("button", name="提交申请").click()
    await expect(page.get_by_text("请填写完整的经营场所地址")).to_be_visible()
    await expect(page.get_by_text("请至少选择一项经营项目")).to_be_visible()
    await page.get_by_label("经营场所").fill("演示市东江区滨江路 18 号一层")
    await page.get_by_label("热食类食品制售").check()
    await page.get_by_role("button", name="提交申请").click()
    await expect(page.get_by_text("审批中")).to_be_visible()

    await page.goto(f"{portal}/window")
    await page.get_by_role("button", name="审批通过并发证").click()
    await expect(page.get_by_text("已发证")).to_be_visible()
    identifier = await page.locator(".mono").last.inner_text()
    await page.goto(f"{portal}/verify")
    await page.get_by_label("证照标识").fill(identifier)
    await page.get_by_role("button", name="核验").click()
    await expect(page.get_by_role("status")).to_contain_text("有效")


async def test_who_declines_comes_back_without_a_sign_in(context: BrowserContext, portal: str) -> None:
    page = await context.new_page()
    await sign_in_through_hufu(page, portal, "zhangxiuying", demo_city.CITIZEN_PASSWORD)
    await page.get_by_role("button", name="不同意").click()
    await expect(page.get_by_text("您没有同意登录。")).to_be_visible()


async def test_somebody_not_proven_is_asked_to_prove_the_name_first(
    context: BrowserContext, city: City, portal: str
) -> None:
    page = await context.new_page()
    name = f"fresh{uuid.uuid4().hex[:10]}"
    await page.goto(portal)
    await page.get_by_role("link", name="用统一身份登录").click()
    await page.get_by_role("link", name="注册一个").click()
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码", exact=True).fill(PASSWORD)
    await page.get_by_label("再输一遍密码").fill(PASSWORD)
    await page.get_by_role("button", name="注册", exact=True).click()
    await expect(page.get_by_role("heading", name="选一种方式完成实名认证")).to_be_visible()
    await expect(page.get_by_role("link", name="用手机号")).to_have_count(0)
    assert page.url.startswith(city.url)
