"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verification.log.merkle import HASH_BYTES

ED25519, COSIGNATURE = b"\x01", b"\x04"
"""What a key signs: notes as they stand, or checkpoints with the time it saw them."""

DASH = "— "
_KEY_BYTES, ID_BYTES = 32, 4


class BadNote(Exception):
    """A note is not well formed, or no signature of the wanted key stands under it."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: a name, an Ed25519 public key (32 bytes), and what it signs."""

    name: str
    public_key: bytes
    kind: bytes = ED25519

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public_key).digest()[:ID_BYTES]

    @property
    def text(self) -> str:
        """Return the key as it is handed to auditors: `name+id+key`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.kind + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str, *, kind: bytes = ED25519) -> NoteKey:
        """Read `name+id+key` of a key of this kind; raises BadNote."""
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            key = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error) as error:
            raise BadNote("The key is not of the form name+id+key.") from error
        parsed = cls(name, key[1:], kind)
        if key[:1] != kind or len(parsed.public_key) != _KEY_BYTES or parsed.key_id.hex() != key_id:
            raise BadNote("The key is not an Ed25519 key of this kind with its id.")
        return parsed


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: whose, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def signature_line(key: NoteKey, signature: bytes) -> str:
    """Return the line under a note that carries one signature."""
    return f"{DASH}{key.name} {base64.b64encode(key.key_id + signature).decode()}\n"


def signed_note(body: str, lines: list[str]) -> str:
    """Return a note: its text, an empty line, the signature lines."""
    return f"{body}\n{''.join(lines)}"


def open_checkpoint(note: str, key: NoteKey) -> Checkpoint:
    """Read a checkpoint whose note the key signed; raises BadNote."""
    body, lines = parts_of(note)
    if not any(_signed(body, line, key) for line in lines):
        raise BadNote("No signature of the log's key stands under the checkpoint.")
    parts = body.split("\n")
    try:
        size, root = int(parts[1]), base64.b64decode(parts[2], validate=True)
    except (IndexError, ValueError, binascii.Error) as error:
        raise BadNote("The checkpoint is not well formed.") from error
    if parts[1] != str(size) or size < 0 or len(root) != HASH_BYTES:
        raise BadNote("The checkpoint is not well formed.")
    return Checkpoint(parts[0], size, root)


def parts_of(note: str) -> tuple[str, list[str]]:
    """Return the text of a note and the lines under it, each with its end; raises BadNote."""
    body, separator, rest = note.partition("\n\n")
    *lines, after = rest.split("\n")
    if not separator or after or not all(line.startswith(DASH) for line in lines):
        raise BadNote("The note is not text, an empty line, and whole lines of signatures.")
    return body + "\n", [line + "\n" for line in lines]


def signature_of(line: str, key: NoteKey) -> bytes | None:
    """Return what a key's signature line carries after the key's id, None when it is another's or damaged.

    Base64 has several spellings of some bytes; only the usual one is taken, so that no
    changed byte of a note goes unnoticed.
    """
    start = f"{DASH}{key.name} "
    encoded = line[len(start) : -1]
    if not line.startswith(start) or not line.endswith("\n"):
        return None
    try:
        value = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return None
    if value[:ID_BYTES] != key.key_id or base64.b64encode(value).decode() != encoded:
        return None
    return value[ID_BYTES:]


def _signed(body: str, line: str, key: NoteKey) -> bool:
    signature = signature_of(line, key)
    if signature is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, body.encode())
    except (ValueError, InvalidSignature):
        return False
    return True
