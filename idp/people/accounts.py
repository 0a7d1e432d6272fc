"""Accounts: registering, reading, changing the password, the facts a token may state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import NotAuthenticated, NotFound
from foundation.principal import Channel, Principal, PrincipalKind
from idp.people.account import AccountKind, AccountState, Person, masked_name, normalise_mobile, normalise_username
from idp.people.account_repository import Accounts, Persons
from idp.people.claim_statements import ClaimReads
from idp.people.errors import SignInRefused
from idp.people.proof import level_at
from idp.people.session_repository import Sessions
from idp.people.verified_claims import verified_claims

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

    from idp.people.account import Account
    from idp.people.proof import Evidence
    from idp.people.tools import Tools


class AccountService:
    """Use cases of an account."""

    def __init__(self, tools: Tools) -> None:
        """Take the collaborators all of people share."""
        self._tools = tools
        self._reads = ClaimReads(tools.database, tools.cipher)

    async def register(
        self,
        unverified_username: str,
        unverified_password: str,
        mobile: str | None = None,
        *,
        source: str,
        channel: Channel,
    ) -> Account:
        """Create a natural person's account at L0.

        Args:
            unverified_username: as typed; normalised here.
            unverified_password: as typed; checked for strength and against common passwords.
            mobile: optional, as typed; unproven until a one-time code confirms it.
            source: the caller's address, for the throttle only.
            channel: where the act came in.

        Raises: InvalidInput, WeakPassword, UsernameTaken, TooManyRequests.
        """
        username = normalise_username(unverified_username)
        number = normalise_mobile(mobile) if mobile else None
        await self._tools.throttle.registration(source)
        hashed = await self._tools.passwords.accept(unverified_password, [username, *([number] if number else [])])
        async with self._tools.database.transaction() as connection:
            repository = Accounts(connection, self._tools.cipher)
            account = await repository.add(AccountKind.PERSON, username, hashed, number, self._tools.clock.now())
            actor = Principal(PrincipalKind.PERSON, account.account_id, channel=channel)
            event = AuditEvent("people.register", "account", account.account_id)
            await self._tools.audit.record(connection, actor, event)
        return account

    async def get(self, account_id: str) -> Account:
        """Return an account; raises NotFound."""
        async with self._tools.database.read() as connection:
            account = await Accounts(connection, self._tools.cipher).by_id(account_id)
        if account is None:
            raise NotFound("There is no such account.")
        return account

    async def find(self, name: str) -> str | None:
        """Return the active account that signs in with a name or proven mobile number, or None."""
        async with self._tools.database.read() as connection:
            row = await Accounts(connection, self._tools.cipher).sign_in_row(name.strip().casefold())
        return None if row is None or row.state != AccountState.ACTIVE else str(row.account_id)

    async def person(self, account_id: str) -> Person | None:
        """Return the proven person behind an account, or None."""
        _, person, _ = await self._facts(account_id)
        return person

    async def stands(self, account_id: str) -> bool:
        """Tell whether there is such an account and it may sign in."""
        return await self._reads.stands(account_id)

    async def claims(self, account_id: str, scopes: Collection[str]) -> dict[str, Any]:
        """Return the OpenID claims `profile`, `phone` and `real_name` open, `sub` not among them.

        `profile`: preferred_username and the masked name. `phone`: phone_number,
        phone_number_verified. `real_name`: name, and `verified_claims` (OpenID Identity
        Assurance) with name, document number and the evidence that counts now.

        Raises: NotFound when the account is gone, suspended or closed.
        """
        account = await self._reads.account(account_id)
        if account is None or not account.active:
            raise NotFound("There is no such account.")
        claims: dict[str, Any] = {}
        person = account.person if {"profile", "real_name"} & set(scopes) else None
        if "profile" in scopes:
            claims["preferred_username"] = account.username
            if person is not None:
                claims["name"] = masked_name(person.name)
        mobile = account.mobile if "phone" in scopes else None
        if mobile is not None:
            claims["phone_number"] = "+86" + mobile
            claims["phone_number_verified"] = account.mobile_verified
        if "real_name" in scopes and person is not None:
            evidence = await self._reads.evidence(person.person_id)
            claims["name"] = person.name
            claims["verified_claims"] = verified_claims(person, evidence, self._tools.policy, self._tools.clock.now())
        return claims

    async def change_password(self, principal: Principal, unverified_old: str, unverified_new: str) -> None:
        """Replace the password and end every other session; raises SignInRefused, WeakPassword."""
        if principal.session_id is None:
            raise NotAuthenticated("Sign in first.")
        account_id = await self._account_of(principal)
        places = await self._tools.throttle.password(account_id, principal.session_id, device_id=principal.session_id)
        async with self._tools.database.read() as connection:
            repository = Accounts(connection, self._tools.cipher)
            stored, account = await repository.password_hash(account_id), await repository.by_id(account_id)
        if account is None or not (await self._tools.passwords.verify(stored, unverified_old)).correct:
            raise SignInRefused("The present password is wrong.", field="old_password")
        await self._tools.throttle.give_back(places)
        hashed = await self._tools.passwords.accept(unverified_new, [account.username])
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            repository = Accounts(connection, self._tools.cipher)
            if not await repository.replace_password(account_id, old_hash=stored, new_hash=hashed, now=now):
                raise SignInRefused("The password was changed meanwhile.", field="old_password")
            await self._tools.end_sessions(connection, account_id, "password changed", keep=principal.session_id)
            event = AuditEvent("people.change_password", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
            await self._tools.notices.send(connection, account_id, "people.password_changed", {})

    async def _account_of(self, principal: Principal) -> str:
        async with self._tools.database.read() as connection:
            account_id = await Sessions(connection).account_of(principal.session_id or "")
        if account_id is None:
            raise NotAuthenticated("Sign in first.")
        return account_id

    async def _facts(self, account_id: str) -> tuple[Account, Person | None, tuple[Evidence, ...]]:
        async with self._tools.database.read() as connection:
            account = await Accounts(connection, self._tools.cipher).by_id(account_id)
            if account is None:
                raise NotFound("There is no such account.")
            if account.person_id is None:
                return account, None, ()
            repository = Persons(connection, self._tools.cipher)
            person, evidence = await repository.by_id(account.person_id), await repository.evidence(account.person_id)
        if person is None:
            return account, None, ()
        return account, replace(person, level=level_at(evidence, self._tools.policy, self._tools.clock.now())), evidence


class PersonService:
    """Facts about proven persons, for other parts of the service."""

    def __init__(self, tools: Tools) -> None:
        """Take the collaborators all of people share."""
        self._tools = tools

    async def level_of(self, person_id: str) -> str:
        """Return the level the person's unexpired evidence supports now, such as `L2`."""
        async with self._tools.database.read() as connection:
            evidence = await Persons(connection, self._tools.cipher).evidence(person_id)
        return level_at(evidence, self._tools.policy, self._tools.clock.now())

    async def get(self, person_id: str) -> Person:
        """Return a person with the level of this moment; raises NotFound."""
        async with self._tools.database.read() as connection:
            repository = Persons(connection, self._tools.cipher)
            person, evidence = await repository.by_id(person_id), await repository.evidence(person_id)
        if person is None:
            raise NotFound("There is no such person.")
        return replace(person, level=level_at(evidence, self._tools.policy, self._tools.clock.now()))

    async def holder_index(self, person_id: str) -> bytes:
        """Return the blind index of the document number under context `holder_code`."""
        person = await self.get(person_id)
        return self._tools.cipher.blind_index(person.document_number, "holder_code")

    async def accounts_of_holder(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        """Return the active accounts of the person a holder index stands for; empty when unknown."""
        return await Persons(connection, self._tools.cipher).accounts_of_holder(holder_index)
