"""Verification pages in a real browser: a dropped PDF, a receipt, files that cannot be examined."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.async_api import expect

from api.examples import ISSUE
from tests.api.documents import blank_pdf
from tests.web.browser import PHONE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

DROP = """([selector, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "application/pdf" }));
  const event = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  document.querySelector(selector).dispatchEvent(event);
}"""


async def licence_pdf(city: City) -> bytes:
    headers = await city.headers()
    issued = await city.http.post(
        "/api/v1/licences", json=ISSUE, headers=headers | {"idempotency-key": uuid.uuid4().hex}
    )
    found = await city.http.get(f"/api/v1/licences/{issued.json()['identifier']}/pdf", headers=headers)
    return bytes(found.content)


async def drop(page: Page, city: City, data: bytes) -> None:
    await page.goto(f"{city.url}/v")
    await page.evaluate(DROP, ["#drop", "文件.pdf", base64.b64encode(data).decode()])


async def test_a_dropped_licence_is_valid_and_its_receipt_checks(
    context: BrowserContext, city: City, tmp_path: Path
) -> None:
    page = await context.new_page()
    await drop(page, city, await licence_pdf(city))
    await expect(page.get_by_role("heading", name="有效", exact=True)).to_be_visible(timeout=20_000)
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="下载回执（签名文本）").click()
    file = tmp_path / "receipt.jws"
    await (await downloading.value).save_as(file)
    # What the seal covers is shown, and the technical report is at hand.
    await expect(page.get_by_alt_text("第 1 页，盖章时的样子")).to_be_visible()
    await expect(page.get_by_role("link", name="下载技术报告")).to_be_visible()
    async with page.expect_download() as sealing:
        await page.get_by_role("button", name="下载回执（盖章的 PDF）").click()
    paper = tmp_path / "receipt.pdf"
    await (await sealing.value).save_as(paper)
    await page.goto(f"{city.url}/v")
    await page.get_by_label("照片或文件").set_input_files(paper)
    await page.locator("#pdf-form button").last.click()
    await expect(page.get_by_role("heading", name="有效；不说明现在是否有效")).to_be_visible()
    await page.goto(f"{city.url}/v")
    await page.get_by_label("回执文字").fill(file.read_text())
    await page.get_by_role("button", name="核验回执").click()
    await expect(page.get_by_role("heading", name="有效；不说明现在是否有效")).to_be_visible()
    changed = file.read_text()[:-8] + "AAAAAAAA"
    await page.goto(f"{city.url}/v")
    await page.get_by_label("回执文字").fill(changed)
    await page.get_by_role("button", name="核验回执").click()
    await expect(page.get_by_role("heading", name="无效", exact=True)).to_be_visible()


async def test_a_changed_licence_is_invalid(context: BrowserContext, city: City) -> None:
    pdf = bytearray(await licence_pdf(city))
    at = pdf.index(b"stream") + 40
    pdf[at] ^= 1
    page = await context.new_page()
    await drop(page, city, bytes(pdf))
    await expect(page.get_by_role("heading", name="无效", exact=True)).to_be_visible()
    await expect(page.get_by_text("请对方提供盖章后没有改动的原文件")).to_be_visible()
    # What is on record is not said of the file; what failed stands first.
    await expect(page.get_by_text("证照登记的状态")).to_be_visible()
    await expect(page.locator(".checks li").first.locator(".failed, .unknown")).to_be_visible()


async def test_a_slip_of_the_hand_is_shown_and_put_right(context: BrowserContext, city: City) -> None:
    issued = await city.http.post(
        "/api/v1/licences", json=ISSUE, headers=await city.headers() | {"idempotency-key": uuid.uuid4().hex}
    )
    identifier: str = issued.json()["identifier"]
    *parts, check = identifier.split(".")
    slipped = ".".join([*parts, "0" if check != "0" else "1"])
    page = await context.new_page()
    await page.goto(f"{city.url}/v")
    await page.get_by_label("证照标识").fill(slipped)
    await page.locator("form[action='/v/identifier'] button").click()
    await expect(page.get_by_role("heading", name="无效", exact=True)).to_be_visible()
    await expect(page.get_by_text("可能是输错了")).to_be_visible()
    await expect(page.get_by_label("证照标识")).to_have_value(slipped)
    await page.get_by_label("证照标识").fill(identifier)
    await page.get_by_role("button", name="改好再验").click()
    await expect(page.get_by_role("heading", name="有效", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="改好再验")).to_have_count(0)


@pytest.mark.parametrize("typed", ["ＨＵＦＵ－ＳＨＯＷ：1234", "1234 " * 10])
async def test_a_show_code_is_for_the_window(context: BrowserContext, city: City, typed: str) -> None:
    page = await context.new_page()
    await page.goto(f"{city.url}/v")
    await page.get_by_label("证照标识").fill(typed)
    await page.locator("form[action='/v/identifier'] button").click()
    await expect(page.locator("#identifier-error")).to_contain_text("这是亮证码")
    await page.get_by_text("用扫码枪，或者只有文字？").click()
    await page.get_by_label("二维码文字").fill(typed)
    await page.locator("#qr-form button").click()
    await expect(page.get_by_role("alert")).to_contain_text("这是亮证码")


async def test_what_is_too_large_says_so(city: City) -> None:
    headers = {"origin": city.url, "accept": "text/html"}
    answer = await city.http.post("/v/pdf", files={"document": ("a.pdf", bytes(51 * 1024 * 1024))}, headers=headers)
    assert answer.status_code == 413
    assert "最大 50 MB" in answer.text
    assert "地址可能写错了" not in answer.text


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"PK\x03\x04", "这个文件不是 PDF"), (blank_pdf(), "这个 PDF 里没有任何电子签章")],
)
async def test_what_cannot_be_examined_says_why(
    context: BrowserContext, city: City, data: bytes, sentence: str
) -> None:
    page = await context.new_page()
    await drop(page, city, data)
    await expect(page.get_by_text(sentence)).to_be_visible()


async def test_a_photo_of_the_code_is_enough(context: BrowserContext, city: City, tmp_path: Path) -> None:
    headers = await city.headers()
    issued = await city.http.post(
        "/api/v1/licences", json=ISSUE, headers=headers | {"idempotency-key": uuid.uuid4().hex}
    )
    picture = await city.http.get(f"/api/v1/licences/{issued.json()['identifier']}/qr.png", headers=headers)
    file, blank = tmp_path / "code.png", tmp_path / "blank.png"
    file.write_bytes(picture.content)
    Image.new("L", (200, 200), 255).save(blank)
    page = await context.new_page()
    for chosen, said in ((file, "有效"), (blank, "图片里没有认出证照上的二维码")):
        await page.goto(f"{city.url}/v")
        await page.get_by_label("照片或文件").set_input_files(chosen)
        await page.locator("#pdf-form button").last.click()
        await expect(page.get_by_text(said).first).to_be_visible()


async def test_it_works_without_script_on_a_phone(browser: Browser, city: City, tmp_path: Path) -> None:
    context = await browser.new_context(viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    page = await context.new_page()
    file = tmp_path / "licence.pdf"
    file.write_bytes(await licence_pdf(city))
    await page.goto(f"{city.url}/v")
    await page.get_by_label("照片或文件").set_input_files(file)
    await page.locator("#pdf-form button").last.click()
    await expect(page.get_by_role("heading", name="有效", exact=True)).to_be_visible()
    await context.close()


@pytest.mark.parametrize("path", ["/", "/v", "/sign-in", "/register", "/nothing"])
async def test_nothing_is_wider_than_a_phone_even_in_large_type(browser: Browser, city: City, path: str) -> None:
    for language in ("zh-CN", "en"):
        context = await browser.new_context(viewport=PHONE)
        chosen = {"hufu-type": "large", "hufu-language": language}
        await context.add_cookies([{"name": name, "value": value, "url": city.url} for name, value in chosen.items()])
        page = await context.new_page()
        await page.goto(city.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), language
        await context.close()
