"""What goes over the signer's socket: CBOR frames, and how each value is packed.

A frame is four bytes of length and one CBOR array. A call is `[number, operation,
arguments]`; an answer is `[number, 0, value]` or `[number, 1, error, detail, field]`.
Only the operations named here exist; nothing else of the signer can be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cbor2

from foundation import errors as foundation_errors
from foundation.errors import InvalidInput, TrustServiceError
from foundation.principal import Channel, Principal, PrincipalKind
from keys import der
from keys import errors as keys_errors
from keys.certificates import Issuer
from keys.errors import ProviderUnavailable
from keys.model import KeyInfo, KeyPurpose, KeyState
from keys.revocation import RevocationReason
from keys.seal_proofs import Confirmer, ConfirmerKind
from keys.signer.port import SubjectFacts

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH_BYTES = 4
MAX_CALL_BYTES = 1 << 20
MAX_ANSWER_BYTES = 1 << 28


class BadFrame(Exception):
    """The peer does not speak this protocol; the connection is closed."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value is packed and checked on arrival."""

    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


def _is(kind: type) -> Callable[[Any], Any]:
    def check(value: object) -> object:
        if type(value) is not kind:
            raise InvalidInput(f"A value is not a {kind.__name__}.")
        return value

    return check


def _same(value: object) -> object:
    return value


def _optional(codec: Codec) -> Codec:
    return Codec(
        lambda value: None if value is None else codec.pack(value),
        lambda value: None if value is None else codec.unpack(value),
    )


def _enumeration(kind: Callable[[str], object]) -> Codec:
    def unpack(value: object) -> object:
        try:
            return kind(_is(str)(value))
        except ValueError as error:
            raise InvalidInput("A value is none of its kind.") from error

    return Codec(str, unpack)


def _record(*fields: tuple[str, Codec], make: Callable[..., object]) -> Codec:
    """Return the codec of a dataclass: its fields in order, as an array."""

    def pack(value: object) -> list[object]:
        return [codec.pack(getattr(value, name)) for name, codec in fields]

    def unpack(value: object) -> object:
        if not isinstance(value, list) or len(value) != len(fields):
            raise InvalidInput("A record has the wrong number of fields.")
        return make(**{name: codec.unpack(part) for (name, codec), part in zip(fields, value, strict=True)})

    return Codec(pack, unpack)


TEXT, BYTES = Codec(_same, _is(str)), Codec(_same, _is(bytes))
NUMBER = Codec(_same, _is(int))
MOMENT = Codec(_same, _is(datetime))
NOTHING = Codec(lambda _: None, lambda _: None)
CHAIN = Codec(list, lambda value: tuple(BYTES.unpack(part) for part in _is(list)(value)))
PURPOSE = _enumeration(KeyPurpose)
PRINCIPAL = _record(
    ("kind", _enumeration(PrincipalKind)),
    ("subject_id", TEXT),
    ("actor_id", _optional(TEXT)),
    ("channel", _enumeration(Channel)),
    make=Principal,
)
KEY_INFO = _record(
    ("key_id", TEXT),
    ("purpose", PURPOSE),
    ("owner", TEXT),
    ("state", _enumeration(KeyState)),
    ("algorithm", TEXT),
    ("public_key_der", BYTES),
    ("certificate_chain_der", CHAIN),
    ("not_trusted_from", _optional(MOMENT)),
    ("created_at", _optional(MOMENT)),
    make=KeyInfo,
)
SUBJECT = _record(
    ("profile", TEXT),
    ("subject_id", TEXT),
    ("name", TEXT),
    ("organisation_name", TEXT),
    ("credit_code", TEXT),
    make=SubjectFacts,
)
CONFIRMER = _record(
    ("kind", _enumeration(ConfirmerKind)),
    ("identifier", TEXT),
    ("subject", TEXT),
    ("organisation_code", TEXT),
    ("public_key", BYTES),
    make=Confirmer,
)


def _never(_: list[Any]) -> bool:
    return False


def _always(_: list[Any]) -> bool:
    return True


def _makes_a_service_key(values: list[Any]) -> bool:
    return values[1] not in (KeyPurpose.SEAL, KeyPurpose.PERSON)


def _certifies_a_service_key(values: list[Any]) -> bool:
    return values[2].profile in ("tsa", "ocsp")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its arguments and result, whether asking twice does no harm, and who may ask.

    A call that `administrative` picks out is for the signer's own user: an operator at the
    signer's machine, and not a web process that runs as somebody else.
    """

    arguments: tuple[Codec, ...]
    result: Codec
    repeatable: bool = False
    administrative: Callable[[list[Any]], bool] = _never


OPERATIONS = {
    "create_key": Operation((PRINCIPAL, PURPOSE, TEXT, TEXT), KEY_INFO, administrative=_makes_a_service_key),
    "activate_key": Operation((PRINCIPAL, TEXT), KEY_INFO, administrative=_always),
    "retire_key": Operation((PRINCIPAL, TEXT), KEY_INFO),
    "compromise_key": Operation((PRINCIPAL, TEXT, MOMENT), KEY_INFO),
    "destroy_key": Operation((PRINCIPAL, TEXT), KEY_INFO, administrative=_always),
    "sign_digest": Operation((TEXT, PURPOSE, BYTES, _optional(TEXT)), BYTES, repeatable=True),
    "sign_message": Operation((TEXT, PURPOSE, BYTES), BYTES, repeatable=True),
    "try_key": Operation((TEXT,), NOTHING, repeatable=True),
    "pin": Operation((PRINCIPAL, CONFIRMER), NOTHING, administrative=_always),
    "unpin": Operation((PRINCIPAL, TEXT), NOTHING, administrative=_always),
    "certify": Operation((PRINCIPAL, TEXT, SUBJECT), KEY_INFO, administrative=_certifies_a_service_key),
    "certify_request": Operation((PRINCIPAL, BYTES, SUBJECT), BYTES, administrative=_always),
    "revoke": Operation((PRINCIPAL, NUMBER, _enumeration(RevocationReason), _optional(MOMENT)), NOTHING),
    "crl": Operation((_enumeration(Issuer),), BYTES, repeatable=True),
    "delta_crl": Operation((_enumeration(Issuer),), BYTES, repeatable=True),
    "timestamp": Operation((BYTES, _optional(NUMBER)), BYTES, repeatable=True),
    "timestamp_response": Operation((BYTES,), BYTES, repeatable=True),
    "ocsp_response": Operation((BYTES,), BYTES, repeatable=True),
    "ocsp_response_for": Operation((BYTES,), BYTES, repeatable=True),
    "ping": Operation((), NOTHING, repeatable=True),
}

_ERRORS: dict[str, type[TrustServiceError]] = {
    name: kind
    for module in (foundation_errors, keys_errors, der)
    for name, kind in vars(module).items()
    if isinstance(kind, type)
    and issubclass(kind, TrustServiceError)
    and kind.__init__ is TrustServiceError.__init__  # those with more to say are never raised by the signer
}


def frame(content: object) -> bytes:
    """Return one frame."""
    encoded = cbor2.dumps(content)
    return len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded


def pack_error(number: int, error: TrustServiceError) -> bytes:
    """Return the answer that carries an error."""
    return frame([number, 1, type(error).__name__, error.detail, error.field])


def unpack_error(name: str, detail: str, field: str | None) -> TrustServiceError:
    """Return the error an answer carries; an unknown one counts as the signer's own failure."""
    return _ERRORS.get(name, ProviderUnavailable)(detail, field=field)


class FrameReader:
    """Cuts a stream into frames."""

    def __init__(self, max_bytes: int) -> None:
        """Refuse longer frames."""
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[list[Any]]:
        """Return the arrays that are complete now; raises BadFrame."""
        self._buffer += data
        complete = []
        while len(self._buffer) >= LENGTH_BYTES:
            size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
            if size > self._max_bytes:
                raise BadFrame("a frame is too long")
            end = LENGTH_BYTES + size
            if len(self._buffer) < end:
                break
            complete.append(_array(bytes(self._buffer[LENGTH_BYTES:end])))
            del self._buffer[:end]
        return complete


def _array(encoded: bytes) -> list[Any]:
    stream = BytesIO(encoded)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except (cbor2.CBORError, ValueError, TypeError, RecursionError) as error:
        raise BadFrame("a frame is not CBOR") from error
    if not isinstance(value, list) or len(value) < 3 or type(value[0]) is not int or stream.read(1):  # noqa: PLR2004 - the shortest frame
        raise BadFrame("a frame is no call and no answer")
    return value
