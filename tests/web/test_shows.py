"""亮证 with two browsers: the citizen's phone shows, the window scans, the phone agrees, the window sees."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from hufu import demo_city
from tests.support.real_name_authority import CITIZENS
from tests.web.browser import PHONE
from tests.web.test_citizen import issue_to, sign_in_citizen
from tests.web.test_desk import sign_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_window_sees_a_licence_only_after_the_phone_agreed(
    context: BrowserContext, browser: Browser, city: City
) -> None:
    chen_wei = CITIZENS[0]
    identifier = await issue_to(city, chen_wei)
    pocket = await browser.new_context(viewport=PHONE, locale="zh-CN")
    phone, window = await pocket.new_page(), await context.new_page()
    await sign_in_citizen(phone, city, "chenwei", demo_city.CITIZEN_PASSWORD)
    await phone.goto(f"{city.url}/licences/{identifier}")
    await phone.get_by_role("button", name="出示给窗口").click()
    picture = await phone.get_by_alt_text("亮证码").screenshot()
    with Image.open(io.BytesIO(picture)) as image:
        code = zxingcpp.read_barcodes(image.convert("L"))[0].text
    assert code.startswith("HUFU-SHOW:")
    await expect(phone.locator("#left")).to_contain_text("还有 4 分")
    await phone.reload()
    await phone.get_by_text("扫不了？把下面的数字报给窗口").click()
    digits = "".join(await phone.locator(".digits span").all_inner_texts())
    assert f"HUFU-SHOW:{digits}" == code
    await pocket.clear_cookies(name="hufu-show")
    tab = await pocket.new_page()
    await tab.goto(phone.url)
    await expect(tab.get_by_role("heading", name="这个码不在这台设备上")).to_be_visible()
    await tab.goto(f"{city.url}/licences/{identifier}/show")
    await expect(tab.get_by_role("button", name="出示给窗口")).to_be_visible()
    await tab.close()

    await sign_in(window, city, demo_city.OFFICERS[2], "/desk/check")
    await window.get_by_label("亮证码").fill(" ".join(digits[at : at + 4] for at in range(0, len(digits), 4)))
    await window.get_by_label("办理事项").select_option(demo_city.MATTER_FOOD)
    await window.get_by_label("办件号").fill("2026-0131-000042")
    await window.get_by_label("理由").fill("核对经营许可原件")
    await window.get_by_role("button", name="扫码").click()
    await expect(window.get_by_role("heading", name="等待申请人在手机上同意")).to_be_visible()
    await expect(window.get_by_text(chen_wei.name)).to_have_count(0)

    await expect(phone.get_by_text("核对经营许可原件")).to_be_visible()
    await expect(phone.get_by_role("heading", name="演示市西山区政务服务中心 想查看您的证照")).to_be_visible()
    await phone.get_by_role("button", name="同意，只此一次").click()
    await expect(phone.get_by_text("您已同意")).to_be_visible()

    await window.get_by_role("button", name="查看证照（只能看一次）").click(timeout=15_000)
    await expect(window.get_by_text(chen_wei.name).first).to_be_visible()
    await expect(window.get_by_role("heading", name="食品经营许可证")).to_be_visible()
    await phone.goto(f"{city.url}/accesses")
    await expect(phone.get_by_text("核对经营许可原件").first).to_be_visible()

    await window.goto(f"{city.url}/desk/check")
    await window.get_by_label("亮证码").fill(code)
    await window.get_by_label("办件号").fill("2")
    await window.get_by_label("理由").fill("再看一次")
    await window.get_by_role("button", name="扫码").click()
    await expect(window.get_by_text("亮证码无效、已用过或已过期")).to_be_visible()
    await pocket.close()
