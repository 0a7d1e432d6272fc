"""Key-encryption keys: how private keys lie at rest.

Each custody (online, signer) has its own 256-bit KEK, derived by Argon2id from its
passphrase or held in a file only its user can read, so that a web process cannot open
what the signer holds even with the whole database in hand.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import KeystoreLocked

if TYPE_CHECKING:
    from pathlib import Path

    from keys.model import Custody

KEK_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 16
ARGON2 = {"time_cost": 3, "memory_cost": 65536, "parallelism": 2}
"""RFC 9106 section 4, second recommended option, at half its lanes: 0.15 s once per process."""
ARGON2_TEST = {"time_cost": 1, "memory_cost": 1024, "parallelism": 1}
"""For the test profile, where hundreds of keystores live a second each."""
_CHECK = b"hufu keystore"


class KeyEncryptionKey:
    """Wraps and unwraps under AES-256-GCM; the context is authenticated."""

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes."""
        self._cipher = AESGCM(key)

    def wrap(self, plaintext: bytes, context: str) -> bytes:
        """Return nonce, ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the plaintext; raises KeystoreLocked when key, context or bytes are not the ones that wrapped it."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise KeystoreLocked("A stored key does not open under this keystore's secret.") from error


@dataclass(frozen=True, slots=True)
class KeystoreLock:
    """What the database holds to recognise the right secret: derivation parameters and a check value."""

    derivation: dict[str, Any]
    check: bytes

    @classmethod
    def fasten(
        cls, custody: Custody, passphrase: str, key_file: Path, costs: dict[str, int]
    ) -> tuple[KeystoreLock, KeyEncryptionKey]:
        """Make the lock of a new keystore; without a passphrase the KEK goes into a new file."""
        if passphrase:
            derivation: dict[str, Any] = {"method": "argon2id", "salt": os.urandom(SALT_BYTES).hex(), **costs}
        else:
            derivation = {"method": "file"}
            _write_key_file(key_file)
        kek = _derive(derivation, passphrase, key_file)
        return cls(derivation, kek.wrap(_CHECK, f"check:{custody}")), kek

    def open(self, custody: Custody, passphrase: str, key_file: Path) -> KeyEncryptionKey:
        """Return the KEK; raises KeystoreLocked for a wrong or missing secret."""
        kek = _derive(self.derivation, passphrase, key_file)
        try:
            kek.unwrap(self.check, f"check:{custody}")
        except KeystoreLocked:
            raise KeystoreLocked(f"The {custody} keystore does not open: wrong passphrase or key file.") from None
        return kek


def _derive(derivation: dict[str, Any], passphrase: str, key_file: Path) -> KeyEncryptionKey:
    if derivation["method"] == "file":
        return KeyEncryptionKey(_read_key_file(key_file))
    if not passphrase:
        raise KeystoreLocked("This keystore was made with a passphrase, and none is set.")
    return KeyEncryptionKey(
        hash_secret_raw(
            passphrase.encode(),
            bytes.fromhex(derivation["salt"]),
            time_cost=derivation["time_cost"],
            memory_cost=derivation["memory_cost"],
            parallelism=derivation["parallelism"],
            hash_len=KEK_BYTES,
            type=Type.ID,
        )
    )


def _write_key_file(path: Path) -> None:
    """Create the file once; one already there (a ceremony that failed half way) is used again."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEK_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read_key_file(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise KeystoreLocked(f"{path} must be readable by its owner only.")
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except (OSError, binascii.Error) as error:
        raise KeystoreLocked(f"The key file {path} is missing or unreadable.") from error
    if len(key) != KEK_BYTES:
        raise KeystoreLocked(f"The key file {path} does not hold {KEK_BYTES} bytes.")
    return key
