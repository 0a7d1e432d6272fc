from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from foundation.errors import InvalidInput, NotFound
from foundation.principal import Channel
from foundation.tables import audit_log
from idp.people.account import Account, AccountKind, masked_mobile, masked_name, masked_number, normalise_username
from idp.people.errors import SignInRefused, SignInThrottled, UsernameTaken, WeakPassword
from idp.people.tables import accounts
from tests.idp.people.conftest import CHEN_WEI, PASSWORD, Join, RecordingObserver

if TYPE_CHECKING:
    from foundation.database import Database
    from idp.people.assembly import People


async def _register(people: People, username: str, mobile: str | None = None) -> Account:
    return await people.accounts.register(username, PASSWORD, mobile, source="192.0.2.7", channel=Channel.MOBILE)


async def test_registering_stores_a_hash_an_encrypted_mobile_and_an_audit_row(
    people: People, database: Database
) -> None:
    account = await _register(people, " ChenWei ", "+86 139 0000 0022")
    assert (account.username, account.mobile, account.mobile_verified) == ("chenwei", "13900000022", False)
    async with database.read() as connection:
        row = (await connection.execute(select(accounts))).one()
        event = (await connection.execute(select(audit_log))).one()
    assert row.password_hash.startswith("$argon2id$")
    assert b"13900000022" not in row.mobile
    assert (event.action, event.object_id, event.channel) == ("people.register", account.account_id, "mobile")
    assert await people.accounts.get(account.account_id) == account


@pytest.mark.parametrize("username", ["abc", "13900000022", "a b c d", "名", "-name", "x" * 33, "1234567890", "'; --"])
def test_bad_usernames_name_the_field(username: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise_username(username)
    assert caught.value.field == "username"


@pytest.mark.parametrize("mobile", ["12800000000", "1390000002", "139000000221", "abc", "+1 202 555 0100"])
async def test_bad_mobiles_name_the_field_and_store_nothing(people: People, database: Database, mobile: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await _register(people, "chenwei", mobile)
    assert caught.value.field == "mobile"
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(accounts))).scalar_one() == 0


async def test_a_username_is_given_once_even_to_parallel_askers(people: People) -> None:
    results = await asyncio.gather(*(_register(people, "chenwei") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, Account) for result in results) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == 5


async def test_registrations_of_one_source_are_limited(people: People) -> None:
    async def attempt(number: int) -> None:
        await people.accounts.register(f"name{number:04d}", "weak", source="198.51.100.9", channel=Channel.WEB)

    for number in range(60):
        with pytest.raises(WeakPassword):
            await attempt(number)
    with pytest.raises(SignInThrottled):
        await attempt(60)


async def test_an_unknown_account_is_not_found(people: People) -> None:
    with pytest.raises(NotFound):
        await people.accounts.get("acc_none")


async def test_changing_the_password_ends_the_other_sessions(
    people: People, join: Join, observer: RecordingObserver
) -> None:
    mine, other = await join.citizen(), await join.sign_in("chenwei")
    await people.accounts.change_password(mine.principal(), PASSWORD, "amber-lighthouse-93")
    assert mine.secret is not None
    assert other.secret is not None
    assert await people.sessions.resolve(mine.secret) is not None
    assert await people.sessions.resolve(other.secret) is None
    assert observer.ended == [other.session_id]
    with pytest.raises(SignInRefused):
        await join.sign_in("chenwei")
    await join.sign_in("chenwei", "amber-lighthouse-93")


async def test_changing_the_password_takes_the_present_one(people: People, join: Join) -> None:
    session = await join.citizen()
    with pytest.raises(SignInRefused) as caught:
        await people.accounts.change_password(session.principal(), "wrong-password", "amber-lighthouse-93")
    assert caught.value.field == "old_password"
    await join.sign_in("chenwei")


async def test_claims_open_only_what_the_scopes_name(people: People, join: Join) -> None:
    session = await join.proven()
    account_id = session.account_id
    assert await people.accounts.claims(account_id, {"openid"}) == {}
    profile = await people.accounts.claims(account_id, {"openid", "profile"})
    assert profile == {"preferred_username": "chenwei", "name": "*伟"}
    real_name = await people.accounts.claims(account_id, {"real_name"})
    assert real_name["name"] == "陈伟"
    verified = real_name["verified_claims"]
    assert verified["claims"] == {"name": "陈伟", "citizen_id_number": CHEN_WEI.citizen_id_number}
    assert verified["verification"]["assurance_level"] == "L2"
    (evidence,) = verified["verification"]["evidence"]
    assert evidence["check_details"][0]["organization"] == "中国银联（沙箱）"


async def test_an_unproven_account_has_no_verified_claims(people: People, join: Join) -> None:
    session = await join.citizen()
    assert await people.accounts.claims(session.account_id, {"real_name", "phone"}) == {}
    assert await people.accounts.person(session.account_id) is None


async def test_the_holder_index_leads_back_to_the_accounts(people: People, join: Join, database: Database) -> None:
    session = await join.proven()
    assert session.person_id is not None
    index = await people.persons.holder_index(session.person_id)
    async with database.read() as connection:
        assert await people.persons.accounts_of_holder(connection, index) == (session.account_id,)
        assert await people.persons.accounts_of_holder(connection, b"x" * 32) == ()


def test_masks_hide_all_but_the_agreed_characters() -> None:
    assert masked_name("陈伟") == "*伟"
    assert masked_name("陈") == "陈"
    assert masked_mobile("13900000022") == "139****0022"
    assert masked_number(CHEN_WEI.citizen_id_number) == "500" + "*" * 13 + CHEN_WEI.citizen_id_number[-2:]
    assert masked_number("A1") == "**"
    assert AccountKind("person") is AccountKind.PERSON
