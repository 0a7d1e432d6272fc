"""The officer's seal desk in a real browser: upload, place by pointer and keys, confirm, download, verify."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.async_api import expect

from hufu import demo_city
from tests.api.documents import blank_pdf
from tests.signing.documents import typeset
from tests.web.browser import add_authenticator

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.api.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

LI_MING = demo_city.OFFICERS[0]


async def sign_in(page: Page, city: City, officer: demo_city.DemoOfficer | demo_city.DemoOperator, path: str) -> None:
    await page.goto(f"{city.url}{path}")
    await page.get_by_label("用户名").fill(officer.username)
    await page.get_by_label("密码").fill(officer.password)
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_role("heading", name="再输一次动态码")).to_be_visible()
    await page.get_by_label("6 位动态码").fill(await city.one_time_code(officer))
    await page.get_by_role("button", name="确认").click()


async def upload(page: Page, file: Path) -> None:
    await page.get_by_label("审批件（PDF）").set_input_files(file)
    await page.get_by_role("button", name="下一步：放印章").click()


async def millimetres(page: Page) -> tuple[float, float]:
    return float(await page.get_by_label("距左边").input_value()), float(
        await page.get_by_label("距下边").input_value()
    )


async def test_an_approval_is_sealed_where_the_officer_put_it(
    context: BrowserContext, city: City, tmp_path: Path
) -> None:
    file = tmp_path / "关于陈伟的审批意见.pdf"
    file.write_bytes(blank_pdf(pages=3))
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/seal")
    await upload(page, file)
    await expect(page.get_by_text("共 3 页")).to_be_visible()

    before = await millimetres(page)
    seal = page.get_by_role("button", name="印章，用方向键移动")
    await seal.focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Shift+ArrowUp")
    moved = await millimetres(page)
    assert moved == pytest.approx((before[0] - 1, before[1] + 10), abs=0.15)
    box = await seal.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 30, box["y"] + 30)
    await page.mouse.down()
    await page.mouse.move(box["x"] - 170, box["y"] + 10, steps=5)
    await page.mouse.up()
    dragged = await millimetres(page)
    assert dragged[0] < moved[0] - 30
    assert dragged[1] > moved[1]

    await page.get_by_role("button", name="下一步：核对并确认").click()
    await expect(page.get_by_role("heading", name="第三步：核对并确认")).to_be_visible()
    await expect(page.get_by_text("第 3 页", exact=True)).to_be_visible()
    await page.get_by_label("6 位动态码").fill("000000")
    await page.get_by_role("button", name="确认盖章").click()
    await expect(page.get_by_text("动态码不对或已经用过")).to_be_visible()
    await page.get_by_label("6 位动态码").fill(await city.one_time_code(LI_MING))
    await page.get_by_role("button", name="确认盖章").click()
    await expect(page.get_by_text("已盖章并登记。")).to_be_visible()

    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="下载盖章的 PDF").click()
    download = await downloading.value
    assert download.suggested_filename == "关于陈伟的审批意见-已盖章.pdf"
    sealed = tmp_path / "sealed.pdf"
    await download.save_as(sealed)

    await page.goto(f"{city.url}/v")
    await page.get_by_label("照片或文件").set_input_files(sealed)
    await page.locator("#pdf-form button").last.click()
    await expect(page.get_by_role("heading", name="有效", exact=True)).to_be_visible()
    await expect(page.get_by_role("heading", name=LI_MING.organisation.name)).to_be_visible()
    await page.goto(f"{city.url}/desk/uses")
    await expect(page.get_by_role("heading", name=LI_MING.organisation.name)).to_be_visible()


async def red_on(page: Page, number: int) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of what is red on a page of the confirmation, as shares of the page."""
    address = page.url.partition("?")[0]
    answer = await page.request.get(f"{address}/preview.png?page={number}")
    picture = Image.open(io.BytesIO(await answer.body())).convert("RGB")
    red, green, _ = picture.split()
    strong, weak = red.point(lambda value: 255 * (value > 150)), green.point(lambda value: 255 * (value < 110))
    box = Image.composite(strong, Image.new("L", picture.size), weak).getbbox()
    if box is None:
        return None
    width, height = picture.size
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


async def test_a_seal_goes_on_a_keyword_on_every_page_or_across_the_edges(
    context: BrowserContext, city: City, tmp_path: Path
) -> None:
    file = tmp_path / "许可证附页.pdf"
    file.write_bytes(typeset(3))
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/seal")
    await upload(page, file)
    further = page.get_by_role("button", name="下一步：核对并确认")

    await page.get_by_label("关键字上，例如“盖章处”").check()
    await expect(page.get_by_label("距左边")).to_be_hidden()
    await page.get_by_label("关键字", exact=True).fill("没有的字")
    await further.click()
    await expect(page.locator("#keyword-error")).to_contain_text("文件里没有找到这个关键字")
    await page.get_by_label("关键字", exact=True).fill("盖章处")
    await further.click()
    await expect(page.get_by_text("第 1 页，盖在“盖章处”上 （全文最后一处）")).to_be_visible()
    at_word = await red_on(page, 1)
    assert at_word is not None
    assert at_word[2] < 0.5
    assert await red_on(page, 3) is None

    await page.get_by_role("link", name="返回调整位置").click()
    assert await page.get_by_label("关键字", exact=True).input_value() == "盖章处"
    await page.get_by_label("每一页，同一位置").check()
    await page.get_by_role("link", name="2", exact=True).click()
    await expect(page.get_by_label("每一页，同一位置")).to_be_checked()
    await further.click()
    await expect(page.get_by_text("每一页的同一位置，共 3 页")).to_be_visible()
    places = [await red_on(page, number) for number in (1, 2, 3)]
    assert places[0] is not None
    assert places[0] == pytest.approx(places[1], abs=0.01)
    assert places[0] == pytest.approx(places[2], abs=0.01)

    await page.get_by_role("link", name="返回调整位置").click()
    await page.get_by_label("骑缝章，跨各页的边").check()
    await page.get_by_label("哪一边").select_option("left")
    await page.get_by_label("高低").select_option("upper")
    strip = await page.locator("#seal").bounding_box()
    sheet = await page.locator("#sheet").bounding_box()
    assert strip is not None
    assert sheet is not None
    # The middle page carries the middle third: the whole picture hangs over the paper's edge by a third.
    assert strip["x"] == pytest.approx(sheet["x"] - strip["width"] / 3, abs=2)
    await further.click()
    await expect(page.get_by_text("骑缝章，跨第 1 页到第 3 页的左边，偏上")).to_be_visible()
    for number in (1, 2, 3):
        seam = await red_on(page, number)
        assert seam is not None
        assert seam[2] < 0.08
        assert (seam[1] + seam[3]) / 2 == pytest.approx(0.25, abs=0.03)
    await page.get_by_label("6 位动态码").fill(await city.one_time_code(LI_MING))
    await page.get_by_role("button", name="确认盖章").click()
    await expect(page.get_by_text("已盖章并登记。")).to_be_visible()


async def test_a_document_that_could_change_is_not_sealed(context: BrowserContext, city: City, tmp_path: Path) -> None:
    import pikepdf  # noqa: PLC0415

    file = tmp_path / "form.pdf"
    with pikepdf.new() as made:
        made.add_blank_page(page_size=(595, 842))
        action = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        made.Root.OpenAction = made.make_indirect(action)
        made.save(file)
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/seal")
    await upload(page, file)
    await page.get_by_role("button", name="下一步：核对并确认").click()
    await expect(page.get_by_text("文件里有盖章后仍可能变化的内容")).to_be_visible()


async def test_an_attachment_is_named_before_the_seal_is_given(
    context: BrowserContext, city: City, tmp_path: Path
) -> None:
    import pikepdf  # noqa: PLC0415

    file = tmp_path / "with-ledger.pdf"
    with pikepdf.new() as made:
        made.add_blank_page(page_size=(595, 842))
        made.attachments["明细.xml"] = pikepdf.AttachedFileSpec(made, b"<a/>", mime_type="application/xml")
        made.save(file)
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/seal")
    await upload(page, file)
    await page.get_by_role("button", name="下一步：核对并确认").click()
    await expect(page.get_by_text("文件里夹带了 1 个附件")).to_be_visible()
    facts = page.locator("dl.facts")
    await expect(facts).to_contain_text("明细.xml")
    await expect(facts).to_contain_text("application/xml，4 字节")


async def test_a_file_that_is_no_pdf_is_told_at_its_field(context: BrowserContext, city: City, tmp_path: Path) -> None:
    file = tmp_path / "notes.pdf"
    file.write_bytes(b"not a pdf")
    page = await context.new_page()
    await sign_in(page, city, demo_city.OFFICERS[1], "/desk/seal")
    await upload(page, file)
    await expect(page.get_by_text("请选择一个 PDF 文件。")).to_be_visible()


async def test_a_passkey_confirms_what_the_officer_saw(context: BrowserContext, city: City, tmp_path: Path) -> None:
    file = tmp_path / "approval.pdf"
    file.write_bytes(blank_pdf())
    page = await context.new_page()
    await add_authenticator(page)
    await sign_in(page, city, demo_city.OFFICERS[1], "/security")
    await page.get_by_role("button", name="添加通行密钥").click()
    await expect(page.get_by_role("button", name="删除")).to_be_visible()
    await page.goto(f"{city.url}/desk/seal")
    await upload(page, file)
    await page.get_by_role("button", name="下一步：核对并确认").click()
    await page.get_by_role("button", name="用通行密钥确认盖章").click()
    await expect(page.get_by_text("已盖章并登记。")).to_be_visible()
    await page.goto(f"{city.url}/security")
    await page.get_by_role("button", name="删除").click()
    await expect(page.get_by_role("button", name="删除")).to_have_count(0)


async def test_a_licence_is_issued_by_the_form_of_its_type(context: BrowserContext, city: City) -> None:
    page = await context.new_page()
    await sign_in(page, city, LI_MING, "/desk/issue")
    await page.get_by_role("link", name="食品经营许可证").click()
    await page.get_by_label("名称或姓名").fill("陈伟")
    await page.get_by_label("证件种类").select_option("111")
    await page.get_by_label("证件号码或统一社会信用代码").fill("500101199003070226")
    await page.get_by_label("法定代表人(负责人)").fill("陈伟")
    for label in ("住所", "经营场所", "日常监督管理机构"):
        await page.get_by_label(label, exact=True).fill("演示市东江区滨江路 18 号")
    await page.get_by_label("经营项目").fill("热食类食品制售\n冷食类食品制售")
    await page.get_by_label("签发人").fill("李明")
    await page.get_by_label("证照编号").fill("JY25001010009876")
    await page.get_by_label("有效期起").fill("2026-03-02")
    await page.get_by_label("有效期止").fill("2031-03-01")
    await page.get_by_role("button", name="签发", exact=True).click()
    await expect(page.locator("#holder_code-error")).to_be_visible()
    assert await page.get_by_label("签发人").input_value() == "李明"
    await page.get_by_label("证件号码或统一社会信用代码").fill("500101199003070225")
    await page.get_by_role("button", name="签发", exact=True).click()
    await expect(page.get_by_text("已签发并盖章，现在就能核验。")).to_be_visible()
    await expect(page.get_by_text("JY25001010009876")).to_be_visible()
