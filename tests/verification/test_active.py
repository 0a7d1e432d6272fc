"""Sound seals over files that can come to look different without a byte of them changing."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from tests.verification.hostile import saved
from tests.verification.pki import NOW
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal
from verification.etsi_report import etsi_report
from verification.model import Indication, Outcome, Reason, Verdict
from verification.pdf import validate_pdf
from verification.pdf.active import content_checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.verification.pki import Pki
    from verification.trust import TrustMaterial

SCRIPT = {"S": Name.JavaScript, "JS": String("this.getField('x').display = 1")}


def annotated(pdf: pikepdf.Pdf, **entries: object) -> None:
    annotation = Dictionary(Type=Name.Annot, Rect=[0, 0, 50, 50], **entries)
    pdf.pages[0].obj.Annots = Array([pdf.make_indirect(annotation)])


def on_opening(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OpenAction = Dictionary(**SCRIPT)


def named_script(pdf: pikepdf.Pdf) -> None:
    script = pdf.make_indirect(Dictionary(**SCRIPT))
    pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array([String("a"), script])))


def script_in_a_stream(pdf: pikepdf.Pdf) -> None:
    code = pdf.make_stream(b"app.alert(1)")
    pdf.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.JavaScript, JS=code))


def chained(pdf: pikepdf.Pdf) -> None:
    """Hide behind a harmless action, two arrays and an escaped name."""
    hidden = pikepdf.Object.parse(b"<< /S /GoTo /D [0 /Fit] /Next [[ << /S /Hi#64e /T (x) >> ]] >>")
    annotated(pdf, Subtype=Name.Link, A=hidden)


def indirect_name(pdf: pikepdf.Pdf) -> None:
    annotated(pdf, Subtype=Name.Link, A=Dictionary(S=pdf.make_indirect(Name.Launch), F=String("a.exe")))


def film(pdf: pikepdf.Pdf) -> None:
    annotated(pdf, Subtype=Name.RichMedia)


def switch(pdf: pikepdf.Pdf) -> None:
    annotated(pdf, Subtype=Name.Link, A=Dictionary(S=Name.SetOCGState, State=Array([])))


def portfolio(pdf: pikepdf.Pdf) -> None:
    pdf.Root.Collection = Dictionary(View=Name.D)


def layer(pdf: pikepdf.Pdf) -> None:
    group = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("金额")))
    pdf.Root.OCProperties = Dictionary(OCGs=Array([group]), D=Dictionary(ON=Array([group])))
    pdf.pages[0].obj.Resources.Properties = Dictionary(MC0=group)
    pdf.pages[0].contents_add(pdf.make_stream(b"/OC /MC0 BDC 9 9 90 90 re f EMC"))


def drawn_late(pdf: pikepdf.Pdf) -> None:
    annotated(pdf, Subtype=Name.Widget, FT=Name.Tx, T=String("x"), V=String("1000"))
    pdf.Root.AcroForm = Dictionary(Fields=pdf.pages[0].obj.Annots, NeedAppearances=True)


ACTIVE = [on_opening, named_script, script_in_a_stream, chained, indirect_name, film, switch, portfolio]


def made(change: Callable[[pikepdf.Pdf], object], *, object_streams: bool = False) -> bytes:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        change(pdf)
        if not object_streams:
            return saved(pdf)
        out = io.BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
        return out.getvalue()


@pytest.mark.parametrize(
    ("change", "name", "outcome"),
    [
        *((change, "pdf.active_content", Outcome.FAILED) for change in ACTIVE),
        (layer, "pdf.layers", Outcome.UNKNOWN),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_can_look_different_is_never_valid(
    change: Callable[[pikepdf.Pdf], object], name: str, outcome: Outcome, pki: Pki, material: TrustMaterial
) -> None:
    report = validate_pdf(seal(made(change), pki), material, at=NOW)
    found = {check.name: check.outcome for check in report.checks}
    assert found[name] is outcome, found
    assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.CONTENT_CAN_CHANGE)
    assert (report.indication, report.sub_indication) == (Indication.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE")
    # The seal itself is good, and the report in the standard's form says why the whole is not.
    assert report.seals[0].indication is Indication.TOTAL_PASSED
    assert etsi_report(report)


def links(pdf: pikepdf.Pdf) -> None:
    annotated(pdf, Subtype=Name.Link, A=Dictionary(S=Name.URI, URI=String("https://example.invalid/JavaScript")))
    pdf.Root.OpenAction = Dictionary(S=Name.GoTo, D=Array([pdf.pages[0].obj, Name.Fit]))
    pdf.docinfo["/Title"] = "/JS /Launch /JavaScript (S)"
    pdf.Root.OCProperties = Dictionary(OCGs=Array([]), D=Dictionary())


def filled_form(pdf: pikepdf.Pdf) -> None:
    drawn_late(pdf)
    pdf.Root.AcroForm.NeedAppearances = False


@pytest.mark.parametrize("change", [links, filled_form], ids=["links", "form"])
def test_links_destinations_and_plain_forms_do_no_harm(
    change: Callable[[pikepdf.Pdf], object], pki: Pki, material: TrustMaterial
) -> None:
    report = validate_pdf(seal(made(change), pki), material, at=NOW)
    assert (report.verdict, report.reason) == (Verdict.VALID, Reason.ALL_CHECKS_PASSED), report.checks


def test_long_term_data_do_not_hide_a_script(pki: Pki, material: TrustMaterial) -> None:
    sealed = seal(made(on_opening, object_streams=True), pki)
    report = validate_pdf(add_document_timestamp(add_dss(sealed, pki), pki), material, at=NOW)
    assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.CONTENT_CAN_CHANGE)


def test_a_forged_seal_stays_forged_whatever_else_there_is(pki: Pki, material: TrustMaterial) -> None:
    forged = bytearray(seal(made(on_opening), pki))
    forged[forged.index(b"this.getField")] ^= 1
    assert validate_pdf(bytes(forged), material, at=NOW).verdict is Verdict.INVALID


def test_nesting_beyond_any_honest_file_counts_as_active() -> None:
    with pikepdf.new() as pdf:
        deep = Array([Name.JavaScript])
        for _ in range(80):
            deep = Array([deep])
        pdf.make_indirect(deep)
        assert {check.name: check.outcome for check, _ in content_checks(pdf)}["pdf.active_content"] is Outcome.FAILED


def test_fields_that_readers_draw_themselves_can_look_different() -> None:
    with pikepdf.open(io.BytesIO(made(drawn_late))) as pdf:
        assert {check.name: check.outcome for check, _ in content_checks(pdf)} == {
            "pdf.active_content": Outcome.PASSED,
            "pdf.layers": Outcome.UNKNOWN,
        }


def attached(pdf: pikepdf.Pdf, *, listed: bool = True) -> None:
    data = pdf.make_stream(b"<a/>", Type=Name.EmbeddedFile, Subtype=Name("/application/xml"))
    holder = Dictionary(UF=String("明\u202e细.xml"), EF=Dictionary(F=data))
    if listed:
        pdf.Root.Names = Dictionary(EmbeddedFiles=Dictionary(Names=Array([String("a"), holder])))
    else:
        pdf.Root.PieceInfo = Dictionary(X=Dictionary(Private=holder))


@pytest.mark.parametrize("listed", [True, False])
def test_the_verdict_names_what_is_attached(pki: Pki, material: TrustMaterial, listed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    report = validate_pdf(seal(made(partial(attached, listed=listed)), pki), material, at=NOW)
    assert report.verdict is Verdict.VALID
    (check,) = [check for check in report.checks if check.name == "pdf.attachments"]
    assert check.outcome is Outcome.PASSED
    assert "“明 细.xml” (application/xml, 12 B)" in check.detail.zh
    assert "1 attachment" in check.detail.en
