"""Whatever a reader raises over a stranger's file is a verdict on the file, never a fault of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pikepdf
import pypdfium2 as pdfium
import pytest
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.general import SigningError

from tests.verification.pki import NOW, Pki
from tests.verification.samples import blank, seal
from verification.model import Indication, Reason
from verification.pdf import document, validate_pdf
from verification.pdf import seal as seals

if TYPE_CHECKING:
    from verification.trust import TrustMaterial

# Written out: a list read from the product would shrink with it.
RAISED = (
    PdfError,
    SigningError,
    pikepdf.PdfError,
    pdfium.PdfiumError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    ZeroDivisionError,
    RecursionError,
    OSError,
    EOFError,
    RuntimeError,
)
PLACES = {
    "qpdf": (document, "qpdf_seal_objects"),
    "pyHanko": (document, "IndexedReader"),
    "pdfium": (document, "pdfium_seal_count"),
    "one seal": (document, "EmbeddedPdfSignature"),
    "signature": (seals, "read_message"),
    "validation data": (seals, "gather_knowledge"),
}


@pytest.fixture(scope="module")
def sealed(pki: Pki) -> bytes:
    return seal(blank(), pki, timestamp=False)


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
def test_a_reader_that_gives_up_in_any_way_is_a_format_failure(
    kind: type[Exception], sealed: bytes, material: TrustMaterial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise kind("broken")

    for place, (module, name) in PLACES.items():
        with monkeypatch.context() as patch:
            patch.setattr(module, name, give_up)
            report = validate_pdf(sealed, material, at=NOW)
        found = (report.indication, report.sub_indication, report.reason)
        assert found == (Indication.TOTAL_FAILED, "FORMAT_FAILURE", Reason.FORMAT_FAILURE), place
