"""A table verified in bulk on a phone: uploaded, watched while it is judged, fetched."""

from __future__ import annotations

import csv
import inspect
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from api.web.pages.batches import COLUMNS, RULES, as_rows, in_utf_8
from tests.api.test_json_routes import issue
from tests.web.browser import PHONE
from tests.web.test_desk import LI_MING, sign_in
from verification.batches import rows

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City
    from verification.batches.service import VerificationBatches

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS, FIRST = 12, 8


def table(identifier: str) -> bytes:
    rows = [f"N-{number},{identifier if number % 2 else identifier[:-1] + '?'}" for number in range(ROWS)]
    return "\n".join(["ref,identifier", *rows]).encode()


async def judge(batches: VerificationBatches, page: Page, first: int, last: int) -> None:
    """Do what a worker does with some rows of the batch that a page shows."""
    await batches._chunk({"batch_id": page.url.rpartition("/")[2], "first": first, "last": last})


async def fits(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


async def test_a_table_is_uploaded_watched_and_fetched_on_a_phone(
    context: BrowserContext, city: City, tmp_path: Path
) -> None:
    batches = city.application.verification.batches
    assert batches is not None
    file = tmp_path / "核验.csv"
    file.write_bytes(table((await issue(city))["identifier"]))
    page = await context.new_page()
    await page.set_viewport_size(PHONE)
    await sign_in(page, city, LI_MING, "/desk/batches")
    await expect(page.get_by_role("heading", name="批量核验")).to_be_visible()
    assert await fits(page)
    await page.get_by_label("表格（CSV）").set_input_files(file)
    await page.get_by_role("button", name="开始核验").click()

    progress = page.locator("#batch-bar")
    await expect(page.get_by_text(f"已核验 0 行，共 {ROWS} 行。")).to_be_visible()
    assert await page.get_by_role("link", name="下载结果").count() == 0
    # The bar follows what is judged, not the clock.
    await judge(batches, page, 1, FIRST)
    await expect(progress).to_have_js_property("value", FIRST)
    await page.screenshot(path=tmp_path / "running.png", full_page=True)
    await judge(batches, page, FIRST + 1, ROWS)
    await expect(page.get_by_text(f"已核验 {ROWS} 行，共 {ROWS} 行。")).to_be_visible()
    await expect(page.locator("dl.facts dd")).to_have_text([str(ROWS // 2), str(ROWS // 2), "0"])
    assert await fits(page)
    await page.screenshot(path=tmp_path / "finished.png", full_page=True)

    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="下载结果（CSV）").click()
    fetched = (await (await downloading.value).path()).read_text("utf-8-sig")
    results = list(csv.DictReader(fetched.splitlines()))
    assert [(item["ref"], item["verdict"]) for item in results] == [
        (f"N-{number}", "VALID" if number % 2 else "INVALID") for number in range(ROWS)
    ]


async def test_a_table_with_a_wrong_row_is_refused_whole_and_the_row_named(
    context: BrowserContext, city: City, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("identifier,unheard\nx,y\n")
    page = await context.new_page()
    await page.set_viewport_size(PHONE)
    await sign_in(page, city, LI_MING, "/desk/batches")
    await page.get_by_label("表格（CSV）").set_input_files(file)
    await page.get_by_role("button", name="开始核验").click()
    await expect(page.locator(".field.wrong .error")).to_contain_text("第 1 行不对，整个文件没有接收。")
    await expect(page.locator(".field.wrong .error")).to_contain_text("unheard 没有这一列。")
    assert await fits(page)


async def test_what_breaks_a_rule_is_said_in_words() -> None:
    source = inspect.getsource(rows)
    assert [rule for rule in RULES if rule not in source] == []


async def test_a_table_as_chinese_spreadsheets_save_it_is_read() -> None:
    table = "identifier,holder_name\nx,陈伟\n"
    read = [rows.read_rows(in_utf_8(table.encode(name)), rows.CSV) for name in ("utf-8", "utf-8-sig", "gb18030")]
    assert {row.compare for (row,) in read} == {(("holder_name", "陈伟"),)}
    assert in_utf_8(b"\xff\xff") == b"\xff\xff"


async def test_columns_may_have_chinese_names() -> None:
    table = "证照标识, 持证主体名称 ,自己的编号\r\nx,陈伟,甲\r\n"
    read = [rows.read_rows(as_rows(table.encode(name), rows.CSV), rows.CSV) for name in ("utf-8-sig", "gb18030")]
    assert {(row.way, row.text, row.compare, row.ref) for (row,) in read} == {
        ("identifier", "x", (("holder_name", "陈伟"),), "甲")
    }
    as_they_are = (b"identifier,ref\nx,1\n", b'"identifier\nx', b"\xff\xff\n", b"")
    assert [as_rows(data, rows.CSV) for data in as_they_are] == list(as_they_are)
    assert set(COLUMNS.values()) == set(rows.LENGTHS)
