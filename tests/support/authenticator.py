"""A software passkey authenticator: makes credentials and signs challenges as a platform does.

Web Authentication level 3, sections 6.1 (authenticator data), 6.3.2, 6.3.3; ES256, no attestation.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """Holds one resident key an account; `counting` authenticators raise a counter with each use."""

    origin: str
    counting: bool = True
    verifies_user: bool = True
    sign_count: int = 0
    _keys: dict[bytes, tuple[ec.EllipticCurvePrivateKey, str, bytes]] = field(default_factory=dict)

    def create(self, options: dict[str, Any], **changes: Any) -> str:  # noqa: ANN401 - what a test falsifies
        """Answer `navigator.credentials.create`."""
        key = ec.generate_private_key(ec.SECP256R1())
        credential_id = os.urandom(32)
        self._keys[credential_id] = (key, options["rp"]["id"], unb64url(options["user"]["id"]))
        numbers = key.public_key().public_numbers()
        cose_key = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        attested = bytes(16) + struct.pack(">H", len(credential_id)) + credential_id + cose_key
        data = self._data(options["rp"]["id"], ATTESTED) + attested
        client_data = self._client_data("webauthn.create", options, changes)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": b64url(client_data), "attestationObject": b64url(attestation)}
        return self._credential(credential_id, response)

    def get(self, options: dict[str, Any], **changes: Any) -> str:  # noqa: ANN401 - what a test falsifies
        """Answer `navigator.credentials.get` with the first credential allowed."""
        allowed = [unb64url(item["id"]) for item in options.get("allowCredentials") or []] or list(self._keys)
        credential_id = next(item for item in allowed if item in self._keys)
        key, rp_id, user_handle = self._keys[credential_id]
        if self.counting:
            self.sign_count += 1
        data = self._data(rp_id, 0)
        client_data = self._client_data("webauthn.get", options, changes)
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64url(client_data),
            "authenticatorData": b64url(data),
            "signature": b64url(signature),
            "userHandle": b64url(user_handle),
        }
        return self._credential(credential_id, response)

    def _data(self, rp_id: str, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies_user else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.sign_count)

    def _client_data(self, kind: str, options: dict[str, Any], changes: dict[str, Any]) -> bytes:
        data = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(data | changes).encode()

    @staticmethod
    def _credential(credential_id: bytes, response: dict[str, str]) -> str:
        name = b64url(credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
