"""Compact JWS (RFC 7515) and JWKS (RFC 7517)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keys.model import KeyPurpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keys.service import KeyService


class TokenSigner:
    """Signs in process and synchronously, with the online keys only.

    One signer serves one purpose: `TokenSigner(keys)` for tokens,
    `TokenSigner(keys, KeyPurpose.RECEIPT)` for receipts. `kid` is the key's `key_id`.
    """

    def __init__(self, keys: KeyService, purpose: KeyPurpose = KeyPurpose.TOKEN) -> None:
        """Serve one of the online purposes; raises ValueError for another."""
        raise NotImplementedError

    def sign(self, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        """Return a compact JWS; ES256 unless `algorithm` (RS256, PS256, EdDSA) names another active key.

        Raises: KeyNotFound when no active key signs with this algorithm.
        """
        raise NotImplementedError

    def algorithms(self) -> tuple[str, ...]:
        """Return the JWS algorithms that `sign` can use now, ES256 first."""
        raise NotImplementedError

    def jwks(self) -> dict[str, Any]:
        """Return the public keys of this purpose: next, current and still valid earlier ones."""
        raise NotImplementedError


async def sign_jws(keys: KeyService, purpose: KeyPurpose, claims: Mapping[str, Any], *, typ: str) -> str:
    """Return a compact ES256 or RS256 JWS made by the signer's key of a purpose, such as `status_list`."""
    raise NotImplementedError


def jwks(keys: KeyService, purpose: KeyPurpose) -> dict[str, Any]:
    """Return the public keys of any purpose as a JWK set."""
    raise NotImplementedError
