"""The own pages in a real browser: a number proven, accounts merged, data taken along, the account closed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.clock import SystemClock
from foundation.principal import Channel
from idp.people import totp
from tests.support.real_name_authority import CITIZENS
from tests.web.browser import add_authenticator
from tests.web.test_citizen import PASSWORD, register, sign_in_citizen
from tests.web.test_mandates import page_of, proven
from tests.web.test_sign_in_ways import message_to, no_pause

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

PERSON = CITIZENS[3]


async def verify_mobile(page: Page, city: City) -> None:
    await no_pause(city)
    await page.goto(f"{city.url}/security/mobile")
    await page.get_by_label("手机号").fill(PERSON.mobile)
    await page.get_by_role("button", name="获取验证码").click()
    await page.get_by_label("6 位验证码").fill(await message_to(city, PERSON.mobile))
    await page.get_by_role("button", name="确认").click()
    await expect(page.get_by_text("手机号已验证，可以用它登录")).to_be_visible()
    await no_pause(city)


async def test_accounts_of_one_person_are_merged_and_separated(context: BrowserContext, city: City) -> None:
    older, newer = await proven(city, PERSON), await proven(city, PERSON)
    page = await page_of(context, city, newer)
    await expect(page.get_by_text("您还有别的账号，可以合并到一起管理")).to_be_visible()
    await page.get_by_role("link", name="去合并").click()
    card = page.locator(".card", has_text=older)
    await card.get_by_role("button", name="合并到这个账号").click()
    await expect(page.get_by_role("heading", name=f"把 {older} 合并到这个账号？")).to_be_visible()
    await page.get_by_role("button", name="合并", exact=True).click()
    await expect(card.get_by_text("已合并")).to_be_visible()
    await page.goto(f"{city.url}/notices")
    await expect(page.get_by_text("您的另一个账号已与这个账号合并")).to_be_visible()
    await page.goto(f"{city.url}/accounts")
    await card.get_by_role("button", name="重新分开").click()
    await expect(card.get_by_role("button", name="合并到这个账号")).to_be_visible()


async def test_everything_held_is_taken_along(context: BrowserContext, city: City, tmp_path: Path) -> None:
    page = await page_of(context, city, await proven(city, PERSON))
    await page.goto(f"{city.url}/my-data")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="下载我的数据").click()
    file = tmp_path / "data.json"
    await (await downloading.value).save_as(file)
    data = json.loads(file.read_text())
    assert data["person"]["document_number"] == PERSON.citizen_id_number
    assert {"account", "evidence", "sessions", "sign_ins", "mandates_given", "done_in_my_name"} <= set(data)


async def test_closing_says_what_happens_and_takes_a_code(context: BrowserContext, city: City) -> None:
    name = await proven(city, PERSON)
    page = await page_of(context, city, name)
    await page.goto(f"{city.url}/my-data/close")
    await expect(page.get_by_text("立刻从所有设备退出，再也不能登录")).to_be_visible()
    await expect(page.get_by_text("请先验证手机号，或开启动态码、通行密钥")).to_be_visible()
    await expect(page.get_by_role("button", name="注销这个账号")).to_have_count(0)
    await verify_mobile(page, city)
    await page.goto(f"{city.url}/my-data/close")
    await page.get_by_role("button", name="获取验证码").click()
    await page.get_by_label("密码").fill("wrong-password")
    await page.get_by_label("6 位验证码").fill(await message_to(city, PERSON.mobile))
    await page.get_by_role("button", name="注销这个账号").click()
    await expect(page.get_by_text("请先勾选“我知道注销后不能恢复”")).to_be_visible()
    await page.get_by_label("我知道注销后不能恢复").check()
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_label("6 位验证码").fill("000000")
    await page.get_by_role("button", name="注销这个账号").click()
    await expect(page.get_by_text("验证码不对或已经过期")).to_be_visible()
    await page.get_by_label("我知道注销后不能恢复").check()
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_label("6 位验证码").fill(await message_to(city, PERSON.mobile))
    await page.get_by_role("button", name="注销这个账号").click()
    await expect(page.get_by_text("账号已经注销。")).to_be_visible()
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_text("用户名或密码不对")).to_be_visible()


async def test_closing_with_one_time_codes_takes_one_of_them(context: BrowserContext, city: City) -> None:
    people, name = city.application.people, await proven(city, PERSON)
    session = await people.sessions.sign_in(name, PASSWORD, source="192.0.2.79", channel=Channel.WEB)
    secret = (await people.second_factors.begin_totp(session.principal())).secret_base32
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = totp.step_of(SystemClock().now())
    codes = await people.second_factors.confirm_totp(session.principal(), totp.code_at(key, step))
    page = await context.new_page()
    await page.goto(f"{city.url}/sign-in")
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await page.get_by_label("6 位动态码").fill(codes[0])
    await page.get_by_role("button", name="确认").click()
    await page.goto(f"{city.url}/my-data/close")
    await expect(page.get_by_label("6 位动态码")).to_have_count(0)
    await page.get_by_label("密码").fill("wrong-password")
    await page.get_by_label("我知道注销后不能恢复").check()
    await page.get_by_role("button", name="注销这个账号").click()
    await expect(page.get_by_text("密码不对，请重新输入")).to_be_visible()
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_label("我知道注销后不能恢复").check()
    await page.get_by_role("button", name="注销这个账号").click()
    await expect(page.get_by_text("账号已经注销。")).to_be_visible()


async def test_one_time_codes_are_turned_off_with_a_last_one(context: BrowserContext, city: City) -> None:
    people, name = city.application.people, await proven(city, PERSON)
    page = await context.new_page()
    await sign_in_citizen(page, city, name, PASSWORD)
    session = await people.sessions.sign_in(name, PASSWORD, source="192.0.2.79", channel=Channel.WEB)
    secret = (await people.second_factors.begin_totp(session.principal())).secret_base32
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = totp.step_of(SystemClock().now())
    codes = await people.second_factors.confirm_totp(session.principal(), totp.code_at(key, step))
    await page.goto(f"{city.url}/security")
    await page.get_by_text("关闭动态码").click()
    await page.get_by_label("6 位动态码或备用码").fill("000000")
    await page.get_by_role("button", name="关闭", exact=True).click()
    await expect(page.get_by_text("动态码不对或已经用过")).to_be_visible()
    await page.get_by_label("6 位动态码或备用码").fill(codes[1])
    await page.get_by_role("button", name="关闭", exact=True).click()
    await expect(page.get_by_text("动态码已关闭。")).to_be_visible()


async def test_what_was_typed_is_shown_again_when_the_session_has_ended(context: BrowserContext, city: City) -> None:
    page = await page_of(context, city, await proven(city, PERSON))
    await page.goto(f"{city.url}/mandates/new")
    await page.get_by_label("对方的用户名").fill("some.neighbour")
    await page.get_by_label("对方的姓名").fill("王小明")
    await context.clear_cookies(name="hufu-session")
    await page.get_by_role("button", name="发出授权").click()
    await expect(page.get_by_text("您刚才填的内容")).to_be_visible()
    await expect(page.get_by_text("some.neighbour")).to_be_visible()
    await expect(page.get_by_text("王小明")).to_be_visible()
    await page.get_by_role("link", name="去登录").click()
    await expect(page.get_by_role("heading", name="登录", exact=True)).to_be_visible()
    assert page.url.endswith("next=%2Fmandates%2Fnew")


async def test_an_account_with_a_passkey_is_closed_after_signing_in_with_it_again(
    context: BrowserContext, city: City
) -> None:
    page = await context.new_page()
    await add_authenticator(page)
    name = await register(page, city)
    await page.goto(f"{city.url}/security")
    await page.get_by_role("button", name="添加通行密钥").click()
    await expect(page.get_by_role("button", name="删除")).to_be_visible()
    await page.goto(f"{city.url}/my-data/close")
    await expect(page.get_by_text("请先用通行密钥重新登录一次")).to_be_visible()
    await expect(page.get_by_role("button", name="注销这个账号")).to_have_count(0)
    await page.get_by_role("link", name="用通行密钥重新登录").click()
    await page.get_by_role("button", name="用通行密钥登录").click()
    await expect(page.get_by_role("button", name="注销这个账号")).to_be_visible()
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_label("我知道注销后不能恢复").check()
    await page.get_by_role("button", name="注销这个账号").click()
    await expect(page.get_by_text("账号已经注销。")).to_be_visible()
    await page.get_by_role("button", name="用通行密钥登录").click()
    await expect(page.locator("[role=alert]").first).to_be_visible()
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_text("用户名或密码不对")).to_be_visible()
