"""Verifies our own tokens locally: signature under our published keys, issuer, type and time. No I/O."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from idp.oauth.client_metadata import SIGNING_ALGORITHMS
from idp.oauth.errors import InvalidAccessToken
from idp.oauth.jose import BadSignature, header_of, key_set, verify
from idp.oauth.mint import ACCESS_TOKEN_TYPE

if TYPE_CHECKING:
    from datetime import datetime

    from joserfc.jwk import KeySet

    from idp.oauth.ports import Signer

MAX_TOKEN = 8_192
CACHED_TOKENS = 20_000
CLOCK_SKEW_SECONDS = 5


class TokenVerifier:
    """Checks tokens this provider signed.

    A signature is verified once and remembered by the token's SHA-256; times are looked at on
    every call. The key set is read from the signer whenever a token names a key not seen yet.
    """

    def __init__(self, issuer: str, signer: Signer) -> None:
        """Take the issuer and whoever publishes the keys."""
        self._issuer = issuer
        self._signer = signer
        self._keys: KeySet | None = None
        self._kids: frozenset[str] = frozenset()
        self._verified: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def access_token(self, token: str, now: datetime) -> dict[str, Any]:
        """Return the claims of an access token of ours that is valid now; raises InvalidAccessToken."""
        claims = self._claims(token, ACCESS_TOKEN_TYPE)
        moment = now.timestamp()
        if not claims["iat"] - CLOCK_SKEW_SECONDS <= moment < claims["exp"]:
            raise InvalidAccessToken("The access token is expired or not valid yet.")
        return claims

    def id_token_hint(self, token: str) -> dict[str, Any]:
        """Return the claims of an ID token of ours, expired or not; raises InvalidAccessToken."""
        return self._claims(token, "JWT")

    def _claims(self, token: str, typ: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN or not token.isascii():
            raise InvalidAccessToken("The token is malformed.")
        fingerprint = hashlib.sha256(f"{typ} {token}".encode()).digest()
        claims = self._verified.get(fingerprint)
        if claims is None:
            claims = self._verify(token, typ)
            self._verified[fingerprint] = claims
            if len(self._verified) > CACHED_TOKENS:
                self._verified.popitem(last=False)
        return claims

    def _verify(self, token: str, typ: str) -> dict[str, Any]:
        try:
            header = header_of(token)
            if header.get("typ") != typ:
                raise InvalidAccessToken("The token is of another type.")
            claims = verify(token, self._key_set(header.get("kid")), SIGNING_ALGORITHMS)
        except BadSignature as error:
            raise InvalidAccessToken("The token is malformed or its signature does not verify.") from error
        if claims.get("iss") != self._issuer:
            raise InvalidAccessToken("The token is from another issuer.")
        return claims

    def _key_set(self, kid: object) -> KeySet:
        if self._keys is None or kid not in self._kids:
            published = self._signer.jwks()
            kids = frozenset(key["kid"] for key in published["keys"])
            if kid not in kids:
                raise InvalidAccessToken("The token names an unknown key.")
            self._keys, self._kids = key_set(published), kids
        return self._keys

    def forget(self) -> None:
        """Drop what was verified and the keys, after a key was withdrawn."""
        self._keys, self._kids = None, frozenset()
        self._verified.clear()
