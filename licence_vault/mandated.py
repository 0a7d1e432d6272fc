"""Reading another's licences under a mandate (授权代理): by the agent, or at a window that sees the paper 代办码.

Each reading is one use of the mandate, counted by the row that allows it, in the transaction of the
access receipts: no use, no data; no data, no use. What was revoked a moment ago opens nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.channels import at_counter
from foundation.errors import InvalidInput, NotPermitted
from foundation.principal import PrincipalKind
from licence_vault.access import Entitlement, Way, masked, works_for
from licence_vault.errors import LicenceNotFound
from licence_vault.identifier import parse_identifier
from licence_vault.model import Licence, LicenceDocument, LicenceState, Mandated, Purpose
from licence_vault.reading import MAX_LIST, checked_purpose, require_complete
from licence_vault.receipts import Access, Receipts
from licence_vault.repository import LicenceRepository, StoredLicence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from licence_vault.model import Giver, PaperMandate
    from licence_vault.ports import Mandates
    from licence_vault.reading import LicenceReader


class MandatedReader:
    """Opens the principal's licences to the agent, within the mandate."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        mandates: Mandates,
        reader: LicenceReader,
    ) -> None:
        """Take the collaborators."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._mandates = mandates
        self._reader = reader

    async def licences(
        self, principal: Principal, mandate_id: str, type_code: str, purpose: Purpose
    ) -> tuple[Licence, ...]:
        """Return the giver's licences of a type to the agent, with the fields the mandate opens: one use.

        Raises: NotPermitted, StepUpRequired, InvalidInput (no matter named), MandateRefused, LicenceNotFound.
        """
        reason = _agents(principal, purpose)
        async with self._database.transaction() as connection:
            asked = _asked(type_code, reason)
            giver = await self._mandates.use(connection, principal, mandate_id=mandate_id, agent_id=None, asked=asked)
            return await self._read(connection, principal, mandate_id, giver, type_code, reason)

    async def document(
        self, principal: Principal, mandate_id: str, identifier: str, purpose: Purpose
    ) -> LicenceDocument:
        """Return the sealed PDF of one licence to the agent: one use; only where the mandate opens every field.

        Raises: NotPermitted, StepUpRequired, InvalidInput, MandateRefused, LicenceNotFound.
        """
        reason, parsed = _agents(principal, purpose), parse_identifier(identifier)
        async with self._database.transaction() as connection:
            asked = _asked(parsed.type_code, reason)
            giver = await self._mandates.use(connection, principal, mandate_id=mandate_id, agent_id=None, asked=asked)
            if giver.fields is not None:
                raise NotPermitted("授权只含部分字段,不提供证照文件 / the mandate covers fields, not the file.")
            stored = await LicenceRepository(connection, self._cipher).by_identifier(str(parsed))
            if stored is None or not readable(stored, giver):
                raise LicenceNotFound("没有这份证照 / no such licence.")
            (access_id,) = await self._leave(connection, principal, [stored], giver, reason, mandate_id)
            return await self._reader.document_of(connection, stored, access_id)

    async def at_window(
        self, principal: Principal, paper: PaperMandate, type_code: str, purpose: Purpose
    ) -> tuple[Licence, ...]:
        """Return the giver's licences of a type to an officer before whom the agent stands with the 代办码: one use.

        The purpose names matter, case and reason, and for a department's system its operator.
        Raises: NotPermitted, AuthorityMissing, InvalidInput, MandateRefused, LicenceNotFound, SignInThrottled.
        """
        reason = checked_purpose(purpose)
        if principal.kind is not PrincipalKind.OFFICER or not works_for(principal, principal.organisation_code or ""):
            raise NotPermitted("须由窗口人员办理 / only an officer at a window does this.")
        require_complete(principal, reason)
        principal = at_counter(principal)
        async with self._database.transaction() as connection:
            mandate_id, agent_id = await self._mandates.present(connection, principal, paper)
            asked = _asked(type_code, reason)
            giver = await self._mandates.use(
                connection, principal, mandate_id=mandate_id, agent_id=agent_id, asked=asked
            )
            return await self._read(connection, principal, mandate_id, giver, type_code, reason)

    async def _read(
        self,
        connection: AsyncConnection,
        principal: Principal,
        mandate_id: str,
        giver: Giver,
        type_code: str,
        purpose: Purpose,
    ) -> tuple[Licence, ...]:
        repository = LicenceRepository(connection, self._cipher)
        found = await repository.of_holder(giver.holder_indexes, limit=MAX_LIST) if giver.holder_indexes else ()
        wanted = [one for one in found if one.type_code == type_code and readable(one, giver)]
        if not wanted:
            raise LicenceNotFound("委托人没有这类证照 / the giver holds no such licence.")
        ids = await self._leave(connection, principal, wanted, giver, purpose, mandate_id)
        views = await self._reader.views(connection, wanted)
        granted = Entitlement(Way.MANDATE, giver.fields)
        return tuple(replace(masked(view, granted), access_id=one) for view, one in zip(views, ids, strict=True))

    async def _leave(
        self,
        connection: AsyncConnection,
        principal: Principal,
        found: Sequence[StoredLicence],
        giver: Giver,
        purpose: Purpose,
        mandate_id: str,
    ) -> list[str]:
        receipts = Receipts(connection, self._cipher, self._audit)
        granted, now = Entitlement(Way.MANDATE, giver.fields), self._clock.now()
        return [await receipts.leave(Access(principal, one, granted, purpose, now, mandate_id)) for one in found]


def readable(stored: StoredLicence, giver: Giver) -> bool:
    """Tell whether a licence is issued and the giver's."""
    return stored.state is not LicenceState.PENDING and not stored.holder_indexes.isdisjoint(giver.holder_indexes)


def _agents(principal: Principal, purpose: Purpose) -> Purpose:
    """Return the checked purpose of a signed-in agent."""
    if principal.kind is not PrincipalKind.PERSON or principal.authorization is not None:
        raise NotPermitted("须由受托人本人办理 / only the agent does this.")
    return checked_purpose(purpose)


def _asked(type_code: str, purpose: Purpose) -> Mandated:
    if not purpose.matter_code:
        raise InvalidInput("须写明办理的事项 / name the matter.", field="matter_code")
    return Mandated(purpose.matter_code, type_code, (), purpose.case_number)
