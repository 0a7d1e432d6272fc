"""Pictures of what was sealed and what came after, and documents beside a fresh rendering."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pikepdf
import pytest
from PIL import Image

from foundation.principal import ANONYMOUS
from licence_vault.faces import CopyFacts
from licence_vault.repository import LicenceRepository
from tests.verification import attacks
from tests.verification.city import BUREAU, City, small_city
from tests.verification.pki import NOW, Pki
from tests.verification.samples import blank, seal, update
from verification.model import Outcome, Reason, Report, Verdict
from verification.pdf.previews import PAGES_SHOWN, compare_rendering, draw_previews
from verification.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings
    from verification.trust import TrustMaterial


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=1)
    yield sandbox
    await sandbox.close()


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
        return picture.size


async def test_what_came_after_the_seal_is_framed(sandbox: Sandbox, pki: Pki, material: TrustMaterial) -> None:
    sealed = seal(blank(pages=2), pki)
    changed = update(sealed, attacks.replace_page_content)
    report = await sandbox.validate(changed, material, at=NOW)
    assert report.evidence[0].covered_to == len(sealed)
    previews = await sandbox.previews(changed, covered_to=report.evidence[0].covered_to)
    assert previews is not None
    first, second = previews.pages
    assert (first.page, first.same, second.page, second.same, previews.page_count) == (1, False, 2, True, 2)
    assert first.changed is not None
    width, height = size(first.sealed_png)
    assert size(first.now_png) == (width, height)
    # The line that was replaced stands about a sixth from the top.
    assert 0.1 < first.changed[1] / height < 0.2
    assert not second.now_png


async def test_the_seal_itself_is_in_the_picture(sandbox: Sandbox, pki: Pki) -> None:
    darkest = []
    for visible in (False, True):
        sealed = seal(blank(), pki, visible=visible)
        previews = await sandbox.previews(sealed, covered_to=len(sealed))
        assert previews is not None
        with Image.open(io.BytesIO(previews.pages[0].sealed_png)) as picture:
            wide, high = picture.width / 595, picture.height / 842
            place = picture.convert("L").crop((305 * wide, 647 * high, 395 * wide, 737 * high))
            darkest.append(min(place.tobytes()))
    assert darkest[0] > 240
    assert darkest[1] < 200


async def test_a_sound_file_shows_what_was_sealed_and_a_broken_seal_nothing_of_it(sandbox: Sandbox, pki: Pki) -> None:
    sealed = seal(blank(pages=PAGES_SHOWN + 3), pki)
    sound = await sandbox.previews(sealed, covered_to=len(sealed))
    assert sound is not None
    assert ([page.same for page in sound.pages], sound.page_count) == ([True] * PAGES_SHOWN, PAGES_SHOWN + 3)
    broken = await sandbox.previews(sealed, covered_to=0)
    assert broken is not None
    assert [(bool(page.sealed_png), bool(page.now_png)) for page in broken.pages] == [(False, True)] * PAGES_SHOWN
    assert await sandbox.previews(b"%PDF-1.7 nothing", covered_to=0) is None


def test_changed_pages_come_first_and_added_ones_have_no_sealed_side(pki: Pki) -> None:
    sealed = seal(blank(pages=1), pki)
    added = draw_previews(update(sealed, attacks.add_page), len(sealed))
    assert (added.pages[0].page, added.pages[0].sealed_png) == (2, b"")


def test_a_difference_of_words_looks_and_pages_is_found() -> None:
    one = blank(pages=2)
    assert compare_rendering(one, one, exactly=True) == ()
    other = compare_rendering(one, blank(pages=2, text="LICENCE 2O26"), exactly=True)
    assert {(item.page, item.what) for item in other} == {(1, "text"), (1, "picture"), (2, "text"), (2, "picture")}
    assert [item.what for item in compare_rendering(one, blank(pages=2, text="OTHER"), exactly=False)] == ["text"] * 2
    assert [(item.page, item.what) for item in compare_rendering(one, blank(pages=3), exactly=True)] == [(0, "pages")]


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as city:
        yield city


def outcome(report: Report, name: str) -> Outcome:
    (found,) = (check.outcome for check in report.checks if check.name == name)
    return found


async def test_our_licence_is_compared_with_a_fresh_rendering_of_the_record(city: City) -> None:
    service = city.application.services.verification
    licence = await city.issue()
    pdf = (await city.application.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf
    same = (await service.by_pdf(ANONYMOUS, pdf + b"\n", previews=True, examine=True)).report
    assert (same.verdict, outcome(same, "licence.agrees_with_rendering")) == (Verdict.VALID, Outcome.PASSED)
    async with city.application.services.database.read() as connection:
        face = await city.application.vault.fresh_faces.of(connection, licence.identifier)
    assert face is not None
    assert face.exact

    # The attached data agree with the record, and the page shows something else.
    with pikepdf.open(io.BytesIO(face.pdf)) as forged:
        page = forged.pages[0]
        page.contents_add(b"q 0 0 0 rg 100 400 60 20 re f Q")
        out = io.BytesIO()
        forged.save(out, deterministic_id=True)
    again = await city.application.services.verification._comparison._with_rendering(
        same, licence.identifier, out.getvalue()
    )
    assert (again.verdict, again.reason) == (Verdict.INVALID, Reason.DOCUMENT_DIFFERS_FROM_RECORD)
    assert [item.field for item in again.comparisons if not item.same] == ["rendering.picture.1"]

    # A known document is examined as well when its report is wanted, and answers the same.
    known = await service.by_pdf(ANONYMOUS, pdf, examine=True, previews=True)
    assert (known.report.verdict, len(known.report.seals)) == (Verdict.VALID, 1)
    assert known.previews is not None
    assert all(page.same for page in known.previews.pages)


MADE_TODAY = CopyFacts("2026-11-23", "演示市第一中学", "入学报名", "2026-12-31")


async def purpose_bound(city: City, identifier: str, facts: CopyFacts) -> bytes:
    """Have a purpose-bound copy made and sealed as the service does, without keeping it."""
    vault = city.application.vault
    async with city.application.services.database.read() as connection:
        stored = await LicenceRepository(connection, vault.copies._cipher).by_identifier(identifier)
    assert stored is not None
    return (await vault.copies._seal(stored, facts)).pdf


async def test_a_purpose_bound_copy_is_compared_with_a_fresh_rendering_of_what_it_says(city: City) -> None:
    service = city.application.services.verification
    licence, other = await city.issue(), await city.issue("case-2")
    copy = await purpose_bound(city, licence.identifier, MADE_TODAY)
    report = (await service.by_pdf(ANONYMOUS, copy, examine=True)).report
    assert (report.verdict, outcome(report, "licence.agrees_with_rendering")) == (Verdict.VALID, Outcome.PASSED)

    # The face says another purpose than its data: sealed by the issuer, and still no copy of ours.
    made_for = await purpose_bound(city, licence.identifier, replace(MADE_TODAY, purpose="贷款抵押"))
    says = (await service.by_pdf(ANONYMOUS, made_for, examine=True)).report
    lying = replace(says, attached=dict(report.attached or {}))
    comparison = service._comparison
    found = await comparison._with_rendering(lying, licence.identifier, made_for)
    assert (found.verdict, found.reason) == (Verdict.INVALID, Reason.DOCUMENT_DIFFERS_FROM_RECORD)
    assert "rendering.text.1" in [item.field for item in found.comparisons if not item.same]

    # The code is the original's, another licence's, or none at all.
    for code in (licence.qr_text, (await by_copy(city, other.identifier)).code_text, None):
        borrowed = await comparison._with_rendering(replace(report, code_text=code), licence.identifier, copy)
        assert [item.field for item in borrowed.comparisons if not item.same] == ["rendering.code.1"]
        assert borrowed.verdict is Verdict.INVALID


async def by_copy(city: City, identifier: str) -> Report:
    copy = await purpose_bound(city, identifier, MADE_TODAY)
    return (await city.application.services.verification.by_pdf(ANONYMOUS, copy, examine=True)).report
