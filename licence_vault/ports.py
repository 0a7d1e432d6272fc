"""What the vault needs from packages it does not know; `hufu/wiring.py` joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from licence_vault.model import Giver, Mandated, PaperMandate


class HolderIndexes(Protocol):
    """Tells by which blind indexes licences name a person or enterprise; joined to `idp`.

    An index is `FieldCipher.blind_index(<normalised code>, "holder_code")`.
    """

    async def of_person(self, connection: AsyncConnection, person_id: str) -> tuple[bytes, ...]:
        """Return the index of every document number the person has proven; empty when unknown."""

    async def accounts_of(self, connection: AsyncConnection, holder_index: bytes) -> tuple[str, ...]:
        """Return the ids of the active accounts behind an index."""

    async def accounts_answering_for(self, connection: AsyncConnection, credit_code: str) -> tuple[str, ...]:
        """Return the active accounts of who answers for an organisation, by its credit code; empty when unknown."""


class IssuingOfficers(Protocol):
    """Tells whether an officer may issue for the own organisation; joined to `idp`."""

    async def require_issuing(self, principal: Principal, matter_code: str | None) -> None:
        """Raise NotPermitted unless the officer holds the authority to issue, for this matter."""


class EnterpriseRoles(Protocol):
    """Tells in which matters somebody acts for an enterprise; joined to `idp`."""

    async def matters(self, connection: AsyncConnection, principal: Principal) -> frozenset[str] | None:
        """Return the matters of the role in force, None for all of them; raises NotPermitted."""


class Mandates(Protocol):
    """Lets one act for another within a mandate; joined to `idp`. All raise MandateRefused."""

    async def check(
        self, connection: AsyncConnection, *, mandate_id: str, agent_id: str, asked: Mandated | None
    ) -> Giver:
        """Return who gave a mandate that is in force now, for the act when one is named, without using it."""

    async def use(
        self,
        connection: AsyncConnection,
        principal: Principal,
        *,
        mandate_id: str,
        agent_id: str | None,
        asked: Mandated,
    ) -> Giver:
        """Count one use, in the caller's transaction; `agent_id` None when the principal is the agent."""

    async def present(self, connection: AsyncConnection, principal: Principal, paper: PaperMandate) -> tuple[str, str]:
        """Accept the paper an agent shows at an officer's window; return the mandate and the agent."""


class AllowedActs(Protocol):
    """Uses up what a person allowed by a token bound to one licence; joined to `idp`."""

    async def use_licence_access(
        self, connection: AsyncConnection, principal: Principal, *, licence_identifier: str, licence_type: str
    ) -> Mapping[str, Any]:
        """Return `fields`, `matter_code` and perhaps `purpose`; raises NotPermitted, MandateRefused."""
