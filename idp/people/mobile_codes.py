"""One-time codes to mobiles: proving a number, signing in with it.

A code is asked for, stored and queued the same way whether or not anybody has the number;
only the worker, out of the asker's sight, drops what nobody waits for.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import NotPermitted
from foundation.jobs import JobHandler, Jobs
from foundation.principal import ANONYMOUS, PrincipalKind
from idp.people.account import masked_mobile, normalise_mobile
from idp.people.account_repository import Accounts, mobile_index
from idp.people.errors import CodeRefused
from idp.people.mobile_code_repository import OWNER_OF_NUMBER, MobileCodes
from idp.people.session import UNKNOWN_BROWSER, Browser, secret_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from foundation.principal import Principal
    from foundation.statements import Record
    from idp.people.session import Arrival, Session
    from idp.people.sessions import SessionService
    from idp.people.sms import SmsGateway
    from idp.people.tools import Tools

CODE_LIFE = timedelta(minutes=5)
DELIVER = "people.deliver_code"


class Purpose(StrEnum):
    """What a code is for; a code for one purpose is worth nothing for another."""

    VERIFY = "verify"
    SIGN_IN = "sign_in"
    RECOVER = "recover"
    CLOSE = "close"


OWN = frozenset({Purpose.VERIFY, Purpose.CLOSE})
"""Purposes of somebody signed in, for the own account."""


class MobileCodeService:
    """Use cases of mobile codes."""

    def __init__(self, tools: Tools, sessions: SessionService, gateway: SmsGateway) -> None:
        """Take the shared collaborators, the sessions and the SMS gateway."""
        self._tools = tools
        self._sessions = sessions
        self._gateway = gateway
        self._jobs = Jobs()

    async def send(
        self,
        purpose: str,
        unverified_mobile: str,
        *,
        source: str,
        browser: Browser = UNKNOWN_BROWSER,
        principal: Principal = ANONYMOUS,
        claimed_owner: str | None = None,
    ) -> str:
        """Have a code sent and return the id to give back with it.

        Args:
            purpose: `verify` or `close` (signed in), `sign_in` or `recover` (not signed in).
            unverified_mobile: as typed.
            source: the caller's address, for the throttle only.
            browser: the caller's browser, for the throttle only.
            principal: who asks; a person for `verify` and `close`.
            claimed_owner: the checked ID number of whom the asker says the number belongs to. When strangers
                have used up the number's messages, one is still sent if that is so (decision 0116).

        Raises: InvalidInput, SignInThrottled, NotPermitted.
        """
        asked = Purpose(purpose)
        mobile = normalise_mobile(unverified_mobile)
        if asked in OWN and principal.kind is not PrincipalKind.PERSON:
            raise NotPermitted("Sign in first.")
        of_number = await self._of_number(mobile, browser)
        owner = _asking_owner(of_number, principal if asked in OWN else None)
        mark = principal.subject_id if asked in OWN else browser.mark
        needs_owner = await self._tools.throttle.message(mobile, source, owner=owner, mark=mark, claim=claimed_owner)
        unwanted = needs_owner and not self._is_holder(of_number, claimed_owner or "")
        now = self._tools.clock.now()
        code = f"{secrets.randbelow(10**6):06d}"
        async with self._tools.database.transaction() as connection:
            row = await Accounts(connection, self._tools.cipher).sign_in_row(mobile)
            account_id = principal.subject_id if asked in OWN else (row and str(row.account_id))
            repository = MobileCodes(connection, self._tools.cipher)
            code_id = await repository.add(asked, mobile, code, account_id, now, now + CODE_LIFE, opens=not unwanted)
            await self._jobs.enqueue(connection, DELIVER, {"code_id": code_id, "unwanted": unwanted})
        return code_id

    async def _of_number(self, mobile: str, browser: Browser) -> Record | None:
        return await self._tools.database.fetch_one(
            OWNER_OF_NUMBER,
            mobile_index=mobile_index(self._tools.cipher, mobile),
            device_hash=secret_hash(browser.device_secret or ""),
        )

    def _is_holder(self, of_number: Record | None, citizen_id_number: str) -> bool:
        claimed = self._tools.cipher.blind_index(citizen_id_number, "holder_code")
        known = of_number.holder_index if of_number is not None else None
        return hmac.compare_digest(claimed, known or b"")

    async def deliver(self, payload: Mapping[str, Any]) -> None:
        """Hand a queued code to the SMS gateway; raises UpstreamUnavailable, and is then tried again."""
        if payload.get("unwanted"):
            return
        async with self._tools.database.read() as connection:
            found = await MobileCodes(connection, self._tools.cipher).to_send(
                str(payload["code_id"]), self._tools.clock.now()
            )
        if found is None:
            return
        mobile, code, row = found
        if row.account_id is None and row.purpose == Purpose.SIGN_IN:
            return
        await self._gateway.send(row.code_id, mobile, f"code_{row.purpose}", {"code": code})

    async def verify_mobile(self, principal: Principal, code_id: str, unverified_code: str, *, source: str) -> str:
        """Prove the number the code was sent to; return it masked. Raises CodeRefused, SignInThrottled.

        A number proven by another account before is that account's no more: operators hand numbers on.
        """
        mobile, account_id = await self.consume(
            Purpose.VERIFY, code_id, unverified_code, source=source, principal=principal
        )
        if account_id != principal.subject_id:
            raise CodeRefused("The code is wrong or too old.", field="code")
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            index = Accounts(connection, self._tools.cipher).mobile_index(mobile)
            repository = MobileCodes(connection, self._tools.cipher)
            for loser in await repository.take_mobile(account_id, mobile, index, now):
                await self._tools.notices.send(connection, loser, "people.mobile_lost", {})
            event = AuditEvent("people.mobile_verify", "account", account_id)
            await self._tools.audit.record(connection, principal, event)
            parameters = {"mobile": masked_mobile(mobile)}
            await self._tools.notices.send(connection, account_id, "people.mobile_verified", parameters)
        return masked_mobile(mobile)

    async def sign_in(self, code_id: str, unverified_code: str, arrival: Arrival) -> Session:
        """Open a session by a code; a second factor, where there is one, is still owed. Raises CodeRefused."""
        browser = Browser(arrival.device_secret)
        mobile, account_id = await self.consume(
            Purpose.SIGN_IN, code_id, unverified_code, source=arrival.source, browser=browser
        )
        async with self._tools.database.read() as connection:
            row = await Accounts(connection, self._tools.cipher).sign_in_row(mobile)
        if row is None or account_id is None or row.account_id != account_id:
            raise CodeRefused("The code is wrong or too old.", field="code")
        return await self._sessions.open_by(account_id, ("sms",), arrival)

    async def consume(
        self,
        purpose: Purpose,
        code_id: str,
        unverified_code: str,
        *,
        source: str = "",
        browser: Browser = UNKNOWN_BROWSER,
        principal: Principal | None = None,
        claimed_owner: str | None = None,
    ) -> tuple[str, str | None]:
        """Use a code up and return its number and account.

        The attempt is committed before the comparison, so that parallel guesses count each, and it is counted for
        the number over all its codes: by who guesses, for strangers can have code after code sent. Whoever does not
        claim to be the owner is told from others by `source`, the address, and when signed in by the account as well.

        Raises: CodeRefused, SignInThrottled.
        """
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            found = await MobileCodes(connection, self._tools.cipher).attempt(code_id, purpose, now)
        if found is None:
            raise CodeRefused("The code is wrong or too old.", field="code")
        code, mobile, account_id = found
        owner = _asking_owner(await self._of_number(mobile, browser), principal)
        askers = (source,) if principal is None else (source, principal.subject_id)
        places = await self._tools.throttle.guess(mobile, askers, owner=owner, claim=claimed_owner)
        if code is None or not hmac.compare_digest(code.encode(), unverified_code.strip().encode()):
            raise CodeRefused("The code is wrong or too old.", field="code")
        await self._tools.throttle.give_back(places)
        async with self._tools.database.transaction() as connection:
            if not await MobileCodes(connection, self._tools.cipher).use(code_id, now):
                raise CodeRefused("The code is wrong or too old.", field="code")
        return mobile, account_id

    def job_handlers(self) -> Mapping[str, JobHandler]:
        """Return what a worker runs."""
        return {DELIVER: JobHandler(self.deliver, attempts=4, longest_pause=timedelta(seconds=30))}


def _asking_owner(of_number: Record | None, signed_in: Principal | None) -> str | None:
    """Return the account, or its device, that the number is proven for when that is who asks."""
    if of_number is None:
        return None
    if signed_in is not None:
        return str(of_number.account_id) if of_number.account_id == signed_in.subject_id else None
    return None if of_number.device_id is None else str(of_number.device_id)
