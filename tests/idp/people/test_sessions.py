from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from foundation.errors import NotFound
from foundation.principal import Channel, PrincipalKind
from foundation.tables import audit_log
from idp.people import totp
from idp.people.errors import AccountClosed, SecondFactorRefused, SecondFactorRequired, SignInRefused, SignInThrottled
from idp.people.session import LIMITS, Session
from idp.people.tables import accounts, sessions, sign_in_attempts
from tests.idp.people.conftest import BUREAU, PASSWORD, Join, RecordingObserver

if TYPE_CHECKING:
    from foundation.clock import FixedClock
    from foundation.database import Database
    from foundation.notices import Notices
    from idp.people.assembly import People
    from idp.people.passwords import Verification


async def test_signing_in_opens_a_session_whose_secret_is_stored_hashed(
    people: People, join: Join, database: Database
) -> None:
    session = await join.citizen()
    assert session.secret is not None
    assert len(session.secret) >= 43
    async with database.read() as connection:
        row = (await connection.execute(select(sessions))).one()
    assert session.secret.encode() not in row.secret_hash
    resolved = await people.sessions.resolve(session.secret)
    assert resolved is not None
    assert (resolved.session_id, resolved.secret, resolved.acr) == (session.session_id, None, "L0")
    principal = resolved.principal()
    assert (principal.kind, principal.subject_id, principal.amr) == (PrincipalKind.PERSON, session.account_id, ("pwd",))


async def test_unknown_name_and_wrong_password_get_the_same_answer_and_the_same_records(
    join: Join, database: Database
) -> None:
    await join.citizen()
    answers = []
    for name, password in (("chenwei", "wrong-password"), ("nobody.at.all", PASSWORD)):
        with pytest.raises(SignInRefused) as caught:
            await join.sign_in(name, password)
        answers.append((type(caught.value), caught.value.detail, caught.value.field))
    assert answers[0] == answers[1]
    async with database.read() as connection:
        refused = select(func.count()).select_from(audit_log).where(audit_log.c.action == "people.sign_in_refused")
        assert (await connection.execute(refused)).scalar_one() == 2
        noted = select(func.count()).select_from(sign_in_attempts).where(~sign_in_attempts.c.succeeded)
        assert (await connection.execute(noted)).scalar_one() == 2


async def test_a_thousand_parallel_guesses_are_evaluated_no_more_often_than_the_limit(
    people: People, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    await join.citizen()
    passwords = people.passwords
    evaluated: list[str] = []
    verify = passwords.verify

    async def counting(stored: str | None, unverified_password: str) -> Verification:
        evaluated.append(unverified_password)
        return await verify(stored, unverified_password)

    monkeypatch.setattr(passwords, "verify", counting)
    ready = asyncio.Semaphore(8)

    async def guess(number: int) -> Session:
        # All are under way at once; as many as the database has connections go on together.
        async with ready:
            source = f"2001:db8::{number:x}"
            return await people.sessions.sign_in("chenwei", f"guess-{number}", source=source, channel=Channel.WEB)

    answers = await asyncio.gather(*(guess(number) for number in range(1000)), return_exceptions=True)
    assert sum(type(answer) is SignInRefused for answer in answers) == 5
    assert sum(type(answer) is SignInThrottled for answer in answers) == 995
    assert len(evaluated) == 5


async def test_unknown_names_are_throttled_like_known_ones(join: Join, people: People) -> None:
    assert people is join.people
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await join.sign_in("nobody.at.all")
    with pytest.raises(SignInThrottled):
        await join.sign_in("nobody.at.all")


async def test_strangers_do_not_lock_the_owner_out_of_a_known_device(people: People, join: Join) -> None:
    owner = await join.citizen()
    for n in range(8):
        with pytest.raises((SignInRefused, SignInThrottled)):
            await people.sessions.sign_in("chenwei", "guess", source=f"198.51.100.{n}", channel=Channel.WEB)
    with pytest.raises(SignInThrottled):
        await join.sign_in("chenwei")
    again = await join.sign_in("chenwei", device=owner.device_secret)
    assert not again.new_device


async def test_a_right_password_gives_its_places_back(join: Join) -> None:
    await join.citizen()
    for _ in range(12):
        await join.sign_in("chenwei")


async def test_one_source_cannot_try_many_names(people: People) -> None:
    async def guess(n: int) -> None:
        await people.sessions.sign_in(f"name{n:03d}", "x", source="203.0.113.5", channel=Channel.WEB)

    for n in range(60):
        with pytest.raises(SignInRefused):
            await guess(n)
    with pytest.raises(SignInThrottled):
        await guess(60)


async def test_a_device_cookie_of_another_account_is_a_stranger(people: People, join: Join) -> None:
    mine = await join.citizen("chenwei")
    await join.citizen("liming")
    again = await join.sign_in("liming", device=mine.device_secret)
    assert again.new_device
    assert again.device_secret != mine.device_secret
    assert people is join.people


async def test_a_new_device_is_told_to_the_owner(join: Join, notices: Notices, database: Database) -> None:
    first = await join.citizen()
    assert not first.new_device
    second = await join.sign_in("chenwei")
    assert second.new_device
    async with database.read() as connection:
        kinds = [notice.kind for notice in await notices.of_account(connection, first.account_id)]
    assert kinds == ["people.new_device"]


async def test_a_session_ends_when_idle_and_at_its_absolute_end(people: People, join: Join, clock: FixedClock) -> None:
    session = await join.citizen()
    assert session.secret is not None
    limits = LIMITS[session.kind]
    step = limits.idle - timedelta(minutes=1)
    for _ in range(int(limits.absolute / step)):
        clock.advance(step)
        assert await people.sessions.resolve(session.secret) is not None
    clock.advance(step)
    assert await people.sessions.resolve(session.secret) is None
    other = await join.sign_in("chenwei")
    assert other.secret is not None
    clock.advance(limits.idle)
    assert await people.sessions.resolve(other.secret) is None


async def test_signing_out_voids_the_secret_and_tells_the_observers(
    people: People, join: Join, observer: RecordingObserver
) -> None:
    session, other = await join.citizen(), await join.sign_in("chenwei")
    await people.sessions.sign_out(session.principal(), other.session_id)
    await people.sessions.sign_out(session.principal())
    assert session.secret is not None
    assert other.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    assert await people.sessions.resolve(other.secret) is None
    assert observer.ended == [other.session_id, session.session_id]


async def test_nobody_signs_another_account_out(people: People, join: Join) -> None:
    mine, theirs = await join.citizen("chenwei"), await join.citizen("liming")
    with pytest.raises(NotFound):
        await people.sessions.sign_out(mine.principal(), theirs.session_id)
    await join.again(theirs)


async def test_a_suspended_account_opens_nothing_and_its_sessions_stop(
    people: People, join: Join, database: Database
) -> None:
    session = await join.citizen()
    async with database.transaction() as connection:
        await connection.execute(update(accounts).values(state="suspended"))
    assert session.secret is not None
    assert await people.sessions.resolve(session.secret) is None
    with pytest.raises(AccountClosed):
        await join.sign_in("chenwei")
    with pytest.raises(SignInRefused):
        await join.sign_in("chenwei", "wrong-password")


async def _enrolled(people: People, join: Join, clock: FixedClock) -> tuple[Session, bytes, tuple[str, ...]]:
    session = await join.citizen()
    enrolment = await people.second_factors.begin_totp(session.principal())
    secret = base32(enrolment.secret_base32)
    codes = await people.second_factors.confirm_totp(session.principal(), _code(secret, clock))
    clock.advance(timedelta(seconds=30))
    return session, secret, codes


def base32(text: str) -> bytes:
    import base64  # noqa: PLC0415

    return base64.b32decode(text + "=" * (-len(text) % 8))


def _code(secret: bytes, clock: FixedClock) -> str:
    return totp.code_at(secret, totp.step_of(clock.now()))


async def test_with_a_second_factor_the_password_alone_opens_nothing(
    people: People, join: Join, clock: FixedClock
) -> None:
    _, secret, _ = await _enrolled(people, join, clock)
    pending = await join.sign_in("chenwei")
    assert pending.pending
    assert pending.secret is not None
    assert await people.sessions.resolve(pending.secret) is None
    with pytest.raises(ValueError, match="second factor"):
        pending.principal()
    waiting = await people.sessions.resolve_pending(pending.secret)
    assert waiting is not None
    finished = await people.sessions.second_factor(waiting, _code(secret, clock))
    assert finished.amr == ("pwd", "otp", "mfa")
    assert finished.secret is not None
    assert finished.secret != pending.secret
    assert await people.sessions.resolve_pending(pending.secret) is None
    assert await people.sessions.resolve(finished.secret) is not None


async def test_a_step_is_consumed_once_even_by_parallel_requests(people: People, join: Join, clock: FixedClock) -> None:
    _, secret, _ = await _enrolled(people, join, clock)
    pending = [await join.sign_in("chenwei") for _ in range(5)]
    code = _code(secret, clock)
    results = await asyncio.gather(
        *(people.sessions.second_factor(session, code) for session in pending), return_exceptions=True
    )
    assert sum(isinstance(result, Session) for result in results) == 1
    assert sum(isinstance(result, SecondFactorRefused) for result in results) == 4


async def test_guessing_codes_is_throttled(people: People, join: Join, clock: FixedClock) -> None:
    _, secret, _ = await _enrolled(people, join, clock)
    pending = await join.sign_in("chenwei")
    right = _code(secret, clock)
    for n in range(6):
        with pytest.raises(SecondFactorRefused):
            await people.sessions.second_factor(pending, f"{(int(right) + n + 1) % 10**6:06d}")
    with pytest.raises(SignInThrottled):
        await people.sessions.second_factor(pending, right)


async def test_a_recovery_code_works_once_and_only_for_its_account(
    people: People, join: Join, clock: FixedClock
) -> None:
    _, _, codes = await _enrolled(people, join, clock)
    assert len(set(codes)) == 10
    finished = await people.sessions.second_factor(await join.sign_in("chenwei"), f" {codes[3].upper()} ")
    assert "otp" in finished.amr
    with pytest.raises(SecondFactorRefused):
        await people.sessions.second_factor(await join.sign_in("chenwei"), codes[3])


async def test_a_half_finished_sign_in_waits_five_minutes(people: People, join: Join, clock: FixedClock) -> None:
    _, secret, _ = await _enrolled(people, join, clock)
    pending = await join.sign_in("chenwei")
    clock.advance(timedelta(minutes=5))
    with pytest.raises(SecondFactorRefused):
        await people.sessions.second_factor(pending, _code(secret, clock))


async def test_a_stolen_session_cannot_replace_the_second_factor(people: People, join: Join, clock: FixedClock) -> None:
    session, secret, _ = await _enrolled(people, join, clock)
    with pytest.raises(SecondFactorRequired):
        await people.second_factors.begin_totp((await join.again(session)).principal())
    stepped_up = await people.sessions.second_factor(await join.again(session), _code(secret, clock))
    await people.second_factors.begin_totp(stepped_up.principal())


async def test_verify_consumes_the_step_with_the_act_and_gives_it_back_with_a_rollback(
    people: People, join: Join, clock: FixedClock, database: Database
) -> None:
    session, secret, _ = await _enrolled(people, join, clock)
    principal, code = session.principal(), _code(secret, clock)

    async def failing_act() -> None:
        async with database.transaction() as connection:
            await people.second_factors.verify(connection, principal, code)
            raise RuntimeError("act failed")

    with pytest.raises(RuntimeError, match="act failed"):
        await failing_act()
    async with database.transaction() as connection:
        proof = await people.second_factors.verify(connection, principal, code)
    assert proof.method == "otp"
    with pytest.raises(SecondFactorRefused):
        async with database.transaction() as connection:
            await people.second_factors.verify(connection, principal, code)


async def test_an_officer_owes_a_code_and_acts_for_the_organisation(
    people: People, join: Join, clock: FixedClock
) -> None:
    officer, secret = await join.officer()
    pending = await join.sign_in("officer.li")
    assert pending.pending
    finished = await people.sessions.second_factor(pending, _code(secret, clock))
    principal = finished.principal()
    assert (principal.kind, principal.subject_id, principal.organisation_code) == (
        PrincipalKind.OFFICER,
        officer.officer_id,
        BUREAU,
    )
