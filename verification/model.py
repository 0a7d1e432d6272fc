"""One answer shape for every way in: verdict, reason, age of the data, checks.

Everything here is frozen and free of I/O. Sentences come in Chinese and English;
neither names a holder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from verification.headlines import headline
from verification.words import Indication, Reason, Sentence, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from verification.evidence import SealEvidence


__all__ = [
    "Check",
    "CodeFacts",
    "Comparison",
    "Indication",
    "LicenceFacts",
    "Outcome",
    "Reason",
    "Report",
    "SealFacts",
    "Sentence",
    "Subject",
    "Verdict",
]


class Outcome(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    `name` is for programs (`pdf.changes_after_seal`), `standard` the rule's source
    (`ETSI EN 319 102-1, 5.2.7`), `detail` what was seen, without holder data; `of_seal` the field of
    the seal that was looked at, empty when it was the whole.
    """

    name: str
    standard: str
    outcome: Outcome
    detail: Sentence
    of_seal: str = ""


NOT_SEARCHED = "licence.not_searched"
"""The name of the remark that not every page of a long paper was searched for licences."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was examined: `kind` is `identifier`, `qr`, `pdf`, `receipt` or `token`."""

    kind: str
    sha256_hex: str = ""
    identifier: str = ""


@dataclass(frozen=True, slots=True)
class LicenceFacts:
    """What an asker with the identifier alone may learn of a licence: nothing about its holder."""

    identifier: str
    type_code: str
    type_name: str
    issuer_code: str
    issuer_name: str
    valid_from: date | None
    valid_to: date | None
    state: str
    state_effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SealFacts:
    """One seal signature or document timestamp found in a PDF, in the order of revisions."""

    field_name: str
    kind: str
    level: str
    signer: str
    sealed_at: datetime | None
    time_source: str
    indication: Indication
    sub_indication: str
    covers_whole_document: bool
    certificate_sha256_hex: str = ""


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """What a genuine code itself says of its bearer; whoever asks has it in hand already."""

    holder_names: tuple[str, ...]
    holder_code_tail: str
    is_copy: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared with what the asker supplied or with the record; values stay out."""

    field: str
    same: bool


@dataclass(frozen=True, slots=True)
class StatedFact:
    """One item of what a receipt states."""

    label: Sentence
    value: Sentence


@dataclass(frozen=True, slots=True)
class Report:
    """The answer.

    `judged_at` is the moment the verdict is about and `known_at` the one whose knowledge it rests on, both None when
    now was asked about; `checked_at` is when it was reached;
    `data_as_of` is the age of the oldest data it rests on. `sub_indication` is the word of
    EN 319 102-1 when the subject is a signature, else empty. `attached` is what a PDF
    carries as licence data, for comparing with the record; it is told to nobody. `revocation_urls` are where lists that
    are missing could be fetched, of certificates whose chain has reached an anchor.
    `code_text` is the HF1 code drawn on a PDF's pages, `further_codes` the others that open as such,
    `named_licences` the identifiers that stand there as text where no licence data are attached; `shown_cut` says that
    there are more of them than were read. `seems_shown` are titles of what looks like licences of others than
    the sealers. `evidence` is what
    the verdict on each seal rests on, in the order of `seals`. `receipt_text` is the receipt a PDF carries,
    `stated` what a genuine receipt says.
    """

    verdict: Verdict
    reason: Reason
    subject: Subject
    checked_at: datetime
    data_as_of: datetime
    checks: tuple[Check, ...]
    indication: Indication | None = None
    sub_indication: str = ""
    licence: LicenceFacts | None = None
    seals: tuple[SealFacts, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    advice: tuple[Sentence, ...] = field(default=())
    code: CodeFacts | None = None
    attached: Mapping[str, str] | None = field(default=None, repr=False)
    revocation_urls: tuple[str, ...] = ()
    code_text: str | None = field(default=None, repr=False)
    further_codes: tuple[str, ...] = field(default=(), repr=False)
    named_licences: tuple[str, ...] = field(default=(), repr=False)
    shown_cut: bool = False
    seems_shown: tuple[str, ...] = field(default=(), repr=False)
    judged_at: datetime | None = None
    known_at: datetime | None = None
    evidence: tuple[SealEvidence, ...] = field(default=(), repr=False)
    receipt_text: str | None = field(default=None, repr=False)
    stated: tuple[StatedFact, ...] = ()

    @property
    def headline(self) -> Sentence:
        """Return the verdict, with its moments when it is not about now."""
        return headline(self.verdict, self.judged_at, self.known_at)

    @property
    def seals_judged_at(self) -> datetime:
        """Return the moment seals were judged at; on a receipt's paper `judged_at` is what the receipt states."""
        return self.checked_at if self.subject.kind == "receipt" else self.judged_at or self.checked_at

    def to_json(self) -> dict[str, Any]:
        """Return the report as `hufu verify --json` and the API print it."""
        return {
            "verdict": self.verdict.value,
            "verdict_text": _sentence(self.headline),
            "reason": self.reason.value,
            "reason_text": _sentence(self.reason.sentence),
            "indication": None if self.indication is None else self.indication.value,
            "sub_indication": self.sub_indication or None,
            "checked_at": _moment(self.checked_at),
            "judged_at": _moment(self.judged_at or self.checked_at),
            "known_at": _moment(self.known_at),
            "data_as_of": _moment(self.data_as_of),
            "subject": {
                "kind": self.subject.kind,
                "sha256": self.subject.sha256_hex or None,
                "identifier": self.subject.identifier or None,
            },
            "licence": None if self.licence is None else _licence(self.licence),
            "code": None if self.code is None else _code(self.code),
            "seals": [_seal(seal) for seal in self.seals],
            "comparisons": [{"field": item.field, "same": item.same} for item in self.comparisons],
            "checks": [
                {
                    "name": check.name,
                    "standard": check.standard,
                    "outcome": check.outcome.value,
                    "detail": _sentence(check.detail),
                }
                for check in self.checks
            ],
            "advice": [_sentence(sentence) for sentence in self.advice],
            "stated": [{"label": _sentence(fact.label), "value": _sentence(fact.value)} for fact in self.stated],
        }


def _sentence(sentence: Sentence) -> dict[str, str]:
    return {"zh": sentence.zh, "en": sentence.en}


def _moment(moment: datetime | date | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _licence(facts: LicenceFacts) -> dict[str, Any]:
    return {
        "identifier": facts.identifier,
        "type_code": facts.type_code,
        "type_name": facts.type_name,
        "issuer_code": facts.issuer_code,
        "issuer_name": facts.issuer_name,
        "valid_from": _moment(facts.valid_from),
        "valid_to": _moment(facts.valid_to),
        "state": facts.state,
        "state_effective_at": _moment(facts.state_effective_at),
    }


def _code(facts: CodeFacts) -> dict[str, Any]:
    return {
        "holder_names": list(facts.holder_names),
        "holder_code_tail": facts.holder_code_tail,
        "is_copy": facts.is_copy,
    }


def _seal(facts: SealFacts) -> dict[str, Any]:
    return {
        "field": facts.field_name,
        "kind": facts.kind,
        "level": facts.level,
        "signer": facts.signer,
        "sealed_at": _moment(facts.sealed_at),
        "time_source": facts.time_source,
        "indication": facts.indication.value,
        "sub_indication": facts.sub_indication or None,
        "covers_whole_document": facts.covers_whole_document,
        "certificate_sha256": facts.certificate_sha256_hex or None,
    }
