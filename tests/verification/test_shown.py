"""Whose seal vouches for a licence that a paper shows, and what is read of one on a page."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pytest
import zxingcpp
from PIL import Image
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.stamp import TextStampStyle

from tests.api.test_resealed import letter
from tests.verification.pki import NOW as SEALED
from tests.verification.records import IDENTIFIER, Record
from tests.verification.samples import apart, blank, seal
from tests.verification.shown_papers import PAPERS, code, dashed
from tests.verification.test_offline import INDEX, opened
from tests.verification.test_own_documents import sealed_by
from tests.verification.test_qr import CLAIMS, NOW, code_text
from verification.identifier import ALPHABET, read_identifier
from verification.model import Outcome, Reason, Report, Verdict
from verification.offline import judge_document_offline
from verification.pdf import validate_pdf
from verification.pdf.agreement import _sample
from verification.pdf.drawing_means import may_hold_pictures
from verification.pdf.pictures import PAGES_SEARCHED, codes_on_page
from verification.pdf.shown import MAXIMUM_CODES, ShownLicence, identifiers_in, likeness_of
from verification.shown_licences import judge_shown
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.verification.pki import Pki

ISSUER, OTHER = f"NTRCN-{Record().issuer_code}", "NTRCN-11500000009275829L"
CODE = code_text(CLAIMS)
N = pikepdf.Name
D = pikepdf.Dictionary


def named_as(issuer: str, serial: str) -> str:
    """Return an identifier like the known one, of another issuer and serial."""
    body = ".".join((*IDENTIFIER.split(".")[:6], issuer[6:], serial, "001"))
    return next(f"{body}.{check}" for check in ALPHABET if read_identifier(f"{body}.{check}").parts)


FOREIGN = named_as(OTHER, "JY1")
FOREIGN_CODE = code_text(CLAIMS | {-65537: CLAIMS[-65537] | {1: FOREIGN}})


def paper(sealer: str, *, code: str | None = None, named: tuple[str, ...] = (), codes: tuple[str, ...] = ()) -> Report:
    return replace(sealed_by(sealer), attached=None, code_text=code, named_licences=named, further_codes=codes)


@pytest.mark.parametrize(
    ("report", "value", "verdict", "reason"),
    [
        (paper(OTHER), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(ISSUER, code=CODE), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(ISSUER, code=CODE), 1, Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR),
        (paper(ISSUER, code=CODE[:-9] + "A" * 9), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(OTHER, code=CODE), 0, Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR),
        (paper(OTHER, code="https://a.example/HF1"), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(ISSUER, named=(IDENTIFIER,)), 0, Verdict.VALID, Reason.ALL_CHECKS_PASSED),
        (paper(OTHER, named=(IDENTIFIER,)), 0, Verdict.VALID, Reason.LICENCE_ONLY_NAMED),
        (paper(ISSUER, code=CODE, codes=(FOREIGN_CODE,)), 0, Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR),
        (paper(ISSUER, code=CODE, named=(IDENTIFIER, FOREIGN)), 0, Verdict.VALID, Reason.LICENCE_ONLY_NAMED),
        (paper(ISSUER, named=(IDENTIFIER,) * 20 + (FOREIGN,)), 0, Verdict.VALID, Reason.LICENCE_ONLY_NAMED),
        (replace(paper(ISSUER), shown_cut=True), 0, Verdict.UNDETERMINED, Reason.LICENCE_NOT_VOUCHED_FOR),
    ],
    ids=[
        "paper",
        "its issuer",
        "withdrawn since",
        "no code",
        "another",
        "another kind of code",
        "issuer's letter",
        "letter",
        "another behind its own",
        "its own, naming another",
        "another named late",
        "more than is read",
    ],
)
def test_the_seal_of_its_issuer_vouches_for_what_is_shown(
    report: Report, value: int, verdict: Verdict, reason: Reason
) -> None:
    judged = judge_document_offline(report, report.code_text, opened({INDEX: value}), at=NOW)
    assert (judged.verdict, judged.reason) == (verdict, reason)


def test_a_bad_seal_stays_bad_whatever_is_shown() -> None:
    forged = replace(paper(OTHER, code=CODE), verdict=Verdict.INVALID, reason=Reason.SEAL_FORGED)
    judged = judge_shown(forged)
    assert (judged.verdict, judged.reason) == (Verdict.INVALID, Reason.SEAL_FORGED)
    assert judged.checks[-1].name == "licence.shown"


def test_identifiers_are_read_as_they_stand_on_pages() -> None:
    broken = f"{IDENTIFIER[:30]}\u200b{IDENTIFIER[30:44]}\n {IDENTIFIER[44:]}，"
    assert identifiers_in(f"证照标识：{broken} 之后") == (IDENTIFIER,)
    wrong = IDENTIFIER[:-1] + ("A" if IDENTIFIER[-1] != "A" else "B")
    assert identifiers_in(f"{wrong} 1.2.156.3005.2.1") == ()
    with pdfium.PdfDocument(letter(IDENTIFIER)) as document:
        for is_licence, found in ((False, (IDENTIFIER,)), (True, ())):
            shown = ShownLicence(is_licence)
            shown.read(document[0])
            assert (shown.identifiers, shown.code_text) == (found, None)


@pytest.mark.parametrize("blank", list("\u034f\u3164\u2800\ufe0f\ue000\x02\u00ad"), ids=ascii)
def test_what_nobody_sees_hides_no_identifier(blank: str) -> None:
    assert identifiers_in(blank.join(IDENTIFIER)) == (IDENTIFIER,)


@pytest.mark.parametrize(
    "forms",
    [
        {ord(one): ord(one) + 0xFEE0 for one in (*ALPHABET, ".")},
        {ord("."): "。"},
        {ord("."): "·"},
        {ord("1"): "l"},
        {ord("0"): "O"},
        {ord("M"): "М", ord("B"): "В", ord("H"): "Η"},
    ],
    ids=["full width", "full stops", "middle dots", "l", "O", "other scripts"],
)
def test_lookalikes_hide_no_identifier(forms: dict[int, str]) -> None:
    named = named_as("NTRCN-11500000MB0143H282", "JY1")
    assert identifiers_in(f"1.2.156{named.translate(forms)}") == (named,)


def test_an_identifier_that_is_none_swallows_none() -> None:
    body = IDENTIFIER.rpartition(".")[0]
    assert identifiers_in(f"{body}.{IDENTIFIER}") == (IDENTIFIER,)


RECTANGLES = b"0 g 10 10 100 100 re f"


def stream(pdf: pikepdf.Pdf, **entries: object) -> pikepdf.Object:
    return pdf.make_stream(RECTANGLES, **entries)


def resources(pdf: pikepdf.Pdf, name: str) -> pikepdf.Object:
    """Return resources that draw what pdfium does not list."""
    if name == "pattern":
        return D(Pattern=D(P=stream(pdf, Type=N.Pattern, PatternType=1)))
    if name == "glyph":
        return D(Font=D(F=D(Type=N.Font, Subtype=N.Type3, CharProcs=D(a=stream(pdf)))))
    if name == "mask":
        return D(ExtGState=D(G=D(SMask=D(S=N.Luminosity, G=stream(pdf, Subtype=N.Form)))))
    return D(XObject=D(X=stream(pdf, Subtype=N.Form, Resources=resources(pdf, "pattern"))))


@pytest.mark.parametrize(
    ("name", "found"),
    [("pattern", True), ("glyph", True), ("mask", True), ("form", True), ("stamp", True), ("link", False)],
    ids=str,
)
def test_what_pdfium_does_not_list_is_searched(name: str, *, found: bool) -> None:
    with pikepdf.open(io.BytesIO(letter(IDENTIFIER))) as pdf:
        if name in {"stamp", "link"}:
            other = D(Subtype=N(f"/{name.title()}"))
            if name == "stamp":
                other.AP = D(N=stream(pdf, Subtype=N.Form))
            seal = D(Subtype=N.Widget, Parent=D(FT=N.Sig), AP=D(N=stream(pdf, Subtype=N.Form)))
            pdf.pages[0].Annots = pikepdf.Array([seal, other])
        else:
            del pdf.pages[0].obj["/Resources"]
            pdf.Root.Pages.Resources = resources(pdf, name)
        with pdfium.PdfDocument(letter(IDENTIFIER)) as drawn:
            assert may_hold_pictures(pdf.pages[0].obj, drawn[0]) is found


def pictured(texts: Iterable[str]) -> bytes:
    """Return a page with codes."""
    page = Image.new("L", (1700, 900), 255)
    for at, text in enumerate(texts):
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
        page.paste(Image.fromarray(code.to_image(scale=3)), (20 + at * 300, 20))
    out = io.BytesIO()
    page.save(out, "PDF", resolution=150)
    return out.getvalue()


def test_no_code_hides_another() -> None:
    with pdfium.PdfDocument(pictured(("https://a.example/HF1", CODE, FOREIGN_CODE))) as document:
        found = codes_on_page(document[0])
        assert set(found.opened) == {CODE, FOREIGN_CODE}
        shown = ShownLicence(is_licence=False, codes=tuple(map(str, range(MAXIMUM_CODES - 1))))
        shown.search(0, document[0])
        assert (len(shown.codes), shown.cut) == (MAXIMUM_CODES, True)


def test_the_first_pages_are_always_drawn() -> None:
    document = pdfium.PdfDocument.new()
    for _ in range(1_300):
        document.new_page(10, 10)
    sample = list(_sample(document))
    assert sample[:PAGES_SEARCHED] == list(range(PAGES_SEARCHED))
    assert len(sample) < len(document)
    document.close()


def test_what_is_too_much_to_search_says_so_and_the_first_pages_are_searched_whatever_they_cost() -> None:
    with pdfium.PdfDocument(pictured((CODE,))) as document:
        shown = ShownLicence(is_licence=False)
        assert shown.limits() == ()
        shown._spent = 4.0
        shown.search(PAGES_SEARCHED, document[0])
        assert (shown.codes, [check.outcome for check, _ in shown.limits()]) == ((), [Outcome.NOT_APPLICABLE])
        shown.search(0, document[0])
        assert shown.codes == (CODE,)


def test_a_paper_too_long_to_search_is_as_good_as_its_seal_and_says_so() -> None:
    shown = ShownLicence(is_licence=False, unsearched=40)
    read = replace(paper(OTHER), checks=tuple(check for check, _ in shown.limits()))
    judged = judge_shown(read)
    assert (judged.verdict, judged.reason) == (Verdict.VALID, Reason.PAGES_NOT_SEARCHED)
    assert "40" in judged.advice[-1].zh
    named = judge_shown(replace(read, named_licences=(IDENTIFIER,)))
    assert (named.verdict, named.reason) == (Verdict.VALID, Reason.LICENCE_ONLY_NAMED)
    assert judge_shown(replace(read, code_text=CODE)).verdict is Verdict.UNDETERMINED


FACE = "重庆市\n食 品 经 营 许 可 证（副本）\n名称：某店\n许可证编号：JY15001120012345\n发证机关：演示市市场监督管理局"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (FACE, (("食品经营许可证（副本）", "演示市市场监督管理局"),)),
        (FACE.replace("\n", ""), ()),
        (FACE.replace("JY15001120012345", "另发"), ()),
        (FACE.replace("发证机关", "申请人"), ()),
        ("关于营业执照的批复\n根据规定，现批准换发营业执照（编号：5001120012345）。", ()),
    ],
    ids=["face", "no line of its own", "no number", "no issuer", "letter"],
)
def test_what_looks_like_a_licence_has_title_number_and_issuer(text: str, found: tuple[object, ...]) -> None:
    assert likeness_of(text) == found


def test_a_face_without_code_and_identifier_is_remarked_on_and_not_refused() -> None:
    judged = judge_shown(replace(paper(OTHER), seems_shown=("食品经营许可证",)))
    assert (judged.verdict, judged.reason) == (Verdict.VALID, Reason.LICENCE_ONLY_NAMED)
    assert judged.checks[-1].name == "licence.looks_alike"
    assert "食品经营许可证" in judged.advice[-1].zh


def judged(document: bytes, pki: Pki) -> Report:
    trusted = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    return judge_shown(validate_pdf(document, trusted, at=SEALED))


NEW = (
    "code_as_text",
    "code_as_dashes",
    "code_in_a_popup",
    "code_only_printed",
    "code_beneath_what_is_not_printed",
    "code_beneath_a_stamp",
    "code_as_clip",
    "code_of_stamps",
    "code_on_a_poster",
    "face_beside_unused_pictures",
    "named_in_a_stamp",
)


def test_a_form_with_a_box_that_nobody_ticked_is_an_ordinary_paper(pki: Pki) -> None:
    make, valid = PAPERS["unticked_box"]
    assert valid
    report = judged(seal(make(), pki, timestamp=False), pki)
    assert (report.verdict, report.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED), report.checks


@pytest.mark.parametrize("form", [b"stamp", b"forms"])
def test_a_line_of_more_dashes_than_are_drawn_is_not_confirmed_wherever_it_is(form: bytes, pki: Pki) -> None:
    assert judged(seal(dashed(form), pki, timestamp=False), pki).reason is Reason.LICENCE_NOT_VOUCHED_FOR


@pytest.mark.parametrize("name", NEW)
def test_no_way_of_drawing_or_padding_hides_what_a_page_shows(name: str, pki: Pki) -> None:
    make, valid = PAPERS[name]
    report = judged(seal(make(), pki, timestamp=False), pki)
    assert (report.verdict is Verdict.VALID) is valid, report.checks
    expected = Reason.LICENCE_ONLY_NAMED if valid else Reason.LICENCE_NOT_VOUCHED_FOR
    assert report.reason is expected


def test_the_appearance_of_a_seal_is_searched(pki: Pki) -> None:
    """Who seals chooses what the seal looks like."""
    style = TextStampStyle(stamp_text=" ", background=PdfImage(code().convert("RGB")), background_opacity=1)
    field = SigFieldSpec("Seal", box=(60, 300, 260, 500))
    metadata = signers.PdfSignatureMetadata(field_name="Seal", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
    signer = signers.PdfSigner(metadata, signer=pki.signer(None), stamp_style=style, new_field_spec=field)
    document = apart(lambda: signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(blank()))).getvalue())
    assert judged(document, pki).reason is Reason.LICENCE_NOT_VOUCHED_FOR


def test_every_sound_paper_says_what_its_seal_proves(pki: Pki) -> None:
    report = judged(seal(blank(), pki, timestamp=False), pki)
    (said,) = report.advice
    assert report.seals[0].signer in said.zh
    assert "须另行核验" in said.zh
    assert all(
        "须另行核验" not in sentence.zh for sentence in judge_shown(replace(paper(OTHER), code_text=CODE)).advice
    )


def test_a_photograph_without_a_resolution_is_searched_with_all_its_pixels() -> None:
    """A telephone's picture makes a page of two square metres, at a dot a point."""
    with pdfium.PdfDocument(pictured((CODE,))) as document:
        document[0].set_mediabox(0, 0, 1860, 2631)
        page = document[0]
        assert not codes_on_page(page, pixels=1860 * 2631).coarse
        assert codes_on_page(page).coarse
        assert codes_on_page(page, pixels=1e9).coarse


def test_large_pages_use_up_the_search_sooner() -> None:
    with pdfium.PdfDocument(pictured((CODE,))) as document:
        document[0].set_mediabox(0, 0, 2600, 2600)
        shown = ShownLicence(is_licence=False)
        shown.search(PAGES_SEARCHED, document[0])
        assert shown._spent > 0.05


def test_what_a_page_claims_to_hold_costs_no_more_than_drawing_it_may() -> None:
    with pdfium.PdfDocument(pictured((CODE,))) as document:
        shown = ShownLicence(is_licence=False)
        shown.search(PAGES_SEARCHED, document[0], 1e12)
        assert (shown.codes, shown.limits()) == ((CODE,), ())
