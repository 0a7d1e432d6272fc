"""One-time codes as a second factor: setting up, checking, consuming a step once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import NotAuthenticated, NotPermitted
from foundation.principal import PrincipalKind
from idp.people import totp
from idp.people.errors import SecondFactorRefused, SecondFactorRequired
from idp.people.second_factor_repository import SecondFactors
from idp.people.session_repository import Sessions

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.people.tools import Tools

CANDIDATE_LIFE = timedelta(minutes=15)
RECOVERY_CODES = 10
RECOVERY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
RECOVERY_LENGTH = 10
"""31 letters to the 10th: 49 bits, guessed six times a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """A secret shown once, to be confirmed with a first code."""

    provisioning_uri: str = field(repr=False)
    secret_base32: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactorProof:
    """That a second factor was given for one act: method (`otp`, `recovery`) and moment."""

    method: str
    verified_at: datetime
    reference: str = ""


class SecondFactorService:
    """Use cases of the second factor."""

    def __init__(self, tools: Tools, issuer_name: str) -> None:
        """Take the shared collaborators and the name that authenticator apps show."""
        self._tools = tools
        self._issuer_name = issuer_name

    async def begin_totp(self, principal: Principal) -> TotpEnrolment:
        """Make a new secret for the principal's account; it counts once confirmed."""
        secret = totp.new_secret()
        async with self._tools.database.transaction() as connection:
            account_id = await self._account(connection, principal)
            repository = SecondFactors(connection, self._tools.cipher)
            if "mfa" not in principal.amr and await repository.secret(account_id) is not None:
                raise SecondFactorRequired("Confirm with a code of the present second factor first.")
            await repository.offer(account_id, secret, self._tools.clock.now())
            event = AuditEvent("people.totp_begin", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
        return self.enrolment(secret, account_id)

    async def confirm_totp(self, principal: Principal, unverified_code: str) -> tuple[str, ...]:
        """Confirm the new secret with a code and return ten recovery codes; raises SecondFactorRefused."""
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
        places = await self._tools.throttle.code(account_id)
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            repository = SecondFactors(connection, self._tools.cipher)
            candidate = await repository.candidate(account_id, since=now - CANDIDATE_LIFE)
            step = None if candidate is None else totp.matching_step(candidate, unverified_code, now)
            if step is None or not await repository.confirm(account_id, step, now):
                raise SecondFactorRefused("The code does not fit the new secret; take the one shown now.", field="code")
            codes = await self._new_recovery_codes(repository, account_id, now)
            event = AuditEvent("people.totp_confirm", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
            await self._tools.notices.send(connection, account_id, "people.second_factor_added", {"method": "totp"})
        await self._tools.throttle.give_back(places)
        return codes

    async def remove_totp(self, principal: Principal, unverified_code: str) -> None:
        """Remove the second factor with a last code; raises SecondFactorRefused, NotPermitted for officers."""
        if principal.kind is not PrincipalKind.PERSON:
            raise NotPermitted("An officer's second factor is replaced by an administrator, not removed.")
        async with self._tools.database.transaction() as connection:
            account_id = await self._account(connection, principal)
            await self.consume(connection, account_id, unverified_code)
            await SecondFactors(connection, self._tools.cipher).remove(account_id)
            event = AuditEvent("people.totp_remove", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
            await self._tools.notices.send(connection, account_id, "people.second_factor_removed", {"method": "totp"})

    async def has_totp(self, principal: Principal) -> bool:
        """Tell whether the principal's account has a confirmed second factor."""
        async with self._tools.database.read() as connection:
            account_id = await self._account(connection, principal)
            return await SecondFactors(connection, self._tools.cipher).secret(account_id) is not None

    async def verify(
        self, connection: AsyncConnection, principal: Principal, unverified_code: str
    ) -> SecondFactorProof:
        """Check a code for one act (a seal, a mandate) and consume its step in the caller's transaction.

        Raises: SecondFactorRefused (wrong, used before, none set up), SignInThrottled.
        """
        return await self.consume(connection, await self._account(connection, principal), unverified_code)

    async def consume(self, connection: AsyncConnection, account_id: str, unverified_code: str) -> SecondFactorProof:
        """Check a TOTP or recovery code of an account and make it unusable from then on.

        The place in the throttle is taken first: parallel guesses are counted, each by itself.
        """
        places = await self._tools.throttle.code(account_id)
        now = self._tools.clock.now()
        repository = SecondFactors(connection, self._tools.cipher)
        secret = await repository.secret(account_id)
        code = unverified_code.strip().replace(" ", "").replace("-", "").lower()
        if secret is not None and len(code) == RECOVERY_LENGTH:
            if not await repository.use_recovery_code(account_id, code, now):
                raise SecondFactorRefused("The code is wrong or was used before.", field="code")
            proof = SecondFactorProof("recovery", now, f"recovery:{account_id}")
        else:
            step = None if secret is None else totp.matching_step(secret, code, now)
            if step is None or not await repository.use_step(account_id, step):
                raise SecondFactorRefused("The code is wrong or was used before.", field="code")
            proof = SecondFactorProof("otp", now, f"totp:{account_id}:{step}")
        await self._tools.throttle.give_back(places)
        return proof

    def enrolment(self, secret: bytes, account_name: str) -> TotpEnrolment:
        """Return what an authenticator app is given."""
        return TotpEnrolment(totp.provisioning_uri(secret, account_name, self._issuer_name), totp.secret_base32(secret))

    async def _account(self, connection: AsyncConnection, principal: Principal) -> str:
        account_id = await Sessions(connection).account_of(principal.session_id or "")
        if account_id is None:
            raise NotAuthenticated("Sign in first.")
        return account_id

    async def _new_recovery_codes(self, repository: SecondFactors, account_id: str, now: datetime) -> tuple[str, ...]:
        codes = tuple(
            "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)
        )
        await repository.replace_recovery_codes(account_id, codes, now)
        return codes
