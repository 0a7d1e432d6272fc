"""Remembers a PIN that a token refused, so that a service that restarts in a loop cannot lock the token."""

from __future__ import annotations

import hmac
import json
import os
from typing import TYPE_CHECKING

from argon2.low_level import Type, hash_secret_raw

from keys.errors import KeystoreLocked

if TYPE_CHECKING:
    from pathlib import Path


class RefusedPin:
    """One file with a slow hash of the last refused PIN."""

    def __init__(self, path: Path) -> None:
        """Keep it here."""
        self._path = path

    def check(self, pin: str) -> None:
        """Raise KeystoreLocked for the PIN that was refused before; another one may be tried."""
        try:
            kept = json.loads(self._path.read_text())
            salt, digest = bytes.fromhex(kept["salt"]), bytes.fromhex(kept["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        if hmac.compare_digest(_hash(pin, salt), digest):
            raise KeystoreLocked("The token refused this PIN before; correct HUFU_PKCS11_PIN.")

    def remember(self, pin: str) -> None:
        """Keep a refused PIN's hash."""
        salt = os.urandom(16)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"salt": salt.hex(), "digest": _hash(pin, salt).hex()}, file)

    def forget(self) -> None:
        """Drop it once the token let us in."""
        self._path.unlink(missing_ok=True)


def _hash(pin: str, salt: bytes) -> bytes:
    return hash_secret_raw(pin.encode(), salt, time_cost=3, memory_cost=65536, parallelism=2, hash_len=32, type=Type.ID)
