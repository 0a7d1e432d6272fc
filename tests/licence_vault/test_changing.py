"""Changes of state: by the issuer, with reasons, in two times; and what verification is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from foundation.errors import Conflict, InvalidInput, NotPermitted
from foundation.tables import audit_log
from licence_vault.errors import LicenceNotFound, StateTransitionRefused
from licence_vault.model import LicenceState, ReasonCode, StateChange
from licence_vault.status_allocation import CAPACITY
from tests.licence_vault.conftest import BUREAU, CHEN, OFFICER, STRANGER
from tests.licence_vault.samples import ISSUER_NAME, citizen, food_request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from licence_vault.assembly import Vault
    from licence_vault.records import LicenceFacts

S = LicenceState
REVOKE = StateChange(S.REVOKED, ReasonCode.ILLEGAL_ACT, "经营超过保质期的食品", "《食品安全法》第一百二十四条")
SUSPEND = StateChange(S.SUSPENDED, ReasonCode.INVESTIGATION, "立案调查", "《食品安全法》第一百一十条")
RESTORE = StateChange(S.VALID, ReasonCode.RECTIFIED, "整改合格")


async def facts(vault: Vault, database: Database, identifier: str, **moments: datetime) -> LicenceFacts:
    async with database.read() as connection:
        found = await vault.records.find(connection, identifier, **moments)
    assert found is not None
    return found


async def statuses(vault: Vault, database: Database, status_list: int) -> dict[int, int]:
    async with database.read() as connection:
        return {one.index: one.value async for one in vault.records.not_valid(connection, status_list)}


async def test_a_revocation_is_known_everywhere_at_once(vault: Vault, database: Database) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    assert await statuses(vault, database, issued.status_list) == {}
    revoked = await vault.licences.change_state(BUREAU, issued.identifier, REVOKE)
    assert (revoked.state, revoked.reason) == (S.REVOKED, REVOKE.reason_text)
    assert (await vault.licences.get(CHEN, issued.identifier)).state is S.REVOKED
    known = await facts(vault, database, issued.identifier)
    assert (known.state, known.state_reason) == (S.REVOKED, "illegal_act")
    assert await statuses(vault, database, issued.status_list) == {issued.status_index: 1}
    history = await vault.licences.history(CHEN, issued.identifier)
    assert [(one.sequence, one.state, one.recorded_by) for one in history] == [
        (1, S.VALID, "client:food-bureau"),
        (2, S.REVOKED, "client:food-bureau"),
    ]
    async with database.read() as connection:
        rows = await connection.execute(
            select(audit_log.c.detail).where(audit_log.c.action == "licence_vault.change_state")
        )
    assert [row.detail["state"] for row in rows] == ["revoked"]


async def test_suspension_and_return(vault: Vault, database: Database, clock: FixedClock) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    await vault.licences.change_state(OFFICER, issued.identifier, SUSPEND)
    assert await statuses(vault, database, issued.status_list) == {issued.status_index: 2}
    clock.advance(timedelta(days=3))
    restored = await vault.licences.change_state(OFFICER, issued.identifier, RESTORE)
    assert restored.state is S.VALID
    assert await statuses(vault, database, issued.status_list) == {}
    during = await facts(vault, database, issued.identifier, at=clock.now() - timedelta(days=1))
    assert during.state is S.SUSPENDED


async def test_valid_time_and_recorded_time_differ(vault: Vault, database: Database, clock: FixedClock) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    clock.advance(timedelta(days=30))
    effective = clock.now() - timedelta(days=10)
    await vault.licences.change_state(BUREAU, issued.identifier, replace(REVOKE, effective_at=effective))
    asked = effective + timedelta(days=1)
    assert (await facts(vault, database, issued.identifier, at=asked)).state is S.REVOKED
    as_known_then = await facts(vault, database, issued.identifier, at=asked, known_at=asked)
    assert as_known_then.state is S.VALID
    before = await facts(vault, database, issued.identifier, at=effective - timedelta(days=1))
    assert before.state is S.VALID


async def test_a_change_ahead_of_time_shows_when_its_time_comes(
    vault: Vault, database: Database, clock: FixedClock
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    later = clock.now() + timedelta(days=5)
    changed = await vault.licences.change_state(BUREAU, issued.identifier, replace(REVOKE, effective_at=later))
    assert changed.state is S.VALID
    assert await statuses(vault, database, issued.status_list) == {}
    clock.advance(timedelta(days=6))
    assert await statuses(vault, database, issued.status_list) == {issued.status_index: 1}


async def test_expiry_follows_from_the_dates_and_stays_out_of_the_lists(
    vault: Vault, database: Database, clock: FixedClock
) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    async with database.read() as connection:
        assert issued.status_list in await vault.records.lists(connection)
    clock.advance(timedelta(days=365 * 5 + 2))
    assert (await vault.licences.get(CHEN, issued.identifier)).state is S.EXPIRED
    assert await statuses(vault, database, issued.status_list) == {}
    clock.advance(timedelta(days=366))
    async with database.read() as connection:
        assert await vault.records.lists(connection) == {}


async def test_what_ended_stays_ended(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    await vault.licences.change_state(BUREAU, issued.identifier, REVOKE)
    for change in (RESTORE, SUSPEND, REVOKE):
        with pytest.raises(StateTransitionRefused):
            await vault.licences.change_state(BUREAU, issued.identifier, change)


async def test_of_parallel_changes_one_wins(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    answers = await asyncio.gather(
        *[vault.licences.change_state(BUREAU, issued.identifier, REVOKE) for _ in range(10)], return_exceptions=True
    )
    won = [one for one in answers if not isinstance(one, BaseException)]
    lost = [one for one in answers if isinstance(one, BaseException)]
    assert len(won) == 1
    assert all(isinstance(one, Conflict) for one in lost)
    assert len(await vault.licences.history(BUREAU, issued.identifier)) == 2


async def test_only_the_issuer_changes_a_state(vault: Vault) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    for principal in (STRANGER, CHEN, replace(OFFICER, organisation_code=STRANGER.organisation_code)):
        with pytest.raises(LicenceNotFound):
            await vault.licences.change_state(principal, issued.identifier, REVOKE)
    with pytest.raises(NotPermitted):
        await vault.licences.change_state(
            replace(BUREAU, scopes=frozenset({"licence:read"})), issued.identifier, REVOKE
        )
    with pytest.raises(NotPermitted):
        await vault.licences.change_state(replace(OFFICER, subject_id="off_x"), issued.identifier, REVOKE)


async def test_bad_changes_are_refused_by_field(vault: Vault, clock: FixedClock) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    far = clock.now() + timedelta(days=91)
    bad: list[tuple[StateChange, str]] = [
        (replace(REVOKE, state=S.PENDING), "state"),
        (replace(REVOKE, state=S.EXPIRED), "state"),
        (replace(REVOKE, state=S.SUPERSEDED), "state"),
        (replace(REVOKE, reason_code=ReasonCode.MOVED_AWAY), "reason_code"),
        (replace(REVOKE, reason_text=" "), "reason_text"),
        (replace(REVOKE, reason_text="x" * 501), "reason_text"),
        (replace(REVOKE, legal_basis=""), "legal_basis"),
        (replace(REVOKE, legal_basis="法" * 301), "legal_basis"),
        (replace(REVOKE, effective_at=far), "effective_at"),
        (replace(REVOKE, effective_at=datetime(2026, 3, 2)), "effective_at"),  # noqa: DTZ001 - naive on purpose
    ]
    for change, field in bad:
        with pytest.raises(InvalidInput) as caught:
            await vault.licences.change_state(BUREAU, issued.identifier, change)
        assert caught.value.field == field
    with pytest.raises(StateTransitionRefused):
        await vault.licences.change_state(
            BUREAU, issued.identifier, replace(REVOKE, effective_at=datetime(2020, 1, 1, tzinfo=UTC))
        )
    assert len(await vault.licences.history(BUREAU, issued.identifier)) == 1


async def test_recorded_states_cannot_be_rewritten(vault: Vault, database: Database) -> None:
    await vault.licences.issue(BUREAU, food_request())
    for statement in ("UPDATE licence_states SET state = 'valid'", "DELETE FROM licence_states"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


async def test_a_verifier_gets_the_facts(vault: Vault, database: Database) -> None:
    issued = await vault.licences.issue(BUREAU, food_request())
    known = await facts(vault, database, issued.identifier)
    assert (known.type_name, known.issuer_name) == ("食品经营许可证", ISSUER_NAME)
    assert known.metadata["CZZTDM"] == citizen()
    digest = bytes.fromhex(issued.document_digest)
    assert known.document_sha256 == (digest,)
    assert await vault.records.find_document(digest) == issued.identifier
    assert await vault.records.find_document(bytes(32)) is None
    async with database.read() as connection:
        assert await vault.records.find(connection, "1.2.3") is None
        assert await vault.records.lists(connection) == {issued.status_list: CAPACITY}
