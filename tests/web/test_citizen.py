"""A citizen in a real browser: register, prove the name, see and show licences, see who looked."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from api.examples import ISSUE
from tests.support.real_name_authority import CITIZENS

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City
    from tests.support.real_name_authority import Citizen

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "Quiet-tally-of-bronze-7"
LI_MING = CITIZENS[1]


async def register(page: Page, city: City) -> str:
    name = f"citizen{uuid.uuid4().hex[:10]}"
    await page.goto(f"{city.url}/register")
    await page.get_by_label("用户名").fill(name)
    await page.locator("#password").fill(PASSWORD)
    await page.get_by_label("再输一遍密码").fill(PASSWORD)
    await page.get_by_role("button", name="注册", exact=True).click()
    await expect(page.get_by_role("heading", name="还差一步：实名认证")).to_be_visible()
    return name


async def prove(page: Page, *, card: str = LI_MING.bank_card) -> None:
    await page.get_by_label("姓名").fill(LI_MING.name)
    await page.get_by_label("公民身份号码").fill(LI_MING.citizen_id_number)
    await page.get_by_label("银行卡号").fill(card)
    await page.get_by_label("银行预留手机号").fill(LI_MING.mobile)
    await page.get_by_role("button", name="提交核对").click()


async def sign_in_citizen(page: Page, city: City, name: str, password: str) -> None:
    await page.goto(f"{city.url}/sign-in")
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(password)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_role("button", name="退出", exact=True)).to_be_visible()


async def issue_to(city: City, person: Citizen) -> str:
    headers = await city.headers() | {"idempotency-key": uuid.uuid4().hex}
    holder = {"name": person.name, "code_type": "111", "code": person.citizen_id_number}
    face = ISSUE["face"] | {"legal_representative": person.name}
    body = ISSUE | {"holders": [holder], "face": face}
    answer = await city.http.post("/api/v1/licences", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["identifier"]
    return identifier


async def test_the_whole_journey(context: BrowserContext, city: City, tmp_path: Path) -> None:
    identifier = await issue_to(city, LI_MING)
    page = await context.new_page()
    name = await register(page, city)
    await page.get_by_role("link", name="现在认证").click()
    await page.get_by_role("link", name="用银行卡").click()
    await prove(page)
    await expect(page.get_by_text("实名认证已通过。")).to_be_visible()
    await page.get_by_role("link", name="继续").click()

    await page.goto(f"{city.url}/licences/{identifier}")
    await expect(page.get_by_text("有效", exact=True).first).to_be_visible()
    await expect(page.get_by_text(LI_MING.name, exact=True)).to_have_count(0)
    await page.get_by_role("link", name="显示完整内容").click()
    await expect(page.get_by_text(LI_MING.name, exact=True).first).to_be_visible()
    await expect(page.get_by_text("热食类食品制售；冷食类食品制售")).to_be_visible()

    picture = await page.get_by_alt_text("证照二维码").screenshot()
    with Image.open(io.BytesIO(picture)) as image:
        codes = zxingcpp.read_barcodes(image.convert("L"))
    assert "#HF1" in codes[0].text

    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="下载盖章的 PDF").click()
    file = tmp_path / "licence.pdf"
    await (await downloading.value).save_as(file)
    assert file.read_bytes().startswith(b"%PDF-")

    headers = await city.headers()
    reason = "核对经营许可原件"
    read = await city.http.get(
        f"/api/v1/licences/{identifier}",
        params={"reason": reason, "matter_code": "500100-0131-001", "case_number": "2026-7", "operator": "xs0017"},
        headers=headers,
    )
    assert read.status_code == 200, read.text
    await page.goto(f"{city.url}/accesses")
    await expect(page.get_by_text(reason).first).to_be_visible()

    await page.get_by_role("button", name="退出").click()
    await page.goto(f"{city.url}/licences/{identifier}")
    await expect(page.get_by_role("heading", name="登录")).to_be_visible()
    await page.get_by_label("用户名").fill(name)
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_role("heading", name="食品经营许可证")).to_be_visible()


async def test_a_wrong_card_is_told_without_saying_which_element_failed(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await register(page, city)
    await page.goto(f"{city.url}/real-name/bank_card")
    await prove(page, card="123")
    await expect(page.get_by_text("卡号不对，请照卡面检查是否漏输")).to_be_visible()
    assert await page.get_by_label("姓名").input_value() == LI_MING.name
    await prove(page, card=CITIZENS[2].bank_card)
    await expect(page.get_by_text("这几项不属于同一个人")).to_be_visible()


async def test_the_code_of_a_licence_opens_the_verdict(context: BrowserContext, city: City) -> None:
    identifier = await issue_to(city, LI_MING)
    licence = await city.http.get(f"/api/v1/licences/{identifier}", headers=await city.headers())
    sent: list[str] = []
    page = await context.new_page()
    page.on("request", lambda request: sent.append(request.url))
    await page.goto(licence.json()["qr_text"])
    await expect(page.get_by_role("heading", name="有效", exact=True)).to_be_visible()
    assert not [address for address in sent if "HF1" in address.partition("#")[0]]


async def test_language_and_large_type_stay_chosen(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await page.goto(f"{city.url}/v")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Verify a licence or a sealed document")).to_be_visible()
    await page.get_by_role("button", name="Larger").click()
    await page.goto(f"{city.url}/sign-in")
    assert await page.evaluate("getComputedStyle(document.documentElement).fontSize") == "20px"
    assert await page.evaluate("document.documentElement.lang") == "en"


async def test_pages_work_by_keyboard_alone(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await page.goto(f"{city.url}/v")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    await page.get_by_label("证照标识").focus()
    await page.keyboard.type("1.2.156.3005.2.nothing")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="无效", exact=True)).to_be_visible()
    outline = "getComputedStyle(document.activeElement).outlineWidth"
    await page.keyboard.press("Tab")
    assert await page.evaluate(outline) == "3px"
