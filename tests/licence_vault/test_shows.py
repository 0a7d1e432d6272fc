"""Showing: one code, one window, one matter, one collection, and only after the holder says yes."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from foundation.errors import InvalidInput, NotPermitted
from foundation.tables import audit_log
from licence_vault.errors import LicenceNotFound, ShowNotFound, ShowNotReleased
from licence_vault.model import Purpose
from licence_vault.shows import CODE_DIGITS, LIFETIME, PREFIX, ShowState
from licence_vault.tables import licence_accesses, licence_shows
from tests.licence_vault.conftest import BUREAU, CHEN, LI, OFFICER, STRANGER
from tests.licence_vault.samples import ISSUER_NAME, MATTER, food_request

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from licence_vault.assembly import Vault
    from licence_vault.shows import ShowCode

CASE = Purpose(MATTER, "CASE-9", "办理变更", "staff-7")
WINDOW = STRANGER
FIELDS = ["business_premises"]


async def offered(vault: Vault) -> tuple[str, ShowCode]:
    licence = await vault.licences.issue(BUREAU, food_request())
    return licence.identifier, await vault.shows.offer(CHEN, [licence.identifier])


async def test_a_licence_is_shown_from_offer_to_receipt(vault: Vault, database: Database) -> None:
    identifier, offer = await offered(vault)
    scanned = await vault.shows.scan(WINDOW, offer.qr_text, CASE, FIELDS)
    assert (scanned.state, scanned.type_names) == (ShowState.SCANNED, ("食品经营许可证",))
    asked = await vault.shows.status(CHEN, offer.show_id)
    assert (asked.reader_name, asked.matter_name, asked.reason) == ("演示市中心区公安局", "食品经营许可", "办理变更")
    assert asked.fields == ("business_premises",)
    with pytest.raises(ShowNotReleased):
        await vault.shows.collect(WINDOW, offer.show_id)
    assert (await vault.shows.release(CHEN, offer.show_id)).state is ShowState.RELEASED
    shown = await vault.shows.collect(WINDOW, offer.show_id)
    assert [one.identifier for one in shown.licences] == [identifier]
    assert set(shown.licences[0].face) == {"business_premises"}
    assert "*" in shown.licences[0].holders[0].code
    claims = json.loads(base64.urlsafe_b64decode(shown.receipt.split(".")[1] + "=="))
    assert claims["licences"][0]["access_id"] == shown.licences[0].access_id
    assert (claims["matter_code"], claims["aud"]) == (MATTER, WINDOW.organisation_code)
    seen = await vault.licences.accesses(CHEN)
    assert [(one.way, one.case_number, one.operator) for one in seen] == [("shown", "CASE-9", "staff-7")]
    async with database.read() as connection:
        actions = (await connection.execute(select(audit_log.c.action).order_by(audit_log.c.audit_id))).scalars().all()
    acts = [one for one in actions if "show" in one]
    assert acts == [f"licence_vault.show_{act}" for act in ("offer", "scan", "released", "collect")]


async def test_asking_for_everything_gives_the_whole_face(vault: Vault) -> None:
    _, offer = await offered(vault)
    typed = " ".join(offer.code[at : at + 4] for at in range(0, CODE_DIGITS, 4))
    await vault.shows.scan(OFFICER, f" {typed} ", CASE)
    await vault.shows.release(CHEN, offer.show_id)
    shown = await vault.shows.collect(OFFICER, offer.show_id)
    assert not shown.licences[0].masked
    assert (await vault.licences.accesses(CHEN))[0].reader_name == ISSUER_NAME


async def test_the_code_is_long_short_lived_and_not_stored(vault: Vault, database: Database, clock: FixedClock) -> None:
    _, offer = await offered(vault)
    assert 10**CODE_DIGITS >= 2**128
    assert len(offer.code) == CODE_DIGITS
    assert offer.code.isdecimal()
    assert timedelta(0) < offer.expires_at - clock.now() <= timedelta(minutes=5)
    assert offer.qr_text == PREFIX + offer.code
    async with database.read() as connection:
        row = (await connection.execute(select(licence_shows))).one()
    assert offer.code not in str(row)
    assert offer.code not in repr(offer)


async def test_of_parallel_scans_collections_and_decisions_one_succeeds(vault: Vault, database: Database) -> None:
    _, offer = await offered(vault)
    windows = [replace(WINDOW, subject_id=f"window-{number}") for number in range(20)]
    scans = await asyncio.gather(
        *[vault.shows.scan(window, offer.code, CASE) for window in windows], return_exceptions=True
    )
    winners = [window for window, one in zip(windows, scans, strict=True) if not isinstance(one, BaseException)]
    assert len(winners) == 1
    decisions = await asyncio.gather(
        *[vault.shows.release(CHEN, offer.show_id) for _ in range(10)], return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in decisions) == 1
    taken = await asyncio.gather(
        *[vault.shows.collect(winners[0], offer.show_id) for _ in range(20)], return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in taken) == 1
    assert all(isinstance(one, ShowNotReleased) for one in taken if isinstance(one, BaseException))
    async with database.read() as connection:
        assert len((await connection.execute(select(licence_accesses))).all()) == 1


async def test_another_window_can_neither_collect_nor_look(vault: Vault) -> None:
    _, offer = await offered(vault)
    await vault.shows.scan(WINDOW, offer.code, CASE)
    await vault.shows.release(CHEN, offer.show_id)
    for other in (OFFICER, BUREAU):
        with pytest.raises(ShowNotReleased):
            await vault.shows.collect(other, offer.show_id)
        with pytest.raises(ShowNotFound):
            await vault.shows.status(other, offer.show_id)
    with pytest.raises(NotPermitted):
        await vault.shows.collect(CHEN, offer.show_id)


async def test_another_person_can_neither_release_nor_refuse_nor_withdraw(vault: Vault) -> None:
    _, offer = await offered(vault)
    await vault.shows.scan(WINDOW, offer.code, CASE)
    for act in (vault.shows.release, vault.shows.refuse, vault.shows.withdraw, vault.shows.status):
        with pytest.raises(ShowNotFound):
            await act(LI, offer.show_id)
        with pytest.raises(ShowNotFound):
            await act(replace(LI, person_id=None), offer.show_id)


async def test_a_refusal_is_final(vault: Vault) -> None:
    _, offer = await offered(vault)
    await vault.shows.scan(WINDOW, offer.code, CASE)
    assert (await vault.shows.refuse(CHEN, offer.show_id)).state is ShowState.REFUSED
    with pytest.raises(ShowNotFound):
        await vault.shows.release(CHEN, offer.show_id)
    with pytest.raises(ShowNotReleased):
        await vault.shows.collect(WINDOW, offer.show_id)
    assert await vault.licences.accesses(CHEN) == ()


async def test_a_released_show_can_be_withdrawn_until_it_is_collected(vault: Vault) -> None:
    _, offer = await offered(vault)
    await vault.shows.scan(WINDOW, offer.code, CASE)
    await vault.shows.release(CHEN, offer.show_id)
    await vault.shows.withdraw(CHEN, offer.show_id)
    with pytest.raises(ShowNotReleased):
        await vault.shows.collect(WINDOW, offer.show_id)


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_five_minutes_after_the_offer_it_is_over(vault: Vault, clock: FixedClock, steps: int) -> None:
    _, offer = await offered(vault)
    if steps > 0:
        await vault.shows.scan(WINDOW, offer.code, CASE)
    if steps > 1:
        await vault.shows.release(CHEN, offer.show_id)
    clock.advance(LIFETIME)
    with pytest.raises(ShowNotFound):
        await vault.shows.scan(WINDOW, offer.code, CASE)
    with pytest.raises(ShowNotFound):
        await vault.shows.release(CHEN, offer.show_id)
    with pytest.raises(ShowNotReleased):
        await vault.shows.collect(WINDOW, offer.show_id)
    assert (await vault.shows.status(CHEN, offer.show_id)).state is ShowState.EXPIRED


async def test_nobody_releases_before_a_window_scanned(vault: Vault) -> None:
    _, offer = await offered(vault)
    with pytest.raises(ShowNotFound):
        await vault.shows.release(CHEN, offer.show_id)


async def test_bad_offers_and_scans_are_refused(vault: Vault) -> None:
    identifier, offer = await offered(vault)
    with pytest.raises(LicenceNotFound):
        await vault.shows.offer(LI, [identifier])
    with pytest.raises(NotPermitted):
        await vault.shows.offer(BUREAU, [identifier])
    for identifiers in ([], [identifier[:-1]]):
        with pytest.raises(InvalidInput):
            await vault.shows.offer(CHEN, identifiers)
    for code in ("", "x", offer.code[:-1], "\ud800"):
        with pytest.raises(ShowNotFound):
            await vault.shows.scan(WINDOW, code, CASE)
    for purpose, name in (
        (replace(CASE, matter_code=None), "matter_code"),
        (replace(CASE, matter_code="unknown"), "matter_code"),
        (replace(CASE, case_number=""), "case_number"),
        (replace(CASE, reason=""), "reason"),
        (replace(CASE, operator=""), "operator"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await vault.shows.scan(WINDOW, offer.code, purpose)
        assert caught.value.field == name
    with pytest.raises(NotPermitted):
        await vault.shows.scan(replace(WINDOW, scopes=frozenset()), offer.code, CASE)
    assert (await vault.shows.scan(WINDOW, offer.code, CASE)).state is ShowState.SCANNED
