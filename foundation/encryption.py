"""Field and blob encryption, and the blind index for exact-match lookups.

AES-256-GCM with a 96-bit random nonce. The stored form is
`version (1) || key number (2, big endian) || nonce (12) || ciphertext and tag`;
the context (such as `persons.name`) is authenticated, so a value moved to another
column does not decrypt. New values use the newest key; old keys still decrypt.
The blind index is HMAC-SHA-256 under a key of its own over context and value.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from foundation.errors import TrustServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
NONCE_BYTES = 12
HEADER_BYTES = 3
KEY_BYTES = 32


class UndecryptableField(TrustServiceError):
    """A stored value was altered, moved, or encrypted under a key we do not hold."""


class FieldCipher:
    """Encrypts values at rest under numbered keys."""

    def __init__(self, keys: Mapping[int, bytes], index_key: bytes) -> None:
        """Take keys by number (the highest encrypts) and the index key, 32 bytes each."""
        if not keys or any(len(key) != KEY_BYTES for key in (*keys.values(), index_key)):
            message = "field encryption needs at least one key, and every key 32 bytes"
            raise ValueError(message)
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self._newest = max(keys)
        self._index_key = index_key

    def encrypt(self, plaintext: str, context: str) -> bytes:
        """Encrypt text for one column named by `context`."""
        return self.encrypt_bytes(plaintext.encode(), context)

    def decrypt(self, stored: bytes, context: str) -> str:
        """Return the text; raises UndecryptableField."""
        return self.decrypt_bytes(stored, context).decode()

    def encrypt_bytes(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt bytes for one column or blob named by `context`."""
        header = bytes([VERSION]) + self._newest.to_bytes(2, "big")
        nonce = os.urandom(NONCE_BYTES)
        return header + nonce + self._ciphers[self._newest].encrypt(nonce, plaintext, header + context.encode())

    def decrypt_bytes(self, stored: bytes, context: str) -> bytes:
        """Return the bytes; raises UndecryptableField."""
        header, nonce = stored[:HEADER_BYTES], stored[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        cipher = self._ciphers.get(int.from_bytes(header[1:], "big"))
        if len(nonce) != NONCE_BYTES or header[0] != VERSION or cipher is None:
            raise UndecryptableField("The stored value has no known encryption header.")
        try:
            return cipher.decrypt(nonce, stored[HEADER_BYTES + NONCE_BYTES :], header + context.encode())
        except InvalidTag as error:
            raise UndecryptableField("The stored value does not decrypt.") from error

    def needs_rotation(self, stored: bytes) -> bool:
        """Tell whether a value is encrypted under an older key."""
        return int.from_bytes(stored[1:HEADER_BYTES], "big") != self._newest

    def blind_index(self, value: str, context: str) -> bytes:
        """Return the 32-byte keyed index of a normalised value."""
        return hmac.new(self._index_key, f"{context}\0{value}".encode(), hashlib.sha256).digest()
