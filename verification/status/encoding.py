"""The bytes of a Token Status List (draft-ietf-oauth-status-list): packing, JWT and CWT claims.

Two bits an entry, the lowest bits of a byte first, compressed by zlib. Pure; written
without the library that the tests compare it with.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from verification.cbor import BadCbor, Tagged, decode, encode_bytes, encode_head, encode_text

if TYPE_CHECKING:
    from collections.abc import Iterable

BITS = 2
PER_BYTE = 8 // BITS
JWT_TYPE = "statuslist+jwt"
CWT_TYPE = "application/statuslist+cwt"
MAXIMUM_BYTES = 64 * 1024 * 1024
_CLAIM_SUBJECT, _CLAIM_EXPIRES, _CLAIM_ISSUED, _CLAIM_LIST, _CLAIM_TTL = 2, 4, 6, 65533, 65534
_HEADER_ALGORITHM, _HEADER_KEY_ID, _HEADER_TYPE = 1, 4, 16
_ES256, _COSE_SIGN1 = -7, 18


class BadStatusList(Exception):
    """The bytes are no status list."""


@dataclass(frozen=True, slots=True)
class StatusListFacts:
    """What a status list token says: where it is published, when it was made, how long it may be used."""

    subject: str
    issued_at: datetime
    expires_at: datetime
    ttl_seconds: int
    lst: bytes

    def values(self) -> StatusValues:
        """Unpack the list; raises BadStatusList."""
        return StatusValues(inflate(self.lst))


@dataclass(frozen=True, slots=True)
class StatusValues:
    """An unpacked list."""

    packed: bytes

    def at(self, index: int) -> int | None:
        """Return the value at a place, None beyond the end."""
        byte, place = divmod(index, PER_BYTE)
        if index < 0 or byte >= len(self.packed):
            return None
        return self.packed[byte] >> (BITS * place) & 0b11


def pack(size: int, entries: Iterable[tuple[int, int]]) -> bytes:
    """Return a packed list of `size` places, zero but for the given (place, value) pairs."""
    packed = bytearray(-(-size // PER_BYTE))
    for index, value in entries:
        byte, place = divmod(index, PER_BYTE)
        packed[byte] |= value << (BITS * place)
    return bytes(packed)


def deflate(packed: bytes) -> bytes:
    """Compress a packed list."""
    return zlib.compress(packed, 9)


def inflate(lst: bytes, most: int = MAXIMUM_BYTES) -> bytes:
    """Decompress a list within a limit; raises BadStatusList."""
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(lst, most)
    except zlib.error as error:
        raise BadStatusList("The list is damaged.") from error
    if not inflater.eof or inflater.unused_data:
        raise BadStatusList("The list is damaged or too long.")
    return packed


def jwt_claims(facts: StatusListFacts) -> dict[str, Any]:
    """Return the claims of the JWT form."""
    return {
        "sub": facts.subject,
        "iat": int(facts.issued_at.timestamp()),
        "exp": int(facts.expires_at.timestamp()),
        "ttl": facts.ttl_seconds,
        "status_list": {"bits": BITS, "lst": base64.urlsafe_b64encode(facts.lst).rstrip(b"=").decode()},
    }


def cwt_parts(facts: StatusListFacts, key_id: bytes) -> tuple[bytes, bytes]:
    """Return the protected header and the payload of the CWT form, both encoded."""
    protected = (
        encode_head(5, 3)
        + encode_head(0, _HEADER_ALGORITHM)
        + encode_head(1, -1 - _ES256)
        + encode_head(0, _HEADER_KEY_ID)
        + encode_bytes(key_id)
        + encode_head(0, _HEADER_TYPE)
        + encode_text(CWT_TYPE)
    )
    status_list = (
        encode_head(5, 2) + encode_text("lst") + encode_bytes(facts.lst) + encode_text("bits") + encode_head(0, BITS)
    )
    payload = encode_head(5, 5)
    payload += encode_head(0, _CLAIM_SUBJECT) + encode_text(facts.subject)
    payload += encode_head(0, _CLAIM_EXPIRES) + encode_head(0, int(facts.expires_at.timestamp()))
    payload += encode_head(0, _CLAIM_ISSUED) + encode_head(0, int(facts.issued_at.timestamp()))
    payload += encode_head(0, _CLAIM_LIST) + status_list
    payload += encode_head(0, _CLAIM_TTL) + encode_head(0, facts.ttl_seconds)
    return protected, payload


def signature_structure(protected: bytes, payload: bytes) -> bytes:
    """Return what a COSE_Sign1 signature covers (RFC 9052, section 4.4)."""
    return (
        encode_head(4, 4)
        + encode_text("Signature1")
        + encode_bytes(protected)
        + encode_bytes(b"")
        + encode_bytes(payload)
    )


def cose_sign1(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Return a tagged COSE_Sign1."""
    body = encode_bytes(protected) + encode_head(5, 0) + encode_bytes(payload) + encode_bytes(signature)
    return encode_head(6, _COSE_SIGN1) + encode_head(4, 4) + body


@dataclass(frozen=True, slots=True)
class StatusListToken:
    """A CWT status list taken apart; believed once its signature is checked."""

    key_id: bytes
    facts: StatusListFacts
    signed: bytes
    signature: bytes


def read_cwt(data: bytes) -> StatusListToken:
    """Take a CWT status list apart; raises BadStatusList."""
    try:
        return _read_token(decode(data))
    except (BadCbor, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise BadStatusList("It is no status list.") from error


def _read_token(value: Any) -> StatusListToken:  # noqa: ANN401 - decoded CBOR; a wrong shape is a TypeError
    if not isinstance(value, Tagged) or value.tag != _COSE_SIGN1 or not isinstance(value.value, list):
        raise BadStatusList("It is not a COSE_Sign1.")
    protected, unprotected, payload, signature = value.value
    header: Any = decode(protected)
    claims: Any = decode(payload)
    if header[_HEADER_ALGORITHM] != _ES256 or header[_HEADER_TYPE] != CWT_TYPE or unprotected != {}:
        raise BadStatusList("It is another kind of token.")
    status_list = claims[_CLAIM_LIST]
    if status_list["bits"] != BITS or not isinstance(status_list["lst"], bytes) or not isinstance(signature, bytes):
        raise BadStatusList("Its entries are not of two bits, or it has none.")
    facts = StatusListFacts(
        subject=claims[_CLAIM_SUBJECT],
        issued_at=datetime.fromtimestamp(claims[_CLAIM_ISSUED], UTC),
        expires_at=datetime.fromtimestamp(claims[_CLAIM_EXPIRES], UTC),
        ttl_seconds=int(claims.get(_CLAIM_TTL, 0)),
        lst=status_list["lst"],
    )
    return StatusListToken(header[_HEADER_KEY_ID], facts, signature_structure(protected, payload), signature)
