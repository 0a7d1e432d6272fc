"""Real-name methods, outcomes, evidence and levels: the pure part."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


class Method(StrEnum):
    """The six ways to prove a real name, and the own certificate."""

    ID_CARD = "id_card"
    SOCIAL_SECURITY_CARD = "social_security_card"
    BANK_CARD = "bank_card"
    TELECOM = "telecom"
    HOUSING_FUND = "housing_fund"
    COUNTER = "counter"
    CERTIFICATE = "certificate"


class Outcome(StrEnum):
    """What an authority answered, or why it did not."""

    MATCH = "match"
    MISMATCH = "mismatch"
    NOT_FOUND = "not_found"
    LOCKED = "locked"
    UNAVAILABLE = "unavailable"
    PENDING = "pending"

    @property
    def told(self) -> Outcome:
        """Return what the caller may know: nobody learns whether a person exists."""
        return Outcome.MISMATCH if self is Outcome.NOT_FOUND else self


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What the caller of `prove` is told; `outcome` never is `not_found`."""

    outcome: Outcome
    level: str
    evidence_id: str
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One proof that succeeded: the basis of a level and of `verified_claims`."""

    evidence_id: str
    person_id: str
    method: Method
    authority: str
    transaction_id: str = field(repr=False)
    verified_at: datetime
    expires_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LevelPolicy:
    """Which method gives which level, for how long, and when two make a higher one.

    Sources of one owner do not add up: two cards of the same authority are one source. `digest` names
    the policy that stored levels were computed by; the default one has none.
    """

    grants: Mapping[Method, str]
    lifetimes: Mapping[Method, timedelta]
    combined_from: str = "L2"
    combined_to: str = "L3"
    combined_sources: int = 2
    digest: str = ""

    def expiry(self, item: Evidence) -> datetime:
        """Return when evidence stops counting: a policy made stricter later holds for what is there already."""
        return min(item.expires_at, item.verified_at + self.lifetimes[item.method])

    def counts(self, item: Evidence, now: datetime) -> bool:
        """Tell whether evidence supports a level at `now`."""
        return item.withdrawn_at is None and item.verified_at <= now < self.expiry(item)


_YEAR = timedelta(days=365)

DEFAULT_POLICY = LevelPolicy(
    grants={
        Method.ID_CARD: "L1",
        Method.TELECOM: "L1",
        Method.SOCIAL_SECURITY_CARD: "L2",
        Method.BANK_CARD: "L2",
        Method.HOUSING_FUND: "L2",
        Method.COUNTER: "L4",
        Method.CERTIFICATE: "L3",
    },
    lifetimes={
        Method.ID_CARD: 2 * _YEAR,
        Method.TELECOM: _YEAR,
        Method.SOCIAL_SECURITY_CARD: 3 * _YEAR,
        Method.BANK_CARD: 3 * _YEAR,
        Method.HOUSING_FUND: 3 * _YEAR,
        Method.COUNTER: 10 * _YEAR,
        Method.CERTIFICATE: 3 * _YEAR,
    },
)

NO_LEVEL = "L0"


def level_at(evidence: Iterable[Evidence], policy: LevelPolicy, now: datetime) -> str:
    """Return the best level that unexpired evidence supports at `now`."""
    counting = [item for item in evidence if policy.counts(item, now)]
    levels = [policy.grants[item.method] for item in counting]
    owners = {item.authority for item in counting if policy.grants[item.method] >= policy.combined_from}
    if len(owners) >= policy.combined_sources:
        levels.append(policy.combined_to)
    return max(levels, default=NO_LEVEL)


def next_change(evidence: Iterable[Evidence], policy: LevelPolicy, now: datetime) -> datetime | None:
    """Return when the level could fall next: the first expiry of counting evidence."""
    return min((policy.expiry(item) for item in evidence if policy.counts(item, now)), default=None)
