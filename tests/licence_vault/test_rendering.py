"""Faces: PDF/A-3b by its claims, the same bytes for the same data, and nothing reachable from a template."""

from __future__ import annotations

import json
import os
import signal
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pikepdf
import pypdfium2
import pytest
import zxingcpp

from licence_vault import rendering
from licence_vault.catalogue import seeded_types
from licence_vault.definitions import POINTS_PER_MILLIMETRE
from licence_vault.errors import FaceTooLarge, MissingGlyph, RenderingFailed
from licence_vault.faces import METADATA_FILE, CopyFacts, FaceFacts, metadata, template_values
from licence_vault.fonts import default_fonts
from licence_vault.model import Holder
from licence_vault.qr import symbol
from licence_vault.rendering import FaceRenderer
from tests.licence_vault.samples import BUSINESS, ESTATE, FACES, FOOD, ISSUER, ISSUER_NAME, citizen, enterprise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from licence_vault.rendering import Rendition

TYPES = {one.code: one for one in seeded_types()}
DAY = date(2026, 3, 2)
QR_TEXT = "http://localhost:8000/v#HF1" + "A2B7" * 100
COPY = CopyFacts("2026-03-05", "演示银行", "开立账户", "2026-04-05")


@pytest.fixture(scope="module")
def renderer() -> Iterator[FaceRenderer]:
    with FaceRenderer(workers=2) as renderer:
        yield renderer


def facts(code: str, **changes: Any) -> FaceFacts:  # noqa: ANN401 - any field
    holder = Holder("陈伟", "111", citizen()) if code == ESTATE else Holder("演示餐饮有限公司", "001", enterprise())
    values: dict[str, Any] = {
        "identifier": "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "licence_number": "JY25001010012345",
        "issuer_code": ISSUER,
        "issuer_name": ISSUER_NAME,
        "holders": (holder,),
        "face": FACES.get(code, {}),
        "issued_on": DAY,
        "valid_from": DAY,
        "valid_to": None if code == ESTATE else date(2031, 3, 1),
    }
    return FaceFacts(**(values | changes))


async def render(
    renderer: FaceRenderer,
    code: str,
    copy: CopyFacts | None = None,
    **changes: Any,  # noqa: ANN401 - any field
) -> Rendition:
    shown = facts(code, **changes)
    values = template_values(
        TYPES[code],
        shown,
        qr=symbol(QR_TEXT),
        metadata_json=json.dumps(metadata(TYPES[code], shown, copy), ensure_ascii=False),
        copy=copy,
    )
    return await renderer.render(TYPES[code].template, values, dated=DAY)


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "".join(page.get_textpage().get_text_range() for page in document).replace("\r\n", "")
    finally:
        document.close()


@pytest.mark.parametrize("code", [FOOD, BUSINESS, ESTATE])
async def test_a_face_claims_pdf_a_3b_and_carries_its_metadata(renderer: FaceRenderer, code: str) -> None:
    rendition = await render(renderer, code)
    with pikepdf.open(BytesIO(rendition.pdf)) as pdf:
        with pdf.open_metadata() as xmp:
            assert (xmp["pdfaid:part"], xmp["pdfaid:conformance"]) == ("3", "B")
        assert pdf.Root.OutputIntents[0].S == "/GTS_PDFA1"
        filespec = pdf.attachments[METADATA_FILE]
        assert filespec.obj.AFRelationship == "/Data"
        assert pdf.Root.AF[0].UF == METADATA_FILE
        attached = json.loads(filespec.get_file().read_bytes())
        assert all("/FontFile3" in font or "/FontFile2" in font for font in _descriptors(pdf))
        assert len(pdf.pages) == 1
    assert attached == metadata(TYPES[code], facts(code))
    assert attached["ZZMC"] == TYPES[code].name
    assert attached["ZZYXQJZRQ"] == ("长期" if code == ESTATE else "2031-03-01")
    assert attached["CZZTDMLXDM"] == ("111" if code == ESTATE else "001")


def _descriptors(pdf: pikepdf.Pdf) -> Sequence[pikepdf.Object]:
    found = [
        one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"
    ]
    assert found
    return found


@pytest.mark.parametrize("code", [FOOD, BUSINESS, ESTATE])
async def test_a_face_shows_its_data_and_a_code_that_reads_back(renderer: FaceRenderer, code: str) -> None:
    rendition = await render(renderer, code)
    shown = text_of(rendition.pdf).replace(" ", "").replace("\n", "")
    for value in FACES[code].values():
        for part in value if isinstance(value, list) else [value]:
            if part != "2020-03-05":
                assert part.replace(" ", "") in shown, part
    assert "2020年3月5日" in shown or code != BUSINESS
    assert ISSUER_NAME in shown
    assert "2026年3月2日" in shown
    picture = pypdfium2.PdfDocument(rendition.pdf)[0].render(scale=2).to_pil()
    assert [one.text for one in zxingcpp.read_barcodes(picture)] == [QR_TEXT]


async def test_the_same_data_gives_the_same_bytes_in_every_process(renderer: FaceRenderer) -> None:
    first = await render(renderer, FOOD)
    with FaceRenderer(workers=1) as another:
        second = await render(another, FOOD)
    assert first == second
    assert (await render(renderer, FOOD, licence_number="JY25001010012346")).pdf != first.pdf


async def test_a_bare_machine_renders_with_the_packaged_font() -> None:
    with FaceRenderer(workers=1, fonts=default_fonts(system=False)) as bare:
        rendition = await render(bare, FOOD)
    assert "热食类食品制售" in text_of(rendition.pdf)
    assert rendition.fonts == default_fonts(system=False).digest


async def test_a_purpose_bound_copy_says_what_it_is_for(renderer: FaceRenderer) -> None:
    rendition = await render(renderer, FOOD, COPY)
    shown = text_of(rendition.pdf)
    assert "演示银行" in shown
    assert "开立账户" in shown
    with pikepdf.open(BytesIO(rendition.pdf)) as pdf:
        attached = json.loads(pdf.attachments[METADATA_FILE].get_file().read_bytes())
    assert [attached[name] for name in ("JZJZZSJ", "JZJZZZ", "JZJZZSY", "JZJYXQJZSJ")] == [
        "2026-03-05",
        "演示银行",
        "开立账户",
        "2026-04-05",
    ]


async def test_a_long_face_stays_on_one_page(renderer: FaceRenderer) -> None:
    face = FACES[BUSINESS] | {"business_scope": "许可项目:食品销售;" * 120}
    rendition = await render(renderer, BUSINESS, face=face)
    assert len(pypdfium2.PdfDocument(rendition.pdf)) == 1


@pytest.mark.parametrize(
    ("code", "change", "field"),
    [
        (BUSINESS, {"business_scope": "许可项目:食品销售;" * 900}, "face.business_scope"),
        (ESTATE, {"other_rights": "状\n" * 300}, "face.other_rights"),
        (BUSINESS, {"residence": "路" * 3000}, "face"),
    ],
)
async def test_text_that_does_not_fit_is_refused_by_field(
    renderer: FaceRenderer, code: str, change: dict[str, str], field: str
) -> None:
    with pytest.raises(FaceTooLarge) as caught:
        await render(renderer, code, face=FACES[code] | change)
    assert caught.value.field == field


def example(schema: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value of ordinary length for a field; patterns are not looked at, only their length."""
    if "enum" in schema:
        return max(schema["enum"], key=len)
    if schema["type"] == "integer":
        return schema["maximum"]
    if schema["type"] == "array":
        return ["经营项目甲", "经营项目乙", "经营项目丙"]
    if schema.get("format") == "date":
        return "2020-03-05"
    return ("演示市中心区人民路一百二十三号" * 40)[: min(schema["maxLength"], 60)]


@pytest.mark.parametrize("code", sorted(TYPES))
async def test_every_seeded_type_has_a_face_of_one_page_with_a_readable_code(renderer: FaceRenderer, code: str) -> None:
    licence_type = TYPES[code]
    face = {name: example(schema) for name, schema in licence_type.schema["properties"].items()}
    holder = Holder("演示市山城餐饮管理有限责任公司", licence_type.holder_code_types[0], enterprise())
    rendition = await render(renderer, code, face=face, holders=(holder,) * min(2, licence_type.max_holders))
    document = pypdfium2.PdfDocument(rendition.pdf)
    assert len(document) == 1
    width, height = document[0].get_size()
    seal = licence_type.seal
    assert (seal.x + seal.size) * POINTS_PER_MILLIMETRE < width
    assert (seal.y + seal.size) * POINTS_PER_MILLIMETRE < height
    assert [one.text for one in zxingcpp.read_barcodes(document[0].render(scale=2).to_pil())] == [QR_TEXT]


async def test_the_font_check_names_the_missing_character() -> None:
    with pytest.raises(MissingGlyph) as caught:
        default_fonts().require("陈\U000323af", "holders.0.name")
    assert caught.value.field == "holders.0.name"
    assert "U+323AF" in caught.value.detail


@pytest.mark.parametrize("character", ["\U000323af", "\ue000"])
async def test_the_engine_names_the_missing_character_too(renderer: FaceRenderer, character: str) -> None:
    with pytest.raises(MissingGlyph) as caught:
        await render(renderer, FOOD, issuer_name=f"演示{character}局")
    assert f"U+{ord(character):04X}" in caught.value.detail


@pytest.mark.parametrize(
    "template",
    [
        '#read("/etc/passwd")',
        '#read("../../etc/passwd")',
        '#image("/etc/passwd")',
        '#import "@preview/cetz:0.3.0"',
        "#panic()",
        "#let f(n) = f(n + 1)\n#f(0)",
    ],
)
async def test_a_template_reaches_nothing_and_fails_by_name(renderer: FaceRenderer, template: str) -> None:
    with pytest.raises(RenderingFailed) as caught:
        await renderer.render(template, {}, dated=DAY)
    assert "passwd" not in caught.value.detail


async def test_an_endless_template_is_stopped_and_the_next_face_rendered(
    renderer: FaceRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "RENDER_SECONDS", 1.0)
    with pytest.raises(RenderingFailed):
        await renderer.render("#let x = 0\n#while x >= 0 { x = calc.rem(x + 1, 7) + range(9000).len() }", {}, dated=DAY)
    monkeypatch.undo()
    assert (await render(renderer, FOOD)).pdf.startswith(b"%PDF")


async def test_a_killed_process_is_replaced() -> None:
    with FaceRenderer(workers=1) as renderer:
        await renderer.warm()
        os.kill(renderer._idle[0]._process.pid, signal.SIGKILL)
        renderer._idle[0]._process.wait()
        assert (await render(renderer, FOOD)).pdf.startswith(b"%PDF")


async def test_the_process_has_an_empty_environment_and_its_own_session() -> None:
    with FaceRenderer(workers=1) as renderer:
        await renderer.warm()
        pid = renderer._idle[0]._process.pid
        environment = _read(f"/proc/{pid}/environ")
        assert not any(name in environment for name in ("HUFU", "PATH", "HOME"))
        assert os.getsid(pid) == pid


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a file of /proc
        return file.read()


def test_a_code_too_dense_for_paper_is_refused() -> None:
    with pytest.raises(FaceTooLarge):
        symbol("https://verify.example/v#HF1" + "A2B7" * 300)


def test_a_code_is_drawn_as_png() -> None:
    drawn = symbol(QR_TEXT)
    assert drawn.version <= 15
    assert drawn.png().startswith(b"\x89PNG")
