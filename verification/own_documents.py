"""Our own licences as PDFs: the record has the last word."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from asn1crypto import x509 as asn1_x509

from verification.codes import CodeRejected, open_code
from verification.field_names import drawn_name
from verification.identifier import read_identifier
from verification.licences import civil_day, facts_of, judge_state, verdict_of
from verification.model import Check, Comparison, Indication, Outcome, Reason, Report, Sentence, Subject, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from verification.pages import PageDifference
    from verification.ports import LicenceRecord, LicenceStanding
    from verification.trust import VerificationKey

_STANDARD = "GB/T 36903"
COPY_TERM = "JZJYXQJZSJ"
"""The short name of the day a purpose-bound copy ends."""


def judge_known_document(
    record: LicenceStanding, sha256: bytes, attached: Mapping[str, str] | None, *, at: datetime, now: datetime
) -> Report:
    """Judge a document whose very bytes are on record: what is left to ask is the licence's state.

    `attached` is what the document carries as licence data, which tells a copy's own term.
    """
    sentence = Sentence(
        "文件与本系统签发存档的文件逐字节相同。", "The file is, byte for byte, one that was issued and kept here."
    )
    known = Check("pdf.known_document", "FIPS 180-4", Outcome.PASSED, sentence)
    reason, made = _state(record, attached, at)
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


def _state(
    record: LicenceStanding, attached: Mapping[str, str] | None, at: datetime
) -> tuple[Reason, tuple[Check, ...]]:
    """Judge the licence's state, and the term of a purpose-bound copy of it (JZJYXQJZSJ)."""
    reason, made = judge_state(record, at)
    term = None if attached is None else attached.get(COPY_TERM)
    if term is None:
        return reason, made
    try:
        over = civil_day(at) > date.fromisoformat(term)
    except ValueError:
        over = True
    sentence = (
        Reason.COPY_EXPIRED.sentence if over else Sentence("加注件在使用期限内。", "The copy is within its term.")
    )
    check = Check("copy.term", _STANDARD, Outcome.FAILED if over else Outcome.PASSED, sentence)
    if over and reason is Reason.ALL_CHECKS_PASSED:
        reason = Reason.COPY_EXPIRED
    return reason, (*made, check)


def without_state(report: Report) -> Report:
    """Say of a licence whose state nobody could tell that only its seal was judged.

    The verdict on the signature stands (TOTAL-PASSED is VALID) where it is the issuer's, but
    nobody may read it as "the licence is in force" (decision 0043).
    """
    if report.attached is None:
        return report
    report = judge_sealer_by_name(report)
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
    reason, made = _state(record, attached, at)
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


def judge_sealer(report: Report, issuer_code: str) -> Report:
    """Require of a licence that a sound seal on it belongs to its issuer.

    Any department may seal any paper, and its seal vouches for the paper's bytes, not for another's licence
    (decision 0049). Further seals beside the issuer's do no harm.
    """
    if sealed_for(report, issuer_code):
        sentence = Sentence("证照由其颁发机构盖章。", "The licence is sealed by its issuer.")
        check = Check("licence.sealed_by_issuer", _STANDARD, Outcome.PASSED, sentence)
        return replace(report, checks=(*report.checks, check))
    sentence = Reason.LICENCE_SEALED_BY_ANOTHER.sentence
    sound = report.verdict is Verdict.VALID
    outcome = Outcome.FAILED if sound else Outcome.UNKNOWN
    check = Check("licence.sealed_by_issuer", _STANDARD, outcome, sentence if sound else _NOBODY)
    if not sound:
        return replace(report, checks=(*report.checks, check))
    return replace(
        report,
        verdict=Verdict.INVALID,
        reason=Reason.LICENCE_SEALED_BY_ANOTHER,
        checks=(*report.checks, check),
        advice=(*report.advice, ASK_THE_ISSUER),
    )


_NOBODY = Sentence("没有可信的印章表明由颁发机构盖章。", "No sound seal shows that the issuer sealed it.")
ASK_THE_ISSUER = Sentence(
    "请勿凭此文件办理；请持证主体出示颁发机构盖章的证照，或按证照标识核验。",
    "Do not rely on this file; ask for the licence as sealed by its issuer, or verify it by its identifier.",
)


def judge_sealer_by_name(report: Report) -> Report:
    """Require the seal of the issuer whom a licence's own identifier names, where no record can say who it is.

    The identifier is the document's own word, but naming another issuer is no use to a forger: a seal of
    whomever it names is asked for. A seal that says of no organisation whose it is, as under another
    city's profile, and an identifier that names nobody leave the question open: never VALID (decision 0104).
    """
    parts = read_identifier((report.attached or {}).get("ZZBS", "")).parts
    if parts is None or not any(_organisation_codes(der) for der in _sound_signers(report)):
        return _sealer_unknown(report)
    return judge_sealer(report, parts.issuer_code)


def _sealer_unknown(report: Report) -> Report:
    sentence = Reason.LICENCE_SEALER_UNKNOWN.sentence
    report = replace(
        report, checks=(*report.checks, Check("licence.sealed_by_issuer", _STANDARD, Outcome.UNKNOWN, sentence))
    )
    if report.verdict is not Verdict.VALID:
        return report
    return replace(
        report,
        verdict=Verdict.UNDETERMINED,
        reason=Reason.LICENCE_SEALER_UNKNOWN,
        advice=(*report.advice, ASK_THE_ISSUER),
    )


def sealed_for(report: Report, organisation_code: str) -> bool:
    """Tell whether a sound seal on a document is an organisation's."""
    return any(organisation_code in _organisation_codes(der) for der in _sound_signers(report))


def _sound_signers(report: Report) -> tuple[bytes, ...]:
    """Return the certificates of the seals that hold."""
    return tuple(
        evidence.path_der[0]
        for facts, evidence in zip(report.seals, report.evidence, strict=False)
        if facts.kind == "seal" and facts.indication is Indication.TOTAL_PASSED and evidence.path_der
    )


def _organisation_codes(certificate_der: bytes) -> set[str]:
    """Return the credit codes in a signer's certificate, each behind its scheme (ETSI EN 319 412-1, 5.1.4)."""
    subject = asn1_x509.Certificate.load(certificate_der).subject
    return {
        str(attribute["value"].native)[6:]
        for name in subject.chosen
        for attribute in name
        if attribute["type"].dotted == "2.5.4.97" and str(attribute["value"].native)[:6] in _SCHEMES
    }


_SCHEMES = frozenset({"NTRCN-", "VATCN-", "GOVCN-"})


def is_copy(report: Report) -> bool:
    """Tell whether a document says that it is a purpose-bound copy, whose face carries more than the record."""
    return COPY_TERM in (report.attached or {})


def genuine_code(report: Report, identifier: str, keys: tuple[VerificationKey, ...]) -> str:
    """Return the code on a purpose-bound copy when it is a copy's, of this licence, under a key of ours; else nothing.

    No two copies bear the same code, so a copy's face can only be made anew with the code it bears.
    """
    try:
        code, _ = open_code(report.code_text or "", keys)
    except CodeRejected:
        return ""
    same = code.contents.is_copy and code.contents.identifier == identifier
    return report.code_text or "" if same else ""


def judge_rendering(report: Report, differences: tuple[PageDifference, ...] | None) -> Report:
    """Add what a fresh rendering of the record says; None when none could be compared."""
    if differences is None:
        sentence = Sentence("未能与重新制作的证面比对。", "No fresh rendering could be compared.")
        check = Check("licence.agrees_with_rendering", _STANDARD, Outcome.NOT_APPLICABLE, sentence)
        return replace(report, checks=(*report.checks, check))
    if not differences:
        sentence = Sentence(
            "证面与按登记数据重新制作的一致。", "The face equals a fresh rendering of the data on record."
        )
        check = Check("licence.agrees_with_rendering", _STANDARD, Outcome.PASSED, sentence)
        return replace(report, checks=(*report.checks, check))
    named = [drawn_name(item.what, item.page) for item in differences]
    where, place = "、".join(name.zh for name in named), ", ".join(name.en for name in named)
    sentence = Sentence(
        f"证面与按登记数据重新制作的不同：{where}。", f"The face differs from a fresh rendering: {place}."
    )
    check = Check("licence.agrees_with_rendering", _STANDARD, Outcome.FAILED, sentence)
    found = tuple(Comparison(f"rendering.{item.what}.{item.page}", same=False) for item in differences)
    return replace(
        report,
        verdict=Verdict.INVALID,
        reason=report.reason if report.verdict is Verdict.INVALID else Reason.DOCUMENT_DIFFERS_FROM_RECORD,
        checks=(*report.checks, check),
        comparisons=(*report.comparisons, *found),
    )
