"""Passkeys with a virtual authenticator, devices, one-time codes: the account's own safety page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.clock import SystemClock
from idp.people import totp
from tests.web.browser import add_authenticator
from tests.web.test_citizen import PASSWORD, register

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_passkey_is_added_signs_in_and_is_removed(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await add_authenticator(page)
    await register(page, city)
    await page.goto(f"{city.url}/security")
    await page.get_by_role("button", name="添加通行密钥").click()
    await expect(page.get_by_role("button", name="删除")).to_be_visible()
    await page.get_by_role("button", name="退出", exact=True).click()

    await page.goto(f"{city.url}/sign-in?next=/security")
    await page.get_by_role("button", name="用通行密钥登录").click()
    await expect(page.get_by_role("heading", name="账号安全")).to_be_visible()
    await page.get_by_role("button", name="删除").click()
    await expect(page.get_by_role("button", name="删除")).to_have_count(0)


async def test_another_device_is_signed_out_from_here(context: BrowserContext, browser: Browser, city: City) -> None:
    page = await context.new_page()
    name = await register(page, city)
    other = await browser.new_context(locale="zh-CN")
    elsewhere = await other.new_page()
    await elsewhere.goto(f"{city.url}/sign-in")
    await elsewhere.get_by_label("用户名").fill(name)
    await elsewhere.get_by_label("密码").fill(PASSWORD)
    await elsewhere.get_by_role("button", name="登录", exact=True).click()
    await expect(elsewhere.get_by_role("heading", name="还差一步：实名认证")).to_be_visible()

    await page.goto(f"{city.url}/home")
    await expect(page.get_by_text("有一台新设备登录了您的账号")).to_be_visible()
    await page.goto(f"{city.url}/devices")
    await page.get_by_role("button", name="让它退出").click()
    await expect(page.get_by_role("button", name="让它退出")).to_have_count(0)
    await elsewhere.goto(f"{city.url}/home")
    await expect(elsewhere.get_by_role("heading", name="登录")).to_be_visible()
    await other.close()


async def test_one_time_codes_are_turned_on_and_then_asked_for(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    name = await register(page, city)
    await page.goto(f"{city.url}/security")
    await page.get_by_role("button", name="开启动态码").click()
    await page.get_by_text("不能扫码？手工输入").click()
    secret = (await page.locator("details p.mono").inner_text()).replace(" ", "")
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = totp.step_of(SystemClock().now())
    await page.get_by_label("6 位动态码").fill(totp.code_at(key, step))
    await page.get_by_role("button", name="确认").click()
    await expect(page.get_by_role("heading", name="请抄下备用码")).to_be_visible()
    recovery = await page.locator(".codes li").first.inner_text()
    await page.get_by_role("button", name="退出", exact=True).click()

    await page.goto(f"{city.url}/sign-in")
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await page.get_by_label("6 位动态码").fill(recovery)
    await page.get_by_role("button", name="确认").click()
    await expect(page.get_by_role("heading", name="还差一步：实名认证")).to_be_visible()
