"""JSON Web Signatures from others and from ourselves, verified under keys chosen beforehand.

The key never comes from the token (`jwk`, `jku`, `x5c` are not looked at), unknown `crit` is refused,
and only asymmetric algorithms named by the caller pass, so that neither `none` nor an HMAC under
a public key can.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joserfc._rfc7515.model import JWSAlgModel

ASYMMETRIC = ("ES256", "EdDSA", "Ed25519", "PS256", "RS256")


class BadSignature(Exception):
    """The token is malformed or its signature does not verify; the message is safe to tell."""


class NamedAlgorithms(JWSRegistry):
    """Allows the named algorithms without the warning on EdDSA, the name deployed libraries use."""

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an allowed algorithm."""
        if name not in (self.allowed or ()) or name not in ASYMMETRIC or name not in self.algorithms:
            raise BadSignature("The algorithm is not allowed.")
        return self.algorithms[name]


def key_set(jwks: Mapping[str, Any]) -> KeySet:
    """Return the keys of a JWK set; raises BadSignature for one that cannot be read."""
    try:
        return KeySet.import_key_set({"keys": jwks["keys"]})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadSignature("The keys cannot be read.") from error


def single_key(jwk: Mapping[str, Any]) -> KeySet:
    """Return a set of one key that the caller vouches for; raises BadSignature."""
    return key_set({"keys": [dict(jwk)]})


def header_of(token: str) -> dict[str, Any]:
    """Return the unverified protected header; raises BadSignature."""
    return _extracted(token).headers()


def claims_of(token: str) -> dict[str, Any]:
    """Return the unverified claims; raises BadSignature."""
    return _object(_extracted(token).payload)


def verify(token: str, keys: KeySet, algorithms: Sequence[str], *, any_kid: bool = False) -> dict[str, Any]:
    """Return the claims of a JWT whose signature verifies; raises BadSignature.

    A token with `kid` is tried under that key, one without (or with `any_kid`) under every key of the set.
    """
    header = header_of(token)
    if "crit" in header:
        raise BadSignature("The token has critical extensions this service does not know.")
    kid = header.get("kid")
    candidates = [key for key in keys.keys if kid is None or any_kid or key.kid == kid]
    for key in candidates:
        try:
            verified = jws.deserialize_compact(token, key, registry=NamedAlgorithms(algorithms=list(algorithms)))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        return _object(verified.payload)
    raise BadSignature("The signature does not verify under any known key.")


def _extracted(token: str) -> jws.CompactSignature:
    try:
        return jws.extract_compact(token.encode())
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BadSignature("The token is malformed.") from error


def _object(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadSignature("The token holds no JSON.") from error
    if not isinstance(claims, dict):
        raise BadSignature("The token holds no JSON object.")
    return claims
