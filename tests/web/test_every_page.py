"""Every citizen page, in both languages and looks: nothing cut at 390 px, and nothing axe-core objects to.

The person has a name of four rare characters and licences of an organisation whose name has 60;
a second one has nothing at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from foundation.identity_numbers import complete_credit_code
from foundation.principal import Channel
from idp.people.mandate import Terms
from idp.people.parties import Named
from tests.support.real_name_authority import CITIZENS, Company, citizen
from tests.web.axe import complaints, script
from tests.web.browser import PHONE
from tests.web.test_citizen import PASSWORD, issue_to, register
from tests.web.test_mandates import proven

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

PUBLIC = (
    "/",
    "/sign-in",
    "/sign-in/code",
    "/sign-in/qr",
    "/recover",
    "/recover?way=bank_card",
    "/register",
    "/v",
    "/help",
)
OWN = (
    "/home",
    "/me",
    "/me?show=full",
    "/licences",
    "/accesses",
    "/mandates",
    "/mandates/new",
    "/mandates/new?ask=1",
    "/acting",
    "/security",
    "/security/mobile",
    "/devices",
    "/notices",
    "/accounts",
    "/my-data",
    "/my-data/close",
    "/real-name",
    "/real-name/bank_card",
    "/presence",
    "/nothing",
)
LOOKS = (
    {"language": "zh-CN", "type": "normal", "scheme": "light"},
    {"language": "en", "type": "large", "scheme": "dark"},
)
RARE = citizen(4711, "𬭎龘靐齉", "19580214")
LONG = Company(
    "演示市高新技术产业开发区" + "跨境电子商务综合服务" * 4 + "有限责任公司分公",
    complete_credit_code("91500101MA5U0471"),
    RARE,
)
EMPTY_FORMS = {
    "/sign-in": "form.card button.primary",
    "/sign-in/code": "form.card button.primary",
    "/recover": "form.card button.primary",
    "/register": "form.card button.primary",
}


async def in_looks(browser: Browser, city: City, looks: dict[str, str]) -> Page:
    """Return a page of a phone with a language, a type size and a colour scheme."""
    context = await browser.new_context(
        viewport=PHONE, locale="zh-CN", color_scheme="dark" if looks["scheme"] == "dark" else "light"
    )
    chosen = {"hufu-type": looks["type"], "hufu-language": looks["language"]}
    await context.add_cookies([{"name": name, "value": value, "url": city.url} for name, value in chosen.items()])
    return await context.new_page()


async def checked(page: Page, city: City, axe: str, paths: tuple[str, ...]) -> dict[str, list[str]]:
    found = {}
    for path in paths:
        await page.goto(city.url + path)
        found[path] = await complaints(page, axe)
    return {path: wrong for path, wrong in found.items() if wrong}


def said(found: dict[str, list[str]]) -> str:
    """Return the complaints as lines, which a failing test shows whole."""
    return "\n".join(f"{path}: {line}" for path, lines in found.items() for line in lines)


async def sign_in(page: Page, city: City, name: str) -> None:
    await page.goto(f"{city.url}/sign-in")
    await page.locator("#username").fill(name)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("form.card button.primary").click()
    await expect(page.locator('form[action="/sign-out"]')).to_be_visible()


@pytest.mark.parametrize("looks", LOOKS, ids=("chinese", "english-large-dark"))
async def test_pages_before_sign_in_and_their_errors(browser: Browser, city: City, looks: dict[str, str]) -> None:
    axe, page = await script(), await in_looks(browser, city, looks)
    assert said(await checked(page, city, axe, PUBLIC)) == ""
    for path, button in EMPTY_FORMS.items():
        await page.goto(city.url + path)
        await page.evaluate("for (const form of document.forms) form.noValidate = true")
        await page.locator(button).first.click()
        await expect(page.locator('[role="alert"]:visible, .error:visible').first).to_be_visible()
        assert await complaints(page, axe) == [], path
    await page.context.close()


@pytest.mark.parametrize("looks", LOOKS, ids=("chinese", "english-large-dark"))
async def test_pages_of_somebody_with_much(browser: Browser, city: City, looks: dict[str, str]) -> None:
    name, identifier = await with_much(city)
    axe, page = await script(), await in_looks(browser, city, looks)
    await sign_in(page, city, name)
    licence = f"/licences/{identifier}"
    assert said(await checked(page, city, axe, (*OWN, licence, f"{licence}?show=full"))) == ""
    await page.locator(f'form[action="{licence}/show"] button, a[href="{licence}"]').first.click()
    await page.goto(city.url + licence)
    await page.locator(f'form[action="{licence}/show"] button').click()
    await page.locator("details summary").click()
    assert await complaints(page, axe) == []
    await page.reload()
    await expect(page.locator("#left")).to_contain_text("4")
    await page.context.close()


async def test_pages_of_somebody_with_nothing(browser: Browser, city: City) -> None:
    axe, page = await script(), await in_looks(browser, city, LOOKS[0])
    await register(page, city)
    reached = tuple(path for path in OWN if path not in {"/mandates", "/mandates/new", "/acting", "/accounts"})
    assert said(await checked(page, city, axe, reached)) == ""
    await page.context.close()


async def with_much(city: City) -> tuple[str, str]:
    """Return somebody with licences, readings, mandates, an enterprise and a rare name; and a licence."""
    assert (len(RARE.name), len(LONG.company_name)) == (4, 60)
    city.authority.enrol(RARE)
    city.authority.enrol(LONG)
    name = await proven(city, RARE)
    people = city.application.people
    agent = await proven(city, CITIZENS[4])
    session = await people.sessions.sign_in(name, PASSWORD, source="192.0.2.60", channel=Channel.WEB)
    now = city.application.services.clock.now()
    terms = Terms(("*",), ("*",), ("*",), now, now.replace(year=now.year + 1), 3, may_delegate=True)
    await people.mandates.propose(session.principal(), Named(agent, CITIZENS[4].name), terms)
    await people.mandates.request(session.principal(), Named(agent, CITIZENS[4].name), terms)
    assert await people.legal_persons.verify(session.principal(), LONG.credit_code, LONG.company_name)
    identifiers = [await issue_to(city, RARE) for _ in range(6)]
    return name, identifiers[-1]
