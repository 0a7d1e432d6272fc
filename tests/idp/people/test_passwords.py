from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from foundation.errors import ServiceUnavailable
from idp.people.errors import PasswordFlaw, WeakPassword
from idp.people.passwords import MAXIMUM_LENGTH, WAITING_PER_WORKER, Passwords, strength_flaw

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    pool = Passwords(workers=1, time_cost=1, memory_kib=1024)
    yield pool
    pool.close()


@pytest.mark.parametrize(
    ("password", "flaw"),
    [
        ("", PasswordFlaw.TOO_SHORT),
        ("short1", PasswordFlaw.TOO_SHORT),
        ("password", PasswordFlaw.COMMON),
        ("Passw0rd", PasswordFlaw.COMMON),
        ("12345678", PasswordFlaw.COMMON),
        ("iloveyou1", PasswordFlaw.COMMON),
        ("cvbnm,./", PasswordFlaw.KEYBOARD),
        ("abcdefghijkl", PasswordFlaw.SEQUENCE),
        ("aaaaaaaaaaaa", PasswordFlaw.SEQUENCE),
        ("19900307", PasswordFlaw.DATE),
        ("chenwei1990", PasswordFlaw.ACCOUNT_NAME),
        ("chenwei1990a", PasswordFlaw.ACCOUNT_NAME),
        ("x" * (MAXIMUM_LENGTH + 1), PasswordFlaw.TOO_LONG),
    ],
)
def test_a_refused_password_is_refused_for_what_is_wrong_with_it(password: str, flaw: PasswordFlaw) -> None:
    assert strength_flaw(password, ["chenwei1990"]) is flaw


@pytest.mark.parametrize(
    "password", ["violet-harbour-27", "老虎喝茶看云去了吗", "correct horse battery", "y" + "q7#Lw" * 20]
)
def test_long_and_uncommon_passwords_are_accepted(password: str) -> None:
    assert strength_flaw(password, ["chenwei1990"]) is None


async def test_a_refused_password_names_the_field_and_not_the_password(passwords: Passwords) -> None:
    with pytest.raises(WeakPassword) as caught:
        await passwords.accept("password1")
    assert caught.value.field == "password"
    assert "password1" not in str(caught.value)


async def test_a_hash_fits_its_password_only(passwords: Passwords) -> None:
    stored = await passwords.accept("violet-harbour-27")
    assert stored.startswith("$argon2id$")
    assert (await passwords.verify(stored, "violet-harbour-27")).correct
    assert not (await passwords.verify(stored, "violet-harbour-28")).correct


async def test_full_width_and_half_width_typing_is_the_same_password(passwords: Passwords) -> None:
    stored = await passwords.accept("violet-harbour-27")
    assert (await passwords.verify(stored, "violet－harbour－２７")).correct


async def test_without_a_stored_hash_the_answer_is_no_even_for_the_decoy(passwords: Passwords) -> None:
    assert not (await passwords.verify(None, "no account has this password")).correct


async def test_a_hash_of_older_costs_is_reported_as_outdated() -> None:
    old, new = (Passwords(workers=1, time_cost=cost, memory_kib=1024) for cost in (1, 2))
    try:
        verification = await new.verify(await old.accept("violet-harbour-27"), "violet-harbour-27")
    finally:
        old.close()
        new.close()
    assert verification.correct
    assert verification.outdated


async def test_a_flood_is_refused_at_the_door_and_leaves_the_loop_free(passwords: Passwords) -> None:
    attempts = [passwords.verify(None, "x") for _ in range(3 * WAITING_PER_WORKER)]
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ServiceUnavailable)]
    assert len(refused) == 3 * WAITING_PER_WORKER - (1 + WAITING_PER_WORKER)
    assert not (await passwords.verify(None, "x")).correct
