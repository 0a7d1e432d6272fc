"""One PDF opened by all three readers, and what they have to agree on."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pikepdf
import pypdfium2 as pdfium
from pyhanko.pdf_utils import generic, misc
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verification.errors import DocumentEncrypted, DocumentOverLimit
from verification.model import Check, Outcome, Reason, Sentence
from verification.pdf.active import content_checks
from verification.pdf.agreement import (
    Disagreement,
    compare_objects,
    compare_pictures,
    pdfium_seal_count,
    qpdf_seal_objects,
)
from verification.pdf.appearances import appearances
from verification.pdf.attachment import attached_licence, attached_receipt
from verification.pdf.byte_range import declared_byte_ranges
from verification.pdf.drawing import differs_by_reader
from verification.pdf.drawing_means import (
    DashesBeyondDrawing,
    is_shown_with_less,
    may_hold_pictures,
    objects_show,
    pixels_of,
)
from verification.pdf.reader import IndexedReader
from verification.pdf.shown import ShownLicence
from verification.pdf.undrawn import picture_checks, told_of_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyhanko.pdf_utils.reader import PdfFileReader

    from verification.limits import PdfLimits

LIBRARY_ERRORS = (
    misc.PdfError,
    SigningError,
    pikepdf.PikepdfError,
    pdfium.PdfiumError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    ArithmeticError,
    RecursionError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What the three libraries raise over broken input, seen under the fuzzer; MemoryError is the sandbox's.

The list is long because pyHanko and its parser of ASN.1 let Python's own errors out. A mistake of ours among them is
never better than the truth either: whoever catches them answers FORMAT_FAILURE.
"""

SUBFILTERS = frozenset(member.value for member in SigSeedSubFilter)
Finding = tuple[Check, Reason]


class UnreadableDocument(Exception):
    """A parser gives up on the file; `sentence` says which."""

    def __init__(self, sentence: Sentence) -> None:
        """Keep the sentence for the report."""
        super().__init__(sentence.en)
        self.sentence = sentence


@dataclass
class OpenDocument:
    """The file and its readers; a context manager."""

    document: bytes
    reader: PdfFileReader
    pdf: pikepdf.Pdf
    drawn: pdfium.PdfDocument
    seals: tuple[EmbeddedPdfSignature, ...]
    unreadable_seals: tuple[str, ...]
    unlinked_seals: int
    pdfium_seals: int
    limits: PdfLimits
    findings: list[Finding] = field(default_factory=list)
    shown: ShownLicence = field(default_factory=lambda: ShownLicence(is_licence=False))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the handles of qpdf and pdfium; pyHanko holds no resource."""
        self.drawn.close()
        self.pdf.close()

    def attached_licence(self) -> Mapping[str, str] | None:
        """Return the licence data attached to the file, or None."""
        try:
            return attached_licence(self.pdf)
        except LIBRARY_ERRORS:
            return None

    def attached_receipt(self) -> str | None:
        """Return the receipt attached to the file, or None."""
        try:
            return attached_receipt(self.pdf)
        except LIBRARY_ERRORS:
            return None

    def structure_checks(self) -> tuple[Finding, ...]:
        """Check that every seal anywhere in the file is one that was judged."""
        judged = len(self.seals)
        counts = {self.unlinked_seals, self.pdfium_seals, judged}
        ranges = {tuple(int(number) for number in seal.byte_range) for seal in self.seals}
        strays = [declared for declared in declared_byte_ranges(self.document) if declared not in ranges]
        if self.unreadable_seals or len(counts) != 1 or strays:
            found = f"pyHanko {judged}, qpdf {self.unlinked_seals}, pdfium {self.pdfium_seals}"
            detail = Sentence(f"文件中有未能核验的签章（{found}）。", f"Not every seal can be checked ({found}).")
            return ((_check("pdf.structure", Outcome.FAILED, detail), Reason.FORMAT_FAILURE),)
        detail = Sentence(f"三个阅读程序都找到 {judged} 个签章。", f"Three readers find the same {judged} seal(s).")
        return ((_check("pdf.structure", Outcome.PASSED, detail), Reason.FORMAT_FAILURE),)

    def content_checks(self) -> tuple[Finding, ...]:
        """Check that what the file shows depends on nothing but the file."""
        try:
            found = content_checks(self.pdf)
        except LIBRARY_ERRORS:
            detail = Sentence("文件结构损坏，阅读程序无法读取。", "The structure is damaged; a reader gives up.")
            return ((_check("pdf.active_content", Outcome.FAILED, detail), Reason.FORMAT_FAILURE),)
        try:
            return (*found, *picture_checks(self.pdf))
        except LIBRARY_ERRORS:
            return (*found, told_of_pictures(wrong=True))

    def agreement_checks(self) -> tuple[Finding, ...]:
        """Check that the readers agree on what the file shows, and note what it shows of a licence."""
        shown = self.shown = ShownLicence(self.attached_licence() is not None)

        def look(number: int, page: pdfium.PdfPage) -> None:
            try:
                shown.read(page)
                if shown.is_to_search(number) and (shown.is_licence or self._may_hold_pictures(number, page)):
                    read = self.pdf.pages[number].obj
                    shown.search(number, page, pixels_of(read), less=is_shown_with_less(read))
            except (*LIBRARY_ERRORS, DashesBeyondDrawing):
                shown.cut = True

        try:
            found = (
                _dynamic_form(self.pdf)
                or differs_by_reader(self.pdf)
                or compare_objects(self.reader, self.pdf)
                or compare_pictures(self.drawn, self.pdf, look)
            )
        except LIBRARY_ERRORS:
            found = Disagreement("有阅读程序无法读完文件。", "One of the readers cannot read the whole file.")
        name = "pdf.readers_agree"
        if found is not None:
            return ((_check(name, Outcome.FAILED, Sentence(found.zh, found.en)), Reason.PARSERS_DISAGREE),)
        self._look_at_annotations()
        detail = Sentence("pyHanko、qpdf、pdfium 读取的内容一致。", "pyHanko, qpdf and pdfium read the same content.")
        return ((_check(name, Outcome.PASSED, detail), Reason.PARSERS_DISAGREE), *shown.limits())

    def _look_at_annotations(self) -> None:
        """Read and search what annotations show by themselves: seals, and what is only printed, among them."""
        if self.shown.is_licence:
            return
        try:
            for number, page in enumerate(appearances(self.pdf)):
                self.shown.read(page)
                objects_show(page)
                self.shown.search(number, page)
        except (*LIBRARY_ERRORS, DashesBeyondDrawing):
            self.shown.cut = True

    def _may_hold_pictures(self, number: int, page: pdfium.PdfPage) -> bool:
        """Tell whether a page has to be searched for codes; a page that cannot be told of has to."""
        try:
            return may_hold_pictures(self.pdf.pages[number].obj, page)
        except LIBRARY_ERRORS:
            return True


def _check(name: str, outcome: Outcome, detail: Sentence) -> Check:
    return Check(name, "ISO 32000-2, 7.5 and 12.8; EN 319 102-1, 5.2.2", outcome, detail)


def open_document(document: bytes, limits: PdfLimits) -> OpenDocument:
    """Open a PDF with all three readers.

    Raises: UnreadableDocument, DocumentEncrypted, DocumentOverLimit.
    """
    pdf = _open_qpdf(document)
    try:
        _check_limits(pdf, limits)
        reader = _open_hanko(document)
        seals, unreadable = _read_seals(reader, limits)
        drawn = pdfium.PdfDocument(document)
        return OpenDocument(
            document=document,
            reader=reader,
            pdf=pdf,
            drawn=drawn,
            seals=seals,
            unreadable_seals=unreadable,
            unlinked_seals=qpdf_seal_objects(pdf),
            pdfium_seals=pdfium_seal_count(drawn),
            limits=limits,
        )
    except (UnreadableDocument, DocumentEncrypted, DocumentOverLimit):
        pdf.close()
        raise
    except LIBRARY_ERRORS as error:
        pdf.close()
        raise UnreadableDocument(
            Sentence("文件结构损坏，阅读程序无法读取。", "The structure is damaged; a reader gives up.")
        ) from error


def _open_qpdf(document: bytes) -> pikepdf.Pdf:
    try:
        pdf = pikepdf.open(
            io.BytesIO(document), suppress_warnings=True, attempt_recovery=False, inherit_page_attributes=False
        )
    except pikepdf.PasswordError as error:
        raise DocumentEncrypted("The PDF is protected by a password.", field="document") from error
    except LIBRARY_ERRORS as error:
        raise UnreadableDocument(
            Sentence("qpdf 无法读取文件结构。", "qpdf cannot read the structure of the file.")
        ) from error
    if pdf.is_encrypted:
        pdf.close()
        raise DocumentEncrypted("The PDF is encrypted.", field="document")
    return pdf


def _check_limits(pdf: pikepdf.Pdf, limits: PdfLimits) -> None:
    """Raise DocumentOverLimit."""
    if len(pdf.objects) > limits.objects:
        raise DocumentOverLimit(f"The PDF has more than {limits.objects} objects.", field="document")
    if len(pdf.pages) > limits.pages:
        raise DocumentOverLimit(f"The PDF has more than {limits.pages} pages.", field="document")
    for item in pdf.objects:
        if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == pikepdf.Name.Image:
            width, height = item.get("/Width", 0), item.get("/Height", 0)
            if not isinstance(width, int) or not isinstance(height, int) or width * height > limits.image_pixels:
                raise DocumentOverLimit(
                    f"The PDF holds an image of more than {limits.image_pixels} pixels.", field="document"
                )


def _open_hanko(document: bytes) -> PdfFileReader:
    """Open strictly; leniently only where the strict reader refuses, as with hybrid cross-references.

    What leniency may hide is caught by the comparison with the other readers.
    """
    try:
        reader = IndexedReader(document, strict=True)
        if not reader.xrefs.hybrid_xrefs_present:
            _walk_pages(reader)
            return reader
    except LIBRARY_ERRORS:
        pass
    try:
        reader = IndexedReader(document, strict=False)
        _walk_pages(reader)
    except LIBRARY_ERRORS as error:
        raise UnreadableDocument(
            Sentence("pyHanko 无法读取文件结构。", "pyHanko cannot read the structure of the file.")
        ) from error
    return reader


def _walk_pages(reader: PdfFileReader) -> None:
    if not isinstance(reader.root["/Pages"], generic.DictionaryObject):
        raise UnreadableDocument(Sentence("文件没有页面。", "The file has no pages."))


def _read_seals(reader: PdfFileReader, limits: PdfLimits) -> tuple[tuple[EmbeddedPdfSignature, ...], tuple[str, ...]]:
    """Return every seal linked from the form, and the names of those that cannot be read."""
    seals: list[EmbeddedPdfSignature] = []
    unreadable: list[str] = []
    for name, value, holder in enumerate_sig_fields(reader, filled_status=True):
        if len(seals) + len(unreadable) >= limits.seals:
            raise DocumentOverLimit(f"The PDF has more than {limits.seals} seals.", field="document")
        try:
            if value.get_object().get("/SubFilter") not in SUBFILTERS:
                unreadable.append(name)
                continue
            seals.append(EmbeddedPdfSignature(reader, holder, name))
        except LIBRARY_ERRORS:
            unreadable.append(name)
    seals.sort(key=lambda seal: (seal.signed_revision, int(seal.byte_range[2]) + int(seal.byte_range[3])))
    return tuple(seals), tuple(unreadable)


def _dynamic_form(pdf: pikepdf.Pdf) -> Disagreement | None:
    """XFA forms are drawn by some readers from XML and by others from the pages."""
    form = pdf.Root.get("/AcroForm")
    if isinstance(form, pikepdf.Dictionary) and "/XFA" in form:
        return Disagreement(
            "文件含 XFA 动态表单，各阅读程序显示不同。", "An XFA form shows differently in different readers."
        )
    return None
