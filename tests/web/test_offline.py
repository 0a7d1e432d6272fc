"""The offline page in a real browser, with the network cut: the same verdicts as the service's own code."""

from __future__ import annotations

import base64
import io
import zlib
from typing import TYPE_CHECKING

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from api.web.rendering import STATIC
from foundation.clock import SystemClock
from tests.support import node
from tests.support.real_name_authority import CITIZENS
from tests.web.test_citizen import issue_to
from verification.offline import judge_code_offline
from verification.packs import read_pack

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, FilePayload, Page

    from tests.api.city import City

READER = STATIC / "offline" / "reader"
pytestmark = pytest.mark.asyncio(loop_scope="session")


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
    await city.application.verification.statuses.publish_changes()

    await node.install(READER)
    page = await context.new_page()
    await page.goto(f"{city.url}/v/offline")
    await expect(page.get_by_text("核验数据已就绪。")).to_be_visible()
    assert await page.evaluate("'BarcodeDetector' in window") is False
    await page.evaluate("navigator.serviceWorker.ready")
    await page.reload()
    await expect(page.get_by_text("核验数据已就绪。")).to_be_visible()
    pack = read_pack((await city.http.get("/api/v1/offline-pack")).content)

    await context.set_offline(offline=True)
    await page.reload()
    await expect(page.get_by_text("核验数据已就绪。")).to_be_visible()
    good = await code_of(city, valid)
    cases = [good, await code_of(city, revoked), forged(good), good[:-3], "HF1", "没有码", good.lower()]
    payload = good.rpartition("#")[2]
    cases += [
        payload,
        *(f"{link}#{payload}" for link in ("https://evil.example/v", "http://a b", "http://localhost:80")),
    ]
    for text in cases:
        expected = judge_code_offline(text, pack, at=SystemClock().now())
        assert await shown(page, text) == (expected.verdict.value, expected.reason.sentence.zh), text[:80]
    assert (await shown(page, good))[0] == "VALID"
    assert (await shown(page, cases[1]))[0] == "INVALID"
    # A picture of each, read in the browser: headless Chromium has no reader of its own.
    for text in cases[:3]:
        barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
        picture = io.BytesIO()
        Image.fromarray(barcode.to_image(scale=5)).convert("RGB").rotate(4, expand=True, fillcolor="white").save(
            picture, "PNG"
        )
        await page.evaluate("document.querySelector('#word').textContent = ''")
        file: FilePayload = {"name": "code.png", "mimeType": "image/png", "buffer": picture.getvalue()}
        await page.get_by_label("或选一张有二维码的照片").set_input_files(file)
        await expect(page.locator("#word")).not_to_be_empty()
        expected = judge_code_offline(text, pack, at=SystemClock().now())
        assert await page.locator("#why").inner_text() == expected.reason.sentence.zh
    await context.set_offline(offline=False)


async def test_a_stale_pack_never_says_valid(context: BrowserContext, city: City) -> None:
    identifier = await issue_to(city, CITIZENS[0])
    await city.application.verification.statuses.publish_changes()
    page = await context.new_page()
    await page.clock.install(time=SystemClock().now().timestamp() + 40 * 86_400)
    await page.goto(f"{city.url}/v/offline")
    await expect(page.get_by_text("本机数据已过期")).to_be_visible()
    assert (await shown(page, await code_of(city, identifier)))[0] == "UNDETERMINED"
