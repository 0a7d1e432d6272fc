"""The life of a licence, in two times: when something was in force, and when it was recorded. Pure.

A record says "from `effective_at` on, the state is this", and holds until a later
record says otherwise for the same moment: of the records already made at
`known_at` and in force at `at`, the one made last counts. Whether a licence has
expired, or its validity has not begun, follows from its dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from foundation.clock import CIVIL_TIME
from licence_vault.errors import StateTransitionRefused
from licence_vault.model import LicenceState, ReasonCode, StateRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

S = LicenceState
TERMINAL = frozenset({S.SUPERSEDED, S.CANCELLED, S.WITHDRAWN, S.REVOKED, S.TRANSFERRED, S.ERRONEOUS})
"""From these no licence comes back: whoever gets it again gets a new one."""

TRANSITIONS: dict[LicenceState, frozenset[LicenceState]] = {
    S.PENDING: frozenset({S.VALID, S.ERRONEOUS}),
    S.VALID: TERMINAL | {S.SUSPENDED},
    S.SUSPENDED: TERMINAL | {S.VALID},
    **{state: frozenset() for state in TERMINAL},
}

REASONS: dict[LicenceState, frozenset[ReasonCode]] = {
    S.VALID: frozenset({ReasonCode.ISSUED, ReasonCode.RECTIFIED, ReasonCode.COURT_ORDER, ReasonCode.OTHER}),
    S.SUSPENDED: frozenset(
        {ReasonCode.INVESTIGATION, ReasonCode.ILLEGAL_ACT, ReasonCode.CONDITIONS_LOST, ReasonCode.COURT_ORDER}
        | {ReasonCode.OTHER}
    ),
    S.SUPERSEDED: frozenset({ReasonCode.CHANGED, ReasonCode.EXTENDED, ReasonCode.CORRECTED}),
    S.CANCELLED: frozenset(
        {ReasonCode.HOLDER_REQUEST, ReasonCode.HOLDER_ENDED, ReasonCode.CONDITIONS_LOST, ReasonCode.COURT_ORDER}
        | {ReasonCode.OTHER}
    ),
    S.WITHDRAWN: frozenset(
        {ReasonCode.OBTAINED_BY_FRAUD, ReasonCode.ISSUER_ERROR, ReasonCode.CONDITIONS_LOST, ReasonCode.COURT_ORDER}
        | {ReasonCode.OTHER}
    ),
    S.REVOKED: frozenset({ReasonCode.ILLEGAL_ACT, ReasonCode.COURT_ORDER, ReasonCode.OTHER}),
    S.TRANSFERRED: frozenset({ReasonCode.MOVED_AWAY, ReasonCode.HOLDER_REQUEST, ReasonCode.OTHER}),
    S.ERRONEOUS: frozenset({ReasonCode.ISSUER_ERROR, ReasonCode.OTHER}),
}

STATUS_VALUES: dict[LicenceState, int] = {S.VALID: 0, S.EXPIRED: 0, S.SUSPENDED: 2, S.PENDING: 3}
"""2-bit values of the status lists (docs/architecture.md); every other state is 1."""

INVALID_STATUS = 1


@dataclass(frozen=True, slots=True)
class StateAt:
    """The state at one moment and the record it rests on; none for a licence not known then."""

    state: LicenceState
    record: StateRecord | None


def start_of(day: date) -> datetime:
    """Return the first moment of a Chinese civil day."""
    return datetime.combine(day, time(), CIVIL_TIME)


def end_of(day: date) -> datetime:
    """Return the first moment after a Chinese civil day."""
    return start_of(day + timedelta(days=1))


def deciding(records: Sequence[StateRecord], at: datetime, known_at: datetime) -> StateRecord | None:
    """Return the record that counts at `at` for someone who knew what was recorded by `known_at`."""
    standing = [record for record in records if record.recorded_at <= known_at and record.effective_at <= at]
    return max(standing, key=lambda record: record.sequence, default=None)


def state_at(
    records: Sequence[StateRecord], *, valid_from: date, valid_to: date | None, at: datetime, known_at: datetime
) -> StateAt:
    """Return the state at `at` as the records stood at `known_at`."""
    record = deciding(records, at, known_at)
    recorded = None if record is None else record.state
    return StateAt(state_by(recorded, valid_from=valid_from, valid_to=valid_to, at=at), record)


def state_by(recorded: LicenceState | None, *, valid_from: date, valid_to: date | None, at: datetime) -> LicenceState:
    """Return the state at a moment for which the deciding record says `recorded`."""
    if recorded is None or recorded is S.PENDING:
        return S.PENDING
    if recorded in TERMINAL:
        return recorded
    if at < start_of(valid_from):
        return S.PENDING
    if valid_to is not None and at >= end_of(valid_to):
        return S.EXPIRED
    return recorded


def require_transition(records: Sequence[StateRecord], new: LicenceState, effective_at: datetime) -> None:
    """Raise StateTransitionRefused unless the records so far allow a new one."""
    last = max(records, key=lambda record: record.sequence, default=None)
    current = S.PENDING if last is None else last.state
    ended = next((record for record in records if record.state in TERMINAL), None)
    if ended is not None:
        raise StateTransitionRefused(f"证照已{ended.state.label},不能再变更 / the licence is {ended.state} for good.")
    if new not in TRANSITIONS[current]:
        raise StateTransitionRefused(f"不能由{current.label}变为{new.label} / no way from {current} to {new}.")
    if records and new is not S.ERRONEOUS and effective_at < records[0].effective_at:
        raise StateTransitionRefused("生效时间早于签发 / effective before the licence began.")


def status_value(state: LicenceState) -> int:
    """Return the 2-bit status value of a state."""
    return STATUS_VALUES.get(state, INVALID_STATUS)
