"""Reading one licence because its holder, or the holder's agent, allowed one department that one act.

What was allowed is kept elsewhere and used up here, in the transaction of the receipt: no use,
no data; no data, no use. The reader on the receipt is the department, not the person who allowed it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from foundation.principal import Principal, PrincipalKind
from licence_vault.access import Entitlement, Way, masked
from licence_vault.errors import LicenceNotFound
from licence_vault.identifier import parse_identifier
from licence_vault.model import Licence, LicenceState, Purpose
from licence_vault.reading import checked_purpose
from licence_vault.receipts import Access, Receipts
from licence_vault.repository import LicenceRepository

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from licence_vault.ports import AllowedActs, HolderIndexes
    from licence_vault.reading import LicenceReader


class AuthorisedReader:
    """Opens exactly the licence and the fields that were allowed."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        holders: HolderIndexes,
        reader: LicenceReader,
        acts: AllowedActs,
    ) -> None:
        """Take the collaborators; `acts` knows what was allowed and whether it was done."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._holders = holders
        self._reader = reader
        self._acts = acts

    async def read(self, principal: Principal, identifier: str, purpose: Purpose | None = None) -> Licence:
        """Return the fields the holder allowed, leaving a receipt that names the department.

        Args:
            principal: from an access token bound to one act.
            identifier: the licence asked for.
            purpose: the department's case number and operator; the matter and reason are what was allowed.

        Raises: LicenceNotFound for a licence that is not the person's; NotPermitted for another licence, a
            second time, or after a withdrawal; MandateRefused.
        """
        given = checked_purpose(purpose)
        async with self._database.transaction() as connection:
            repository = LicenceRepository(connection, self._cipher)
            stored = await repository.by_identifier(str(parse_identifier(identifier)))
            person_id = principal.person_id
            indexes = () if person_id is None else await self._holders.of_person(connection, person_id)
            if stored is None or stored.state is LicenceState.PENDING or not stored.holder_indexes & set(indexes):
                raise LicenceNotFound("没有这份证照 / no such licence.")
            allowed = await self._acts.use_licence_access(
                connection, principal, licence_identifier=stored.identifier, licence_type=stored.type_code
            )
            granted = Entitlement(Way.CONSENT, frozenset(allowed["fields"]))
            reason = replace(given, matter_code=allowed["matter_code"], reason=allowed.get("purpose", given.reason))
            access = Access(_department(principal), stored, granted, reason, self._clock.now())
            access_id = await Receipts(connection, self._cipher, self._audit).leave(access)
            licence = (await self._reader.views(connection, [stored]))[0]
        return replace(masked(licence, granted), access_id=access_id)


def _department(principal: Principal) -> Principal:
    """Return who reads: the client that holds the person's permission."""
    return Principal(
        PrincipalKind.CLIENT,
        principal.client_id or "",
        organisation_code=principal.organisation_code,
        client_id=principal.client_id,
        channel=principal.channel,
        sender_constrained=principal.sender_constrained,
    )
