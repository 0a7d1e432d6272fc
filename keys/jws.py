"""Compact JWS (RFC 7515) and JWKS (RFC 7517)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from keys.algorithms import for_jws, profile, raw_signature
from keys.errors import KeyNotFound
from keys.model import ONLINE_PURPOSES, KeyPurpose, KeyState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keys.model import KeyInfo
    from keys.service import KeyService

DEFAULT_ALGORITHM = "ES256"


def b64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _compact(value: Mapping[str, Any]) -> str:
    return b64url(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def public_jwk(info: KeyInfo, algorithm: str) -> dict[str, Any]:
    """Return a public key as a JWK for one algorithm."""
    key = load_der_public_key(info.public_key_der)
    common = {"kid": info.key_id, "use": "sig", "alg": algorithm}
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        size = key.key_size // 8
        return {"kty": "EC", "crv": "P-256", "x": _number(numbers.x, size), "y": _number(numbers.y, size), **common}
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _number(rsa_numbers.n), "e": _number(rsa_numbers.e), **common}
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url(raw), **common}
    if isinstance(key, mldsa.MLDSA65PublicKey):
        return {"kty": "AKP", "pub": b64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw)), **common}
    message = f"{info.algorithm} keys have no JWK form here"
    raise TypeError(message)


def jwks(keys: KeyService, purpose: KeyPurpose) -> dict[str, Any]:
    """Return the public keys of any purpose as a JWK set: next, current and still valid earlier ones."""
    return {"keys": [_jwk(info) for info in keys.published_keys(purpose)]}


def verification_jwks(keys: KeyService, purpose: KeyPurpose) -> dict[str, Any]:
    """Return all public keys a purpose ever had, for what was signed long ago.

    A compromised key says from when on nothing of it is trusted, in the member `not_trusted_from` (ISO 8601).
    """
    return {"keys": [_jwk(info) | _end(info) for info in keys.verification_keys(purpose)]}


def _jwk(info: KeyInfo) -> dict[str, Any]:
    """Return a key; an RSA key serves RS256 and PS256, so its `alg` is left out."""
    names = profile(info.algorithm).jws
    jwk = public_jwk(info, names[0])
    if len(names) > 1:
        del jwk["alg"]
    return jwk


def _end(info: KeyInfo) -> dict[str, str]:
    return {} if info.not_trusted_from is None else {"not_trusted_from": info.not_trusted_from.isoformat()}


class TokenSigner:
    """Signs in process and synchronously, with the online keys only.

    One signer serves one purpose: `TokenSigner(keys)` for tokens,
    `TokenSigner(keys, KeyPurpose.RECEIPT)` for receipts. `kid` is the key's `key_id`.
    """

    def __init__(self, keys: KeyService, purpose: KeyPurpose = KeyPurpose.TOKEN) -> None:
        """Serve one of the online purposes; raises ValueError for another."""
        if purpose not in ONLINE_PURPOSES:
            message = f"{purpose} keys are not held by web processes"
            raise ValueError(message)
        self._keys = keys
        self._purpose = purpose
        self._headers: dict[tuple[str, str, str], str] = {}

    def sign(self, claims: Mapping[str, Any], *, typ: str, algorithm: str | None = None) -> str:
        """Return a compact JWS; ES256 unless `algorithm` (RS256, PS256, EdDSA) names another active key.

        Without `algorithm` and without an ES256 key, the newest active key's own
        algorithm is used. Raises: KeyNotFound when no active key signs with this
        algorithm; UnsupportedAlgorithm.
        """
        name = algorithm or self.algorithms()[0]
        info, key = self._keys.open_online(self._purpose, for_jws(name).name)
        signing_input = f"{self._header(info.key_id, name, typ)}.{_compact(claims)}"
        signature = raw_signature(info, key.sign(signing_input.encode(), jws=name))
        return f"{signing_input}.{b64url(signature)}"

    def _header(self, key_id: str, algorithm: str, typ: str) -> str:
        found = self._headers.get((key_id, algorithm, typ))
        if found is None:
            found = _compact({"alg": algorithm, "kid": key_id, "typ": typ})
            self._headers[key_id, algorithm, typ] = found
        return found

    def algorithms(self) -> tuple[str, ...]:
        """Return the JWS algorithms that `sign` can use now, ES256 first; raises KeyNotFound when there is none."""
        names = [
            name
            for info in self._keys.verification_keys(self._purpose)
            if info.state is KeyState.ACTIVE
            for name in profile(info.algorithm).jws
        ]
        if not names:
            raise KeyNotFound(f"No {self._purpose} key is active.")
        return tuple(sorted(dict.fromkeys(names), key=lambda name: name != DEFAULT_ALGORITHM))

    def jwks(self) -> dict[str, Any]:
        """Return the public keys of this purpose: next, current and still valid earlier ones."""
        return jwks(self._keys, self._purpose)


async def sign_jws(
    keys: KeyService, purpose: KeyPurpose, claims: Mapping[str, Any], *, typ: str, with_chain: bool = False
) -> str:
    """Return a compact JWS made by the signer's key of a purpose, such as `status_list`.

    With `with_chain` its certificates stand in the header (`x5c`), the anchor left out.
    """
    info = await keys.active(purpose)
    header: dict[str, Any] = {"alg": profile(info.algorithm).jws[0], "kid": info.key_id, "typ": typ}
    if with_chain:
        header["x5c"] = [base64.b64encode(der).decode() for der in info.certificate_chain_der]
    signing_input = f"{_compact(header)}.{_compact(claims)}"
    signature = await keys.sign_message(info.key_id, purpose, signing_input.encode())
    return f"{signing_input}.{b64url(raw_signature(info, signature))}"
