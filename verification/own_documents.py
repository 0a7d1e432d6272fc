"""Our own licences as PDFs: the record has the last word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from verification.licences import facts_of, judge_state, verdict_of
from verification.model import Check, Comparison, Indication, Outcome, Reason, Report, Sentence, Subject, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from verification.ports import LicenceRecord

_STANDARD = "GB/T 36903"


def judge_known_document(record: LicenceRecord, sha256: bytes, *, at: datetime, now: datetime) -> Report:
    """Judge a document whose very bytes are on record: what is left to ask is the licence's state."""
    sentence = Sentence(
        "文件与本系统签发存档的文件逐字节相同。", "The file is, byte for byte, one that was issued and kept here."
    )
    known = Check("pdf.known_document", "FIPS 180-4", Outcome.PASSED, sentence)
    reason, made = judge_state(record, at)
    return Report(
        verdict=verdict_of(reason),
        reason=reason,
        subject=Subject("pdf", sha256_hex=sha256.hex(), identifier=record.identifier),
        checked_at=now,
        data_as_of=now,
        checks=(known, *made),
        indication=Indication.TOTAL_PASSED,
        licence=facts_of(record),
    )


def without_state(report: Report) -> Report:
    """Say of a licence whose state nobody could tell that only its seal was judged.

    The verdict on the signature stands (TOTAL-PASSED is VALID), but nobody may read it as
    "the licence is in force" (decision 0043).
    """
    if report.attached is None:
        return report
    unknown = Reason.LICENCE_STATE_NOT_CHECKED.sentence
    check = Check("licence.status", _STANDARD, Outcome.UNKNOWN, unknown)
    valid = report.verdict is Verdict.VALID
    return replace(
        report,
        reason=Reason.LICENCE_STATE_NOT_CHECKED if valid else report.reason,
        checks=(*report.checks, check),
        advice=(*report.advice, unknown),
    )


def judge_with_record(report: Report, record: LicenceRecord, *, at: datetime) -> Report:
    """Compare a judged document with the licence its attached data name.

    The seal may hold and the licence be withdrawn since, or an authority may have sealed
    something that was never issued so: neither is valid.
    """
    attached = report.attached or {}
    comparisons = tuple(
        Comparison(field, attached.get(field) == value) for field, value in sorted(record.metadata.items())
    )
    same = all(item.same for item in comparisons)
    agreement = Check(
        "licence.agrees_with_record",
        _STANDARD,
        Outcome.PASSED if same else Outcome.FAILED,
        Sentence("文件所附元数据与登记一致。", "The attached data agree with the record.")
        if same
        else Reason.DOCUMENT_DIFFERS_FROM_RECORD.sentence,
    )
    reason, made = judge_state(record, at)
    if not same:
        reason = Reason.DOCUMENT_DIFFERS_FROM_RECORD
    verdict = report.verdict
    if verdict is Verdict.VALID or (verdict is Verdict.UNDETERMINED and reason is not Reason.ALL_CHECKS_PASSED):
        verdict = verdict_of(reason)
    else:
        reason = report.reason
    return replace(
        report,
        verdict=verdict,
        reason=reason,
        subject=replace(report.subject, identifier=record.identifier),
        checks=(*report.checks, agreement, *made),
        licence=facts_of(record),
        comparisons=comparisons,
    )
