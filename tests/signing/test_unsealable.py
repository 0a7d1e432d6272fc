"""What cannot be sealed gets an error of its own name, or is flattened where that is the policy."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageChops
from sqlalchemy import select

from signing.errors import (
    ActiveContent,
    BadPlacement,
    BrokenExistingSignature,
    BrokenPdf,
    CertifiedAgainstChange,
    EncryptedPdf,
    HybridCrossReference,
    NotAPdfDocument,
    PdfTooLarge,
    UnexaminablePdf,
    UnsealablePdf,
)
from signing.model import ActiveContentPolicy, SealKind, SealRequest
from signing.pades import SealFace
from signing.page_content import examine_content
from signing.pdf_file import PdfFile
from signing.placement import EveryPage, Invisible, Placement, Rectangle
from signing.preparation import Order, Ready, make_ready
from signing.seal_image import draw
from signing.signature_field import finish
from signing.tables import seal_intentions
from signing.workshop import Workshop
from tests.signing import hostile
from tests.signing.documents import typeset
from tests.signing.pdf_a import sealed, variant
from tests.signing.peers import pdfsig_verdicts, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation.blobs import BlobStore
    from foundation.database import Database
    from foundation.principal import Principal
    from signing.assembly import Signing
    from signing.model import Seal

FACE = SealFace("演示市公安局", draw(SealKind.STATUTORY, "演示市公安局").form)
FLATTEN, REFUSE = ActiveContentPolicy.FLATTEN, ActiveContentPolicy.REFUSE


def ready(
    document: bytes,
    placement: Placement | None = None,
    policy: ActiveContentPolicy = ActiveContentPolicy.REFUSE,
    *,
    certify: bool = False,
    trusted: bool = False,
) -> Ready:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return make_ready(Order(document, FACE, placement or Invisible(), 4000, at, certify, trusted, policy))


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("approval.txt", "同意")
    return out.getvalue()


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (lambda: b"", NotAPdfDocument),
        (lambda: b"hello", NotAPdfDocument),
        (zip_file, NotAPdfDocument),
        (lambda: b"\n" + typeset(1), BrokenPdf),
        (lambda: typeset(1)[:-100], BrokenPdf),
        (lambda: typeset(1)[:5000], BrokenPdf),
        (lambda: typeset(1).replace(b"/Type/Pages", b"/Type/Wages"), BrokenPdf),
        (lambda: typeset(1) + bytes(3000), BrokenPdf),
        (lambda: b"%PDF-1.7\nstartxref\n9\n%%EOF", BrokenPdf),
        (lambda: hostile.encrypted("secret"), EncryptedPdf),
        (lambda: hostile.encrypted(""), EncryptedPdf),
        (hostile.hybrid, HybridCrossReference),
        (lambda: hostile.many_pages(10_000), PdfTooLarge),
        (lambda: hostile.many_pages(0), BrokenPdf),
        (lambda: hostile.object_stream_bomb(300_000_000), BrokenPdf),
        (lambda: b"%PDF-1.7\n" + bytes(129 * 1024 * 1024), PdfTooLarge),
    ],
    ids=[
        "empty", "text", "zip", "prefix", "truncated", "cut", "no page tree", "junk behind", "nothing",
        "encrypted", "encrypted for everybody", "hybrid", "10 000 pages", "no page", "object stream bomb", "huge",
    ],
)  # fmt: skip
def test_what_is_no_sound_pdf_is_refused_by_name(document: object, error: type[UnsealablePdf]) -> None:
    with pytest.raises(error) as caught:
        ready(document())  # type: ignore[operator]
    assert type(caught.value) is error
    assert caught.value.field == "document"


ACTIVE = [
    ("javascript", 1, hostile.with_javascript_form),
    ("annotation", 1, lambda: hostile.with_annotation("FreeText")),
    ("annotation", 1, lambda: hostile.with_annotation("Square", flags=2)),
    ("annotation", 1, lambda: hostile.with_annotation("Stamp", flags=196)),
    ("action", 1, lambda: hostile.with_annotation(
        "Link", A=pikepdf.Dictionary(S=pikepdf.Name.Launch, F=pikepdf.String("cmd.exe")))),
    ("action", None, lambda: hostile.changed(
        lambda pdf: setattr(pdf.Root, "OpenAction", pikepdf.Dictionary(S=pikepdf.Name.SubmitForm)))),
    ("action", 1, lambda: hostile.changed(
        lambda pdf: setattr(pdf.pages[0].obj, "AA", pikepdf.Dictionary(O=pikepdf.Dictionary(S=pikepdf.Name.Hide))))),
    ("optional content", None, lambda: hostile.with_layer(shown=True)),
    ("optional content", None, lambda: hostile.with_layer(shown=False)),
    ("unreferenced object", None, hostile.with_unreferenced_object),
    ("alternate picture", 1, hostile.with_alternate),
    ("reference to another file", 1, partial(
        hostile.with_drawing, Ref=pikepdf.Dictionary(F=pikepdf.String("other.pdf"), Page=0))),
    ("print substitution", 1, partial(
        hostile.with_drawing, OPI=pikepdf.Dictionary({"/2.0": pikepdf.Dictionary(F=pikepdf.String("other.tif"))}))),
    *((kind, 1, partial(hostile.painted, operators, hostile.RESOURCES)) for kind, operators in hostile.HIDDEN),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "page", "document"), ACTIVE)
def test_active_and_hidden_content_is_named_with_page_and_object(kind: str, page: int | None, document: object) -> None:
    with pytest.raises(ActiveContent) as caught:
        ready(document())  # type: ignore[operator]
    findings = [finding for finding in caught.value.findings if finding.kind == kind]
    assert findings, caught.value.findings
    assert page is None or any(finding.page == page for finding in caught.value.findings)
    assert any(finding.object_number for finding in findings)
    assert caught.value.detail


@pytest.mark.parametrize(("kind", "page", "document"), ACTIVE)
def test_flattening_leaves_what_is_shown_and_nothing_else(kind: str, page: int | None, document: object) -> None:
    del page
    original: bytes = document()  # type: ignore[operator]
    result = ready(original, Rectangle(1, 300, 50), FLATTEN)
    assert kind in {finding.kind for finding in result.findings}
    assert result.source is not None
    # Examined again it is clean, and it looks as the original looked.
    assert ready(result.source).findings == ()
    assert differing_pixels(original, result.source) < 0.004


OUTSIDE = pikepdf.String("http://example.invalid/other")
UNFLATTENABLE = {
    "another file's data": ("data outside the file", partial(hostile.with_drawing, F=OUTSIDE)),
    "another file's filter": ("data outside the file", partial(hostile.with_drawing, FFilter=pikepdf.Name.FlateDecode)),
    "another file's parameters": ("data outside the file", partial(
        hostile.with_drawing, "Image", FDecodeParms=pikepdf.Dictionary())),
    "postscript": ("postscript", partial(hostile.with_drawing, "PS")),
    "postscript form": ("postscript", partial(hostile.with_drawing, Subtype2=pikepdf.Name.PS)),
    "draws itself": ("recursive drawing", partial(hostile.drawing_itself, b"/F0 Do")),
    "draws itself by page name": ("recursive drawing", partial(hostile.drawing_itself, b"/F0 Do", inherited=True)),
    "name in disguise": ("recursive drawing", partial(hostile.drawing_itself, b"/F#30%\nDo")),
    "circle": ("recursive drawing", partial(hostile.drawing_itself, b"/F1 Do", b"/F2 Do", b"/F0 Do")),
    "pattern": ("recursive drawing", partial(hostile.painting_with_itself, "Pattern")),
    "glyph": ("recursive drawing", partial(hostile.painting_with_itself, "Font")),
    "soft mask": ("recursive drawing", partial(hostile.painting_with_itself, "ExtGState")),
}  # fmt: skip


@pytest.mark.parametrize("policy", ActiveContentPolicy)
@pytest.mark.parametrize("name", UNFLATTENABLE)
def test_what_no_two_readers_need_draw_alike_is_refused_by_either_policy(
    name: str, policy: ActiveContentPolicy
) -> None:
    kind, document = UNFLATTENABLE[name]
    with pytest.raises(ActiveContent) as caught:
        ready(document(), policy=policy)
    findings = [finding for finding in caught.value.findings if finding.kind == kind]
    assert findings, caught.value.findings
    assert all(finding.page == 1 and finding.object_number for finding in findings)


def test_forms_that_share_their_names_and_draw_each_other_in_order_are_harmless() -> None:
    assert ready(hostile.drawing_itself(b"/F1 Do /F2 Do", b"/F2 Do", b"")).findings == ()
    assert ready(hostile.drawing_itself(b"(/F0 Do) pop % /F0 Do")).findings == ()
    assert ready(hostile.with_drawing("Image")).findings == ()


def differing_pixels(one: bytes, other: bytes) -> float:
    pictures = []
    for document in (one, other):
        opened = pypdfium2.PdfDocument(document)
        opened.init_forms()
        pictures.append(opened[0].render(scale=0.5, grayscale=True).to_pil())
        opened.close()
    assert pictures[0].size == pictures[1].size
    histogram = ImageChops.difference(*pictures).histogram()
    return sum(histogram[100:]) / sum(histogram)


@pytest.mark.parametrize("operators", hostile.SHOWN)
def test_what_is_shown_is_not_taken_for_hidden(operators: bytes) -> None:
    assert ready(hostile.painted(operators, hostile.RESOURCES)).findings == ()


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_hidden_text_is_found_on_turned_and_cropped_pages(angle: int) -> None:
    def turn(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Rotate = angle
        pdf.pages[0].obj.CropBox = pikepdf.Array([30, 40, 560, 800])

    assert ready(hostile.changed(turn, typeset(1, "1.7"))).findings == ()
    white = hostile.painted(b"BT 1 g /Plain 12 Tf 100 300 Td (hidden) Tj ET")
    with pytest.raises(ActiveContent, match="unseen text in page 1"):
        ready(hostile.changed(turn, white))


def inheriting(**boxes: tuple[int, int, int, int]) -> Callable[[pikepdf.Pdf], None]:
    """Have the first page take its boxes from the page tree, as fpdf2 writes them."""

    def change(pdf: pikepdf.Pdf) -> None:
        page = pdf.pages[0].obj
        for name in ("/MediaBox", "/CropBox"):
            if name in page:
                del page[name]
        for name, box in boxes.items():
            pdf.Root.Pages[f"/{name}"] = pikepdf.Array(box)

    return change


def test_a_page_shows_what_the_box_it_inherits_shows() -> None:
    high = hostile.painted(b"BT 0 g /Plain 12 Tf 100 820 Td (high up on A4) Tj ET")
    assert ready(hostile.changed(inheriting(MediaBox=(0, 0, 595, 842)), high)).findings == ()
    with pytest.raises(ActiveContent, match="text off the page in page 1"):
        ready(hostile.changed(inheriting(MediaBox=(0, 0, 595, 842), CropBox=(0, 0, 595, 800)), high))


def test_a_line_end_before_the_cross_reference_is_stepped_over(tmp_path: Path) -> None:
    document = variant(typeset(1, "1.7"), lambda _: None, {"object_stream_mode": pikepdf.ObjectStreamMode.disable})
    at = document.rindex(b"\nxref\n")
    number = b"%d" % (at + 1)
    assert document.endswith(b"startxref\n%b\n%%%%EOF\n" % number)
    early = document.replace(b"startxref\n" + number, b"startxref\n%d" % at)
    _, result = sealed(early, Invisible(), REFUSE)
    assert b"/Prev %b" % number in result[len(early) :]
    after = tmp_path / "sealed.pdf"
    after.write_bytes(result)
    assert pdfsig_verdicts(after) == [(True, True)]
    with pytest.raises(BrokenPdf):
        sealed(document.replace(b"startxref\n" + number, b"startxref\n%d" % (at - 4)), Invisible(), REFUSE)


def test_what_programs_of_offices_write_is_clean(tmp_path: Path) -> None:
    """A page printed by Chromium, with backgrounds, clips, shadows and a table."""
    page = tmp_path / "notice.html"
    page.write_text(hostile.OFFICE_PAGE, encoding="utf-8")
    printed = tmp_path / "notice.pdf"
    run(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
        "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri(),
    )  # fmt: skip
    with PdfFile(printed.read_bytes()) as file:
        assert examine_content(file) == ()


def test_a_hybrid_file_is_written_anew_where_that_is_the_policy() -> None:
    result = ready(hostile.hybrid(), None, FLATTEN)
    assert [finding.kind for finding in result.findings] == ["hybrid cross-reference"]
    assert result.source is not None
    assert b"/XRefStm" not in result.source


def test_a_clean_licence_has_no_findings() -> None:
    for standard in ("a-1b", "a-2b", "a-3b", "1.7"):
        result = ready(typeset(1, standard))
        assert (result.findings, result.source) == ((), None)


def test_links_and_bookmarks_are_harmless() -> None:
    link = hostile.with_annotation("Link", A=pikepdf.Dictionary(S=pikepdf.Name.URI, URI=pikepdf.String("https://a.cn")))
    assert ready(link).findings == ()


async def test_a_document_with_a_broken_signature_is_refused(
    signing: Signing, seal: Seal, client: Principal, licence: bytes
) -> None:
    sealed = (await signing.sealing.seal(client, SealRequest(seal.seal_id, licence))).document
    altered = sealed.replace(b"/M(D:2026", b"/M(D:2025")
    with pytest.raises(BrokenExistingSignature, match="Seal1"):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, altered))
    again = await signing.sealing.seal(client, SealRequest(seal.seal_id, sealed))
    assert again.document.startswith(sealed)


def stored_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_nothing_is_stored_of_a_refused_document(
    signing: Signing,
    seal: Seal,
    client: Principal,
    database: Database,
    blob_directory: Path,
    blobs: BlobStore,
) -> None:
    del blobs
    for document in (b"", hostile.encrypted("x"), hostile.with_javascript_form(), hostile.hybrid()):
        with pytest.raises(UnsealablePdf):
            await signing.sealing.seal(client, SealRequest(seal.seal_id, document))
    with pytest.raises(BadPlacement):
        await signing.sealing.seal(client, SealRequest(seal.seal_id, typeset(1), Rectangle(2, 0, 0)))
    async with database.read() as connection:
        states = (await connection.execute(select(seal_intentions.c.failure))).scalars().all()
    assert states == []
    assert stored_files(blob_directory) == []


def sealed_by_hand(document: bytes, *, certify: bool = False) -> bytes:
    result = ready(document, certify=certify)
    return finish(document, result.prepared, b"")


def test_what_a_certification_forbids_is_refused(licence: bytes) -> None:
    locked = sealed_by_hand(licence, certify=True).replace(b"/TransformParams/P 2", b"/TransformParams/P 1")
    with pytest.raises(CertifiedAgainstChange):
        ready(locked, trusted=True)
    with pytest.raises(CertifiedAgainstChange):
        ready(sealed_by_hand(licence), trusted=True, certify=True)


@pytest.mark.parametrize(
    "placement",
    [Rectangle(1, -20, 0), Rectangle(1, 500, 0), Rectangle(1, 0, 800), Rectangle(3, 0, 0), EveryPage(0, 790)],
)
def test_a_seal_that_does_not_fit_is_refused(licence: bytes, placement: Placement) -> None:
    with pytest.raises(BadPlacement):
        ready(licence, placement)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1), junk=st.binary(min_size=1, max_size=40))
def test_damage_anywhere_ends_in_a_named_error_or_a_seal(licence: bytes, at: float, junk: bytes) -> None:
    place = int(at * (len(licence) - len(junk)))
    damaged = licence[:place] + junk + licence[place + len(junk) :]
    try:
        result = ready(damaged, Rectangle(1, 100, 100))
    except (UnsealablePdf, PdfTooLarge, BadPlacement):
        return
    assert finish(damaged, result.prepared, b"").startswith(damaged)


def length(document: bytes) -> int:
    return len(document)


def end_this_process(document: bytes) -> None:
    import os  # noqa: PLC0415

    del document
    os.abort()


def eat_memory(document: bytes) -> int:
    return len(bytearray(8 * 1024**3)) + len(document)


async def test_a_document_that_kills_its_process_is_refused_and_the_next_one_is_not(licence: bytes) -> None:
    workshop = Workshop(workers=1, functions=[end_this_process])
    try:
        for fatal in (end_this_process, eat_memory):
            with pytest.raises(UnexaminablePdf):
                await workshop.run(fatal, licence)
        assert await workshop.run(length, licence) == len(licence)
    finally:
        await workshop.close()
