"""States in two times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from foundation.clock import civil_date
from licence_vault.errors import StateTransitionRefused
from licence_vault.model import LicenceState, ReasonCode, StateRecord
from licence_vault.states import (
    REASONS,
    TERMINAL,
    TRANSITIONS,
    end_of,
    require_transition,
    start_of,
    state_at,
    status_value,
)

FROM, TO = date(2026, 1, 10), date(2026, 12, 31)
S = LicenceState


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=UTC)


def record(sequence: int, state: LicenceState, effective: datetime, recorded: datetime) -> StateRecord:
    return StateRecord(sequence, state, effective, recorded, ReasonCode.OTHER, "x", "", "officer:o")


ISSUED = record(1, S.VALID, start_of(FROM), at(1, 9))


def state(records: list[StateRecord], moment: datetime, known: datetime | None = None) -> LicenceState:
    return state_at(records, valid_from=FROM, valid_to=TO, at=moment, known_at=known or at(12, 31)).state


def test_the_dates_decide_pending_and_expired() -> None:
    assert state([ISSUED], start_of(FROM) - timedelta(seconds=1)) is S.PENDING
    assert state([ISSUED], start_of(FROM)) is S.VALID
    assert state([ISSUED], end_of(TO) - timedelta(seconds=1)) is S.VALID
    assert state([ISSUED], end_of(TO)) is S.EXPIRED
    assert state([], at(6, 1)) is S.PENDING


def test_a_civil_day_begins_in_china() -> None:
    assert civil_date(datetime(2026, 1, 9, 16, tzinfo=UTC)) == date(2026, 1, 10)
    assert start_of(FROM) == datetime(2026, 1, 9, 16, tzinfo=UTC)


def test_a_revocation_recorded_late_holds_from_its_effective_time_but_was_not_known_before() -> None:
    records = [ISSUED, record(2, S.REVOKED, at(3, 1), at(5, 1))]
    assert state(records, at(2, 28)) is S.VALID
    assert state(records, at(4, 1)) is S.REVOKED
    assert state(records, at(4, 1), known=at(4, 2)) is S.VALID


def test_a_change_ahead_of_time_waits() -> None:
    records = [ISSUED, record(2, S.CANCELLED, at(9, 1), at(8, 1))]
    assert state(records, at(8, 15)) is S.VALID
    assert state(records, at(9, 2)) is S.CANCELLED


def test_suspension_ends_with_reinstatement() -> None:
    records = [ISSUED, record(2, S.SUSPENDED, at(3, 1), at(3, 1)), record(3, S.VALID, at(4, 1), at(4, 1))]
    assert state(records, at(3, 15)) is S.SUSPENDED
    assert state(records, at(4, 15)) is S.VALID


@pytest.mark.parametrize("ended", sorted(TERMINAL))
def test_a_terminal_state_outlives_expiry_and_allows_nothing(ended: LicenceState) -> None:
    records = [ISSUED, record(2, ended, at(3, 1), at(3, 1))]
    assert state(records, end_of(TO) + timedelta(days=400), known=end_of(TO) + timedelta(days=401)) is ended
    for new in S:
        with pytest.raises(StateTransitionRefused):
            require_transition(records, new, at(6, 1))


def test_every_state_has_a_place_in_the_tables() -> None:
    derived = {S.EXPIRED}
    assert set(TRANSITIONS) == set(S) - derived
    assert set(REASONS) == set(S) - derived - {S.PENDING}
    assert {one: status_value(one) for one in S} == {
        S.VALID: 0,
        S.EXPIRED: 0,
        S.SUSPENDED: 2,
        S.PENDING: 3,
        **dict.fromkeys(TERMINAL, 1),
    }
    assert len({one.label for one in S}) == 10


def test_nothing_takes_effect_before_the_licence_except_that_it_was_an_error() -> None:
    with pytest.raises(StateTransitionRefused):
        require_transition([ISSUED], S.REVOKED, start_of(FROM) - timedelta(days=1))
    require_transition([ISSUED], S.ERRONEOUS, start_of(FROM) - timedelta(days=1))
