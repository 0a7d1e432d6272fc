"""Calls whose access tokens are bound to a key of the caller (DPoP, RFC 9449), for any httpx client.

A department's own system does the same with the library of its language; this shows all there is to it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey

if TYPE_CHECKING:
    from collections.abc import Generator

SPARE_SECONDS = 30


class DpopAuth(httpx2.Auth):
    """Gets a client-credentials token bound to a fresh key and proves the key at each call."""

    requires_response_body = True

    def __init__(self, issuer: str, client_id: str, client_secret: str, scope: str) -> None:
        """Take what the operator handed out."""
        self._token_address = f"{issuer}/oauth/token"
        self._client = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._scope = scope
        self._key = ECKey.generate_key("P-256")
        self._nonce: str | None = None
        self._token: str | None = None
        self._until = 0.0

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Fetch a token where there is none, then send the request, again with the server's nonce if it asks."""
        if self._token is None or self._until < time.monotonic():
            answer = yield self._token_request()
            if self._takes_nonce(answer):
                answer = yield self._token_request()
            found = answer.raise_for_status().json()
            self._token, self._until = found["access_token"], time.monotonic() + found["expires_in"] - SPARE_SECONDS
        self._sign(request)
        answer = yield request
        if answer.status_code == httpx2.codes.UNAUTHORIZED and self._takes_nonce(answer):
            self._sign(request)
            yield request

    def _token_request(self) -> httpx2.Request:
        return httpx2.Request(
            "POST",
            self._token_address,
            data={"grant_type": "client_credentials", "scope": self._scope},
            headers={"authorization": f"Basic {self._client}", "dpop": self._proof("POST", self._token_address)},
        )

    def _sign(self, request: httpx2.Request) -> None:
        address = str(request.url.copy_with(query=None, fragment=None))
        request.headers["authorization"] = f"DPoP {self._token}"
        request.headers["dpop"] = self._proof(request.method, address, self._token)

    def _takes_nonce(self, answer: httpx2.Response) -> bool:
        nonce = answer.headers.get("dpop-nonce")
        changed = nonce is not None and nonce != self._nonce
        self._nonce = nonce or self._nonce
        return changed and not answer.is_success

    def _proof(self, method: str, address: str, token: str | None = None) -> str:
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": address,
            "iat": int(time.time()),
        }
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._key.as_dict(private=False)}
        return jws.serialize_compact(header, json.dumps(claims), self._key, ["ES256"])
