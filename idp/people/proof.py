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
    """The six ways to prove a real name, the own certificate, and the word of another provider."""

    ID_CARD = "id_card"
    SOCIAL_SECURITY_CARD = "social_security_card"
    BANK_CARD = "bank_card"
    TELECOM = "telecom"
    HOUSING_FUND = "housing_fund"
    COUNTER = "counter"
    CERTIFICATE = "certificate"
    UPSTREAM = "upstream"


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


NO_LEVEL = "L0"


@dataclass(frozen=True, slots=True)
class LevelPolicy:
    """Which method gives which level, for how long, and when two make a higher one.

    Sources of one owner do not add up: two cards of the same authority are one source. What another
    provider vouches for counts as `vouched` says for its issuer and the level it stated, at most as
    `grants` has it, and adds up with nothing: nobody here knows what it rests on. `digest` names the
    policy that stored levels were computed by; the default one has none.
    """

    grants: Mapping[Method, str]
    lifetimes: Mapping[Method, timedelta]
    combined_from: str = "L2"
    combined_to: str = "L3"
    combined_sources: int = 2
    vouched: Mapping[tuple[str, str], str] = field(default_factory=dict)
    digest: str = ""

    def level_of(self, item: Evidence) -> str:
        """Return the level one piece of evidence gives."""
        if item.method is not Method.UPSTREAM:
            return self.grants[item.method]
        return min(self.grants[item.method], self.vouched.get((item.authority, item.transaction_id), NO_LEVEL))

    def expiry(self, item: Evidence) -> datetime:
        """Return when evidence stops counting: a policy made stricter later holds for what is there already."""
        return min(item.expires_at, item.verified_at + self.lifetimes[item.method])

    def counts(self, item: Evidence, now: datetime) -> bool:
        """Tell whether evidence supports a level at `now`."""
        stands = item.withdrawn_at is None and item.verified_at <= now < self.expiry(item)
        return stands and self.level_of(item) != NO_LEVEL


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
        Method.UPSTREAM: "L4",
    },
    lifetimes={
        Method.ID_CARD: 2 * _YEAR,
        Method.TELECOM: _YEAR,
        Method.SOCIAL_SECURITY_CARD: 3 * _YEAR,
        Method.BANK_CARD: 3 * _YEAR,
        Method.HOUSING_FUND: 3 * _YEAR,
        Method.COUNTER: 10 * _YEAR,
        Method.CERTIFICATE: 3 * _YEAR,
        Method.UPSTREAM: _YEAR,
    },
)


def level_at(evidence: Iterable[Evidence], policy: LevelPolicy, now: datetime) -> str:
    """Return the best level that unexpired evidence supports at `now`."""
    counting = [item for item in evidence if policy.counts(item, now)]
    levels = [policy.level_of(item) for item in counting]
    adding = [item for item in counting if item.method is not Method.UPSTREAM]
    owners = {item.authority for item in adding if policy.level_of(item) >= policy.combined_from}
    if len(owners) >= policy.combined_sources:
        levels.append(policy.combined_to)
    return max(levels, default=NO_LEVEL)


def next_change(evidence: Iterable[Evidence], policy: LevelPolicy, now: datetime) -> datetime | None:
    """Return when the level could fall next: the first expiry of counting evidence."""
    return min((policy.expiry(item) for item in evidence if policy.counts(item, now)), default=None)
