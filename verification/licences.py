"""Pure rules: what a licence's record, and data supplied beside it, amount to."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from verification.model import Check, Comparison, LicenceFacts, Outcome, Reason, Sentence, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from verification.ports import LicenceStanding
    from verification.qr import CodeContents

CIVIL_TIME = ZoneInfo("Asia/Shanghai")
STATE_STANDARD = "GB/T 36901; GB/T 36903"
COMPARABLE = frozenset({"holder_name", "holder_code"})

REASON_OF_STATE = {
    "pending": Reason.LICENCE_PENDING,
    "valid": Reason.ALL_CHECKS_PASSED,
    "suspended": Reason.LICENCE_SUSPENDED,
    "expired": Reason.LICENCE_EXPIRED,
    "superseded": Reason.LICENCE_SUPERSEDED,
    "cancelled": Reason.LICENCE_CANCELLED,
    "withdrawn": Reason.LICENCE_WITHDRAWN,
    "revoked": Reason.LICENCE_REVOKED,
    "transferred": Reason.LICENCE_TRANSFERRED,
    "erroneous": Reason.LICENCE_ERRONEOUS,
}


def civil_day(moment: datetime) -> date:
    """Return the civil date in China at a moment."""
    return moment.astimezone(CIVIL_TIME).date()


def facts_of(record: LicenceStanding) -> LicenceFacts:
    """Return what may be told of a licence to an asker with its identifier alone."""
    return LicenceFacts(
        identifier=record.identifier,
        type_code=record.type_code,
        type_name=record.type_name,
        issuer_code=record.issuer_code,
        issuer_name=record.issuer_name,
        valid_from=record.valid_from,
        valid_to=record.valid_to,
        state=str(record.state),
        state_effective_at=record.state_effective_at,
    )


def judge_state(record: LicenceStanding, at: datetime) -> tuple[Reason, tuple[Check, ...]]:
    """Return the reason a licence is or is not valid at a moment, and the checks made."""
    today = civil_day(at)
    reason = REASON_OF_STATE[str(record.state)]
    in_force = reason is Reason.ALL_CHECKS_PASSED
    state = Check("licence.state", STATE_STANDARD, _passed(in_force), reason.sentence if not in_force else _IN_FORCE)
    early = today < record.valid_from
    late = record.valid_to is not None and today > record.valid_to
    dates = Check("licence.dates", STATE_STANDARD, _passed(not early and not late), _dates(early=early, late=late))
    if in_force and late:
        reason = Reason.LICENCE_EXPIRED
    elif in_force and early:
        reason = Reason.LICENCE_NOT_YET_VALID
    return reason, (state, dates)


_IN_FORCE = Sentence("登记状态为有效。", "The record says the licence is in force.")


def _dates(*, early: bool, late: bool) -> Sentence:
    if early:
        return Reason.LICENCE_NOT_YET_VALID.sentence
    if late:
        return Reason.LICENCE_EXPIRED.sentence
    return Sentence("在有效期内。", "The date lies within the period of validity.")


def _passed(condition: bool) -> Outcome:  # noqa: FBT001 - the condition is all there is
    return Outcome.PASSED if condition else Outcome.FAILED


def verdict_of(reason: Reason) -> Verdict:
    """Return the verdict a licence's reason amounts to."""
    return Verdict.VALID if reason is Reason.ALL_CHECKS_PASSED else Verdict.INVALID


def compare_holder(record: LicenceStanding, supplied: Mapping[str, str]) -> tuple[Comparison, ...]:
    """Compare what the asker says of the holder; each field equals that of one and the same holder.

    Every holder is compared with every field in constant time, so that the time taken tells
    nothing about which came close.
    """
    wanted = {field: _digest(supplied[field]) for field in sorted(COMPARABLE & supplied.keys())}
    if not wanted:
        return ()
    holders = record.holders
    names = [_digest(holder.name) for holder in holders]
    codes = [_digest(holder.code) for holder in holders]
    together = False
    fields = dict.fromkeys(wanted, False)
    for name, code in zip(names, codes, strict=True):
        found = {"holder_name": name, "holder_code": code}
        same = {field: hmac.compare_digest(found[field], digest) for field, digest in wanted.items()}
        together |= all(same.values())
        fields = {field: fields[field] | same[field] for field in fields}
    return tuple(Comparison(field, same and together) for field, same in fields.items())


def folded(text: str) -> str:
    """Return a name or code as it is compared: width, case, spaces and the form of the middle dot do not count."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper().replace("•", "·")


def _digest(text: str) -> bytes:
    return hashlib.sha256(folded(text).encode()).digest()


def comparison_check(comparisons: tuple[Comparison, ...]) -> Check:
    """Return the check that sums comparisons up."""
    same = all(item.same for item in comparisons)
    sentence = (
        Sentence("提供的持证主体信息与登记一致。", "The holder data supplied agree with the record.")
        if same
        else Reason.HOLDER_DIFFERS.sentence
    )
    return Check("licence.holder", "GB/T 36903", _passed(same), sentence)


def compare_code(record: LicenceStanding, contents: CodeContents) -> tuple[Comparison, ...]:
    """Compare what a code says with the record it names."""
    names = {_digest(holder.name) for holder in record.holders}
    tail = record.holders[0].code[-4:] if record.holders else ""
    return (
        Comparison("type_name", contents.type_name == record.type_name),
        Comparison("issuer_name", contents.issuer_name == record.issuer_name),
        Comparison("valid_from", contents.valid_from == record.valid_from),
        Comparison("valid_to", contents.valid_to == record.valid_to),
        Comparison("holder_names", {_digest(name) for name in contents.holder_names} == names),
        Comparison("holder_code_tail", hmac.compare_digest(_digest(contents.holder_code_tail), _digest(tail))),
    )
