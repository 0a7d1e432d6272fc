"""What the provider needs from others; `hufu/wiring.py` joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.principal import Principal
    from idp.oauth.delegation import Delegation
    from idp.oauth.grant import Grant


class Subjects(Protocol):
    """Facts about those who sign in, from `idp.people`."""

    async def claims(self, grant: Grant, scopes: Collection[str]) -> dict[str, Any] | None:
        """Return the claims the scopes open, without `sub`; None when the subject may no longer sign in."""

    async def find(self, login_hint: str) -> str | None:
        """Return the active account that signs in with a name or proven mobile number, or None."""


class MandateRegister(Protocol):
    """Who may act for whom; `idp.oauth.mandates` joins the register of `idp.people`."""

    async def held(self, mandate_id: str, agent_account_id: str) -> Delegation | None:
        """Return a mandate in force if this account's person is its agent."""

    async def between(self, subject_id: str, agent_account_id: str) -> Delegation | None:
        """Return a mandate in force from an account's person, or an enterprise, to another account's person."""

    async def stands(self, mandate_id: str) -> bool:
        """Tell whether a mandate is in force now, asked of the register itself."""

    async def use(
        self, connection: AsyncConnection, principal: Principal, mandate_id: str, detail: Mapping[str, Any], kind: str
    ) -> None:
        """Count one use in the caller's transaction; raises MandateRefused."""

    async def person_of(self, account_id: str) -> str | None:
        """Return the proven person behind an account."""


class Administrators(Protocol):
    """Who administers an organisation; `idp.people.officers`."""

    async def administers(self, principal: Principal, organisation_code: str) -> bool:
        """Tell whether the principal is an administrator of the organisation, or an operator."""


class Signer(Protocol):
    """Signs our tokens; `keys.jws.TokenSigner`."""

    def sign(self, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        """Return a compact JWS under the active token key of an algorithm."""

    def jwks(self) -> dict[str, Any]:
        """Return the public keys that verify what was or will be signed."""

    def algorithms(self) -> tuple[str, ...]:
        """Return the JWS algorithms there is an active key for."""
