"""What the provider needs from others; `hufu/wiring.py` joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from idp.oauth.grant import Grant


class Subjects(Protocol):
    """Facts about those who sign in, from `idp.people`."""

    async def claims(self, grant: Grant, scopes: Collection[str]) -> dict[str, Any] | None:
        """Return the claims the scopes open, without `sub`; None when the subject may no longer sign in."""

    async def find(self, login_hint: str) -> str | None:
        """Return the active account that signs in with a name or proven mobile number, or None."""


class Signer(Protocol):
    """Signs our tokens; `keys.jws.TokenSigner`."""

    def sign(self, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        """Return a compact JWS under the active token key of an algorithm."""

    def jwks(self) -> dict[str, Any]:
        """Return the public keys that verify what was or will be signed."""

    def algorithms(self) -> tuple[str, ...]:
        """Return the JWS algorithms there is an active key for."""
