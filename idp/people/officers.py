"""Officers: who works where, and which authorities they were granted."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.clock import civil_date
from foundation.errors import Conflict, InvalidInput, NotFound, NotPermitted
from foundation.identity_numbers import parse_citizen_id_number
from foundation.ids import new_id
from foundation.principal import SYSTEM, PrincipalKind
from idp.people import totp
from idp.people.account import AccountKind, DocumentType, normalise_username
from idp.people.account_repository import Accounts, Persons
from idp.people.errors import AuthorityMissing
from idp.people.granting import administers, keeps_seals, needs_second, problem_of_grant
from idp.people.officer import ANY, Authority, AuthorityGrant, Officer
from idp.people.officer_repository import Officers
from idp.people.second_factor_repository import SecondFactors

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.directory import Directory
    from foundation.principal import Principal
    from idp.people.account import Account
    from idp.people.parties import Named
    from idp.people.second_factors import SecondFactorService, TotpEnrolment
    from idp.people.tools import Tools

BATCH = 200
__all__ = ["ANY", "AddedOfficer", "Authority", "AuthorityGrant", "Officer", "OfficerService"]


@dataclass(frozen=True, slots=True)
class AddedOfficer:
    """A new officer and the second factor to hand over once."""

    officer: Officer
    enrolment: TotpEnrolment = field(repr=False)


class OfficerService:
    """Use cases of officers."""

    def __init__(self, tools: Tools, directory: Directory, second_factors: SecondFactorService) -> None:
        """Take the shared collaborators, the directory of organisations, and the second factor's form."""
        self._tools = tools
        self._directory = directory
        self._second_factors = second_factors

    async def add(
        self,
        principal: Principal,
        *,
        username: str,
        password: str,
        name: str,
        organisation_code: str,
        district_code: str,
        post: str,
        totp_secret_base32: str | None = None,
        citizen_id_number: str | None = None,
    ) -> AddedOfficer:
        """Create an officer with an account and a TOTP second factor (given or new).

        The ID number is kept as an index only, so that the officer cannot verify himself.

        Raises: InvalidInput, WeakPassword, UsernameTaken, NotPermitted.
        """
        await self._administers(principal, organisation_code)
        await self._known(organisation_code, district_code)
        if not name.strip() or not post.strip():
            raise InvalidInput("An officer has a name and a post.", field="name" if not name.strip() else "post")
        hashed = await self._tools.passwords.accept(password, [username])
        secret = _totp_secret(totp_secret_base32)
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            account = await self._account(connection, AccountKind.OFFICER, username, hashed, secret)
            number = citizen_id_number and str(parse_citizen_id_number(citizen_id_number, today=civil_date(now)))
            index = Persons(connection, self._tools.cipher).document_index(DocumentType.ID_CARD, number or "")
            if number and await Officers(connection, self._tools.cipher).holds_elsewhere(index):
                raise Conflict("This person is an officer already: appoint the account to a further post.")
            officer = await Officers(connection, self._tools.cipher).add(
                account.account_id,
                name.strip(),
                organisation_code,
                district_code,
                post.strip(),
                now,
                index if number else None,
            )
            detail = {"organisation_code": organisation_code, "district_code": district_code}
            event = AuditEvent("people.officer_add", "officer", officer.officer_id, detail)
            await self._tools.audit.record(connection, principal, event)
        return AddedOfficer(officer, self._second_factors.enrolment(secret, account.username))

    async def appoint(
        self,
        principal: Principal,
        holder: Named,
        *,
        organisation_code: str,
        district_code: str,
        post: str,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> Officer:
        """Give an officer, of whichever organisation, a further post; the other posts stay as they are.

        Name and username must be one officer's, so that a slip appoints nobody else. The post begins without
        authorities. Raises: NotPermitted, NotFound, InvalidInput.
        """
        await self._administers(principal, organisation_code)
        await self._known(organisation_code, district_code)
        now = self._tools.clock.now()
        if not post.strip():
            raise InvalidInput("A post has a name.", field="post")
        if ends_at is not None and ends_at <= max(now, starts_at or now):
            raise InvalidInput("The period ends before it begins.", field="ends_at")
        async with self._tools.database.transaction() as connection:
            officers = Officers(connection, self._tools.cipher)
            held = await officers.named(normalise_username(holder.username))
            if not held or held[0].name != holder.name.strip():
                raise NotFound("There is no officer with this username and name.")
            index = await officers.document_index(held[0].officer_id)
            officer = await officers.add(
                held[0].account_id,
                held[0].name,
                organisation_code,
                district_code,
                post.strip(),
                now,
                index,
                (starts_at, ends_at),
            )
            detail = {"organisation_code": organisation_code, "district_code": district_code}
            event = AuditEvent("people.officer_appoint", "officer", officer.officer_id, detail)
            await self._tools.audit.record(connection, principal, event)
        return officer

    async def add_operator(
        self, principal: Principal, *, username: str, password: str, totp_secret_base32: str | None = None
    ) -> tuple[Account, TotpEnrolment]:
        """Create an operator's account with a TOTP second factor (given or new); raises like `add`."""
        _only_operators(principal)
        hashed = await self._tools.passwords.accept(password, [username])
        secret = _totp_secret(totp_secret_base32)
        async with self._tools.database.transaction() as connection:
            account = await self._account(connection, AccountKind.OPERATOR, username, hashed, secret)
            event = AuditEvent("people.operator_add", "account", account.account_id)
            await self._tools.audit.record(connection, principal, event)
        return account, self._second_factors.enrolment(secret, account.username)

    async def get(self, officer_id: str) -> Officer:
        """Return an officer; raises NotFound."""
        async with self._tools.database.read() as connection:
            officer = await Officers(connection, self._tools.cipher).by_id(officer_id)
        if officer is None:
            raise NotFound("There is no such officer.")
        return officer

    async def claims(self, officer_id: str, scopes: Collection[str]) -> dict[str, Any] | None:
        """Return what a post may state about itself; None when it is not held now.

        `profile` opens the name, the post, and the authorities in force.
        """
        now = self._tools.clock.now()
        async with self._tools.database.read() as connection:
            officer = await Officers(connection, self._tools.cipher).by_id(officer_id)
            if officer is None or not officer.in_post(now):
                return None
            if "profile" not in scopes:
                return {}
            held = await Officers(connection, self._tools.cipher).grants(officer_id, now)
        return {
            "name": officer.name,
            "post": officer.post,
            "organisation_code": officer.organisation_code,
            "district_code": officer.district_code,
            "authorities": [
                {"authority": str(one.authority), "district_code": one.district_code, "matter_code": one.matter_code}
                for one in held
            ],
        }

    async def authorities(self, officer_id: str) -> tuple[AuthorityGrant, ...]:
        """Return the grants in force now."""
        now = self._tools.clock.now()
        async with self._tools.database.read() as connection:
            return await Officers(connection, self._tools.cipher).grants(officer_id, now)

    async def grant(
        self,
        principal: Principal,
        officer_id: str,
        authority: Authority,
        *,
        district_code: str,
        matter_code: str = ANY,
        valid_until: datetime,
    ) -> AuthorityGrant:
        """Grant one authority; sealing, issuing, keeping seals and administration hold once a second one approves.

        Raises: NotFound, NotPermitted, InvalidInput.
        """
        officer = await self.get(officer_id)
        now = self._tools.clock.now()
        if valid_until <= now:
            raise InvalidInput("The period ends before it begins.", field="valid_until")
        if not officer.active:
            raise NotFound("This officer has left the post.")
        if authority is Authority.SEAL_KEEPING and matter_code != ANY:
            raise InvalidInput("Seals are kept for every matter of the organisation.", field="matter_code")
        held = await self._held(principal)
        problem = problem_of_grant(principal, held, officer, authority, await self._owner(matter_code))
        if problem is not None:
            raise NotPermitted(problem)
        approved_at = None if needs_second(principal, authority) else now
        grant = AuthorityGrant(
            grant_id=new_id("aut"),
            officer_id=officer_id,
            authority=authority,
            district_code=district_code,
            matter_code=matter_code,
            valid_from=now,
            valid_until=valid_until,
            approved_at=approved_at,
            granted_by=principal.audit_name,
        )
        async with self._tools.database.transaction() as connection:
            repository = Officers(connection, self._tools.cipher)
            await repository.add_grant(grant, principal.organisation_code)
            detail = {"authority": str(authority), "district_code": district_code, "matter_code": matter_code}
            event = AuditEvent("people.authority_grant", "officer", officer_id, {"grant_id": grant.grant_id, **detail})
            await self._tools.audit.record(connection, principal, event)
        return grant

    async def awaiting_approval(self, principal: Principal) -> tuple[AuthorityGrant, ...]:
        """Return the grants a second administrator may approve; raises NotPermitted."""
        own = principal.organisation_code
        await self._administers(principal, own or "")
        async with self._tools.database.read() as connection:
            return await Officers(connection, self._tools.cipher).awaiting(own)

    async def approve(self, principal: Principal, grant_id: str) -> None:
        """Approve a colleague's grant; raises NotFound, NotPermitted (the own grant, or one to himself)."""
        async with self._tools.database.read() as connection:
            row = await Officers(connection, self._tools.cipher).grant_row(grant_id)
        if row is None:
            raise NotFound("There is no such grant.")
        await self._administers(principal, row.organisation_code)
        if principal.is_one(row.officer_id) or row.granted_by in principal.audit_names:
            raise NotPermitted("Another administrator approves.")
        async with self._tools.database.transaction() as connection:
            now = self._tools.clock.now()
            if not await Officers(connection, self._tools.cipher).approve(grant_id, principal, now):
                raise NotFound("There is no such grant waiting.")
            event = AuditEvent("people.authority_approve", "officer", row.officer_id, {"grant_id": grant_id})
            await self._tools.audit.record(connection, principal, event)

    async def revoke(self, principal: Principal, grant_id: str) -> None:
        """Withdraw a grant, at once, as the organisation that gave it or the officer's own; raises NotFound."""
        async with self._tools.database.read() as connection:
            row = await Officers(connection, self._tools.cipher).grant_row(grant_id)
        if row is None:
            raise NotFound("There is no such grant in force.")
        held = await self._held(principal)
        if not any(
            administers(principal, held, code or "") for code in (row.organisation_code, row.granting_organisation)
        ):
            raise NotPermitted("Only the organisations concerned or an operator withdraw an authority.")
        async with self._tools.database.transaction() as connection:
            now = self._tools.clock.now()
            officer_id = await Officers(connection, self._tools.cipher).revoke(grant_id, principal.audit_name, now)
            if officer_id is None:
                raise NotFound("There is no such grant in force.")
            event = AuditEvent("people.authority_revoke", "officer", officer_id, {"grant_id": grant_id})
            await self._tools.audit.record(connection, principal, event)

    async def of_organisation(self, principal: Principal, organisation_code: str) -> tuple[Officer, ...]:
        """Return an organisation's officers in post, for its administrators, its seal keepers and operators."""
        if not await self.keeps_seals(principal, organisation_code):
            await self._administers(principal, organisation_code)
        async with self._tools.database.read() as connection:
            return await Officers(connection, self._tools.cipher).of_organisation(organisation_code)

    async def with_names(self, principal: Principal, organisation_code: str) -> tuple[Officer, ...]:
        """Return the officers in post to somebody who reads their whole names away from the pages; on record."""
        found = await self.of_organisation(principal, organisation_code)
        async with self._tools.database.transaction() as connection:
            event = AuditEvent("people.officer_names", "organisation", organisation_code, {"officers": len(found)})
            await self._tools.audit.record(connection, principal, event)
        return found

    async def leave(self, principal: Principal, officer_id: str) -> None:
        """End one post: its authorities, sessions and tokens end in the same transaction, other posts' go on."""
        await self._administers(principal, (await self.get(officer_id)).organisation_code)
        await self._end(principal, officer_id)

    async def end_run_out(self) -> int:
        """End the posts whose time is over; return how many. They opened nothing since that moment."""
        async with self._tools.database.read() as connection:
            found = await Officers(connection, self._tools.cipher).run_out(self._tools.clock.now(), BATCH)
        for officer_id in found:
            try:
                await self._end(SYSTEM, officer_id)
            except NotFound:  # left in between
                continue
        return len(found)

    async def _end(self, principal: Principal, officer_id: str) -> None:
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            officers = Officers(connection, self._tools.cipher)
            if not await officers.end(officer_id, now):
                raise NotFound("There is no such officer in post.")
            revoked = await officers.revoke_all(officer_id, principal.audit_name, now)
            await self._tools.end_sessions_at_post(connection, officer_id, "post ended")
            event = AuditEvent("people.officer_leave", "officer", officer_id, {"authorities": revoked})
            await self._tools.audit.record(connection, principal, event)

    async def require(self, principal: Principal, authority: str, district_code: str, matter_code: str) -> None:
        """Raise AuthorityMissing unless the principal is an officer who holds the authority now."""
        if principal.kind is not PrincipalKind.OFFICER:
            raise AuthorityMissing("Only an officer holds authorities.")
        now = self._tools.clock.now()
        for grant in await self.authorities(principal.subject_id):
            if grant.covers(authority, district_code, matter_code, now):
                return
        raise AuthorityMissing("You were not granted this authority for this district and matter.")

    async def administers(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether the principal is an administrator of the organisation, or an operator."""
        return administers(principal, await self._held(principal), organisation_code)

    async def keeps_seals(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether the principal looks after the organisation's seals, or is an operator."""
        return keeps_seals(principal, await self._held(principal), organisation_code)

    async def _held(self, principal: Principal) -> tuple[AuthorityGrant, ...]:
        if principal.kind is not PrincipalKind.OFFICER:
            return ()
        return await self.authorities(principal.subject_id)

    async def _administers(self, principal: Principal, organisation_code: str) -> None:
        if not await self.administers(principal, organisation_code):
            raise NotPermitted("Only an operator or the organisation's administrator does this.")

    async def _owner(self, matter_code: str) -> str | None:
        if matter_code == ANY:
            return None
        return (await self._directory.require_matter(matter_code)).owner_code

    async def _known(self, organisation_code: str, district_code: str) -> None:
        for name, look_up, code in (
            ("organisation_code", self._directory.organisation, organisation_code),
            ("district_code", self._directory.district, district_code),
        ):
            try:
                await look_up(code)
            except NotFound as error:
                raise InvalidInput(error.detail, field=name) from None

    async def _account(
        self, connection: AsyncConnection, kind: AccountKind, username: str, hashed: str, secret: bytes
    ) -> Account:
        now = self._tools.clock.now()
        accounts = Accounts(connection, self._tools.cipher)
        account = await accounts.add(kind, normalise_username(username), hashed, None, now)
        await SecondFactors(connection, self._tools.cipher).put(account.account_id, secret, now)
        return account


def _only_operators(principal: Principal) -> None:
    if principal.kind not in {PrincipalKind.OPERATOR, PrincipalKind.SYSTEM}:
        raise NotPermitted("Only an operator adds operators.")


def _totp_secret(given_base32: str | None) -> bytes:
    if given_base32 is None:
        return totp.new_secret()
    try:
        secret = base64.b32decode(given_base32 + "=" * (-len(given_base32) % 8), casefold=True)
    except binascii.Error:
        raise InvalidInput("The TOTP secret is not base32.", field="totp_secret_base32") from None
    if len(secret) < totp.MINIMUM_SECRET_BYTES:
        raise InvalidInput("The TOTP secret has at least 128 bits.", field="totp_secret_base32")
    return secret
