"""Was it valid at a moment, as known at a moment: one question for every way in (decision 0132)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput
from verification.model import Check, Indication, Outcome, Reason, Report, Sentence, Verdict

if TYPE_CHECKING:
    from verification.model import SealFacts

CLOCK_SKEW = timedelta(minutes=1)
EARLIEST_YEAR, LATEST_YEAR = 1900, 2200
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

    def named(self, report: Report, now: datetime, knows_until: datetime | None = None) -> Report:
        """Return a report that names both moments as soon as one was asked for; a receipt states its own.

        `knows_until` is the age of all there was to judge by, where that was a file: it knows nothing newer.
        """
        report = replace(report, checked_at=now)
        if report.subject.kind == "receipt" or (self.at is None and self.known_at is None):
            return report
        known_at = min(self.known_at or now, knows_until or now)
        as_of = min(report.data_as_of, known_at)
        return replace(
            report,
            judged_at=self.at or now,
            known_at=known_at,
            data_as_of=as_of,
            advice=(_THEN_ALONE, *report.advice),
        )

    def sealed_by(self, report: Report) -> Report:
        """Hold a judged PDF to the moment it is asked about: with a seal made after that, there was no such file.

        Comes before anything is read out of the file, so that what it says counts for nothing then.
        """
        at = self.at
        if at is None or not any(_sealed_after(one, at) for one in report.seals):
            return report
        check = Check("pdf.sealed_by_then", _STANDARD, Outcome.UNKNOWN, Reason.SEALED_LATER.sentence)
        report = replace(
            report,
            checks=(*report.checks, check),
            seals=tuple(
                replace(one, indication=Indication.INDETERMINATE, sub_indication=_GENERIC)
                if _sealed_after(one, at) and one.indication is Indication.TOTAL_PASSED
                else one
                for one in report.seals
            ),
        )
        if report.verdict is not Verdict.VALID:
            return report
        return replace(
            report,
            verdict=Verdict.UNDETERMINED,
            reason=Reason.SEALED_LATER,
            indication=Indication.INDETERMINATE,
            sub_indication=_GENERIC,
        )

    def known_then(self, report: Report) -> Report:
        """Hold a verdict on a document or code to what was known then: of licences on record alone there is a history.

        Keys, certificates, revocations and other cities' lists are known as of today. Beside a record they say so;
        without one nothing is called valid.
        """
        if self.known_at is None or report.subject.kind == "receipt":
            return report
        if not _on_record(report):
            return unknown_then(report, _NOT_KEPT)
        # The file as it stands is known from its last seal or document timestamp on.
        made = max((one.sealed_at for one in report.seals if one.sealed_at), default=None)
        if made is not None and made > self.known_at and report.verdict is Verdict.VALID:
            return unknown_then(report, Reason.SEALED_LATER.sentence)
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


def _sealed_after(facts: SealFacts, at: datetime) -> bool:
    """Tell whether a seal was made after a moment; a later document timestamp only keeps what was there."""
    return facts.kind == "seal" and facts.sealed_at is not None and facts.sealed_at > at


def read_moment(unverified_text: str) -> datetime:
    """Return a date and time with its zone (RFC 3339) that has its like in every zone; raises ValueError."""
    moment = datetime.fromisoformat(unverified_text)
    if moment.tzinfo is None or not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise ValueError(unverified_text)
    return moment


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
_THEN_ALONE = Sentence(
    "这只说明所问时点、按当时所知的情况，不说明现在是否有效；要知道现在，请不填时点再核验。",
    "This is about the moment asked about, as known then, and says nothing about now: ask without a moment for that.",
)
_GENERIC = "GENERIC"
