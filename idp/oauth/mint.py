"""Makes tokens: access tokens (RFC 9068), ID tokens, refresh tokens, pairwise subjects. No I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from foundation.ids import new_secret
from idp.oauth.grant import CLIENT_TOKEN_LIFETIME, ID_TOKEN_LIFETIME, USER_TOKEN_LIFETIME
from idp.oauth.jwe import encrypt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from idp.oauth.client import Client
    from idp.oauth.grant import Grant
    from idp.oauth.ports import Signer

JTI_BITS = 128
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, RFC 9068


class Mint:
    """Signs for one issuer under one kept salt."""

    def __init__(self, issuer: str, signer: Signer, salt: bytes) -> None:
        """Take the issuer, the signer and the salt that subjects and refresh successors depend on."""
        self.issuer = issuer
        self.signer = signer
        self._salt = salt
        self.userinfo_audience = f"{issuer}/oauth/userinfo"
        self.api_audience = f"{issuer}/api"

    def subject(self, sector: str, account_id: str) -> str:
        """Return the pairwise `sub`: stable within a sector, unlinkable across, with no way back without the salt."""
        return self.keyed("subject", f"{sector}\0{account_id}")

    def session(self, client_id: str, session_id: str) -> str:
        """Return the `sid` one client knows a session by."""
        return self.keyed("session", f"{client_id}\0{session_id}")[:32]

    def new_refresh_token(self) -> str:
        """Return a refresh token of 256 random bits."""
        return new_secret()

    def successor(self, refresh_token: str) -> str:
        """Return the one successor of a refresh token, so that a retry after a lost answer gets the same."""
        return self.keyed("refresh", refresh_token)

    def user_token(
        self,
        client: Client,
        grant: Grant,
        scope: str,
        now: datetime,
        confirmation: Mapping[str, str] | None = None,
        *,
        audience: str | None = None,
        lifetime: int = USER_TOKEN_LIFETIME.seconds,
        rests_on: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Return a token answer for userinfo, or for the one act the grant allows at our API.

        `gid` names the grant whose revocation ends the token; `rests_on` names what else does.
        """
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self.subject(client.sector_identifier, grant.account_id),
            "aud": audience or self.userinfo_audience,
            "client_id": client.client_id,
            "gid": grant.grant_id,
            "scope": scope,
            "auth_time": int(grant.auth_time.timestamp()),
            "acr": grant.acr,
            "amr": list(grant.amr),
            **self._actor(client, grant),
        }
        if rests_on:
            claims["rests_on"] = list(rests_on)
        if grant.mandate_id is not None:
            claims["mandate"] = grant.mandate_id
        if client.metadata.may_act is not None:
            claims["may_act"] = {"sub": client.metadata.may_act}
        if not grant.authorization_details or audience != self.api_audience:
            return self._answer(claims, lifetime, now, confirmation)
        claims["authorization_details"] = grant.authorization_details
        answer = self._answer(claims, lifetime, now, confirmation)
        return {**answer, "authorization_details": grant.authorization_details}

    def client_token(
        self, client: Client, scope: str, now: datetime, confirmation: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return a token answer for our API in the client's own name."""
        claims = {
            "iss": self.issuer,
            "sub": client.client_id,
            "aud": self.api_audience,
            "client_id": client.client_id,
            "scope": scope,
        }
        return self._answer(claims, CLIENT_TOKEN_LIFETIME.seconds, now, confirmation)

    def authorization_response(self, client: Client, told: Mapping[str, str], now: datetime) -> str:
        """Return an authorization response as a JWT (JARM, section 2.1)."""
        expires_at = int(now.timestamp()) + ID_TOKEN_LIFETIME.seconds
        claims = {"iss": self.issuer, "aud": client.client_id, "exp": expires_at, **told}
        return self.signer.sign(claims, typ="JWT", algorithm=client.metadata.authorization_signed_response_alg)

    def id_token(
        self,
        client: Client,
        grant: Grant,
        access_token: str,
        *,
        nonce: str | None,
        now: datetime,
        extra: Mapping[str, Any],
    ) -> str:
        """Return an ID token in the client's algorithm, encrypted if it asked for that (Core, section 2)."""
        issued_at = int(now.timestamp())
        claims: dict[str, Any] = {
            **extra,
            "iss": self.issuer,
            "sub": self.subject(client.sector_identifier, grant.account_id),
            "aud": client.client_id,
            "iat": issued_at,
            "exp": issued_at + ID_TOKEN_LIFETIME.seconds,
            "auth_time": int(grant.auth_time.timestamp()),
            "acr": grant.acr,
            "amr": list(grant.amr),
            "at_hash": half_hash(access_token, client.id_token_algorithm),
            **self._actor(client, grant),
        }
        if grant.session_id is not None:
            claims["sid"] = self.session(client.client_id, grant.session_id)
        if nonce is not None:
            claims["nonce"] = nonce
        token = self.signer.sign(claims, typ="JWT", algorithm=client.id_token_algorithm)
        metadata = client.metadata
        if metadata.id_token_encrypted_response_alg is None:
            return token
        algorithm, method = metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc
        return encrypt(token, client.jwks, algorithm, method)

    def userinfo(self, client: Client, told: Mapping[str, Any]) -> str | None:
        """Return userinfo as a signed, perhaps encrypted JWT for clients that want one (Core, section 5.3.2)."""
        metadata = client.metadata
        if not (metadata.userinfo_signed_response_alg or metadata.userinfo_encrypted_response_alg):
            return None
        claims = {**told, "iss": self.issuer, "aud": client.client_id}
        token = self.signer.sign(claims, typ="JWT", algorithm=metadata.userinfo_signed_response_alg)
        if metadata.userinfo_encrypted_response_alg is None:
            return token
        algorithm, method = metadata.userinfo_encrypted_response_alg, metadata.userinfo_encrypted_response_enc
        return encrypt(token, client.jwks, algorithm, method)

    def introspection(self, client: Client, told: Mapping[str, Any], now: datetime) -> str:
        """Return an introspection answer as a signed JWT (RFC 9701)."""
        claims = {
            "iss": self.issuer,
            "aud": client.client_id,
            "iat": int(now.timestamp()),
            "token_introspection": dict(told),
        }
        algorithm = client.metadata.introspection_signed_response_alg
        return self.signer.sign(claims, typ="token-introspection+jwt", algorithm=algorithm)

    def _actor(self, client: Client, grant: Grant) -> dict[str, Any]:
        """Return `act` (RFC 8693) when somebody acts for the subject: who acts now outside, who acted before within."""
        act: dict[str, Any] = {}
        for name in reversed(grant.chain):
            kind, _, identifier = name.partition(":")
            sub = identifier if kind == "client" else self.subject(client.sector_identifier, identifier)
            act = {"act": {"sub": sub, **act}}
        return act

    def _answer(
        self, claims: Mapping[str, Any], lifetime: int, now: datetime, confirmation: Mapping[str, str] | None
    ) -> dict[str, Any]:
        issued_at = int(now.timestamp())
        stamped = {**claims, "iat": issued_at, "exp": issued_at + lifetime, "jti": new_secret(JTI_BITS)}
        if confirmation is not None:
            stamped["cnf"] = dict(confirmation)
        return {
            "access_token": self.signer.sign(stamped, typ=ACCESS_TOKEN_TYPE),
            "token_type": "DPoP" if confirmation is not None and "jkt" in confirmation else "Bearer",
            "expires_in": lifetime,
            "scope": claims["scope"],
        }

    def keyed(self, use: str, value: str) -> str:
        """Return a keyed hash for one use, base64url; different uses never collide."""
        mac = hmac.new(self._salt, f"hufu {use}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()


def half_hash(value: str, algorithm: str) -> str:
    """Return `at_hash`: the left half of the algorithm's hash (SHA-512 for EdDSA with Ed25519)."""
    hashed = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(value.encode("ascii")).digest()
    return base64.urlsafe_b64encode(hashed[: len(hashed) // 2]).rstrip(b"=").decode()
