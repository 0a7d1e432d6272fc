"""Getting back into an account by proving the real name once more.

Whoever forgot the password proves the person behind the account by bank card or operator,
and holds the phone that proof names. A second factor stays in force; every session ends;
the owner is told on every channel the account has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation import channels
from foundation.audit import AuditEvent
from foundation.clock import civil_date
from foundation.errors import InvalidInput
from foundation.ids import new_id
from foundation.principal import PrincipalKind
from idp.people.account_repository import Accounts, Persons
from idp.people.errors import RecoveryRefused
from idp.people.methods import spec_of
from idp.people.mobile_codes import MobileCodeService, Purpose
from idp.people.proof import Method, Outcome
from idp.people.proof_repository import Proofs
from idp.people.quotas import CONTEXT, take, take_quota

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.principal import Channel
    from idp.people.gateway import RealNameGateway
    from idp.people.methods.base import MethodSpec
    from idp.people.tools import Tools

ATTEMPTS_A_DAY = 5
REFUSED = "The account, the elements or the code do not fit together."
_METHODS = {Method.BANK_CARD, Method.TELECOM}
"""The two whose authority vouches for a mobile number."""


class RecoveryService:
    """Use case of recovery."""

    def __init__(self, tools: Tools, gateway: RealNameGateway, codes: MobileCodeService) -> None:
        """Take the shared collaborators, the gateway and the mobile codes."""
        self._tools = tools
        self._gateway = gateway
        self._codes = codes

    async def recover(
        self,
        unverified_username: str,
        method: str,
        unverified_elements: Mapping[str, str],
        *,
        code_id: str,
        unverified_code: str,
        unverified_new_password: str,
        channel: Channel,
    ) -> None:
        """Set a new password for the account of the proven person.

        The code was sent for purpose `recover` to the mobile among the elements. One answer,
        RecoveryRefused, for an unknown account, another person, wrong elements or code.

        Raises: RecoveryRefused, InvalidInput, WeakPassword, RealNameQuotaExhausted, CodeRefused, SignInThrottled.
        """
        spec = spec_of(method)
        if spec.method not in _METHODS:
            raise InvalidInput("Recovery takes bank_card or telecom.", field="method")
        elements = spec.read(unverified_elements, civil_date(self._tools.clock.now()))
        hashed = await self._tools.passwords.accept(unverified_new_password, [unverified_username])
        mobile, _ = await self._codes.consume(
            Purpose.RECOVER, code_id, unverified_code, claimed_owner=elements["citizen_id_number"]
        )
        await self._take(unverified_username, mobile, spec, elements)
        answer = await self._gateway.verify(spec.method, new_id("evd"), elements, repeatable=spec.counted is None)
        name = unverified_username.strip().casefold()
        now = self._tools.clock.now()
        async with self._tools.database.transaction() as connection:
            proofs = Proofs(connection, self._tools.cipher)
            if spec.counted is not None and answer.outcome is Outcome.MATCH:
                await proofs.was_right(self._counted(spec, elements))
            if spec.counted is not None and not answer.asked:
                await proofs.was_not_asked(self._counted(spec, elements))
            accounts = Accounts(connection, self._tools.cipher)
            row = await accounts.sign_in_row(name)
            person = row and row.person_id and await Persons(connection, self._tools.cipher).by_id(row.person_id)
            fits = (
                row is not None
                and row.kind == PrincipalKind.PERSON
                and row.state == "active"
                and person is not None
                and person.document_number == elements["citizen_id_number"]
                and mobile == elements["mobile"]
                and answer.outcome is Outcome.MATCH
            )
            if fits and row is not None:
                await accounts.replace_password(row.account_id, old_hash=row.password_hash, new_hash=hashed, now=now)
                await self._tools.end_sessions(connection, row.account_id, "account recovered")
                await self._tools.notices.send(
                    connection, row.account_id, "people.account_recovered", {"channel": str(channel)}
                )
            object_id = row.account_id if fits and row is not None else "unknown"
            event = AuditEvent("people.recover", "account", object_id, {"recovered": bool(fits), "method": method})
            await self._tools.audit.record(connection, channels.visitor(channel), event)
        if not fits:
            raise RecoveryRefused(REFUSED)

    async def _take(self, username: str, mobile: str, spec: MethodSpec, elements: Mapping[str, str]) -> None:
        async with self._tools.database.transaction() as connection:
            # The mobile was just proven, so these are one person's attempts: strangers use up their own.
            for wanted in (username.strip().casefold(), elements["citizen_id_number"]):
                name = f"recover:{wanted}:{mobile}"
                await take_quota(connection, self._tools, name, ATTEMPTS_A_DAY)
            limits = spec.limits
            if limits is not None and not await take(connection, self._tools, self._counted(spec, elements), limits):
                raise RecoveryRefused("One more attempt with this card could lock it; try again tomorrow.")

    def _counted(self, spec: MethodSpec, elements: Mapping[str, str]) -> bytes:
        return self._tools.cipher.blind_index(f"{spec.method}:{elements[spec.counted or '']}", CONTEXT)
