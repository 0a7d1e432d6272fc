"""New versions: change, extension and correction; the old one is superseded in the same transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from foundation.errors import Conflict, InvalidInput
from licence_vault.errors import IdempotencyMismatch, LicenceNotFound, StateTransitionRefused
from licence_vault.identifier import parse_identifier
from licence_vault.model import LicenceState, ReasonCode, Revision, RevisionKind, StateChange
from tests.licence_vault.conftest import BUREAU, CHEN, STRANGER
from tests.licence_vault.samples import FACES, FOOD, food_request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from licence_vault.assembly import Vault

S = LicenceState
NEW_FACE = FACES[FOOD] | {"legal_representative": "李娜"}
CHANGE = Revision(RevisionKind.CHANGE, "法定代表人变更", "change-1", face=NEW_FACE)
EXTEND = Revision(RevisionKind.EXTENSION, "延续五年", "extend-1", valid_to=date(2031, 3, 2))
REVOKE = StateChange(S.REVOKED, ReasonCode.ILLEGAL_ACT, "违法经营", "《食品安全法》第一百二十四条")


async def test_a_change_names_the_old_version_which_is_superseded(vault: Vault, database: Database) -> None:
    old = await vault.licences.issue(BUREAU, food_request())
    new = await vault.licences.revise(BUREAU, old.identifier, CHANGE)
    parsed = parse_identifier(new.identifier)
    assert (parsed.serial, parsed.version) == (parse_identifier(old.identifier).serial, 2)
    assert (new.state, new.previous_identifier, new.face["legal_representative"]) == (S.VALID, old.identifier, "李娜")
    assert (new.licence_number, new.valid_to, new.holders) == (old.licence_number, old.valid_to, old.holders)
    assert (new.status_list, new.status_index) != (old.status_list, old.status_index)
    async with database.read() as connection:
        facts = await vault.records.find(connection, old.identifier)
    assert facts is not None
    assert (facts.state, facts.superseded_by, facts.state_reason) == (S.SUPERSEDED, new.identifier, "changed")
    assert {one.identifier: one.state for one in await vault.licences.of_holder(CHEN)} == {
        old.identifier: S.SUPERSEDED,
        new.identifier: S.VALID,
    }


async def test_the_same_revision_twice_is_one_version(vault: Vault) -> None:
    old = await vault.licences.issue(BUREAU, food_request())
    first = await vault.licences.revise(BUREAU, old.identifier, CHANGE)
    assert await vault.licences.revise(BUREAU, old.identifier, CHANGE) == first
    with pytest.raises(IdempotencyMismatch):
        await vault.licences.revise(BUREAU, old.identifier, replace(CHANGE, reason_text="另一理由"))
    with pytest.raises(StateTransitionRefused):
        await vault.licences.revise(BUREAU, old.identifier, replace(CHANGE, idempotency_key="change-2"))


async def test_of_parallel_revisions_one_wins(vault: Vault) -> None:
    old = await vault.licences.issue(BUREAU, food_request())
    answers = await asyncio.gather(
        *[
            vault.licences.revise(BUREAU, old.identifier, replace(CHANGE, idempotency_key=f"change-{number}"))
            for number in range(5)
        ],
        return_exceptions=True,
    )
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert all(isinstance(one, Conflict) for one in answers if isinstance(one, BaseException))
    assert len(await vault.licences.of_issuer(BUREAU)) == 2


async def test_an_extension_changes_the_period_alone(vault: Vault, clock: FixedClock) -> None:
    old = await vault.licences.issue(BUREAU, food_request(valid_to=date(2026, 12, 31)))
    clock.advance(timedelta(days=310))
    assert (await vault.licences.get(CHEN, old.identifier)).state is S.EXPIRED
    new = await vault.licences.revise(BUREAU, old.identifier, replace(EXTEND, valid_to=date(2031, 3, 1)))
    assert (new.state, new.valid_to, new.face) == (S.VALID, date(2031, 3, 1), old.face)
    again = await vault.licences.revise(
        BUREAU, new.identifier, Revision(RevisionKind.CORRECTION, "更正", "fix", face=NEW_FACE)
    )
    assert again.version == 3


async def test_a_revision_of_what_ended_or_belongs_to_others_is_refused(vault: Vault) -> None:
    old = await vault.licences.issue(BUREAU, food_request())
    with pytest.raises(LicenceNotFound):
        await vault.licences.revise(STRANGER, old.identifier, CHANGE)
    with pytest.raises(LicenceNotFound):
        await vault.licences.revise(CHEN, old.identifier, CHANGE)
    await vault.licences.change_state(BUREAU, old.identifier, REVOKE)
    with pytest.raises(StateTransitionRefused):
        await vault.licences.revise(BUREAU, old.identifier, CHANGE)


async def test_a_revocation_while_the_new_version_is_made_wins(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await vault.licences.issue(BUREAU, food_request())
    issuer = vault.licences._issuer
    make = issuer._make

    async def revoked_meanwhile(*arguments: Any) -> Any:  # noqa: ANN401 - passes through
        sealed = await make(*arguments)
        await vault.licences.change_state(BUREAU, old.identifier, REVOKE)
        return sealed

    monkeypatch.setattr(issuer, "_make", revoked_meanwhile)
    with pytest.raises(Conflict):
        await vault.licences.revise(BUREAU, old.identifier, CHANGE)
    listed = await vault.licences.of_issuer(BUREAU)
    assert [(one.identifier, one.state) for one in listed] == [(old.identifier, S.REVOKED)]


@pytest.mark.parametrize(
    ("revision", "field"),
    [
        (replace(CHANGE, face=None), "kind"),
        (replace(CHANGE, reason_text=""), "reason_text"),
        (replace(CHANGE, face=NEW_FACE | {"signed_by": ""}), "face.signed_by"),
        (replace(CHANGE, idempotency_key=""), "idempotency_key"),
        (replace(EXTEND, valid_to=date(2031, 3, 1)), "valid_to"),
        (replace(EXTEND, valid_to=date(2051, 3, 1)), "valid_to"),
        (replace(EXTEND, valid_to=None), "valid_to"),
        (replace(EXTEND, licence_number="JY25001010012346"), "kind"),
    ],
)
async def test_a_bad_revision_is_refused_by_field(vault: Vault, revision: Revision, field: str) -> None:
    old = await vault.licences.issue(BUREAU, food_request())
    with pytest.raises(InvalidInput) as caught:
        await vault.licences.revise(BUREAU, old.identifier, revision)
    assert caught.value.field == field
    assert (await vault.licences.get(CHEN, old.identifier)).state is S.VALID
