"""The gate: one PDF in, one report out, pure over its arguments.

Order is the argument: 1 the bytes (is it a PDF, is it within limits), 2 the parsers (do
they open it, do they find the same seals), 3 each seal by itself, 4 what came after the
last seal, 5 whether the readers agree on what is shown. The verdict is the worst of all.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verification.errors import DocumentOverLimit, NoSealFound, NotAPdf
from verification.evidence import SealEvidence
from verification.limits import DEFAULT_LIMITS, PdfLimits
from verification.model import Check, Indication, Outcome, Reason, Report, Sentence, Subject
from verification.pdf.byte_range import has_seal_traces
from verification.pdf.changes import changes_after_last_seal, licence_as_sealed
from verification.pdf.document import OpenDocument, UnreadableDocument, open_document
from verification.pdf.seal import SealVerdict, judge_seals

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from verification.trust import TrustMaterial

__all__ = ["DEFAULT_LIMITS", "PdfLimits", "validate_pdf"]

_HEADER_WINDOW = 1024
_DOUBTFUL = frozenset({Outcome.FAILED, Outcome.UNKNOWN})
_SEVERITY = {Indication.TOTAL_PASSED: 0, Indication.INDETERMINATE: 1, Indication.TOTAL_FAILED: 2}


def validate_pdf(
    document: bytes,
    material: TrustMaterial,
    *,
    at: datetime,
    limits: PdfLimits = DEFAULT_LIMITS,
    opened_with: Callable[[int, int], None] | None = None,
) -> Report:
    """Judge every seal in a PDF as of one moment, and what the document became since.

    Pure and synchronous; it must not run on a thread whose event loop is running. Files from
    strangers go through `verification.sandbox`, which calls it in a worker process.

    Args:
        document: the whole file.
        material: anchors and revocation data; nothing is fetched.
        at: aware UTC; the moment we judge at, not the time claimed inside.
        limits: what is refused unseen.
        opened_with: told how many pages and seals there are before the work that takes time with them begins.

    Returns: a report; a bad seal, also one no parser can read, is an indication, not an exception.
    Raises: NotAPdf, DocumentEncrypted, NoSealFound, DocumentOverLimit.
    Standard: ETSI EN 319 102-1, clauses 5.3, 5.5 and 5.6.
    """
    if len(document) > limits.bytes:
        raise DocumentOverLimit(f"The file is larger than {limits.bytes} bytes.", field="document")
    if b"%PDF-" not in document[:_HEADER_WINDOW]:
        raise NotAPdf("The file is not a PDF.", field="document")
    try:
        opened = open_document(document, limits)
    except UnreadableDocument as error:
        if not has_seal_traces(document):
            raise NoSealFound("The file holds no seal and cannot be read as a PDF.", field="document") from error
        return _format_failure(document, material, at, Reason.FORMAT_FAILURE, error.sentence)
    with opened:
        if opened_with is not None:
            opened_with(len(opened.pdf.pages), len(opened.seals))
        return _judge(opened, material, at)


def _judge(opened: OpenDocument, material: TrustMaterial, at: datetime) -> Report:
    if not opened.seals:
        if opened.unlinked_seals or has_seal_traces(opened.document):
            return _format_failure(
                opened.document,
                material,
                at,
                Reason.FORMAT_FAILURE,
                Sentence(
                    "文件含有签章痕迹，但没有一个可供核验的签章。",
                    "There are traces of a seal, but none that can be checked.",
                ),
            )
        raise NoSealFound("The PDF holds no seal.", field="document")
    verdicts = judge_seals(opened, material, at)
    structure = (
        *opened.structure_checks(),
        *_somebody_sealed(verdicts),
        *changes_after_last_seal(opened),
        *licence_as_sealed(opened),
        *opened.content_checks(),
        *opened.agreement_checks(),
    )
    return _combine(opened, material, at, verdicts, structure)


def _somebody_sealed(verdicts: tuple[SealVerdict, ...]) -> tuple[tuple[Check, Reason], ...]:
    """Anybody may have a document timestamped; a timestamp alone makes nobody answer for the content."""
    if any(verdict.facts.kind == "seal" for verdict in verdicts):
        return ()
    sentence = Sentence("文件只有时间戳，没有任何单位盖章。", "There are only timestamps: nobody sealed the document.")
    return ((Check("pdf.sealed", "ETSI EN 319 142-1", Outcome.UNKNOWN, sentence), Reason.DATA_MISSING),)


def _combine(
    opened: OpenDocument,
    material: TrustMaterial,
    at: datetime,
    verdicts: tuple[SealVerdict, ...],
    structure: tuple[tuple[Check, Reason], ...],
) -> Report:
    indication, sub = Indication.TOTAL_PASSED, ""
    reason = next((verdict.reason for verdict in verdicts if _with_a_gap(verdict)), Reason.ALL_CHECKS_PASSED)
    for verdict in verdicts:
        if _SEVERITY[verdict.facts.indication] > _SEVERITY[indication]:
            indication, sub, reason = verdict.facts.indication, verdict.facts.sub_indication, verdict.reason
    for check, why in structure:
        if check.outcome in _DOUBTFUL and why is Reason.CONTENT_CAN_CHANGE:
            # The seal may well be good; what it was put under is what cannot be confirmed.
            if indication is Indication.TOTAL_PASSED:
                indication, sub, reason = Indication.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE", why
        elif check.outcome is Outcome.FAILED and indication is not Indication.TOTAL_FAILED:
            indication, sub, reason = Indication.TOTAL_FAILED, "FORMAT_FAILURE", why
        elif check.outcome is Outcome.UNKNOWN and indication is Indication.TOTAL_PASSED:
            indication, sub, reason = Indication.INDETERMINATE, "GENERIC", why
    checks = tuple(check for verdict in verdicts for check in verdict.checks) + tuple(check for check, _ in structure)
    return Report(
        verdict=indication.verdict,
        reason=reason,
        subject=_subject(opened.document),
        checked_at=at,
        data_as_of=material.data_as_of or at,
        checks=checks,
        indication=indication,
        sub_indication=sub,
        seals=tuple(verdict.facts for verdict in verdicts),
        attached=opened.attached_licence(),
        code_text=opened.shown.code_text,
        further_codes=opened.shown.further_codes,
        named_licences=opened.shown.identifiers,
        shown_cut=opened.shown.cut,
        seems_shown=_not_the_sealers(opened.shown.likenesses, verdicts),
        receipt_text=opened.attached_receipt(),
        evidence=tuple(verdict.evidence or SealEvidence(verdict.facts.field_name) for verdict in verdicts),
        revocation_urls=tuple(dict.fromkeys(url for verdict in verdicts for url in verdict.revocation_urls)),
    )


def _not_the_sealers(likenesses: tuple[tuple[str, str], ...], verdicts: tuple[SealVerdict, ...]) -> tuple[str, ...]:
    """Return the titles of what looks like licences of others than those who sealed the file."""
    sealers = [verdict.facts.signer for verdict in verdicts if verdict.facts.kind == "seal" and verdict.facts.signer]
    return tuple(
        dict.fromkeys(
            title
            for title, issuer in likenesses
            if not any(sealer.startswith(issuer) or issuer.startswith(sealer) for sealer in sealers)
        )
    )


def _with_a_gap(verdict: SealVerdict) -> bool:
    return verdict.facts.indication is Indication.TOTAL_PASSED and verdict.reason is not Reason.ALL_CHECKS_PASSED


def _format_failure(document: bytes, material: TrustMaterial, at: datetime, reason: Reason, detail: Sentence) -> Report:
    return Report(
        verdict=Indication.TOTAL_FAILED.verdict,
        reason=reason,
        subject=_subject(document),
        checked_at=at,
        data_as_of=material.data_as_of or at,
        checks=(Check("pdf.structure", "EN 319 102-1, 5.2.2; ISO 32000-2, 12.8", Outcome.FAILED, detail),),
        indication=Indication.TOTAL_FAILED,
        sub_indication="FORMAT_FAILURE",
    )


def _subject(document: bytes) -> Subject:
    return Subject("pdf", sha256_hex=hashlib.sha256(document).hexdigest())
