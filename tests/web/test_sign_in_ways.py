"""Every way to sign in, in a real browser, with a department's request waiting all the while."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect
from sqlalchemy import select

from foundation.principal import Channel
from idp.people.errors import SignInRefused
from idp.people.tables import mobile_codes
from idp.people.throttle import ThrottlePolicy
from tests.support.real_name_authority import CITIZENS
from tests.web.browser import PHONE
from tests.web.test_citizen import PASSWORD, sign_in_citizen
from tests.web.test_department_portal import portal
from tests.web.test_mandates import proven

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

    from tests.api.city import City

__all__ = ["portal"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW_PASSWORD = "竹子-早班车-蓝伞-77"


async def message_to(city: City, mobile: str) -> str:
    """Return the code the newest short message to a number holds, delivered as a worker would."""
    people = city.application.people
    async with city.application.services.database.read() as connection:
        statement = select(mobile_codes.c.code_id).order_by(mobile_codes.c.created_at.desc()).limit(1)
        code_id = (await connection.execute(statement)).scalar_one()
    await people.mobile_codes.deliver({"code_id": code_id})
    return city.sms.code_for(mobile)


async def with_proven_mobile(city: City, name: str, mobile: str) -> None:
    """Prove a number for an account, without the browser."""
    people = city.application.people
    session = await people.sessions.sign_in(name, PASSWORD, source="192.0.2.77", channel=Channel.WEB)
    code_id = await people.mobile_codes.send("verify", mobile, source="192.0.2.77", principal=session.principal())
    code = await message_to(city, mobile)
    await people.mobile_codes.verify_mobile(session.principal(), code_id, code, source="192.0.2.1")
    await no_pause(city)


async def no_pause(city: City) -> None:
    """Let the minute between two messages pass."""
    cache = city.application.services.cache
    async for key in cache.client.scan_iter(match=cache.key("throttle:message_pause:*")):
        await cache.client.delete(key)


async def begin_at(page: Page, portal: str) -> None:
    await page.goto(portal)
    await page.get_by_role("link", name="用统一身份登录").click()
    await expect(page.get_by_text("登录后将返回您刚才的办事系统。")).to_be_visible()


async def is_back(page: Page, portal: str, name: str) -> None:
    await page.get_by_role("button", name="同意并登录").click()
    await expect(page.get_by_role("heading", name=f"您好，{name}")).to_be_visible()
    assert page.url.startswith(portal)


async def test_a_code_by_message_signs_in_and_goes_back_to_the_department(
    context: BrowserContext, city: City, portal: str
) -> None:
    person = CITIZENS[4]
    await with_proven_mobile(city, await proven(city, person), person.mobile)
    page = await context.new_page()
    await begin_at(page, portal)
    await page.get_by_role("link", name="用短信验证码登录").click()
    await page.get_by_label("手机号").fill("123")
    await page.get_by_role("button", name="获取验证码").click()
    await expect(page.get_by_text("手机号须为 11 位")).to_be_visible()
    assert await page.get_by_label("手机号").input_value() == "123"
    await page.get_by_label("手机号").fill(person.mobile)
    await page.get_by_role("button", name="获取验证码").click()
    await page.get_by_label("6 位验证码").fill("000000")
    code = await message_to(city, person.mobile)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_text("验证码不对或已经过期")).to_be_visible()
    await page.get_by_role("button", name="再发一次").click()
    await expect(page.get_by_text("验证码刚刚已经发出，请看手机短信。请等大约")).to_be_visible()
    await page.get_by_label("6 位验证码").fill(code)
    await page.get_by_role("button", name="登录", exact=True).click()
    await is_back(page, portal, person.name)


async def test_a_phone_signs_a_screen_in_after_seeing_which(
    context: BrowserContext, browser: Browser, city: City, portal: str
) -> None:
    person = CITIZENS[4]
    name = await proven(city, person)
    screen = await context.new_page()
    await begin_at(screen, portal)
    await screen.get_by_role("link", name="用已登录的手机扫码登录").click()
    number = await screen.locator("b.big").inner_text()
    ticket = await screen.locator('#qr-sign-in input[name="ticket"]').get_attribute("value")
    pocket = await browser.new_context(viewport=PHONE, locale="zh-CN")
    phone = await pocket.new_page()
    await phone.goto(f"{city.url}/sign-in/phone/{ticket}")
    await phone.get_by_label("用户名").fill(name)
    await phone.get_by_label("密码").fill(PASSWORD)
    await phone.get_by_role("button", name="登录", exact=True).click()
    await expect(phone.locator("b.big")).to_have_count(0)
    await expect(phone.get_by_text("Chrome · Linux")).to_be_visible()
    await expect(screen.get_by_text("等待手机同意")).to_be_visible()
    await phone.get_by_label("那块屏幕上的两位数字").fill(number)
    await phone.get_by_role("button", name="同意登录").click()
    await expect(phone.get_by_text("已同意。那块屏幕会自己继续")).to_be_visible()
    await is_back(screen, portal, person.name)
    await phone.goto(f"{city.url}/sign-in/phone/{ticket}")
    await expect(phone.get_by_role("heading", name="这个码已过期或用过")).to_be_visible()
    await phone.goto(f"{city.url}/devices")
    await expect(phone.get_by_text("扫码").first).to_be_visible()
    await pocket.close()


async def test_a_wrong_number_on_the_phone_ends_the_sign_in(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    """Somebody was sent a thief's code and agrees to whatever comes up."""
    name = await proven(city, CITIZENS[4])
    screen = await context.new_page()
    await screen.goto(f"{city.url}/sign-in/qr")
    number = await screen.locator("b.big").inner_text()
    ticket = await screen.locator('#qr-sign-in input[name="ticket"]').get_attribute("value")
    pocket = await browser.new_context(viewport=PHONE, locale="zh-CN")
    phone = await pocket.new_page()
    await sign_in_citizen(phone, city, name, PASSWORD)
    for typed, says in (("", ""), (f"{(int(number) + 1) % 100:02d}", "数字不对，这次登录已作废")):
        await phone.goto(f"{city.url}/sign-in/phone/{ticket}")
        await phone.get_by_label("那块屏幕上的两位数字").fill(typed)
        await phone.get_by_role("button", name="同意登录").click()
        if says:
            await expect(phone.get_by_role("heading", name=says)).to_be_visible()
    await expect(screen.get_by_text("这个码已过期。")).to_be_visible()
    await phone.goto(f"{city.url}/sign-in/phone/{ticket}")
    await expect(phone.get_by_role("heading", name="这个码已过期或用过")).to_be_visible()
    await pocket.close()


async def test_a_forgotten_password_is_replaced_by_proving_the_name(
    context: BrowserContext, city: City, portal: str
) -> None:
    person = CITIZENS[5]
    name = await proven(city, person)
    page = await context.new_page()
    await begin_at(page, portal)
    await page.get_by_role("link", name="忘记密码？").click()
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("姓名").fill(person.name)
    await page.get_by_label("公民身份号码").fill("500101199902300011")
    await page.get_by_label("本人实名登记的手机号").fill(person.mobile)
    await page.get_by_role("button", name="获取短信验证码").click()
    await expect(page.get_by_text("公民身份号码须为 18 位")).to_be_visible()
    assert await page.get_by_label("姓名").input_value() == person.name
    await page.get_by_label("公民身份号码").fill(person.citizen_id_number)
    await page.get_by_role("button", name="获取短信验证码").click()
    await expect(page.get_by_text("验证码正发往")).to_be_visible()
    await page.get_by_label("6 位验证码").fill(await message_to(city, person.mobile))
    await page.get_by_label("新密码", exact=True).fill("19900307")
    await page.get_by_label("再输一遍新密码").fill("19900307")
    await page.get_by_role("button", name="设新密码").click()
    await expect(page.get_by_text("密码像是生日或日期")).to_be_visible()
    await page.get_by_label("6 位验证码").fill(await message_to(city, person.mobile))
    await page.get_by_label("新密码", exact=True).fill(NEW_PASSWORD)
    await page.get_by_label("再输一遍新密码").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="设新密码").click()
    await expect(page.get_by_text("新密码已经生效")).to_be_visible()
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await is_back(page, portal, person.name)


async def test_who_tries_too_often_is_told_how_long_to_wait(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    name = f"nobody{uuid.uuid4().hex[:10]}"
    statuses = []
    page.on("response", lambda answer: statuses.append(answer.status) if answer.url.endswith("/sign-in") else None)
    await page.goto(f"{city.url}/sign-in")
    for stranger in range(ThrottlePolicy().strangers_per_account):
        with pytest.raises(SignInRefused):
            await city.application.people.sessions.sign_in(
                name, "wrong", source=f"198.51.100.{stranger}", channel=Channel.WEB
            )
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill("wrong-password")
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_text("试的次数太多")).to_contain_text("请等大约 15 分钟 再试")
    assert statuses[-1] == 429
    assert await page.get_by_label("用户名").input_value() == name


async def test_a_reset_by_somebody_else_is_told_to_the_owner(context: BrowserContext, city: City) -> None:
    person = CITIZENS[5]
    name = await proven(city, person)
    people = city.application.people
    await no_pause(city)
    code_id = await people.mobile_codes.send("recover", person.mobile, source="192.0.2.78")
    await people.recovery.recover(
        name,
        "telecom",
        person.elements("telecom"),
        code_id=code_id,
        unverified_code=await message_to(city, person.mobile),
        unverified_new_password=NEW_PASSWORD,
        channel=Channel.WEB,
    )
    page = await context.new_page()
    await sign_in_citizen(page, city, name, NEW_PASSWORD)
    await expect(page.get_by_text("有人通过实名核对重设了您的密码")).to_be_visible()
    await page.get_by_role("button", name="都知道了").click()
    await expect(page.get_by_text("有人通过实名核对重设了您的密码")).to_have_count(0)
    await page.goto(f"{city.url}/notices")
    await expect(page.get_by_text("有人通过实名核对重设了您的密码")).to_be_visible()
