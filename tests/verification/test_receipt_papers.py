"""Receipts as sealed documents: what stands on them, and that nobody reads more out of one than was said."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pytest

from foundation.errors import InvalidInput
from foundation.principal import ANONYMOUS
from tests.verification.attacks import replace_page_content
from tests.verification.city import BUREAU, City, small_city
from tests.verification.samples import update
from verification.model import Indication, Reason, Verdict
from verification.receipt_papers import judge_receipt_paper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foundation.settings import Settings


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    async with small_city(settings) as city:
        yield city


def text_of(pdf: bytes) -> str:
    with pdfium.PdfDocument(pdf) as opened:
        return "".join(opened[0].get_textpage().get_text_range().split())


async def test_a_receipt_on_paper_is_verified_by_service_and_by_anchors_alone(city: City) -> None:
    application, service = city.application, city.application.services.verification
    licence = await city.issue()
    verified = await service.by_identifier(BUREAU, licence.identifier)
    paper = await service.receipt_paper(verified.receipt)
    shown = text_of(paper)
    assert "电子核验回执" in shown
    assert "有效" in shown
    assert licence.identifier in shown.replace("\u200b", "")
    with pikepdf.open(io.BytesIO(paper)) as opened:
        assert opened.attachments["receipt.jws"].get_file().read_bytes() == verified.receipt.encode()

    back = (await service.by_pdf(ANONYMOUS, paper)).report
    assert (back.verdict, back.reason, back.indication) == (
        Verdict.VALID,
        Reason.RECEIPT_GENUINE,
        Indication.TOTAL_PASSED,
    )
    assert (back.subject.kind, back.seals[0].level) == ("receipt", "B-T")
    material = await application.verification.trust.material()
    alone = judge_receipt_paper(
        await application.verification.sandbox.validate(paper, material, at=application.services.clock.now())
    )
    assert (alone.verdict, alone.reason) == (Verdict.VALID, Reason.RECEIPT_GENUINE)
    # The key is certified once, not for each paper.
    assert text_of(await service.receipt_paper(verified.receipt)) == shown
    found = await application.keys.ca.search(subject_id="receipt")
    assert len(found) == 1


async def test_a_receipt_of_a_refusal_a_changed_paper_and_a_foreign_text_are_not_valid(city: City) -> None:
    service = city.application.services.verification
    refused = await service.by_identifier(BUREAU, "1.2.156.3005.2.X")
    paper = await service.receipt_paper(refused.receipt)
    back = (await service.by_pdf(ANONYMOUS, paper)).report
    assert (back.verdict, back.reason) == (Verdict.INVALID, refused.report.reason)
    changed = (await service.by_pdf(ANONYMOUS, update(paper, replace_page_content))).report
    assert (changed.verdict, changed.reason) == (Verdict.INVALID, Reason.DOCUMENT_CHANGED)
    with pytest.raises(InvalidInput):
        await service.receipt_paper(refused.receipt[:-8] + "AAAAAAAA")
