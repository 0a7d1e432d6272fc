"""Was it valid at a moment, as known at a moment: one question for every way in (decision 0132)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from verification.model import Check, Outcome, Reason, Report, Sentence, Verdict

if TYPE_CHECKING:
    from datetime import datetime

CLOCK_SKEW = timedelta(minutes=1)
_CHANGES = frozenset({Reason.LICENCE_NOT_IN_FORCE, Reason.LICENCE_SUSPENDED, Reason.LICENCE_PENDING})
"""What lists say of a licence today and may not have said then."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """The moment a question is about, and the one whose knowledge counts; each is now when None."""

    at: datetime | None = None
    known_at: datetime | None = None

    def require_past(self, now: datetime) -> None:
        """Refuse a moment still to come: nobody knows yet; raises InvalidInput."""
        for field, moment in (("at", self.at), ("known_at", self.known_at)):
            if moment is not None and moment > now + CLOCK_SKEW:
                raise InvalidInput("The moment lies in the future.", field=field)

    def named(self, report: Report, now: datetime) -> Report:
        """Return a report that names both moments as soon as one was asked for; a receipt states its own."""
        report = replace(report, checked_at=now)
        if report.subject.kind == "receipt" or (self.at is None and self.known_at is None):
            return report
        known_at = self.known_at or now
        as_of = min(report.data_as_of, known_at)
        return replace(report, judged_at=self.at or now, known_at=known_at, data_as_of=as_of)

    def known_then(self, report: Report) -> Report:
        """Hold a verdict on a document or code to what was known then: of licences on record alone there is a history.

        Keys, certificates, revocations and other cities' lists are known as of today. Beside a record they say so;
        without one nothing is called valid.
        """
        if self.known_at is None or report.subject.kind == "receipt":
            return report
        if not _on_record(report):
            return unknown_then(report, _NOT_KEPT)
        sealed = min((one.sealed_at for one in report.seals if one.kind == "seal" and one.sealed_at), default=None)
        if sealed is not None and sealed > self.known_at and report.verdict is Verdict.VALID:
            return unknown_then(report, _SEALED_LATER)
        check = Check("as_of.keys", _STANDARD, Outcome.NOT_APPLICABLE, _KEYS_TODAY)
        return replace(report, checks=(*report.checks, check))


NOW = AsOf()


def unknown_then(report: Report, why: Sentence) -> Report:
    """Say that what was known at the moment asked for cannot be told; what is wrong at any time stays wrong."""
    report = replace(report, checks=(*report.checks, Check("as_of.known", _STANDARD, Outcome.UNKNOWN, why)))
    if report.verdict is not Verdict.VALID and report.reason not in _CHANGES:
        return report
    licence = None if report.licence is None else replace(report.licence, state="")
    return replace(report, verdict=Verdict.UNDETERMINED, reason=Reason.NOT_KNOWN_THEN, licence=licence)


def _on_record(report: Report) -> bool:
    """Tell whether the verdict rests on a licence as its record stood, which only ours do."""
    return report.licence is not None and any(check.name == "licence.state" for check in report.checks)


_STANDARD = "ETSI EN 319 102-1, 5.2.5"
_KEYS_TODAY = Sentence(
    "证照按当时的登记判断；印章、证书、签名密钥及其吊销按现在掌握的情况判断，从严不从宽。",
    "The licence is judged by its record of then; seals, certificates, keys and revocations by what is known now.",
)
_NOT_KEPT = Sentence(
    "这一结论所依据的证书、吊销或外市状态没有历史记录，说不清当时掌握了什么。",
    "Certificates, revocations and other cities' lists have no history here: what was known then cannot be told.",
)
_SEALED_LATER = Sentence(
    "该文件在所问的时点之后才盖章，当时还没有这份文件。",
    "The file was sealed after the moment asked about: it did not exist then.",
)
