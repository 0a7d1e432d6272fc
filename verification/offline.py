"""Verdicts without a network: a code or a document against an offline pack.

Offline the reason is only that a code is forged, expired, not begun, suspended or not in
force; which of the ends a licence met, the record knows and a list of two bits does not.
Nothing is called valid on a stale pack, on a list that is missing or on a place beyond
its end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from verification.as_of import unknown_then
from verification.codes import (
    CHECK_THE_BEARER,
    LINK_KNOWN,
    SIGNED,
    STANDARD,
    CodeRejected,
    judge_link,
    open_code,
    reject,
)
from verification.licences import civil_day
from verification.model import (
    Check,
    CodeFacts,
    Indication,
    LicenceFacts,
    Outcome,
    Reason,
    Report,
    Sentence,
    Subject,
    Verdict,
)
from verification.own_documents import judge_sealer_by_name
from verification.receipts import ReceiptRefused, read_receipt, report_on_receipt, report_on_refused
from verification.shown_licences import drawn_licences, judge_shown

if TYPE_CHECKING:
    from datetime import datetime

    from verification.packs import OfflinePack
    from verification.qr import CodeContents

_STATUS_STANDARD = "Token Status List; RFC 8392"
_PACK_STANDARD = "RFC 7515"
_NO_ANCHOR = "NO_CERTIFICATE_CHAIN_FOUND"
_STALE = Check("pack.fresh", _STATUS_STANDARD, Outcome.UNKNOWN, Reason.DATA_STALE.sentence)
_FRESH = Check(
    "pack.fresh", _STATUS_STANDARD, Outcome.PASSED, Sentence("离线包在有效期内。", "The offline pack is current.")
)
_IN_FORCE = Check(
    "licence.status",
    _STATUS_STANDARD,
    Outcome.PASSED,
    Sentence("状态列表中该证照有效。", "The status list says the licence is in force."),
)
_IN_PERIOD = Check(
    "licence.dates",
    "GB/T 36903",
    Outcome.PASSED,
    Sentence("在有效期内。", "The date lies within the period of validity."),
)
PASSED_CHECKS = (SIGNED, _FRESH, _IN_FORCE, _IN_PERIOD, LINK_KNOWN)
CHECK_STANDARDS = {
    "code.form": STANDARD,
    "code.key": STANDARD,
    **{check.name: check.standard for check in PASSED_CHECKS},
}
"""Every check made of a code offline, with its standard; the offline page prints them."""
_UNDETERMINED = frozenset({Reason.DATA_STALE, Reason.DATA_MISSING})
_BY_VALUE = {
    0: Reason.ALL_CHECKS_PASSED,
    1: Reason.LICENCE_NOT_IN_FORCE,
    2: Reason.LICENCE_SUSPENDED,
    3: Reason.LICENCE_PENDING,
}


def judge_code_offline(unverified_text: str, pack: OfflinePack, *, at: datetime) -> Report:
    """Judge an HF1 code by a pack.

    Args:
        unverified_text: as scanned.
        pack: a genuine pack, however old.
        at: the present moment, or the one to judge at.
    """
    return judge_link(_judge_contents(unverified_text, pack, at), unverified_text, pack.verify_pages)


def _judge_contents(unverified_text: str, pack: OfflinePack, at: datetime) -> Report:
    try:
        code, signature = open_code(unverified_text, pack.code_keys)
    except CodeRejected as rejected:
        return replace(reject(rejected, at), data_as_of=pack.data_as_of)
    contents = code.contents
    pack = pack.about(contents.service_id, contents.status_list)
    freshness = _STALE if not is_current(pack, at) else _FRESH
    reason, status = _status(contents, pack)
    dated, dates = _dates(contents, at)
    # What has ended stays ended however old the pack is; only "valid" needs fresh data.
    if dated is Reason.LICENCE_EXPIRED or (
        reason is Reason.ALL_CHECKS_PASSED and dated is not Reason.ALL_CHECKS_PASSED
    ):
        reason = dated
    if freshness is _STALE and reason in {Reason.ALL_CHECKS_PASSED, Reason.LICENCE_SUSPENDED, Reason.LICENCE_PENDING}:
        # A suspension may have been lifted and a licence issued since.
        reason = Reason.DATA_STALE
    return Report(
        verdict=_verdict(reason),
        reason=reason,
        subject=Subject("qr", identifier=contents.identifier),
        checked_at=at,
        data_as_of=pack.data_as_of,
        checks=(signature, freshness, status, dates),
        licence=_facts(contents, pack, reason),
        advice=(CHECK_THE_BEARER,),
        code=CodeFacts(contents.holder_names, contents.holder_code_tail, contents.is_copy),
    )


def judge_pack_signer(report: Report, pack: OfflinePack, *, pinned: bool) -> Report:
    """Say whose key signed the pack; unless that key was pinned nothing is valid on its word (decision 0120).

    Args:
        report: the verdict by the pack.
        pack: the pack, whose signature holds under the key it carries.
        pinned: whether the verifier named that key beforehand.
    """
    key = pack.key_sha256.hex()
    if pinned:
        sentence = Sentence("离线包由指定的密钥签名。", "The offline pack is signed by the key that was named.")
        return replace(report, checks=(*report.checks, Check("pack.signer", _PACK_STANDARD, Outcome.PASSED, sentence)))
    sentence = Sentence(
        f"离线包自称来自 {pack.service_id}，签名密钥的指纹是 {key}，没有人核对过。",
        f"The offline pack says it is {pack.service_id}'s; the fingerprint of its key, {key}, was checked by nobody.",
    )
    how = Sentence(
        f"请向该市核对指纹；一致的，加上 --pack-key {key} 再验。",
        f"Ask that city for its fingerprint; if it is the same, verify again with --pack-key {key}.",
    )
    unknown = Check("pack.signer", _PACK_STANDARD, Outcome.UNKNOWN, sentence)
    report = replace(report, checks=(*report.checks, unknown), advice=(*report.advice, how))
    if report.verdict is not Verdict.VALID:
        return report
    return replace(
        report,
        verdict=Verdict.UNDETERMINED,
        reason=Reason.PACK_SIGNER_NOT_PINNED,
        licence=None if report.licence is None else replace(report.licence, state=""),
        indication=None if report.indication is None else Indication.INDETERMINATE,
        sub_indication="" if report.indication is None else _NO_ANCHOR,
        seals=tuple(
            replace(one, indication=Indication.INDETERMINATE, sub_indication=_NO_ANCHOR) for one in report.seals
        ),
    )


def judge_pack_age(report: Report, pack: OfflinePack, known_at: datetime | None) -> Report:
    """Say of a moment before the pack was made that what was known then is not in it."""
    if known_at is None or known_at >= pack.issued_at or report.subject.kind == "receipt":
        return report
    made = pack.issued_at.isoformat()
    return unknown_then(
        report,
        Sentence(
            f"离线包制作于 {made}，只有那时掌握的情况；更早掌握了什么，请联网核验，或用当时的离线包。",
            f"The offline pack was made at {made} and knows no earlier: ask the service, or use a pack of that time.",
        ),
    )


def is_current(pack: OfflinePack, at: datetime) -> bool:
    """Tell whether a pack may be relied on at a moment."""
    return pack.issued_at <= at < pack.expires_at


def judge_document_offline(report: Report, code_text: str | None, pack: OfflinePack, *, at: datetime) -> Report:
    """Add a licence's status to the verdict on a sealed document.

    A document that carries licence data is a licence: its seal may hold and the licence be
    withdrawn since, so its code, drawn on its face, is looked up in the pack.
    """
    if report.attached is None:
        codes = {text: judge_code_offline(text, pack, at=at) for text in drawn_licences(report)}
        return judge_shown(report, codes=codes)
    if code_text is None:
        report = judge_sealer_by_name(report)
        missing = Check("licence.status", _STATUS_STANDARD, Outcome.UNKNOWN, Reason.DATA_MISSING.sentence)
        if report.verdict is not Verdict.VALID:
            return replace(report, checks=(*report.checks, missing))
        return replace(
            report, verdict=Verdict.UNDETERMINED, reason=Reason.DATA_MISSING, checks=(*report.checks, missing)
        )
    return judge_document_by_code(report, judge_code_offline(code_text, pack, at=at))


def judge_document_by_code(report: Report, code: Report) -> Report:
    """Add the verdict on the code drawn on a licence to that on its seal, which has to be its issuer's."""
    report = judge_sealer_by_name(report)
    named = code.subject.identifier
    checks = (*report.checks, *code.checks)
    if named and (report.attached or {}).get("ZZBS") != named:
        sentence = Reason.DOCUMENT_DIFFERS_FROM_RECORD.sentence
        differs = Check("licence.code_agrees", "GB/T 36903", Outcome.FAILED, sentence)
        code = replace(code, verdict=Verdict.INVALID, reason=Reason.DOCUMENT_DIFFERS_FROM_RECORD)
        checks = (*checks, differs)
    verdict, reason = report.verdict, report.reason
    if verdict is Verdict.VALID or (verdict is Verdict.UNDETERMINED and code.verdict is Verdict.INVALID):
        verdict, reason = code.verdict, code.reason
    return replace(
        report,
        verdict=verdict,
        reason=reason,
        subject=replace(report.subject, identifier=named),
        checks=checks,
        licence=code.licence,
        data_as_of=min(report.data_as_of, code.data_as_of),
    )


def judge_receipt_offline(unverified_receipt: str, pack: OfflinePack, *, at: datetime) -> Report:
    """Check a receipt against the receipt keys of a pack."""
    try:
        return report_on_receipt(read_receipt(unverified_receipt, dict(pack.receipt_jwks)), at)
    except ReceiptRefused as refused:
        return report_on_refused(refused, at)


def _verdict(reason: Reason) -> Verdict:
    if reason is Reason.ALL_CHECKS_PASSED:
        return Verdict.VALID
    return Verdict.UNDETERMINED if reason in _UNDETERMINED else Verdict.INVALID


def _status(contents: CodeContents, pack: OfflinePack) -> tuple[Reason, Check]:
    values = pack.statuses.get(contents.status_list)
    value = None if values is None else values.at(contents.status_index)
    reason = Reason.DATA_MISSING if value is None else _BY_VALUE[value]
    if reason is Reason.LICENCE_PENDING and contents.issued_at > pack.data_as_of:
        # Issued since: the code is genuine, and the pack is of before.
        return Reason.DATA_STALE, Check("licence.status", _STATUS_STANDARD, Outcome.UNKNOWN, Reason.DATA_STALE.sentence)
    if reason is Reason.DATA_MISSING:
        why = pack.left_out.get(contents.status_list, reason).sentence
        return reason, Check("licence.status", _STATUS_STANDARD, Outcome.UNKNOWN, why)
    if reason is Reason.ALL_CHECKS_PASSED:
        return reason, _IN_FORCE
    return reason, Check("licence.status", _STATUS_STANDARD, Outcome.FAILED, reason.sentence)


def _dates(contents: CodeContents, at: datetime) -> tuple[Reason, Check]:
    today = civil_day(at)
    late = contents.valid_to is not None and today > contents.valid_to
    copy_over = contents.is_copy and contents.expires_at is not None and at >= contents.expires_at
    reason = Reason.ALL_CHECKS_PASSED
    if late or copy_over:
        reason = Reason.LICENCE_EXPIRED
    elif today < contents.valid_from:
        reason = Reason.LICENCE_NOT_YET_VALID
    if reason is Reason.ALL_CHECKS_PASSED:
        return reason, _IN_PERIOD
    return reason, Check("licence.dates", "GB/T 36903", Outcome.FAILED, reason.sentence)


def _facts(contents: CodeContents, pack: OfflinePack, reason: Reason) -> LicenceFacts:
    parts = contents.identifier.split(".")
    type_code = parts[5] if len(parts) > 5 else ""  # noqa: PLR2004 - the root has five parts
    return LicenceFacts(
        identifier=contents.identifier,
        type_code=type_code,
        type_name=pack.types.get(type_code, contents.type_name),
        issuer_code=parts[6] if len(parts) > 6 else "",  # noqa: PLR2004 - as above
        issuer_name=contents.issuer_name,
        valid_from=contents.valid_from,
        valid_to=contents.valid_to,
        state="valid" if reason is Reason.ALL_CHECKS_PASSED else "",
    )
