"""Proving a real name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.principal import Principal
    from idp.people.proof import Evidence, ProofResult


class RealNameService:
    """Use cases of real-name proof."""

    async def prove(
        self, principal: Principal, method: str, unverified_elements: Mapping[str, str], *, source: str = ""
    ) -> ProofResult:
        """Ask the method's authority whether the elements belong together, and keep the evidence.

        Args:
            principal: the signed-in person.
            method: `id_card social_security_card bank_card telecom housing_fund`.
            unverified_elements: by name: `name`, `citizen_id_number`, and as the method asks
                `card_number`, `mobile`, `fund_account`.
            source: the caller's address, for the quota only.

        Returns: outcome (`match mismatch locked unavailable pending`), level after it, evidence id.
        Raises: InvalidInput (field named), RealNameQuotaExhausted, RealNameConflict, NotPermitted.
        """
        raise NotImplementedError

    async def evidence(self, principal: Principal) -> tuple[Evidence, ...]:
        """Return the principal's successful proofs, newest first, expired and withdrawn ones too."""
        raise NotImplementedError
