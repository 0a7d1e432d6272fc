"""Encrypts signed answers to a client's own key (JWE, RFC 7516). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from foundation.errors import InvalidInput
from idp.oauth.client_metadata import ENCRYPTION_ALGORITHMS, ENCRYPTION_METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_METHOD = ENCRYPTION_METHODS[0]
_KEY_TYPE = {"RSA-OAEP-256": ("RSA",), "ECDH-ES": ("EC", "OKP"), "ECDH-ES+A256KW": ("EC", "OKP")}


def encryption_key(jwks: Mapping[str, Any] | None, algorithm: str) -> dict[str, Any]:
    """Return the client's key for an algorithm: one marked for encryption if there is one.

    Raises: InvalidInput when no key fits.
    """
    keys = [key for key in (jwks or {}).get("keys", ()) if key.get("kty") in _KEY_TYPE[algorithm]]
    keys = [key for key in keys if key.get("use", "enc") == "enc" and key.get("alg", algorithm) == algorithm]
    keys.sort(key=lambda key: "use" not in key)
    if not keys:
        raise InvalidInput("No key fits the encryption algorithm.", field="jwks")
    found: dict[str, Any] = keys[0]
    return found


def encrypt(token: str, jwks: Mapping[str, Any] | None, algorithm: str, method: str | None) -> str:
    """Return a signed JWT inside a compact JWE for the client."""
    jwk = encryption_key(jwks, algorithm)
    header = {"alg": algorithm, "enc": method or DEFAULT_METHOD, "cty": "JWT"}
    if "kid" in jwk:
        header["kid"] = jwk["kid"]
    registry = jwe.JWERegistry(algorithms=[*ENCRYPTION_ALGORITHMS, *ENCRYPTION_METHODS])
    try:
        return jwe.encrypt_compact(header, token.encode(), JWKRegistry.import_key(jwk), registry=registry)
    except (JoseError, ValueError) as error:
        raise InvalidInput("The client's encryption key cannot be used.", field="jwks") from error
