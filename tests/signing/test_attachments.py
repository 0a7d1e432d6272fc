"""Files within a file are named before a seal covers them; where nobody is told, they are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from signing.errors import ActiveContent
from signing.model import ActiveContentPolicy, Attachment, SealKind
from signing.pades import SealFace
from signing.placement import Invisible
from signing.preparation import Order, Ready, make_ready
from signing.seal_image import draw
from tests.signing.documents import typeset
from tests.signing.hostile import changed

if TYPE_CHECKING:
    from collections.abc import Callable

FACE = SealFace("演示市公安局", draw(SealKind.STATUTORY, "演示市公安局").form)
LEDGER = Attachment("明细.xml", "application/xml", 6)


def ready(document: bytes, policy: ActiveContentPolicy = ActiveContentPolicy.REFUSE, *, named: bool = True) -> Ready:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return make_ready(Order(document, FACE, Invisible(), 4000, at, False, False, policy, names_attachments=named))


def specification(pdf: pikepdf.Pdf, name: str = "明细.xml", **entries: Any) -> Dictionary:  # noqa: ANN401
    stream = pdf.make_stream(b"<a/>\r\n", Type=Name.EmbeddedFile, Subtype=Name("/application/xml"))
    return Dictionary(Type=Name.Filespec, F=String(name), UF=String(name), EF=Dictionary(F=stream), **entries)


def named(pdf: pikepdf.Pdf) -> None:
    pdf.Root.Names = Dictionary(EmbeddedFiles=Dictionary(Names=Array([String("a"), specification(pdf)])))


def associated(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].obj.AF = Array([pdf.make_indirect(specification(pdf))])


def of_a_link(pdf: pikepdf.Pdf) -> None:
    """Behind an action that opens a web page, where no reader lists it."""
    action = Dictionary(S=Name.URI, URI=String("https://example.invalid"), Extra=specification(pdf))
    link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], A=action)
    pdf.pages[0].obj.Annots = Array([pdf.make_indirect(link)])


def in_disguise(pdf: pikepdf.Pdf) -> None:
    stream = specification(pdf).EF.F
    hidden = pikepdf.Object.parse(b"<< /#45F << >> /UF (x) >>")
    hidden.EF.F = stream
    hidden.UF = String("明细.xml")
    pdf.Root.PieceInfo = Dictionary(Any=Dictionary(Private=hidden))


def without_specification(pdf: pikepdf.Pdf) -> None:
    pdf.Root.PieceInfo = Dictionary(Any=Dictionary(Private=specification(pdf).EF.F))


@pytest.mark.parametrize("attach", [named, associated, of_a_link, in_disguise], ids=lambda one: one.__name__)
def test_an_attachment_is_named_wherever_it_hangs(attach: Callable[[pikepdf.Pdf], None]) -> None:
    document = changed(attach)
    assert ready(document).attachments == (LEDGER,)
    for policy in ActiveContentPolicy:
        with pytest.raises(ActiveContent, match=r"attachment in the document: 明细.xml \(application/xml, 6 bytes\)"):
            ready(document, policy, named=False)


def test_a_stream_that_calls_itself_a_file_is_one() -> None:
    assert ready(changed(without_specification)).attachments == (Attachment("", "application/xml", 6),)


def test_every_name_and_every_version_is_told_and_none_can_trick_the_eye() -> None:
    def attach(pdf: pikepdf.Pdf) -> None:
        two = specification(pdf, "a\u202efdp.exe\n")
        two.UF = String("公告.pdf")
        two.EF.UF = pdf.make_stream(b"MZ" * 600)
        pdf.Root.AF = Array([pdf.make_indirect(two)])

    shown = "公告.pdf / a\N{REPLACEMENT CHARACTER}fdp.exe\N{REPLACEMENT CHARACTER}"
    assert ready(changed(attach)).attachments == (Attachment(shown, "application/xml", 6), Attachment(shown, "", 1200))


def test_what_flattening_leaves_is_named() -> None:
    def attach(pdf: pikepdf.Pdf) -> None:
        named(pdf)
        pdf.Root.OpenAction = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))

    result = ready(changed(attach), ActiveContentPolicy.FLATTEN)
    assert (result.attachments, result.source is None) == ((LEDGER,), False)


def test_a_document_without_attachments_names_none() -> None:
    assert ready(typeset(1), named=False).attachments == ()
