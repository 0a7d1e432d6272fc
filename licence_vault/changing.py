"""Changing a licence's state: by its issuer, with reason, legal basis and effective time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.errors import Conflict, InvalidInput, NotPermitted
from foundation.principal import PrincipalKind
from licence_vault.access import STATUS_SCOPE, works_for
from licence_vault.errors import LicenceNotFound
from licence_vault.identifier import parse_identifier
from licence_vault.model import LicenceState, StateChange, StateRecord
from licence_vault.repository import LicenceRepository
from licence_vault.states import REASONS, require_transition
from licence_vault.texts import check_text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.ports import IssuingOfficers
    from licence_vault.repository import StoredLicence

MAX_REASON = 500
MAX_BASIS = 300
FURTHEST_AHEAD = timedelta(days=90)
NEEDS_BASIS = frozenset({LicenceState.SUSPENDED, LicenceState.WITHDRAWN, LicenceState.REVOKED})
"""A holder may contest these: the norm must be named."""


class LicenceChanger:
    """Records changes of state."""

    def __init__(
        self, database: Database, *, clock: Clock, audit: Audit, cipher: FieldCipher, officers: IssuingOfficers
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._officers = officers

    async def change_state(self, principal: Principal, identifier: str, change: StateChange) -> StoredLicence:
        """Record a change and return the licence."""
        now = self._clock.now()
        effective_at = check_change(change, now)
        parsed = str(parse_identifier(identifier))
        if principal.kind is PrincipalKind.OFFICER:
            await self._officers.require_issuing(principal, None)
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            stored = await repository.by_identifier(parsed)
            if stored is None or stored.state is LicenceState.PENDING:
                raise LicenceNotFound("没有这份证照 / no such licence.")
            if principal.organisation_code != stored.issuer_code:
                raise LicenceNotFound("没有这份证照 / no such licence.")
            if not works_for(principal, stored.issuer_code, STATUS_SCOPE):
                raise NotPermitted(f"Changing a state needs scope {STATUS_SCOPE} or an officer.")
            await self.record(connection, principal, stored, change, effective_at)
            changed = await repository.by_id(stored.licence_id)
        if changed is None:
            raise LicenceNotFound("没有这份证照 / no such licence.")
        return changed

    async def record(
        self,
        connection: AsyncConnection,
        principal: Principal,
        stored: StoredLicence,
        change: StateChange,
        effective_at: datetime,
    ) -> StateRecord:
        """Append a checked change within the caller's transaction; raises StateTransitionRefused, Conflict."""
        repository = LicenceRepository(connection, self._cipher)
        records = await repository.states(stored.licence_id)
        require_transition(records, change.state, effective_at)
        record = StateRecord(
            sequence=stored.state_sequence + 1,
            state=change.state,
            effective_at=effective_at,
            recorded_at=self._clock.now(),
            reason_code=change.reason_code,
            reason_text=change.reason_text.strip(),
            legal_basis=change.legal_basis.strip(),
            recorded_by=principal.audit_name,
        )
        if not await repository.add_state(stored.licence_id, record):
            raise Conflict("证照状态刚被他人变更 / somebody else changed the state just now.")
        detail = {
            "state": record.state.value,
            "reason_code": record.reason_code.value,
            "effective_at": effective_at.isoformat(),
            "sequence": record.sequence,
        }
        event = AuditEvent("licence_vault.change_state", "licence", stored.identifier, detail)
        await self._audit.record(connection, principal, event)
        return record


def check_change(change: StateChange, now: datetime) -> datetime:
    """Check a requested change and return its effective time; raises InvalidInput."""
    if change.state in (LicenceState.PENDING, LicenceState.EXPIRED, LicenceState.SUPERSEDED):
        raise InvalidInput("此状态不能直接设置 / this state follows from dates or a new version.", field="state")
    if change.reason_code not in REASONS[change.state]:
        raise InvalidInput("事由代码与状态不符 / the reason does not fit the state.", field="reason_code")
    check_text(change.reason_text, "reason_text", max_length=MAX_REASON)
    if change.legal_basis or change.state in NEEDS_BASIS:
        check_text(change.legal_basis, "legal_basis", max_length=MAX_BASIS)
    effective_at = change.effective_at or now
    if effective_at.tzinfo is None:
        raise InvalidInput("须带时区 / the time needs a zone.", field="effective_at")
    if effective_at > now + FURTHEST_AHEAD:
        raise InvalidInput("生效时间过晚 / at most 90 days ahead.", field="effective_at")
    return effective_at
