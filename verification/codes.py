"""The verdict on an HF1 code, online: signature, then the record it names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from verification.identifier import read_identifier
from verification.licences import compare_code, facts_of, judge_state, verdict_of
from verification.model import (
    Check,
    CodeFacts,
    Comparison,
    LicenceFacts,
    Outcome,
    Reason,
    Report,
    Sentence,
    Subject,
    Verdict,
)
from verification.qr import Code, MalformedCode, read_code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from verification.ports import LicenceStanding
    from verification.qr import CodeContents
    from verification.trust import VerificationKey

STANDARD = "RFC 9052; RFC 8392"
LINK_STANDARD = "RFC 3986"
CHECK_THE_BEARER = Sentence(
    "请核对持码人与证照持有人是否一致。",
    "Check that the bearer is the holder named: a good code says nothing about who holds it up.",
)

SIGNED = Check(
    "code.signature", STANDARD, Outcome.PASSED, Sentence("二维码签名正确。", "The signature of the code holds.")
)
LINK_KNOWN = Check(
    "code.link",
    LINK_STANDARD,
    Outcome.PASSED,
    Sentence("二维码指向已知的核验服务。", "The code leads to a service known here."),
)


class CodeRejected(Exception):
    """A code is not believed; carries the reason and the check that failed."""

    def __init__(self, reason: Reason, check: Check) -> None:
        """Keep both."""
        super().__init__(reason.value)
        self.reason = reason
        self.check = check


def open_code(unverified_text: str, keys: tuple[VerificationKey, ...]) -> tuple[Code, Check]:
    """Return a code whose signature holds under a key of the service it names; raises CodeRejected."""
    try:
        code = read_code(unverified_text)
    except MalformedCode as error:
        sentence = Sentence(Reason.CODE_MALFORMED.sentence.zh, str(error))
        raise CodeRejected(Reason.CODE_MALFORMED, Check("code.form", STANDARD, Outcome.FAILED, sentence)) from error
    candidates = [key for key in keys if key.key_id == code.key_id and key.issuer == code.contents.service_id]
    if not candidates:
        reason = Reason.CODE_ISSUER_UNKNOWN
        raise CodeRejected(reason, Check("code.key", STANDARD, Outcome.UNKNOWN, reason.sentence))
    signer = next((key for key in candidates if code.signed_by(key)), None)
    if signer is None:
        reason = Reason.CODE_FORGED
        raise CodeRejected(reason, Check("code.signature", STANDARD, Outcome.FAILED, reason.sentence))
    if signer.not_trusted_from is not None and code.contents.issued_at >= signer.not_trusted_from:
        reason = Reason.KEY_COMPROMISED
        raise CodeRejected(reason, Check("code.key", STANDARD, Outcome.FAILED, reason.sentence))
    return code, SIGNED


def judge_link(report: Report, unverified_text: str, pages: Iterable[str]) -> Report:
    """Say so when the link before a code leads to no service that is known here (decision 0110).

    The signature covers what the code says and not the link, so what is said of the licence stands; but somebody
    wants phones to open another page.

    Args:
        report: the verdict on the code.
        unverified_text: as scanned; a code without a link leads nowhere.
        pages: the verify pages a code may lead to; without any, nothing can be said.
    """
    link, mark, _ = unverified_text.strip().rpartition("#")
    known = {_origin(page) for page in pages}
    if not link or not mark or not known:
        return report
    if _origin(link) in known:
        return replace(report, checks=(*report.checks, LINK_KNOWN))
    check = Check("code.link", LINK_STANDARD, Outcome.FAILED, _ELSEWHERE)
    passed = report.reason is Reason.ALL_CHECKS_PASSED
    return replace(
        report,
        reason=Reason.CODE_LEADS_ELSEWHERE if passed else report.reason,
        checks=(*report.checks, check),
        advice=(*report.advice, _ELSEWHERE),
    )


_ELSEWHERE = Sentence(
    "二维码上的网址不属于任何已知的核验服务，请勿打开。",
    "The address in the code belongs to no service known here: do not open it.",
)
_LINK = re.compile(r"(https?)://([^/?#\\\s]+)(?:[/?][^#\\\s]*)?")
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def _origin(link: str) -> str:
    """Return scheme and host of a plain web address, empty for what two readers could take for two addresses."""
    found = _LINK.fullmatch(link.lower())
    return f"{found[1]}://{found[2].removesuffix(_USUAL_PORTS[found[1]])}" if found else ""


def reject(rejected: CodeRejected, now: datetime) -> Report:
    """Return the report on a code that is not believed."""
    unknown = rejected.check.outcome is Outcome.UNKNOWN
    return Report(
        verdict=Verdict.UNDETERMINED if unknown else Verdict.INVALID,
        reason=rejected.reason,
        subject=Subject("qr"),
        checked_at=now,
        data_as_of=now,
        checks=(rejected.check,),
    )


async def judge_code(
    unverified_text: str,
    keys: tuple[VerificationKey, ...],
    find: Callable[[str], Awaitable[LicenceStanding | None]],
    *,
    at: datetime,
    now: datetime,
) -> Report:
    """Judge a code by its signature and the record it names.

    Args:
        unverified_text: as scanned.
        keys: the keys trusted for codes.
        find: looks a canonical identifier up.
        at: the moment judged at.
        now: the present moment.
    """
    try:
        code, signature = open_code(unverified_text, keys)
    except CodeRejected as rejected:
        return reject(rejected, now)
    contents = code.contents
    parts = read_identifier(contents.identifier).parts
    record = None if parts is None else await find(parts.text)
    if record is None:
        missing = Check("licence.record", "GB/T 36904", Outcome.UNKNOWN, Reason.DATA_MISSING.sentence)
        return _report(contents, Reason.DATA_MISSING, now, (signature, missing), None, ())
    comparisons = compare_code(record, contents)
    reason, made = judge_state(record, at)
    expired = contents.is_copy and contents.expires_at is not None and at >= contents.expires_at
    if reason is Reason.ALL_CHECKS_PASSED and expired:
        reason = Reason.LICENCE_EXPIRED
    same = all(item.same for item in comparisons)
    agreement = Check(
        "code.agrees_with_record",
        "GB/T 36903",
        Outcome.PASSED if same else Outcome.FAILED,
        Sentence("二维码内容与登记一致。", "The code agrees with the record.")
        if same
        else Reason.DOCUMENT_DIFFERS_FROM_RECORD.sentence,
    )
    if not same:
        reason = Reason.DOCUMENT_DIFFERS_FROM_RECORD
    return _report(contents, reason, now, (signature, agreement, *made), facts_of(record), comparisons)


def _report(
    contents: CodeContents,
    reason: Reason,
    now: datetime,
    checks: tuple[Check, ...],
    licence: LicenceFacts | None,
    comparisons: tuple[Comparison, ...],
) -> Report:
    verdict = Verdict.UNDETERMINED if reason is Reason.DATA_MISSING else verdict_of(reason)
    return Report(
        verdict=verdict,
        reason=reason,
        subject=Subject("qr", identifier=contents.identifier),
        checked_at=now,
        data_as_of=now,
        checks=checks,
        licence=licence,
        comparisons=comparisons,
        code=CodeFacts(contents.holder_names, contents.holder_code_tail, contents.is_copy),
        advice=(CHECK_THE_BEARER,),
    )
