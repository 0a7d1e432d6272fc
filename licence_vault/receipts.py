"""Access receipts: one row for every reading, written in the transaction that reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from foundation.audit import AuditEvent
from foundation.ids import new_id
from licence_vault.model import AccessReceipt
from licence_vault.tables import licence_accesses, licence_holders, licences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.access import Entitlement
    from licence_vault.model import Purpose
    from licence_vault.repository import StoredLicence

CASE_CONTEXT = "licence_accesses.case_number"
REASON_CONTEXT = "licence_accesses.reason"


@dataclass(frozen=True, slots=True)
class Access:
    """One reading to be put on record."""

    principal: Principal
    stored: StoredLicence
    granted: Entitlement
    purpose: Purpose
    at: datetime
    mandate_id: str | None = None


class Receipts:
    """Writes and reads access receipts over one connection."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher, audit: Audit) -> None:
        self._connection = connection
        self._cipher = cipher
        self._audit = audit

    async def leave(self, access: Access) -> str:
        """Write the receipt and its audit row; return the receipt's id."""
        access_id = new_id("acc")
        granted, purpose = access.granted, access.purpose
        detail: dict[str, Any] = {
            "access_id": access_id,
            "way": granted.way.value,
            "matter_code": purpose.matter_code,
            "fields": None if granted.fields is None else sorted(granted.fields),
        }
        if access.mandate_id is not None:
            detail["mandate_id"] = access.mandate_id
        event = AuditEvent("licence_vault.read", "licence", access.stored.identifier, detail)
        audited = await self._audit.record(self._connection, access.principal, event)
        await self._connection.execute(
            insert(licence_accesses).values(
                access_id=access_id,
                licence_id=access.stored.licence_id,
                accessed_at=access.at,
                reader=access.principal.audit_name,
                reader_code=access.principal.organisation_code,
                operator=purpose.operator,
                way=granted.way,
                matter_code=purpose.matter_code,
                case_number=self._cipher.encrypt(purpose.case_number, CASE_CONTEXT),
                reason=self._cipher.encrypt(purpose.reason, REASON_CONTEXT),
                fields=sorted(granted.fields or ()),
                own=granted.own,
                commitment=audited.commitment,
                mandate_id=access.mandate_id,
            )
        )
        return access_id

    async def of_holder(
        self, holder_indexes: Sequence[bytes], *, include_own: bool, limit: int
    ) -> tuple[AccessReceipt, ...]:
        """Return who read the licences of these holders, newest first, with the type's code as name."""
        named = select(licence_holders.c.licence_id).where(licence_holders.c.holder_index.in_(holder_indexes))
        statement = (
            select(licence_accesses, licences.c.identifier, licences.c.type_code)
            .join(licences, licences.c.licence_id == licence_accesses.c.licence_id)
            .where(licence_accesses.c.licence_id.in_(named))
            .order_by(licence_accesses.c.accessed_at.desc(), licence_accesses.c.access_id.desc())
            .limit(limit)
        )
        if not include_own:
            statement = statement.where(licence_accesses.c.own.is_(False))
        return tuple(self._receipt(row) for row in await self._connection.execute(statement))

    def _receipt(self, row: Any) -> AccessReceipt:  # noqa: ANN401 - a joined row
        return AccessReceipt(
            access_id=row.access_id,
            identifier=row.identifier,
            type_name=row.type_code,
            accessed_at=row.accessed_at,
            reader=row.reader,
            reader_name=row.reader_code or "",
            way=row.way,
            matter_code=row.matter_code,
            case_number=self._cipher.decrypt(row.case_number, CASE_CONTEXT),
            reason=self._cipher.decrypt(row.reason, REASON_CONTEXT),
            fields=tuple(row.fields),
            operator=row.operator,
            mandate_id=row.mandate_id,
        )
