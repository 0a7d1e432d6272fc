"""A person's own page: sessions, devices, sign-in history; everything we hold, as a file; the way out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import NotAuthenticated, NotFound
from idp.people.account_repository import Accounts, Persons
from idp.people.duplicates import merged_with
from idp.people.errors import CodeRefused, SecondFactorRequired, SignInRefused
from idp.people.legal_person_repository import LegalPersons
from idp.people.mandate import PartyKind
from idp.people.mandate_repository import Mandates
from idp.people.mobile_codes import Purpose
from idp.people.passkey_repository import Passkeys
from idp.people.passkeys import FRESH
from idp.people.second_factor_repository import SecondFactors
from idp.people.session_repository import Sessions

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.notices import Notice
    from foundation.principal import Principal
    from idp.people.mobile_codes import MobileCodeService
    from idp.people.tools import Tools

HISTORY = 100
_SOURCE = "sign_in_attempts.source"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One place where the account is signed in; an officer's, in which post of which organisation."""

    session_id: str
    current: bool
    channel: str
    amr: tuple[str, ...]
    device_label: str
    signed_in_at: datetime
    last_seen_at: datetime
    post: str | None
    organisation_code: str | None


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """One line of the sign-in history, with the post an officer's session acted in.

    The method `post` is the change to another post within one sign-in.
    """

    attempted_at: datetime
    method: str
    succeeded: bool
    channel: str
    source: str = field(repr=False)
    device_label: str
    new_device: bool
    post: str | None
    organisation_code: str | None


class ClosingFactor(StrEnum):
    """What closing an account asks for besides the password."""

    ONE_TIME_CODE = "one_time_code"
    PASSKEY = "passkey"
    MESSAGE = "message"
    NONE = "none"
    """Nothing was set up: a second factor or a mobile number has to be proven first."""


class OwnData:
    """Use cases of the own page."""

    def __init__(self, tools: Tools, codes: MobileCodeService) -> None:
        """Take the shared collaborators, and the codes that confirm a closing."""
        self._tools = tools
        self._codes = codes

    async def sessions(self, principal: Principal) -> tuple[OpenSession, ...]:
        """Return where the account, and those merged with it, are signed in, the latest use first."""
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            group = await merged_with(connection, account_id)
            rows = await Sessions(connection).living(group, self._tools.clock.now())
        return tuple(
            OpenSession(
                session_id=row.session_id,
                current=row.session_id == principal.session_id,
                channel=row.channel,
                amr=tuple(row.amr),
                device_label=row.label or "",
                signed_in_at=row.created_at,
                last_seen_at=row.last_seen_at,
                post=row.post,
                organisation_code=row.organisation_code,
            )
            for row in rows
        )

    async def history(self, principal: Principal) -> tuple[SignInAttempt, ...]:
        """Return the latest hundred sign-ins, hundred refused ones and hundred changes of post, newest first.

        Each sort is counted alone, so that nobody hides a sign-in behind failures or changes of his making.
        """
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            group = await merged_with(connection, account_id)
            rows = await Sessions(connection).attempts(group, HISTORY)
        return tuple(
            SignInAttempt(
                attempted_at=row.attempted_at,
                method=row.method,
                succeeded=row.succeeded,
                channel=row.channel,
                source=self._tools.cipher.decrypt(row.source, _SOURCE),
                device_label=row.label or "",
                new_device=row.new_device,
                post=row.post,
                organisation_code=row.organisation_code,
            )
            for row in rows
        )

    async def forget_device(self, principal: Principal, session_id: str) -> None:
        """Sign a session out and make its device a stranger again; raises NotFound."""
        async with self._tools.database.transaction() as connection:
            account_id = await self._account(connection, principal)
            repository, now = Sessions(connection), self._tools.clock.now()
            owner = await repository.account_of(session_id)
            group = await merged_with(connection, account_id)
            if owner not in group or not await repository.end(session_id, owner, now, "device forgotten"):
                raise NotFound("There is no such session.")
            await repository.forget_device(session_id, now)
            await self._tools.tell(connection, (session_id,))
            event = AuditEvent("people.device_forget", "session", session_id)
            await self._tools.audit.record(connection, principal, event)

    async def export(self, principal: Principal) -> dict[str, Any]:
        """Return everything held about the principal's account and person, in plain values for JSON."""
        async with self._tools.database.transaction() as connection:
            account_id = await self._account(connection, principal)
            account = await Accounts(connection, self._tools.cipher).by_id(account_id)
            if account is None:
                raise NotAuthenticated("Sign in first.")
            data: dict[str, Any] = {
                "exported_at": self._tools.clock.now(),
                "account": asdict(account),
                "passkeys": [
                    {"label": item.label, "created_at": item.created_at, "last_used_at": item.last_used_at}
                    for item in await Passkeys(connection).of_account(account_id)
                ],
                "one_time_codes": await SecondFactors(connection, self._tools.cipher).secret(account_id) is not None,
            }
            if account.person_id is not None:
                data |= await self._person(connection, account.person_id)
            event = AuditEvent("people.export", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
        data["sessions"] = [asdict(item) for item in await self.sessions(principal)]
        data["sign_ins"] = [asdict(item) for item in await self.history(principal)]
        exported: dict[str, Any] = _plain(data)
        return exported

    async def inbox(self, principal: Principal, *, limit: int = 50) -> tuple[Notice, ...]:
        """Return the newest notices of the account and of those merged with it, newest first."""
        async with self._tools.database.read() as connection:
            group = await merged_with(connection, await self._account(connection, principal))
            found = [
                notice
                for account_id in group
                for notice in await self._tools.notices.of_account(connection, account_id, limit=limit)
            ]
        return tuple(sorted(found, key=lambda notice: notice.created_at, reverse=True)[:limit])

    async def read_inbox(self, principal: Principal, notice_ids: Collection[str]) -> None:
        """Mark notices of the account, and of those merged with it, as read."""
        async with self._tools.database.transaction() as connection:
            for account_id in await merged_with(connection, await self._account(connection, principal)):
                for notice_id in notice_ids:
                    await self._tools.notices.mark_read(connection, account_id, notice_id)

    async def closing_factor(self, principal: Principal) -> ClosingFactor:
        """Return what closing asks for besides the password."""
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            account = await Accounts(connection, self._tools.cipher).by_id(account_id)
            if await SecondFactors(connection, self._tools.cipher).secret(account_id) is not None:
                return ClosingFactor.ONE_TIME_CODE
            if await Passkeys(connection).of_account(account_id):
                return ClosingFactor.PASSKEY
        return ClosingFactor.MESSAGE if account is not None and account.mobile_verified else ClosingFactor.NONE

    async def _closing_factor_given(
        self, principal: Principal, code_id: str, unverified_code: str, source: str
    ) -> None:
        """Raise SecondFactorRequired or CodeRefused unless the second factor stands behind the closing."""
        factor = await self.closing_factor(principal)
        if factor is ClosingFactor.MESSAGE:
            _, account_id = await self._codes.consume(
                Purpose.CLOSE, code_id, unverified_code, source=source, principal=principal
            )
            if account_id != principal.subject_id:
                raise CodeRefused("The code is wrong or too old.", field="code")
            return
        fresh = principal.auth_time is not None and principal.auth_time + FRESH >= self._tools.clock.now()
        if factor is ClosingFactor.NONE or not fresh or "mfa" not in principal.amr:
            raise SecondFactorRequired("Closing an account takes a second factor given just now.")

    async def close(
        self,
        principal: Principal,
        unverified_password: str,
        *,
        source: str,
        code_id: str = "",
        unverified_code: str = "",
    ) -> None:
        """Close the account for good: credentials are deleted, sessions and open mandates end.

        The person, the evidence and the audit stay as long as the law asks; the name is not
        given out again. Besides the password it takes a sign-in with both factors of the last
        ten minutes; an account without a second factor takes a code to its proven mobile.

        Raises: SignInRefused when the password is wrong, SecondFactorRequired, CodeRefused.
        """
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            accounts = Accounts(connection, self._tools.cipher)
            stored, account = await accounts.password_hash(account_id), await accounts.by_id(account_id)
        places = await self._tools.throttle.password(account_id, principal.session_id or "", device_id="close")
        right = stored is not None and (await self._tools.passwords.verify(stored, unverified_password)).correct
        if account is None or not (right or (stored is None and "mfa" in principal.amr)):
            raise SignInRefused("The present password is wrong.", field="password")
        await self._closing_factor_given(principal, code_id, unverified_code, source)
        await self._tools.throttle.give_back(places)
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            accounts = Accounts(connection, self._tools.cipher)
            if not await accounts.close(account_id, now):
                raise NotFound("This account is closed.")
            await SecondFactors(connection, self._tools.cipher).remove(account_id)
            for passkey in await Passkeys(connection).of_account(account_id):
                await Passkeys(connection).remove(account_id, passkey.credential_id)
            await self._tools.end_sessions(connection, account_id, "account closed")
            last = account.person_id is not None and not await accounts.of_person(account.person_id)
            if last and account.person_id is not None:
                await self._end_mandates(connection, principal, account.person_id)
            event = AuditEvent("people.account_close", "account", account_id)
            await self._tools.audit.record(connection, principal, event)

    async def _end_mandates(self, connection: AsyncConnection, principal: Principal, person_id: str) -> None:
        """End what the person gave and held: with the last account nobody answers for it any more."""
        repository = Mandates(connection, self._tools.cipher)
        given = await repository.of_party(PartyKind.PERSON, person_id)
        values = {
            "ended_at": self._tools.clock.now(),
            "ended_by": principal.audit_name,
            "end_reason": "account closed",
        }
        for mandate in (*given, *await repository.of_agent(person_id)):
            for ended in await repository.revoke(mandate.mandate_id, values):
                event = AuditEvent("people.mandate_revoke", "mandate", ended, {"because": "account closed"})
                await self._tools.audit.record(connection, principal, event)

    async def _person(self, connection: AsyncConnection, person_id: str) -> dict[str, Any]:
        persons = Persons(connection, self._tools.cipher)
        person = await persons.by_id(person_id)
        mandates = Mandates(connection, self._tools.cipher)
        legal = await LegalPersons(connection).acting(person_id, self._tools.clock.now())
        accounts = await Accounts(connection, self._tools.cipher).of_person(person_id)
        return {
            "person": None if person is None else asdict(person),
            "accounts_of_the_person": [account.username for account in accounts],
            "evidence": [asdict(item) for item in await persons.evidence(person_id)],
            "mandates_given": [asdict(item) for item in await mandates.of_party(PartyKind.PERSON, person_id)],
            "mandates_held": [asdict(item) for item in await mandates.of_agent(person_id)],
            "done_in_my_name": [asdict(item) for item in await mandates.uses(party=(PartyKind.PERSON, person_id))],
            "acting_for": [{**asdict(legal_person), "role": agency.role} for agency, legal_person in legal],
        }

    async def _account(self, connection: AsyncConnection, principal: Principal) -> str:
        account_id = await Sessions(connection).account_of(principal.session_id or "")
        if account_id is None:
            raise NotAuthenticated("Sign in first.")
        return account_id


def _plain(value: Any) -> Any:  # noqa: ANN401 - a tree of values
    """Return the tree with moments as text and enums as their values, fit for JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value
