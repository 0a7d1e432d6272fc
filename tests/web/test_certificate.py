"""An own certificate in a real browser: proving the name, then signing in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.clock import SystemClock
from idp.people.certificate_anchors import CertificateAnchors
from tests.support.person_ca import Authority
from tests.support.real_name_authority import CITIZENS
from tests.web.test_citizen import register

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City
    from tests.support.person_ca import Card

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _sign(page: Page, card: Card) -> None:
    to_sign = await page.locator("pre").first.inner_text()
    await page.get_by_label("证书（PEM").fill(card.pem)
    await page.get_by_label("签名（Base64）").fill(card.sign(to_sign))


async def test_a_certificate_proves_and_then_signs_in(
    context: BrowserContext, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, SystemClock().now())
    monkeypatch.setattr(city.application.people.certificates, "_anchors", CertificateAnchors(tmp_path))
    page = await context.new_page()
    await register(page, city)
    await page.goto(f"{city.url}/real-name")
    await page.get_by_role("link", name="有个人数字证书？").click()
    card = authority.issue(CITIZENS[5])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    await _sign(page, Authority(elsewhere, SystemClock().now(), "陌生 CA").issue(CITIZENS[5]))
    await page.get_by_role("button", name="提交").click()
    await expect(page.get_by_text("证书或签名没有通过核对")).to_be_visible()
    await _sign(page, card)
    await page.get_by_role("button", name="提交").click()
    await expect(page.get_by_text("高级实名")).to_be_visible()
    await context.clear_cookies()
    await page.goto(f"{city.url}/sign-in?next=/devices")
    await page.get_by_role("link", name="用个人证书登录").click()
    await _sign(page, card)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page).to_have_url(f"{city.url}/devices")
