"""The offline page in a real browser, with the network cut: the same verdicts as the service's own code."""

from __future__ import annotations

import base64
import io
import zlib
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from api.web.rendering import STATIC
from foundation.clock import SystemClock
from tests.support import node
from tests.support.real_name_authority import CITIZENS
from tests.web.browser import Complaints, chromium
from tests.web.test_citizen import issue_to
from verification.model import Reason
from verification.offline import judge_code_offline
from verification.packs import read_pack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, FilePayload, Page

    from tests.api.city import City

READER = STATIC / "offline" / "reader"
AGED = """async () => {
  const kept = await caches.open("hufu-offline-data"), pack = await kept.match("/api/v1/offline-pack");
  const headers = { date: new Date(0).toUTCString() };
  await kept.put("/api/v1/offline-pack", new Response(await pack.blob(), { headers }));
}"""
KEPT_SINCE = "async () => Date.parse((await caches.match('/api/v1/offline-pack')).headers.get('date'))"
KEPT_BEFORE = """async () => {
  const shell = await caches.open("hufu-offline-shell");
  const behind = ["#HF1BBBB", "?a=HF1CCCC", "?a=1#HF1DDDD"];
  for (const part of behind) await shell.put("/v/offline" + part, new Response(""));
}"""
ADDRESSES = """async () => {
  const shell = await caches.open("hufu-offline-shell");
  return (await shell.keys()).map((request) => request.url);
}"""
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Yield the browser that people use, whole: cameras and kept pages are more than its engine."""
    async with chromium(whole=True) as opened:
        yield opened


async def code_of(city: City, identifier: str) -> str:
    answer = await city.http.get(f"/api/v1/licences/{identifier}", headers=await city.headers())
    text: str = answer.json()["qr_text"]
    return text


def forged(text: str) -> str:
    """Flip one bit of the signature and pack the code again."""
    encoded = text.rpartition("#HF1")[2]
    content = bytearray(zlib.decompress(base64.b32decode(encoded + "=" * (-len(encoded) % 8))))
    content[-1] ^= 1
    return "HF1" + base64.b32encode(zlib.compress(bytes(content), 9)).decode().rstrip("=")


def following(payload: str) -> str:
    """Let bytes follow the compressed content of a code."""
    encoded = payload.removeprefix("HF1")
    packed = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
    return "HF1" + base64.b32encode(packed + b"more").decode().rstrip("=")


def picture_of(text: str) -> Image.Image:
    """Return a picture of a code, a little askew."""
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(barcode.to_image(scale=5)).convert("L").rotate(4, expand=True, fillcolor="white")


async def choose(page: Page, picture: Image.Image) -> None:
    out = io.BytesIO()
    picture.save(out, "PNG")
    file: FilePayload = {"name": "code.png", "mimeType": "image/png", "buffer": out.getvalue()}
    await page.get_by_label("或选一张有二维码的照片").set_input_files(file)


def film(path: Path, text: str) -> None:
    """Write what a camera before a code sees, as uncompressed video."""
    width, height = 640, 640
    view = Image.new("L", (width, height), "white")
    code = picture_of(text)
    code.thumbnail((width, height))
    view.paste(code, ((width - code.width) // 2, (height - code.height) // 2))
    frame = b"FRAME\n" + view.tobytes() + bytes([128]) * (width * height // 2)
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} F5:1 Ip A1:1 C420jpeg\n".encode() + frame * 2)


async def shown(page: Page, text: str) -> tuple[str, str]:
    await page.get_by_label("二维码文字").fill(text)
    await page.get_by_role("button", name="核验", exact=True).click()
    await expect(page.locator("#word")).not_to_be_empty()
    await page.wait_for_timeout(150)
    classes = await page.locator("#verdict").get_attribute("class") or ""
    return classes.split()[-1], await page.locator("#why").inner_text()


async def test_verdicts_without_a_network_are_those_of_the_service(context: BrowserContext, city: City) -> None:
    valid, revoked = [await issue_to(city, CITIZENS[0]) for _ in range(2)]
    change = {"state": "revoked", "reason_code": "illegal_act", "reason_text": "违法", "legal_basis": "第五十条"}
    changed = await city.http.post(f"/api/v1/licences/{revoked}/states", json=change, headers=await city.headers())
    assert changed.status_code == 201, changed.text
    await city.offline_pack()

    await node.install(READER)
    page = await context.new_page()
    await page.goto(f"{city.url}/v/offline")
    await expect(page.get_by_text("核验数据已就绪。")).to_be_visible()
    assert await page.evaluate("'BarcodeDetector' in window") is False
    await page.evaluate("navigator.serviceWorker.ready")
    pack = read_pack(await city.offline_pack())

    await context.set_offline(offline=True)
    await page.reload()
    await expect(page.get_by_text("核验数据已就绪。")).to_be_visible()
    good = await code_of(city, valid)
    cases = [good, await code_of(city, revoked), forged(good), good[:-3], "HF1", "没有码", good.lower()]
    payload = good.rpartition("#")[2]
    cases += [
        payload,
        following(payload),
        *(f"{link}#{payload}" for link in ("https://evil.example/v", "http://a b", "http://localhost:80")),
    ]
    for text in cases:
        expected = judge_code_offline(text, pack, at=SystemClock().now())
        assert await shown(page, text) == (expected.verdict.value, expected.reason.sentence.zh), text[:80]
    assert (await shown(page, good))[0] == "VALID"
    assert (await shown(page, cases[1]))[0] == "INVALID"
    # The answer says what was looked at, by which standard, and how old the data are.
    await expect(page.get_by_text("核验项目（5 项）")).to_be_visible()
    await expect(page.locator("#checks li")).to_have_count(5)
    await expect(page.locator("#checks")).to_contain_text("二维码签名正确。RFC 9052; RFC 8392")
    await expect(page.locator("#checks")).to_contain_text("该证照已被撤回，不再有效。Token Status List; RFC 8392")
    await expect(page.locator("#result")).to_contain_text("数据截至 2026年")
    # A picture of each, read in the browser: headless Chromium has no reader of its own.
    for text in cases[:3]:
        await page.evaluate("document.querySelector('#word').textContent = ''")
        await choose(page, picture_of(text))
        await expect(page.locator("#word")).not_to_be_empty()
        expected = judge_code_offline(text, pack, at=SystemClock().now())
        assert await page.locator("#why").inner_text() == expected.reason.sentence.zh
    # A picture without a code of ours says nothing of any licence.
    for nothing in (
        Image.new("L", (300, 200), "white"),
        picture_of(good).reduce(9),
        picture_of("https://pay.example/1"),
    ):
        await choose(page, nothing)
        await expect(page.get_by_text("图片里没有认出证照上的二维码。")).to_be_visible()
        await expect(page.locator("#verdict")).to_be_hidden()
        await choose(page, picture_of(good))
        await expect(page.locator("#verdict")).to_be_visible()
    await page.close()
    # What a phone's camera opens: the link that the code is.
    phone = await context.new_page()
    for text, word in ((good, "有效"), (cases[1], "无效")):
        await phone.goto(f"{city.url}/v#{text.rpartition('#')[2]}")
        await expect(phone.locator("#word")).to_have_text(word)
        assert "#" not in phone.url
    await context.set_offline(offline=False)


async def test_who_only_ever_opened_a_codes_link_verifies_without_a_network(
    context: BrowserContext, city: City
) -> None:
    identifier = await issue_to(city, CITIZENS[0])
    await city.offline_pack()
    good = await code_of(city, identifier)
    link = f"{city.url}/v#{good.rpartition('#')[2]}"
    page = await context.new_page()
    await page.goto(link)
    await expect(page.get_by_role("heading", level=1)).to_have_text("有效")
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    await page.close()
    await context.set_offline(offline=True)
    phone = await context.new_page()
    await phone.goto(link)
    await expect(phone.locator("#word")).to_have_text("有效")
    await expect(phone.get_by_text("核验数据已就绪。")).to_be_visible()
    assert await shown(phone, forged(good)) == ("INVALID", Reason.CODE_FORGED.sentence.zh)
    # With a network again the link opens the online page, as ever.
    await context.set_offline(offline=False)
    page = await context.new_page()
    await page.goto(link)
    await expect(page.get_by_role("heading", level=1)).to_have_text("有效")
    assert page.url == f"{city.url}/v/qr"
    # Data that grew old are fetched anew by opening the page, which itself is not kept.
    await page.evaluate(AGED)
    assert await page.evaluate(KEPT_SINCE) == 0
    await page.goto(f"{city.url}/v")
    await page.wait_for_function(f"async () => await ({KEPT_SINCE})() > 0")
    assert await page.evaluate("caches.match('/v').then(Boolean)") is False


async def test_what_cannot_be_judged_takes_the_last_verdict_away(context: BrowserContext, city: City) -> None:
    """Whatever fails while a code is looked at: here the browser's own arithmetic."""
    identifier = await issue_to(city, CITIZENS[0])
    await city.offline_pack()
    good = await code_of(city, identifier)
    page = await context.new_page()
    await page.goto(f"{city.url}/v/offline")
    assert (await shown(page, good))[0] == "VALID"
    await page.evaluate("() => { crypto.subtle.verify = () => Promise.reject(new Error('no')); }")
    assert await shown(page, good) == ("UNDETERMINED", Reason.DATA_MISSING.sentence.zh)
    await expect(page.locator("#word")).to_have_text("无法确认")
    await expect(page.locator("#facts")).to_be_hidden()


async def test_no_code_is_kept_with_the_page(context: BrowserContext, city: City) -> None:
    """Neither behind its address nor in a query of it; what an earlier release kept so is thrown away."""
    page = await context.new_page()
    await page.goto(f"{city.url}/")
    await page.evaluate(KEPT_BEFORE)
    assert len([url for url in await page.evaluate(ADDRESSES) if "HF1" in url]) > 0
    await page.goto(f"{city.url}/v/offline")
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    for behind in ("#HF1AAAA", "?identifier=SECRET"):
        await page.goto("about:blank")
        await page.goto(f"{city.url}/v/offline{behind}")
        await expect(page.locator("html[data-ready]")).to_be_attached()
    kept = [url for url in await page.evaluate(ADDRESSES) if "/v/offline" in url]
    assert kept == [f"{city.url}/v/offline"]
    await context.set_offline(offline=True)
    await page.goto(f"{city.url}/v/offline?identifier=OTHER")
    await expect(page.get_by_role("heading", level=1)).to_have_text("没有网络也能核验")
    await context.set_offline(offline=False)


async def test_a_stale_pack_never_says_valid(context: BrowserContext, city: City) -> None:
    identifier = await issue_to(city, CITIZENS[0])
    await city.offline_pack()
    page = await context.new_page()
    await page.clock.install(time=SystemClock().now().timestamp() + 40 * 86_400)
    await page.goto(f"{city.url}/v/offline")
    await expect(page.get_by_text("本机数据已过期")).to_be_visible()
    assert (await shown(page, await code_of(city, identifier)))[0] == "UNDETERMINED"


async def test_the_camera_reads_codes_with_and_without_a_network(city: City, tmp_path: Path) -> None:
    identifier = await issue_to(city, CITIZENS[0])
    await city.offline_pack()
    await node.install(READER)
    film(tmp_path / "code.y4m", await code_of(city, identifier))
    devices = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={tmp_path / 'code.y4m'}")
    async with chromium(*devices, whole=True) as browser:
        context = await browser.new_context(locale="zh-CN", permissions=["camera"])
        complaints = Complaints(context)
        page = await context.new_page()
        await page.goto(f"{city.url}/v")
        await page.get_by_role("button", name="用摄像头扫码").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("有效")
        await page.goto(f"{city.url}/v/offline")
        await expect(page.get_by_text("核验数据已就绪。")).to_be_visible()
        await page.evaluate("navigator.serviceWorker.ready")
        await context.set_offline(offline=True)
        await page.get_by_role("button", name="用摄像头扫码").click()
        await expect(page.locator("#word")).to_have_text("有效")
        await expect(page.locator("#camera-view")).to_be_hidden()
        await context.close()
    assert not complaints.found
