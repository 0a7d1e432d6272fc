"""Reads HF1 codes: `<verify page>#HF1` + base32(zlib(COSE_Sign1(CWT))).

Written from docs/architecture.md alone, so that what the vault writes is read by code
that shares nothing with it.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from verification.cbor import BadCbor, Tagged, decode, encode_bytes, encode_text
from verification.signing_keys import COORDINATE, holds

if TYPE_CHECKING:
    from verification.trust import VerificationKey

PREFIX = "HF1"
MAXIMUM_TEXT = 4_000
MAXIMUM_CONTENT = 8_192
KEY_ID_BYTES = 8
_COSE_SIGN1 = 18
_ES256 = -7
_LICENCE = -65537
_EPOCH = date(1970, 1, 1)
_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHIJKLMNOPQRSTUV")
_BASE32 = re.compile(r"[A-Z2-7]+")
_SIGNATURE1_HEAD = b"\x84" + encode_text("Signature1")


class MalformedCode(Exception):
    """The text is not an HF1 code; the message says where it goes wrong, without its content."""


@dataclass(frozen=True, slots=True)
class CodeContents:
    """What a code says. Nothing of it is believed before its signature is checked."""

    service_id: str
    issued_at: datetime
    expires_at: datetime | None
    identifier: str
    type_name: str
    holder_names: tuple[str, ...]
    holder_code_tail: str
    valid_from: date
    valid_to: date | None
    status_list: int
    status_index: int
    issuer_name: str
    is_copy: bool


@dataclass(frozen=True, slots=True)
class Code:
    """A code taken apart: its contents and what its signature covers."""

    key_id: bytes
    contents: CodeContents
    signed: bytes
    signature: bytes

    def signed_by(self, key: VerificationKey) -> bool:
        """Tell whether a P-256 key made the signature."""
        return holds(key.public_key_der, self.signature, self.signed)


def read_code(unverified_text: str) -> Code:
    """Take a code apart; raises MalformedCode.

    Args:
        unverified_text: the whole link, its fragment, or the text from `HF1` on.
    """
    try:
        return _code(decode(_inflate(_payload(unverified_text))))
    except BadCbor as error:
        raise MalformedCode(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MalformedCode("A field is missing or of the wrong kind.") from error


def _payload(text: str) -> bytes:
    text = "".join(text.split())
    if len(text) > MAXIMUM_TEXT:
        raise MalformedCode("The text is too long.")
    text = text.rpartition("#")[2].upper()
    if not text.startswith(PREFIX):
        raise MalformedCode("The text is not an HF1 code.")
    encoded = text[len(PREFIX) :]
    if not _BASE32.fullmatch(encoded):
        raise MalformedCode("The text holds characters that no code has.")
    # Python reads digits to the base 32 an order of magnitude faster than its base64 module reads base32.
    spare = 5 * len(encoded) % 8
    value = int(encoded.translate(_DIGITS), 32)
    if spare >= 5 or value & ((1 << spare) - 1):  # noqa: PLR2004 - a whole character without a bit of data
        raise MalformedCode("The text was cut off.")
    return (value >> spare).to_bytes(5 * len(encoded) // 8, "big")


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, MAXIMUM_CONTENT)
    except zlib.error as error:
        raise MalformedCode("The text is damaged.") from error
    if not inflater.eof or inflater.unused_data:
        raise MalformedCode("The text is damaged or too long.")
    return content


def _code(value: object) -> Code:
    if not isinstance(value, Tagged) or value.tag != _COSE_SIGN1 or not isinstance(value.value, list):
        raise MalformedCode("It is not a COSE_Sign1.")
    protected, unprotected, payload, signature = value.value
    if unprotected != {} or not isinstance(protected, bytes) or not isinstance(payload, bytes):
        raise MalformedCode("Its headers are not those of a code.")
    header = decode(protected)
    if not isinstance(header, dict) or set(header) != {1, 4} or header[1] != _ES256:
        raise MalformedCode("Its headers are not those of a code.")
    if not isinstance(header[4], bytes) or len(header[4]) != KEY_ID_BYTES:
        raise MalformedCode("Its key id is not of 8 bytes.")
    if not isinstance(signature, bytes) or len(signature) != 2 * COORDINATE:
        raise MalformedCode("Its signature is not of 64 bytes.")
    claims = decode(payload)
    if not isinstance(claims, dict):
        raise MalformedCode("It holds no claims.")
    signed = _SIGNATURE1_HEAD + encode_bytes(protected) + encode_bytes(b"") + encode_bytes(payload)
    return Code(header[4], _contents(claims), signed, signature)


def _contents(claims: dict[Any, Any]) -> CodeContents:
    licence = claims[_LICENCE]
    return CodeContents(
        service_id=_text(claims[1]),
        issued_at=_moment(claims[6]),
        expires_at=_moment(claims[4]) if 4 in claims else None,  # noqa: PLR2004 - CWT claim 4, exp
        identifier=_text(licence[1]),
        type_name=_text(licence[2]),
        holder_names=tuple(_text(name) for name in licence[3]),
        holder_code_tail=_text(licence[4]),
        valid_from=_day(licence[5]),
        valid_to=_day(licence[6]) if 6 in licence else None,  # noqa: PLR2004 - the map's key 6
        status_list=_count(licence[7]),
        status_index=_count(licence[8]),
        issuer_name=_text(licence[9]),
        is_copy=licence.get(10, 0) == 1,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedCode("A field is not text.")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedCode("A field is not a number.")
    return value


def _moment(value: object) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=_count(value))


def _day(value: object) -> date:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedCode("A date is not a number of days.")
    return _EPOCH + timedelta(days=value)
