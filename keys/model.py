"""Keys as facts: purpose, state, algorithm, and the rules between them. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from keys.errors import KeyNotUsable, WrongPurpose

if TYPE_CHECKING:
    from datetime import datetime


class KeyPurpose(StrEnum):
    """What a key may be used for; it is used for nothing else."""

    ROOT_CA = "root_ca"
    ISSUING_CA = "issuing_ca"
    SEAL = "seal"
    PERSON = "person"
    TSA = "tsa"
    OCSP = "ocsp"
    TOKEN = "token"  # noqa: S105 - the name of a purpose
    QR = "qr"
    RECEIPT = "receipt"
    STATUS_LIST = "status_list"
    TRUST_LIST = "trust_list"
    CHECKPOINT = "checkpoint"
    PRESENTATION = "presentation"


class KeyState(StrEnum):
    """Where a key is in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


class Custody(StrEnum):
    """Which process may open a key."""

    ONLINE = "online"
    """Any web or worker process: token and receipt keys."""
    SIGNER = "signer"
    """The signer alone."""


ONLINE_PURPOSES = frozenset({KeyPurpose.TOKEN, KeyPurpose.RECEIPT})

DIGEST_PURPOSES = frozenset(
    {
        KeyPurpose.SEAL,
        KeyPurpose.PERSON,
        KeyPurpose.QR,
        KeyPurpose.STATUS_LIST,
        KeyPurpose.TRUST_LIST,
        KeyPurpose.CHECKPOINT,
        KeyPurpose.PRESENTATION,
    }
)
"""Purposes that sign what a caller prepared. CA, TSA and OCSP keys sign only what the signer itself has built."""

INTENDED_PURPOSES = frozenset({KeyPurpose.SEAL, KeyPurpose.PERSON})
"""Purposes that sign only what a stored, confirmed intention names."""

TRANSITIONS: dict[KeyState, frozenset[KeyState]] = {
    KeyState.PENDING: frozenset({KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset({KeyState.RETIRING, KeyState.RETIRED, KeyState.COMPROMISED}),
    KeyState.RETIRING: frozenset({KeyState.RETIRED, KeyState.COMPROMISED}),
    KeyState.RETIRED: frozenset({KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.COMPROMISED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset(),
}
"""A compromise is never undone, and a destroyed key has no next state."""

CERTIFIED_PURPOSES = frozenset(
    {
        KeyPurpose.ISSUING_CA,
        KeyPurpose.TSA,
        KeyPurpose.OCSP,
        KeyPurpose.SEAL,
        KeyPurpose.PERSON,
        KeyPurpose.PRESENTATION,
    }
)
"""Purposes whose keys are used under a certificate only."""

LISTING_STATES = frozenset({KeyState.ACTIVE, KeyState.RETIRING})
"""States in which a CA answers for what it issued; only an active one issues more."""

PUBLISHED_STATES = frozenset({KeyState.PENDING, KeyState.ACTIVE, KeyState.RETIRING})
"""States in which a public key stands in the JWKS and lists: a new key is known before it is first used."""


def custody_of(purpose: KeyPurpose) -> Custody:
    """Return which process may open keys of a purpose."""
    return Custody.ONLINE if purpose in ONLINE_PURPOSES else Custody.SIGNER


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """The public side of one key.

    `owner` is empty for the service's own keys, a CA's name (`root`, `persons`,
    `seals`, `infrastructure`) for CA keys, a credit code for seals, a person id for
    persons. `certificate_chain_der` goes from the leaf up and leaves the root out
    unless the key is the root. What a compromised key signed from `not_trusted_from`
    on is not trusted.
    """

    key_id: str
    purpose: KeyPurpose
    owner: str
    state: KeyState
    algorithm: str
    public_key_der: bytes
    certificate_chain_der: tuple[bytes, ...] = ()
    not_trusted_from: datetime | None = None
    created_at: datetime | None = None

    @property
    def qr_key_id(self) -> bytes:
        """Return the 8-byte key id of the HF1 code: the head of SHA-256 over the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.public_key_der).digest()[:8]


def require_use(info: KeyInfo, purpose: KeyPurpose) -> None:
    """Check that a key may make a signature for a purpose now.

    Raises: WrongPurpose; KeyNotUsable unless the key is active.
    """
    if info.purpose is not purpose:
        raise WrongPurpose(f"Key {info.key_id} is a {info.purpose} key, not a {purpose} key.")
    if info.state is not KeyState.ACTIVE:
        raise KeyNotUsable(f"Key {info.key_id} is {info.state}.")
