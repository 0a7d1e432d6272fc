"""What the provider needs from others; `hufu/wiring.py` joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.model import Subject


class Subjects(Protocol):
    """Facts about accounts, from `idp.people`."""

    async def subject(self, account_id: str) -> Subject | None:
        """Return what is known about an account, or None when it is gone or closed."""


class Signer(Protocol):
    """Signs our tokens; `keys.jws.TokenSigner`."""

    def sign(self, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        """Return a compact JWS under the active token key of an algorithm."""

    def jwks(self) -> dict[str, Any]:
        """Return the public keys that verify what was or will be signed."""
