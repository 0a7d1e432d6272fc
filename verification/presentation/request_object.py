"""What a wallet is sent, and how its answer is opened (OpenID4VP 1.0, sections 5 and 8; HAIP 1.0). No I/O."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey

from foundation.errors import InvalidInput
from foundation.ids import new_secret
from keys.jws import b64url
from verification.presentation.dcql import FORMAT
from verification.presentation.issuers import ALGORITHMS
from verification.presentation.sd_jwt import MalformedSdJwt, strict_json, unbase64url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

TYPE = "oauth-authz-req+jwt"
AUDIENCE = "https://self-issued.me/v2"
"""Whom a request is for when the wallet is not known beforehand (OpenID4VP 1.0, 5.8)."""
KEY_AGREEMENT, ENCRYPTIONS = "ECDH-ES", ("A128GCM", "A256GCM")
ENCRYPTED, PLAIN = "direct_post.jwt", "direct_post"
MAXIMUM_RESPONSE = 256 * 1024
MAXIMUM_METADATA = 16 * 1024
MAXIMUM_NONCE = 512
_JWE_PARTS = 5


@dataclass(frozen=True, slots=True)
class Secrets:
    """What only the wallet that fetched the request can know, and the key its answer is encrypted to."""

    nonce: str = field(repr=False)
    state: str = field(repr=False)
    jwk: Mapping[str, Any] = field(repr=False)

    @classmethod
    def new(cls) -> Secrets:
        """Return fresh ones, used for one transaction (OpenID4VP 1.0, 5.2; HAIP 1.0, 5)."""
        key = ECKey.generate_key("P-256", {"kid": new_secret(128), "use": "enc", "alg": KEY_AGREEMENT})
        return cls(new_secret(192), new_secret(192), key.as_dict(private=True))

    def to_json(self) -> str:
        """Return what is stored, encrypted, until the answer came."""
        return json.dumps({"nonce": self.nonce, "state": self.state, "jwk": dict(self.jwk)})

    @classmethod
    def from_json(cls, text: str) -> Secrets:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def public_jwk(self) -> dict[str, Any]:
        """Return the key without its private part."""
        return {name: value for name, value in self.jwk.items() if name != "d"}


class _Registry(JWERegistry):
    """Allows for answers with several credentials; nothing is decompressed."""

    max_ciphertext_length = MAXIMUM_RESPONSE


def client_id(leaf_der: bytes) -> str:
    """Return how a wallet knows us: by the digest of the certificate requests are signed under."""
    return f"x509_hash:{b64url(hashlib.sha256(leaf_der).digest())}"


def wallet_link(client: str, request_uri: str) -> str:
    """Return the link of the QR code; it holds no secret but where to ask."""
    said = {"client_id": client, "request_uri": request_uri, "request_uri_method": "post"}
    return f"openid4vp://?{urlencode(said)}"


def request_claims(
    *,
    client: str,
    response_uri: str,
    response_mode: str,
    query: Mapping[str, Any],
    secrets: Secrets,
    info: Mapping[str, Any],
    now: datetime,
    expires_at: datetime,
    wallet_nonce: str | None,
) -> dict[str, Any]:
    """Return the claims of a request object."""
    metadata: dict[str, Any] = {
        "vp_formats_supported": {FORMAT: {"sd-jwt_alg_values": [*ALGORITHMS], "kb-jwt_alg_values": [*ALGORITHMS]}}
    }
    if response_mode == ENCRYPTED:
        metadata["jwks"] = {"keys": [secrets.public_jwk]}
        metadata["encrypted_response_enc_values_supported"] = [*ENCRYPTIONS]
    claims = {
        "client_id": client,
        "aud": AUDIENCE,
        "response_type": "vp_token",
        "response_mode": response_mode,
        "response_uri": response_uri,
        "nonce": secrets.nonce,
        "state": secrets.state,
        "dcql_query": dict(query),
        "client_metadata": metadata,
        "verifier_info": [dict(info)],
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    return claims if wallet_nonce is None else {**claims, "wallet_nonce": wallet_nonce}


def check_wallet(wallet_metadata: str | None, wallet_nonce: str | None) -> None:
    """Refuse a wallet that cannot read what we send; raises InvalidInput."""
    if wallet_nonce is not None and not (0 < len(wallet_nonce) <= MAXIMUM_NONCE and wallet_nonce.isprintable()):
        raise InvalidInput("A nonce is a short text.", field="wallet_nonce")
    if wallet_metadata is None:
        return
    try:
        said = strict_json(wallet_metadata[: MAXIMUM_METADATA + 1].encode())
    except (MalformedSdJwt, UnicodeEncodeError) as error:
        raise InvalidInput("This is no JSON object of at most 16 KiB.", field="wallet_metadata") from error
    if not isinstance(said, dict) or len(wallet_metadata) > MAXIMUM_METADATA:
        raise InvalidInput("This is no JSON object of at most 16 KiB.", field="wallet_metadata")
    for name, ours in (("vp_formats_supported", FORMAT), ("request_object_signing_alg_values_supported", "ES256")):
        listed = said.get(name, [ours])
        if not isinstance(listed, list | dict) or ours not in listed:
            raise InvalidInput(f"The wallet does not support {ours}.", field="wallet_metadata")


def open_response(unverified_jwe: str, secrets: Secrets) -> dict[str, Any]:
    """Decrypt an answer with the transaction's own key; raises MalformedSdJwt."""
    parts = unverified_jwe.split(".")
    if len(unverified_jwe) > MAXIMUM_RESPONSE or len(parts) != _JWE_PARTS or not unverified_jwe.isascii():
        raise MalformedSdJwt("It is no encrypted answer.")
    header = strict_json(unbase64url(parts[0]))
    # The key is ours and of this transaction, whatever the header says; `zip` would be a bomb's fuse.
    named = isinstance(header, dict) and header.get("kid") == secrets.jwk["kid"] and "zip" not in header
    if not named or header.get("alg") != KEY_AGREEMENT or header.get("enc") not in ENCRYPTIONS:
        raise MalformedSdJwt("It is not encrypted as the request asked.")
    try:
        registry = _Registry(algorithms=[KEY_AGREEMENT, *ENCRYPTIONS])
        opened = jwe.decrypt_compact(unverified_jwe, ECKey.import_key(dict(secrets.jwk)), registry=registry)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise MalformedSdJwt("It does not decrypt.") from error
    members = strict_json(opened.plaintext or b"")
    if not isinstance(members, dict):
        raise MalformedSdJwt("It holds no object.")
    return members
