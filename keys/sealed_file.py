"""Files that leave the online store: the offline root's key and backups.

JSON with Argon2id parameters (RFC 9106) and AES-256-GCM; the kind is authenticated, so
that a backup cannot be passed off as a root export. Written once, readable by the owner only.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from foundation.errors import InvalidInput
from keys.errors import BackupUnreadable, FileNotWritten

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
MIN_PASSPHRASE = 16
ARGON2 = {"time_cost": 3, "memory_cost": 262_144, "parallelism": 4}
"""These files travel, so guessing is made costlier than at a start of the service: 256 MiB."""
_MAX_MEMORY_KIB = 4_194_304


def seal(content: bytes, kind: str, passphrase: str, costs: dict[str, int] = ARGON2) -> bytes:
    """Return the file's bytes; raises InvalidInput for a short passphrase."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise InvalidInput(f"The passphrase needs at least {MIN_PASSPHRASE} characters.", field="passphrase")
    salt, nonce = os.urandom(16), os.urandom(12)
    ciphertext = AESGCM(_derive(passphrase, salt, costs)).encrypt(nonce, content, _context(kind))
    document = {
        "format": "hufu-sealed-file",
        "version": VERSION,
        "kind": kind,
        "argon2id": {"salt": _text(salt), **costs},
        "nonce": _text(nonce),
        "ciphertext": _text(ciphertext),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def unseal(data: bytes, kind: str, passphrase: str) -> bytes:
    """Return what was sealed; raises BackupUnreadable."""
    try:
        document = json.loads(data)
        parameters = document["argon2id"]
        salt, nonce = base64.b64decode(parameters["salt"]), base64.b64decode(document["nonce"])
        ciphertext = base64.b64decode(document["ciphertext"])
        costs = {name: int(parameters[name]) for name in ARGON2}
        known = document["format"] == "hufu-sealed-file" and document["version"] == VERSION
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise BackupUnreadable("This is not a sealed file of Hufu.") from error
    if not known or document["kind"] != kind or costs["memory_cost"] > _MAX_MEMORY_KIB:
        raise BackupUnreadable(f"This is not a {kind} file.")
    try:
        return AESGCM(_derive(passphrase, salt, costs)).decrypt(nonce, ciphertext, _context(kind))
    except (InvalidTag, ValueError) as error:
        raise BackupUnreadable("The file is damaged, or the passphrase is wrong.") from error


def write_private(path: Path, data: bytes) -> None:
    """Write a new file for its owner alone, whole and durably, or nothing; an existing one is never overwritten.

    Raises: FileNotWritten.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise FileNotWritten(f"{path} cannot be created: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise FileNotWritten(f"{path} cannot be written: {error.strerror}.") from error


def _derive(passphrase: str, salt: bytes, costs: dict[str, int]) -> bytes:
    return hash_secret_raw(passphrase.encode(), salt, hash_len=32, type=Type.ID, **costs)


def _context(kind: str) -> bytes:
    return f"hufu-sealed-file:{VERSION}:{kind}".encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
