"""Cosignatures of checkpoints (C2SP tlog-cosignature, Ed25519): who else saw this tree, and when. Pure.

A witness has checked that the tree only grew since it last looked, so whoever asks for
some witnesses' cosignatures cannot be shown a tree that others were not shown.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verification.log.notes import COSIGNATURE, DASH, NoteKey, parts_of, signature_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_TIME_BYTES, _SIGNATURE_BYTES = 8, 64


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One witness's word on one checkpoint."""

    witness: str
    line: str
    signed_at: datetime


def cosigned_message(body: str, seconds: int) -> bytes:
    """Return what a witness signs: the time it looked, and the checkpoint's text."""
    return f"cosignature/v1\ntime {seconds}\n{body}".encode()


def cosignature_line(key: NoteKey, seconds: int, signature: bytes) -> str:
    """Return the line under a checkpoint that carries a cosignature."""
    value = key.key_id + seconds.to_bytes(_TIME_BYTES, "big") + signature
    return f"{DASH}{key.name} {base64.b64encode(value).decode()}\n"


def cosigner(text: str) -> NoteKey:
    """Read a witness's verifier key; raises BadNote for any other."""
    return NoteKey.parse(text, kind=COSIGNATURE)


def cosignatures(note: str, witnesses: Iterable[NoteKey]) -> tuple[Cosignature, ...]:
    """Return the cosignatures of these witnesses that hold; one of each, others are passed over."""
    body, lines = parts_of(note)
    found: dict[str, Cosignature] = {}
    for key in witnesses:
        for line in lines:
            signed_at = _signed_at(body, line, key)
            if signed_at is not None:
                found.setdefault(key.name, Cosignature(key.name, line, signed_at))
    return tuple(found.values())


def _signed_at(body: str, line: str, key: NoteKey) -> datetime | None:
    value = signature_of(line, key)
    if value is None or len(value) != _TIME_BYTES + _SIGNATURE_BYTES:
        return None
    seconds = int.from_bytes(value[:_TIME_BYTES], "big")
    try:
        public = Ed25519PublicKey.from_public_bytes(key.public_key)
        public.verify(value[_TIME_BYTES:], cosigned_message(body, seconds))
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, InvalidSignature, OverflowError, OSError):
        return None
