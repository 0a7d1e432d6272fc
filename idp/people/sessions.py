"""Signing in and out, and what a session cookie stands for."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from foundation import channels
from foundation.audit import AuditEvent
from foundation.errors import NotFound
from foundation.ids import new_id, new_secret
from foundation.principal import Channel
from idp.people.account import AccountKind, AccountState
from idp.people.account_repository import mobile_index
from idp.people.claim_statements import ClaimReads
from idp.people.duplicates import merged_with
from idp.people.errors import AccountClosed, SecondFactorRefused, SignInRefused
from idp.people.legal_person_repository import LegalPersons
from idp.people.officer_repository import Officers
from idp.people.proof import NO_LEVEL, level_at
from idp.people.session import LIMITS, Arrival, Session, secret_hash
from idp.people.session_repository import BY_SECRET, OPEN, PENDING, TOUCH, Sessions
from idp.people.sign_in_statements import BY_ACCOUNT, BY_ID, BY_NAME, note_sign_in, open_session

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from foundation.statements import Record
    from idp.people.officer import Officer
    from idp.people.second_factors import SecondFactorService
    from idp.people.tools import Tools

TOUCH_AFTER = timedelta(seconds=60)
SOURCE_CONTEXT = "sign_in_attempts.source"
LABEL_LENGTH = 80
_METHODS = {"pwd": "password", "pop": "passkey", "sms": "mobile_code", "mca": "qr", "swk": "certificate"}
REFUSED = "The name or the password is wrong."


class SessionService:
    """Use cases of a session."""

    def __init__(self, tools: Tools, second_factors: SecondFactorService) -> None:
        """Take the shared collaborators and the check of one-time codes."""
        self._tools = tools
        self._second_factors = second_factors
        self._reads = ClaimReads(tools.database, tools.cipher)

    async def sign_in(
        self,
        unverified_username: str,
        unverified_password: str,
        *,
        source: str,
        channel: Channel,
        device_secret: str | None = None,
        device_label: str = "",
    ) -> Session:
        """Check a password and open a session.

        The returned session has `secret` (session cookie) and `device_secret` (a long-lived
        cookie that keeps strangers' guesses from locking the owner out). When the account has a
        second factor the session is `pending`: only `resolve_pending` and `second_factor` take it.

        Raises: SignInRefused (unknown name and wrong password alike), SignInThrottled,
            AccountClosed (only when the password was right).
        """
        name = unicodedata.normalize("NFKC", unverified_username).strip().casefold()[:64]
        row = await self._tools.database.fetch_one(
            BY_NAME,
            name=name,
            mobile_index=mobile_index(self._tools.cipher, name),
            device_hash=secret_hash(device_secret or ""),
        )
        account_id, known = (None, None) if row is None else (str(row.account_id), row.known_device_id)
        # The order is the security argument: 1 take a place, 2 hash, 3 record, 4 give the place back.
        arrival = Arrival(source, channel, device_secret if known else None, device_label[:LABEL_LENGTH])
        places = await self._tools.throttle.password(account_id or f"name:{name}", source, device_id=known)
        stored = None if row is None else row.password_hash
        verification = await self._tools.passwords.verify(stored, unverified_password)
        if row is None or not verification.correct:
            await self._refuse(account_id, arrival, known)
        if row.state != AccountState.ACTIVE:
            raise AccountClosed("This account is suspended; ask at a service hall.")
        fresh = await self._tools.passwords.rehash(unverified_password) if verification.outdated else None
        session = await self._open(row, ("pwd",), arrival, (stored, fresh))
        await self._tools.throttle.give_back(places)
        return session

    async def second_factor(self, session: Session, unverified_code: str, *, source: str = "") -> Session:
        """Finish a pending session, or step an open one up, with a one-time code.

        Returns the session with `otp` in `amr` and a new `secret`; the old secret is void.
        Raises: SecondFactorRefused, SignInThrottled.
        """
        try:
            return await self._elevate(session, unverified_code)
        except SecondFactorRefused:
            arrival = Arrival(source, session.channel)
            attempt = self._attempt(session.account_id, arrival, method="otp", device_id=None, new_device=False)
            async with self._tools.database.transaction() as connection:
                await Sessions(connection).note_attempt({**attempt, "succeeded": False})
                event = AuditEvent("people.second_factor_refused", "session", session.session_id)
                await self._tools.audit.record(connection, session.arriving(), event)
            raise

    async def resolve(self, session_secret: str) -> Session | None:
        """Return the open session of a secret, or None: unknown, ended, idle too long, pending or without a post."""
        session = await self._resolve(session_secret)
        return None if session is None or session.unfinished else session

    async def resolve_pending(self, session_secret: str) -> Session | None:
        """Return the session that still owes a second factor, or None."""
        session = await self._resolve(session_secret)
        return session if session is not None and session.pending else None

    async def resolve_choosing(self, session_secret: str) -> Session | None:
        """Return the session of an officer who has yet to choose a post, or None."""
        session = await self._resolve(session_secret)
        return session if session is not None and session.choosing else None

    async def posts(self, session: Session) -> tuple[Officer, ...]:
        """Return the posts the officer of a session holds now."""
        async with self._tools.database.read() as connection:
            return await Officers(connection, self._tools.cipher).of_account(
                session.account_id, self._tools.clock.now()
            )

    async def take_post(self, session: Session, officer_id: str) -> Session:
        """Act in a post from now on: the first choice, or the change to another post.

        A session is in one post for life, since tokens and forms belong to both. A change ends it,
        with what was granted in it, and opens the next one of the same sign-in and length.
        Raises: NotFound (no such post now), SignInRefused (the session ended).
        """
        now, secret, following = self._tools.clock.now(), new_secret(), session.session_id
        values: dict[str, Any] = {"officer_id": officer_id, "secret_hash": secret_hash(secret), "last_seen_at": now}
        async with self._tools.database.transaction() as connection:
            if await Officers(connection, self._tools.cipher).hold(officer_id, session.account_id, now) is None:
                raise NotFound("There is no such post of yours.")
            sessions = Sessions(connection)
            if session.choosing:
                taken = await sessions.change(following, values, state=OPEN, now=now, choosing=True)
            else:
                taken = await sessions.end(session.session_id, session.account_id, now, "another post")
                following = new_id("ses")
                await sessions.follow(session.session_id, {**values, "session_id": following, "created_at": now})
                await sessions.note_change(session.session_id, following, now)
                await self._tools.tell(connection, (session.session_id,))
            if session.pending or not taken:
                raise SignInRefused("The session has ended; sign in again.")
            changed = replace(await self._opened(connection, following, now), secret=secret)
            event = AuditEvent("people.post_taken", "session", following, {"from": session.officer_id})
            await self._tools.audit.record(connection, changed.principal(), event)
        return changed

    async def sign_out(self, principal: Principal, session_id: str | None = None) -> None:
        """End the principal's own session, or another one of the same account by its id; raises NotFound."""
        target = session_id or principal.session_id or ""
        async with self._tools.database.transaction() as connection:
            repository = Sessions(connection)
            account_id = await repository.account_of(principal.session_id or "")
            owner = await repository.account_of(target)
            now = self._tools.clock.now()
            own = account_id is not None and owner in await merged_with(connection, account_id)
            if owner is None or not own or not await repository.end(target, owner, now, "signed out"):
                raise NotFound("There is no such session.")
            await self._tools.tell(connection, (target,))
            await self._tools.audit.record(connection, principal, AuditEvent("people.sign_out", "session", target))

    async def sign_out_everywhere(self, principal: Principal) -> int:
        """End every other session of the principal's account; return how many."""
        async with self._tools.database.transaction() as connection:
            account_id = await Sessions(connection).account_of(principal.session_id or "")
            if account_id is None:
                raise NotFound("There is no such session.")
            ended = await self._tools.end_sessions(
                connection, account_id, "signed out elsewhere", keep=principal.session_id
            )
            event = AuditEvent("people.sign_out_everywhere", "account", account_id, {"sessions": len(ended)})
            await self._tools.audit.record(connection, principal, event)
        return len(ended)

    async def act_for(self, session: Session, legal_person_id: str | None) -> Session:
        """Choose for whom an open session acts: an enterprise, or with None the person again.

        The secret changes, so that nothing captured before acts for the enterprise.
        Raises: NotFound (no role there), SignInRefused (the session ended).
        """
        now, secret = self._tools.clock.now(), new_secret()
        async with self._tools.database.transaction() as connection:
            acting = None
            if legal_person_id is not None:
                acting = await LegalPersons(connection).role(legal_person_id, session.person_id or "", now)
                if acting is None:
                    raise NotFound("There is no such legal person for you.")
            values = {
                "acting_for": acting and acting.legal_person.legal_person_id,
                "acting_for_code": acting and acting.legal_person.credit_code,
                "secret_hash": secret_hash(secret),
                "last_seen_at": now,
            }
            if not await Sessions(connection).change(session.session_id, values, state=OPEN, now=now):
                raise SignInRefused("The session has ended; sign in again.")
            changed = replace(await self._opened(connection, session.session_id, now), secret=secret)
            detail = {"legal_person_id": legal_person_id, "role": str(acting.role) if acting else None}
            event = AuditEvent("people.act_for", "session", session.session_id, detail)
            await self._tools.audit.record(connection, changed.principal(), event)
        return changed

    async def open_by(self, account_id: str, amr: tuple[str, ...], arrival: Arrival) -> Session:
        """Open a session for an account whose owner was recognised by another credential than a password."""
        device = secret_hash(arrival.device_secret or "")
        row = await self._tools.database.fetch_one(BY_ACCOUNT, the_account_id=account_id, device_hash=device)
        if row is None or row.state != AccountState.ACTIVE:
            raise AccountClosed("This account is suspended or closed; ask at a service hall.")
        return await self._open(row, amr, arrival if row.known_device_id else arrival.of_stranger(), None)

    async def _open(
        self, row: Record, amr: tuple[str, ...], arrival: Arrival, hashes: tuple[str | None, str | None] | None
    ) -> Session:
        """Write session, device, history and audit in one transaction.

        The account row is asserted again: a password changed or an account suspended while the
        hash was computed opens nothing. `hashes` are the hash that was checked and its successor.
        """
        now, secret = self._tools.clock.now(), new_secret()
        device = arrival.device_secret or new_secret()
        account_id, kind = str(row.account_id), AccountKind(row.kind)
        async with self._tools.database.statements() as transaction:
            noted = await note_sign_in(transaction, account_id, hashes, now)
            if noted is None:
                raise SignInRefused(REFUSED)
            owed = "mfa" not in amr and (kind is not AccountKind.PERSON or noted.has_totp)
            stranger = arrival.device_secret is None and noted.has_devices
            values = {
                "the_account_id": account_id,
                "now": now,
                "until": now + (LIMITS[kind].pending if owed else LIMITS[kind].absolute),
                "the_secret_hash": secret_hash(secret),
                "the_amr": list(amr),
                "the_state": PENDING if owed else OPEN,
                "the_channel": arrival.channel,
                "device_hash": secret_hash(device),
                "device_label": arrival.device_label,
                "the_method": _METHODS.get(amr[0], amr[0]),
                "the_source": self._tools.cipher.encrypt(arrival.source, SOURCE_CONTEXT),
                "stranger": stranger,
            }
            session_id = await open_session(transaction, values)
            opened = await self._told(await transaction.fetch_one(BY_ID, the_session_id=session_id, now=now), now)
            session = replace(opened, secret=secret, device_secret=device, new_device=stranger)
            event = AuditEvent("people.sign_in", "session", session_id, {"amr": list(amr), "pending": owed})
            await self._tools.audit.append(transaction, session.arriving(), event)
            if stranger:
                parameters = {"channel": str(arrival.channel), "at": now.isoformat()}
                await self._tools.notices.append(transaction, account_id, "people.new_device", parameters)
        return session

    async def _elevate(self, session: Session, unverified_code: str) -> Session:
        now, secret = self._tools.clock.now(), new_secret()
        async with self._tools.database.transaction() as connection:
            proof = await self._second_factors.consume(connection, session.account_id, unverified_code)
            amr = [*(item for item in session.amr if item not in {"otp", "mfa"}), "otp", "mfa"]
            values: dict[str, Any] = {
                "state": OPEN,
                "amr": amr,
                "auth_time": now,
                "last_seen_at": now,
                "secret_hash": secret_hash(secret),
            }
            if session.pending:
                values["expires_at"] = now + LIMITS[session.kind].absolute
            was = PENDING if session.pending else OPEN
            if not await Sessions(connection).change(session.session_id, values, state=was, now=now):
                raise SecondFactorRefused("The sign-in took too long; start again.", field="code")
            opened = await self._opened(connection, session.session_id, now)
            finished = replace(
                opened, secret=secret, device_secret=session.device_secret, new_device=session.new_device
            )
            event = AuditEvent(
                "people.second_factor", "session", session.session_id, {"method": proof.method, "amr": amr}
            )
            await self._tools.audit.record(connection, finished.arriving(), event)
        return finished

    async def _opened(self, connection: AsyncConnection, session_id: str, now: datetime) -> Session:
        return await self._told(await Sessions(connection).by_id(session_id, now), now)

    async def _told(self, row: Row[Any] | Record | None, now: datetime) -> Session:
        session = None if row is None or _left_post(row, now) else await self._session(row, now)
        if session is not None and session.kind is AccountKind.OFFICER and session.officer_id is None:
            session = session if await self.posts(session) else None
        if session is None:
            raise AccountClosed("This account is suspended or closed; ask at a service hall.")
        return session

    async def _refuse(self, account_id: str | None, arrival: Arrival, known: str | None) -> NoReturn:
        """Record a wrong password, the same way for known and unknown names, and refuse."""
        attempt = self._attempt(account_id, arrival, method="password", device_id=known, new_device=known is None)
        async with self._tools.database.transaction() as connection:
            await Sessions(connection).note_attempt({**attempt, "succeeded": False})
            event = AuditEvent("people.sign_in_refused", "account", account_id or "unknown")
            await self._tools.audit.record(connection, channels.visitor(arrival.channel), event)
        raise SignInRefused(REFUSED)

    def _attempt(
        self, account_id: str | None, arrival: Arrival, *, method: str, device_id: str | None, new_device: bool
    ) -> dict[str, Any]:
        return {
            "account_id": account_id,
            "attempted_at": self._tools.clock.now(),
            "method": method,
            "channel": arrival.channel,
            "source": self._tools.cipher.encrypt(arrival.source, SOURCE_CONTEXT),
            "device_id": device_id,
            "new_device": new_device,
        }

    async def _resolve(self, session_secret: str) -> Session | None:
        now = self._tools.clock.now()
        database = self._tools.database
        row = await database.fetch_one(BY_SECRET, secret_hash=secret_hash(session_secret), now=now)
        if row is None or row.last_seen_at + LIMITS[AccountKind(row.kind)].idle <= now:
            return None
        if _left_post(row, now):
            return None
        if row.state == OPEN and row.last_seen_at + TOUCH_AFTER <= now:
            await database.fetch(TOUCH, the_session_id=row.session_id, now=now)
        return await self._session(row, now)

    async def _session(self, row: Row[Any] | Record, now: datetime) -> Session:
        level = row.level or NO_LEVEL
        if row.person_id and row.level_until is not None and row.level_until <= now:
            evidence = await self._reads.evidence(row.person_id)
            level = level_at(evidence, self._tools.policy, now)
        acts = row.agency_id is not None and (row.agency_until is None or row.agency_until > now)
        return Session(
            session_id=row.session_id,
            account_id=row.account_id,
            kind=AccountKind(row.kind),
            person_id=row.person_id,
            officer_id=row.officer_id,
            organisation_code=row.organisation_code,
            acr=level,
            amr=tuple(row.amr),
            auth_time=row.auth_time,
            channel=Channel(row.channel),
            created_at=row.created_at,
            expires_at=row.expires_at,
            pending=row.state == PENDING,
            acting_for=row.acting_for if acts else None,
            acting_for_code=row.acting_for_code if acts else None,
            post=row.post,
            district_code=row.district_code,
            posts=frozenset(row.posts or ()),
        )


def _left_post(row: Row[Any] | Record, now: datetime) -> bool:
    """Tell whether the post of a session is over; one that is yet to be chosen is not."""
    if row.officer_id is None:
        return False
    over = row.post_ends_at is not None and row.post_ends_at <= now
    return row.officer_ended_at is not None or over or (row.post_starts_at is not None and row.post_starts_at > now)
