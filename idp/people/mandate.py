"""What a mandate 授权代理 says, and whether it covers an act: the pure part."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime

ANY = "*"
LONGEST = timedelta(days=3 * 365)
MOST_ITEMS = 50
MOST_USES = 10_000
LONGEST_ITEM = 80


class MandateState(StrEnum):
    """Where a mandate stands; expired and used up follow from its dates and counts."""

    AWAITING_OFFICER = "awaiting_officer"
    PROPOSED = "proposed"
    ACTIVE = "active"
    DECLINED = "declined"
    REVOKED = "revoked"


class PartyKind(StrEnum):
    """Who gives a mandate."""

    PERSON = "person"
    ENTERPRISE = "enterprise"


class Refusal(StrEnum):
    """Why a mandate does not cover an act."""

    NOT_ACTIVE = "not_active"
    REVOKED = "revoked"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USED_UP = "used_up"
    MATTER = "matter"
    LICENCE_TYPE = "licence_type"
    FIELD = "field"
    OTHER_AGENT = "other_agent"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the agent may do: matters, licence types and fields by code (`*` is any), when, how often."""

    matters: tuple[str, ...]
    licence_types: tuple[str, ...]
    fields: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    uses_allowed: int | None = None
    may_delegate: bool = False

    def checked(self, now: datetime) -> Terms:
        """Return the terms; raises InvalidInput naming the field that breaks a rule."""
        for name in ("matters", "licence_types", "fields"):
            items: tuple[str, ...] = getattr(self, name)
            if not 1 <= len(items) <= MOST_ITEMS or not all(0 < len(item) <= LONGEST_ITEM for item in items):
                raise InvalidInput(f"Name 1 to {MOST_ITEMS} codes, or * for any.", field=name)
        if self.valid_until <= max(self.valid_from, now):
            raise InvalidInput("The period ends before it begins.", field="valid_until")
        if self.valid_until - self.valid_from > LONGEST:
            raise InvalidInput("A mandate lasts three years at most.", field="valid_until")
        if self.uses_allowed is not None and not 1 <= self.uses_allowed <= MOST_USES:
            raise InvalidInput(f"The number of uses is 1 to {MOST_USES}.", field="uses_allowed")
        return self

    def narrower_than(self, parent: Terms) -> bool:
        """Tell whether everything allowed here is allowed by `parent` as well."""
        return (
            all(_within(getattr(self, name), getattr(parent, name)) for name in ("matters", "licence_types", "fields"))
            and parent.valid_from <= self.valid_from
            and self.valid_until <= parent.valid_until
            and (parent.uses_allowed is None or (self.uses_allowed or MOST_USES + 1) <= parent.uses_allowed)
        )


@dataclass(frozen=True, slots=True)
class Act:
    """What the agent is about to do in the other's name."""

    matter_code: str
    licence_type: str = ANY
    fields: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Mandate:
    """A mandate as stored; names are masked for show."""

    mandate_id: str
    principal_kind: PartyKind
    principal_id: str
    agent_person_id: str | None
    terms: Terms
    state: MandateState
    awaits: str
    uses: int
    parent_id: str | None
    proposed_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    principal_name: str = field(default="", repr=False)
    agent_name: str = field(default="", repr=False)

    def refusal(self, act: Act, agent_person_id: str | None, now: datetime) -> Refusal | None:
        """Return the first reason why the mandate does not cover an act, or None."""
        terms = self.terms
        checks = (
            (Refusal.OTHER_AGENT, self.agent_person_id != agent_person_id),
            (Refusal.REVOKED, self.state is MandateState.REVOKED),
            (Refusal.NOT_ACTIVE, self.state is not MandateState.ACTIVE),
            (Refusal.NOT_YET_VALID, now < terms.valid_from),
            (Refusal.EXPIRED, now >= terms.valid_until),
            (Refusal.USED_UP, terms.uses_allowed is not None and self.uses >= terms.uses_allowed),
            (Refusal.MATTER, not _within((act.matter_code,), terms.matters)),
            (Refusal.LICENCE_TYPE, not _within((act.licence_type,), terms.licence_types)),
            (Refusal.FIELD, not _within(act.fields, terms.fields)),
        )
        return next((reason for reason, holds in checks if holds), None)


@dataclass(frozen=True, slots=True)
class MandateUse:
    """That a mandate was used: by whom, for whom, for what."""

    use_id: str
    mandate_id: str
    used_at: datetime
    principal_kind: PartyKind
    principal_id: str
    agent_person_id: str
    matter_code: str
    licence_type: str
    reference: str


def _within(items: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    return ANY in allowed or set(items) <= set(allowed)
