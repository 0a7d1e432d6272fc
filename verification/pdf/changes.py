"""What became of the document after its last seal: long-term updates at most.

pyHanko compares the revisions object by object under its own rules, and `long_term` under
narrower ones; then pdfium draws the sealed revision and the file as it is now, and the
pictures have to be equal. Shadow and certification attacks change the picture and nothing
a lenient rule would notice; updates of validation data change no picture.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, DiffResult, ModificationLevel, SuspiciousModification
from pyhanko.sign.validation.status import SignatureCoverageLevel

from verification.model import Check, Outcome, Reason, Sentence
from verification.pdf.agreement import same_pictures
from verification.pdf.byte_range import ends_a_revision, only_padding
from verification.pdf.document import LIBRARY_ERRORS
from verification.pdf.long_term import is_long_term_update

if TYPE_CHECKING:
    from pyhanko.pdf_utils import generic
    from pyhanko.sign.fields import FieldMDPSpec
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

    from verification.pdf.document import Finding, OpenDocument

_STARTXREF = re.compile(rb"(?:^|[\r\n])startxref\s")
_OBJECT = re.compile(rb"(?:^|[\s>])(\d{1,10})\s+\d{1,5}\s+obj\b")
_STANDARD = "ISO 32000-2, 12.8.2.2; ETSI EN 319 142-1, 5.5"


def covered_end(seal: EmbeddedPdfSignature) -> int:
    """Return the offset at which the bytes covered by a seal end."""
    return int(seal.byte_range[2]) + int(seal.byte_range[3])


def changes_after_last_seal(opened: OpenDocument) -> tuple[Finding, ...]:
    """Check what follows the last seal that is not a document timestamp."""
    real = [seal for seal in opened.seals if seal.sig_object_type != "/DocTimeStamp"]
    last = real[-1] if real else opened.seals[-1]
    end = covered_end(last)
    if only_padding(opened.document, end):
        return (_finding(Outcome.PASSED, "最后一个签章之后没有任何修改。", "Nothing follows the last seal."),)
    try:
        allowed = (
            _allowed_by_the_library(last)
            and _all_accounted_for(opened, last, end)
            and all(
                is_long_term_update(opened.reader, revision)
                for revision in range(last.signed_revision + 1, opened.reader.xrefs.total_revisions)
            )
            and same_pictures(opened.drawn, opened.document[:end])
        )
    except LIBRARY_ERRORS:
        allowed = False
    if allowed:
        return (
            _finding(
                Outcome.PASSED,
                "最后一个签章之后仅追加了长期验证数据。",
                "After the last seal only long-term validation data were added.",
            ),
        )
    return (
        _finding(Outcome.FAILED, "文件在最后一个签章之后被修改。", "The document was changed after its last seal."),
    )


def licence_as_sealed(opened: OpenDocument) -> tuple[Finding, ...]:
    """Check of a licence that nothing after its first seal shows on its pages (decision 0136).

    Its face is compared with the records without annotations, and a later seal is one. On other papers a further
    seal stands where its owner put it.
    """
    real = [number for number, seal in enumerate(opened.seals) if seal.sig_object_type != "/DocTimeStamp"]
    if not real[1:] or opened.attached_licence() is None:
        return ()
    as_sealed = opened.document[: covered_end(opened.seals[real[0]])]
    try:
        seen = any(_is_seen(seal) for seal in opened.seals[real[0] + 1 :])
        same = not seen and same_pictures(opened.drawn, as_sealed)
    except LIBRARY_ERRORS:
        same = False
    sentence = Sentence(
        "首次盖章之后，证照页面上没有增加任何可见内容。",
        "Nothing shown on the licence's pages came after its first seal.",
    )
    check = Check(
        "pdf.licence_as_sealed",
        "GB/T 36903; ISO 32000-2, 12.5.5",
        Outcome.PASSED if same else Outcome.UNKNOWN,
        sentence if same else Reason.LICENCE_COVERED.sentence,
    )
    return ((check, Reason.LICENCE_COVERED),)


def _is_seen(seal: EmbeddedPdfSignature) -> bool:
    """Tell whether a seal has a place on a page, whatever its flags let a reader or printer show of it."""
    field = seal.sig_field
    widgets = [child.get_object() for child in field.get("/Kids", ())] or [field]
    return any(_has_area(widget) for widget in widgets)


def _has_area(widget: generic.DictionaryObject) -> bool:
    left, bottom, right, top = (float(number) for number in widget.get("/Rect", (0, 0, 0, 0)))
    return left != right and bottom != top


def _allowed_by_the_library(seal: EmbeddedPdfSignature) -> bool:
    """Tell whether pyHanko sees long-term updates at most, or an appearance of a form's field.

    PDF/A-1 asks for an appearance of every field, also of a document timestamp's that shows
    nothing, and pyHanko calls any appearance form filling; `long_term` lets an empty one
    through and no other.
    """
    if seal.diff_result is None:
        seal.compute_integrity_info(DEFAULT_DIFF_POLICY)  # type: ignore[no-untyped-call] # pyHanko is partly typed
    if seal.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        return False
    result = seal.diff_result
    return isinstance(result, DiffResult) and result.modification_level <= ModificationLevel.FORM_FILLING


def _all_accounted_for(opened: OpenDocument, last: EmbeddedPdfSignature, end: int) -> bool:
    """Tell whether what follows consists of whole revisions and of objects that they name.

    Objects that no cross-reference section names are invisible to a reader that follows
    the sections, and replace the sealed ones in a reader that searches the file instead.
    """
    tail = opened.document[end:]
    revisions = range(last.signed_revision + 1, opened.reader.xrefs.total_revisions)
    if not revisions or len(_STARTXREF.findall(tail)) != len(revisions) or not ends_a_revision(tail):
        return False
    named = {
        reference.idnum
        for revision in revisions
        for reference in opened.reader.xrefs.explicit_refs_in_revision(revision)
    }
    return all(int(number) in named for number in _OBJECT.findall(tail))


def allowed_by_certification(opened: OpenDocument, number: int) -> bool:
    """Tell whether what lies between a seal and the next keeps to what it and all before it permit.

    Each stretch between two seals is judged once, under the strictest certification so
    far and the field locks of each earlier seal: together they cover all that followed
    any seal. Without a certification a seal may be added and form fields filled, no more.
    """
    seals = opened.seals[: number + 1]
    levels = [seal.docmdp_level for seal in seals if seal.docmdp_level is not None]
    strictest = min(levels, key=lambda level: level.value, default=None)
    base, following = seals[-1].signed_revision, opened.seals[number + 1].signed_revision
    if seals[-1].evaluate_signature_coverage() < SignatureCoverageLevel.ENTIRE_REVISION or following <= base:
        return False
    locks: list[FieldMDPSpec | None] = [seal.fieldmdp for seal in seals if seal.fieldmdp is not None] or [None]
    old = opened.reader.get_historical_resolver(base)
    worst = ModificationLevel.NONE
    for revision in range(base + 1, following + 1):
        new = opened.reader.get_historical_resolver(revision)
        for lock in locks:
            try:
                result = DEFAULT_DIFF_POLICY.apply(old, new, field_mdp_spec=lock, doc_mdp=strictest)
            except SuspiciousModification:
                return False
            worst = max(worst, result.modification_level)
    if worst <= ModificationLevel.LTA_UPDATES:
        return True
    return worst <= ModificationLevel.FORM_FILLING and (strictest is None or worst.value <= strictest.value)


def _finding(outcome: Outcome, zh: str, en: str) -> Finding:
    return Check("pdf.changes_after_seal", _STANDARD, outcome, Sentence(zh, en)), Reason.DOCUMENT_CHANGED
