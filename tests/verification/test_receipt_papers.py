"""Receipts as sealed documents: what stands on them, and that nobody reads more out of one than was said."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pytest

from foundation.errors import InvalidInput
from foundation.principal import ANONYMOUS, SYSTEM
from keys.jws import b64url
from keys.model import KeyPurpose
from tests.verification.attacks import replace_page_content, stripped
from tests.verification.city import BUREAU, City, small_city
from tests.verification.pki import NOW, Pki
from tests.verification.samples import seal, update
from verification.model import Indication, Reason, Verdict
from verification.offline import judge_receipt_offline
from verification.packs import read_pack
from verification.receipt_papers import judge_receipt_paper
from verification.receipts import read_receipt
from verification.shown_licences import judge_shown
from verification.trust import TrustMaterial
from verification.trust_lists import joined

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


def text_lines(pdf: bytes) -> list[str]:
    with pdfium.PdfDocument(pdf) as opened:
        return str(opened[0].get_textpage().get_text_range()).splitlines()


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


async def another_key(city: City) -> str:
    """Put a new receipt key in the place of the present one; return the present one's id."""
    keys = city.application.keys.service
    old = await keys.active(KeyPurpose.RECEIPT)
    new = await keys.create(SYSTEM, KeyPurpose.RECEIPT, "")
    await keys.activate(SYSTEM, new.key_id)
    return old.key_id


async def test_what_a_retired_key_signed_stays_genuine(city: City) -> None:
    service, keys = city.application.services.verification, city.application.keys.service
    receipt = (await service.by_identifier(BUREAU, (await city.issue()).identifier)).receipt
    paper = await service.receipt_paper(receipt)
    await keys.retire(SYSTEM, await another_key(city))
    pack = city.application.verification.packs
    assert pack is not None
    published = read_pack(await pack.build())
    for report in (
        await service.by_receipt(receipt),
        (await service.by_pdf(ANONYMOUS, paper)).report,
        judge_receipt_offline(receipt, published, at=city.application.services.clock.now()),
    ):
        assert (report.verdict, report.reason) == (Verdict.VALID, Reason.RECEIPT_GENUINE)


async def test_of_a_compromised_key_only_what_a_timestamp_proves_to_be_older_is_believed(city: City) -> None:
    application, service = city.application, city.application.services.verification
    keys, clock = application.keys.service, application.services.clock
    identifier = (await city.issue()).identifier
    receipt = (await service.by_identifier(BUREAU, identifier)).receipt
    paper = await service.receipt_paper(receipt)
    await keys.compromise(SYSTEM, await another_key(city), clock.now())
    bare = await service.by_receipt(receipt)
    assert (bare.verdict, bare.reason) == (Verdict.UNDETERMINED, Reason.RECEIPT_TIME_UNPROVEN)
    application.verification.trust.forget()
    sealed = (await service.by_pdf(ANONYMOUS, paper)).report
    assert (sealed.verdict, sealed.reason) == (Verdict.VALID, Reason.RECEIPT_GENUINE)

    receipt = (await service.by_identifier(BUREAU, identifier)).receipt
    paper = await service.receipt_paper(receipt)
    await keys.compromise(SYSTEM, await another_key(city), clock.now() - timedelta(days=1))
    bare = await service.by_receipt(receipt)
    assert (bare.verdict, bare.reason) == (Verdict.INVALID, Reason.KEY_COMPROMISED)
    application.verification.trust.forget()
    assert (await service.by_pdf(ANONYMOUS, paper)).report.verdict is not Verdict.VALID


async def test_a_receipt_says_of_what_it_is_how_old_the_data_were_and_where_it_is_recorded(city: City) -> None:
    application, service = city.application, city.application.services.verification
    identifier = (await city.issue()).identifier
    assert application.verification.log is not None
    await application.verification.log.sequence()
    verified = await service.by_identifier(BUREAU, identifier)
    claims = read_receipt(verified.receipt, await application.verification.trust.receipt_keys()).claims
    size, root = await application.verification.log.latest_tree() or (0, b"")
    assert size > 0
    assert claims["checkpoint"] == {"size": size, "root": b64url(root)}
    assert claims["data_as_of"] == verified.report.data_as_of.isoformat()
    told = {fact.label.en: fact.value.en for fact in (await service.by_receipt(verified.receipt)).stated}
    assert told["Licence identifier"] == identifier
    assert told["Examined"] == "a licence's identifier"
    assert told["Asked by"] == f"{BUREAU.audit_name} {BUREAU.organisation_code}"
    assert told["Audit record"] == f"{claims['audit']['number']} {claims['audit']['commitment']}"
    assert told["Log checkpoint"] == f"{size} {b64url(root)}"
    # On paper every long word can be broken.
    words = text_lines(await service.receipt_paper(verified.receipt))
    assert max(len(word) for word in words) <= 60


def with_receipt(document: bytes, receipt: str) -> bytes:
    """Attach a receipt as a receipt paper has it."""
    with pikepdf.open(io.BytesIO(document)) as pdf:
        pdf.attachments["receipt.jws"] = pikepdf.AttachedFileSpec(pdf, receipt.encode(), filename="receipt.jws")
        pdf.Root.AF = pikepdf.Array([pdf.attachments["receipt.jws"].obj])
        out = io.BytesIO()
        pdf.save(out)
        return out.getvalue()


async def test_a_receipt_in_anothers_paper_says_nothing_of_the_paper(city: City) -> None:
    application, service = city.application, city.application.services.verification
    licence = await city.issue()
    receipt = (await service.by_identifier(BUREAU, licence.identifier)).receipt
    face = (await application.vault.licences.face_pdf(BUREAU, licence.identifier)).pdf
    pki = Pki()
    forged = seal(with_receipt(stripped(face, of_data=True), receipt), pki)
    own = await application.verification.trust.material()
    material = joined(own, [TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())])
    judged = await application.verification.sandbox.validate(forged, material, at=NOW)
    assert (judged.verdict, judged.receipt_text) == (Verdict.VALID, receipt)
    for jwks in (None, await application.verification.trust.receipt_keys()):
        told = judge_receipt_paper(judged, jwks)
        assert (told.subject.kind, told.stated) == ("pdf", ())
        shown = judge_shown(told)
        assert (shown.verdict, shown.reason) == (Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR)
