"""Headless Chromium for tests; in CI its absence fails, it never skips."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


# Chromium without the window it would draw too: the same engine for half of the processor time.
LEAN = ("chromium-headless-shell",)
WHOLE = ("chromium", "chromium-browser")


def chromium_path(*, whole: bool = False) -> str:
    """Return where Chromium is; without it the test fails, so that nobody believes the pages were tried."""
    names = WHOLE if whole else LEAN + WHOLE
    found = os.environ.get("HUFU_TEST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.fail("Chromium is needed for the browser tests: apt-get install chromium, or HUFU_TEST_CHROMIUM=path.")
    return found


@asynccontextmanager
async def chromium(*more_flags: str, whole: bool = False) -> AsyncIterator[Browser]:
    """Yield a browser, the whole one that people use if asked."""
    path = chromium_path(whole=whole)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more_flags])
        try:
            yield browser
        finally:
            await browser.close()


class Complaints:
    """What the pages of a context complained about: script errors and refused resources."""

    def __init__(self, context: BrowserContext) -> None:
        self.found: list[str] = []
        context.on("page", self._watch)

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.found.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._note(page, message.type, message.text))

    def _note(self, page: Page, kind: str, text: str) -> None:
        # A refused form answers 401, 422 or 429 and shows why; a test that cuts the network means it.
        expected = ("status of 401", "status of 422", "status of 429", "ERR_INTERNET_DISCONNECTED")
        if kind == "error" and not any(part in text for part in expected):
            self.found.append(f"{page.url}: {text}")


async def add_authenticator(page: Page) -> None:
    """Give the browser an authenticator that verifies its user at once."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
