"""After the last seal long-term validation data may be added, and nothing else whatever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name

from tests.verification.pki import NOW
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal, update
from verification.model import Reason, Verdict
from verification.pdf import validate_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    from tests.verification.pki import Pki
    from verification.trust import TrustMaterial


def need_appearances(writer: IncrementalPdfFileWriter) -> None:
    writer.root["/AcroForm"][pdf_name("/NeedAppearances")] = generic.BooleanObject(value=True)
    writer.update_container(writer.root["/AcroForm"])


def another_title(writer: IncrementalPdfFileWriter) -> None:
    information = generic.DictionaryObject({pdf_name("/Title"): generic.TextStringObject("REVOKED")})
    writer.set_info(writer.add_object(information))


def another_description(writer: IncrementalPdfFileWriter) -> None:
    writer.root[pdf_name("/Metadata")] = writer.add_object(generic.StreamObject(stream_data=b"<x/>"))
    writer.update_root()


def another_version(writer: IncrementalPdfFileWriter) -> None:
    writer.root[pdf_name("/Version")] = pdf_name("/1.8")
    writer.update_root()


def something_unreferenced(writer: IncrementalPdfFileWriter) -> None:
    writer.add_object(generic.TextStringObject("kept for later"))


def something_in_the_store(writer: IncrementalPdfFileWriter) -> None:
    store = generic.DictionaryObject({pdf_name("/More"): writer.add_object(generic.TextStringObject("x"))})
    writer.root[pdf_name("/DSS")] = writer.add_object(store)
    writer.update_root()


@pytest.mark.parametrize(
    "change",
    [
        need_appearances,
        another_title,
        another_description,
        another_version,
        something_unreferenced,
        something_in_the_store,
    ],
)
def test_any_other_change_after_the_seal_is_found(
    change: Callable[[IncrementalPdfFileWriter], None], pki: Pki, material: TrustMaterial
) -> None:
    report = validate_pdf(update(seal(blank(), pki, visible=True), change), material, at=NOW)
    assert (report.verdict, report.reason) == (Verdict.INVALID, Reason.DOCUMENT_CHANGED)


def test_a_renewed_document_passes(pki: Pki, material: TrustMaterial) -> None:
    once = add_document_timestamp(add_dss(seal(blank(), pki), pki), pki)
    again = add_document_timestamp(add_dss(once, pki), pki)
    assert validate_pdf(again, material, at=NOW).verdict is Verdict.VALID
    changed = update(again, another_title)
    assert validate_pdf(changed, material, at=NOW).reason is Reason.DOCUMENT_CHANGED


def test_a_title_written_anew_in_its_own_place_is_found(pki: Pki, material: TrustMaterial) -> None:
    def written_anew(writer: IncrementalPdfFileWriter) -> None:
        place = writer.trailer.raw_get("/Info")
        place.get_object()[pdf_name("/Title")] = generic.TextStringObject("PAY ELSEWHERE")
        writer.mark_update(place)

    titled = update(blank(), another_title)
    changed = update(seal(titled, pki), written_anew)
    assert validate_pdf(seal(titled, pki), material, at=NOW).verdict is Verdict.VALID
    assert validate_pdf(changed, material, at=NOW).reason is Reason.DOCUMENT_CHANGED
