from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.api.city import city, fresh_minute
from tests.web.browser import DESKTOP, Complaints, chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext

__all__ = ["city", "fresh_minute"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Yield a fresh Chinese desktop; at its end no page may have complained."""
    made = await browser.new_context(viewport=DESKTOP, locale="zh-CN", accept_downloads=True)
    made.set_default_timeout(20_000)
    complaints = Complaints(made)
    yield made
    await made.close()
    assert not complaints.found
