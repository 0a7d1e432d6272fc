"""Proof of possession: DPoP (RFC 9449) and client certificates (RFC 8705)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from idp.oauth.client_metadata import FAPI_ALGORITHMS
from idp.oauth.grant import digest
from idp.oauth.jose import BadSignature, header_of, single_key, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idp.oauth.mint import Mint

PROOF_TYPE = "dpop+jwt"
MAX_PROOF = 4_096
MAX_JTI = 128
PROOF_AGE = timedelta(seconds=60)
PROOF_AHEAD = timedelta(seconds=10)
NONCE_SECONDS = 300
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class BadProof(Exception):
    """The DPoP proof is malformed, forged, stale or for another request; the message is safe to tell."""


class NonceNeeded(BadProof):
    """The proof lacks the server's current nonce."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof: the key's thumbprint, and what makes it single use."""

    jkt: str
    use_hash: bytes
    expires_at: datetime

    @property
    def confirmation(self) -> dict[str, str]:
        """Return the `cnf` claim of a token bound to the key."""
        return {"jkt": self.jkt}


def certificate_confirmation(certificate_der: bytes) -> dict[str, str]:
    """Return the `cnf` claim of a token bound to a certificate."""
    return {"x5t#S256": _b64url(hashlib.sha256(certificate_der).digest())}


def current_nonce(mint: Mint, now: datetime) -> str:
    """Return the nonce of this moment; it needs no storage and lives five to ten minutes."""
    return mint.keyed("dpop nonce", str(int(now.timestamp()) // NONCE_SECONDS))[:32]


def check_proof(
    headers: tuple[str, ...], method: str, url: str, mint: Mint, now: datetime, *, access_token: str | None = None
) -> Proof:
    """Return the verified proof of one request; single use is for the caller to write.

    Args:
        headers: every DPoP header of the request.
        method: the request's method.
        url: the request's public address.
        mint: knows the nonces.
        now: aware UTC.
        access_token: the token presented along, at protected resources.

    Raises: NonceNeeded, BadProof.
    Standard: RFC 9449, section 4.3.
    """
    # 1 one proof, of the right type, 2 signed by the key it carries
    claims, jkt = _verified(headers)
    # 3 made for this request
    if claims.get("htm") != method or _plain(claims.get("htu")) != _plain(url):
        raise BadProof("The DPoP proof is for another request.")
    # 4 made now
    issued_at = claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float) or not 0 < issued_at < 1e11:  # noqa: PLR2004 - the year 5138
        raise BadProof("The DPoP proof has no usable iat.")
    made_at = datetime.fromtimestamp(issued_at, UTC)
    if not now - PROOF_AGE <= made_at <= now + PROOF_AHEAD:
        raise BadProof("The DPoP proof is stale or from the future.")
    if not all(_holds(claims.get(name), now, later=name == "exp") for name in ("nbf", "exp")):
        raise BadProof("The DPoP proof is outside the times it names.")
    # 5 with our nonce
    if not _nonce_known(claims.get("nonce"), mint, now):
        raise NonceNeeded("The DPoP proof needs the current nonce.")
    # 6 for this token
    if access_token is not None and claims.get("ath") != _b64url(hashlib.sha256(access_token.encode()).digest()):
        raise BadProof("The DPoP proof is for another access token.")
    # 7 not seen before: the caller writes the use
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise BadProof("The DPoP proof needs a jti.")
    return Proof(jkt, digest(f"dpop\0{jkt}\0{jti}"), made_at + PROOF_AGE + PROOF_AHEAD)


def _verified(headers: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Return the claims of the one proof and the thumbprint of the key it carries and is signed by."""
    if len(headers) != 1 or len(headers[0]) > MAX_PROOF:
        raise BadProof("Exactly one DPoP proof is needed.")
    try:
        header = header_of(headers[0])
        jwk = header.get("jwk")
        if header.get("typ") != PROOF_TYPE or not isinstance(jwk, dict) or PRIVATE_MEMBERS & jwk.keys():
            raise BadProof("The DPoP proof has a wrong typ or jwk.")
        claims = verify(headers[0], single_key(jwk), FAPI_ALGORITHMS, any_kid=True)
        return claims, str(JWKRegistry.import_key(jwk).thumbprint())
    except (BadSignature, JoseError, ValueError, TypeError) as error:
        raise BadProof("The DPoP proof does not verify.") from error


def confirmation_matches(bound: Mapping[str, Any], shown: Mapping[str, str] | None) -> bool:
    """Tell whether the shown key or certificate is the one a token is bound to, in constant time."""
    if shown is None or bound.keys() != shown.keys():
        return False
    return all(hmac.compare_digest(str(bound[name]), shown[name]) for name in bound)


def _holds(moment: object, now: datetime, *, later: bool) -> bool:
    """Tell whether an optional nbf or exp allows this moment."""
    if moment is None:
        return True
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return False
    return now.timestamp() < moment if later else moment - PROOF_AHEAD.seconds <= now.timestamp()


def _nonce_known(nonce: object, mint: Mint, now: datetime) -> bool:
    if not isinstance(nonce, str) or not nonce.isascii():
        return False
    moments = (now, now - timedelta(seconds=NONCE_SECONDS))
    return any(hmac.compare_digest(nonce, current_nonce(mint, moment)) for moment in moments)


def _plain(address: object) -> tuple[str, str, int | None, str] | None:
    """Return what of an address counts (RFC 9449 section 4.3, point 9): not its query or fragment."""
    if not isinstance(address, str):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path or "/"


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
