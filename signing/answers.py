"""What a workshop's process may answer: plain values and a few dataclasses, read field by field, each of its type.

The process has read a stranger's document and may be taken over by it, so its answer is data and nothing else.
A frame is the length of its JSON, the JSON, and the byte strings one after another; in the JSON a byte string
is its length, in an object of its own.
"""

from __future__ import annotations

import builtins
import json
import re
import struct
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from foundation.errors import TrustServiceError
from signing import errors
from signing.errors import ActiveContent, UnexaminablePdf
from signing.model import Finding

MAX_JSON_BYTES = 1024**2
MAX_JSON_MARKS = 100_000
"""Brackets, braces and commas: a list of two bytes costs its reader sixty, and the service's other threads wait."""
MAX_TEXT_CHARS = 1000
MAX_FINDINGS = 1000
MAX_NUMBER = 2**63
_BYTES = "bytes"
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters of no sentence and no name: controls, and halves of characters that no encoding takes."""
_REFUSALS = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, TrustServiceError)
}
"""The errors of this package by name; no other class is ever made of an answer."""
_FAULTS = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}


class UnreadableAnswer(Exception):
    """A process answered something else than what it was asked for."""


def encode_value(value: object) -> bytes:
    """Return what a call returned as a frame.

    Raises: TypeError for what no answer may hold; UnexaminablePdf when it is longer than any may be.
    """
    return _frame({"value": value})


def encode_refusal(error: TrustServiceError) -> bytes:
    """Return an error of this package as a frame."""
    told = {"refusal": type(error).__name__, "detail": error.detail, "field": error.field}
    return _frame(told | ({"findings": error.findings[:MAX_FINDINGS]} if isinstance(error, ActiveContent) else {}))


def encode_fault(error: Exception) -> bytes:
    """Return a mistake of ours as a frame: its class, or the class of Python's it is a kind of, and no more."""
    return _frame({"fault": next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _FAULTS)})


def decode(frame: bytes, expected: Any) -> Any:  # noqa: ANN401 - what a call returns, by its annotation
    """Return the answer as the type it is expected to be.

    Raises: UnreadableAnswer; the error of this package that the process raised; RuntimeError for a mistake of ours.
    """
    try:
        answer = _Answer(frame)
        found: Any
        if "refusal" in answer.told:
            found = answer.refusal()
        elif "fault" in answer.told:
            found = answer.fault()
        else:
            found = answer.read(answer.told["value"], expected)
        answer.require_end()
    except (struct.error, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableAnswer("A process answered something else than it was asked for.") from error
    if isinstance(found, Exception):
        raise found
    return found


class _Answer:
    """A frame being read from its start to its end."""

    def __init__(self, frame: bytes) -> None:
        (length,) = struct.unpack_from(">I", frame)
        self._frame = frame
        self._at = 4 + length
        text = frame[4 : self._at]
        _require(_fits(text))
        self.told = json.loads(text)
        _require(isinstance(self.told, dict))

    def refusal(self) -> TrustServiceError:
        kind = _REFUSALS[self.read(self.told["refusal"], str)]
        if kind is ActiveContent:
            findings = self.read(self.told["findings"], tuple[Finding, ...])
            _require(len(findings) > 0)
            return ActiveContent(findings)
        return kind(self.read(self.told["detail"], str), field=self.read(self.told["field"], str | None))

    def fault(self) -> RuntimeError:
        name = self.read(self.told["fault"], str)
        _require(name in _FAULTS)
        return RuntimeError(f"examining a document failed: {name}")

    def read(self, value: Any, expected: Any) -> Any:  # noqa: ANN401 - JSON and annotations
        origin, inner = get_origin(expected), get_args(expected)
        if origin is UnionType:
            (kind,) = (each for each in inner if each is not NoneType)
            return None if value is None else self.read(value, kind)
        if expected is bytes:
            _require(type(value) is dict and value.keys() == {_BYTES})
            return self._take(self.read(value[_BYTES], int))
        if origin is tuple:
            _require(type(value) is list)
            kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
            return tuple(self.read(each, kind) for each, kind in zip(value, kinds, strict=True))
        if origin is dict:
            _require(type(value) is dict)
            return {self.read(key, inner[0]): self.read(each, inner[1]) for key, each in value.items()}
        if isinstance(expected, type) and is_dataclass(expected):
            named = _kinds(expected)
            _require(type(value) is dict and value.keys() == named.keys())
            return expected(**{name: self.read(value[name], kind) for name, kind in named.items()})
        _require(expected in {str, int, bool} and type(value) is expected)
        if expected is str:
            _require(len(value) <= MAX_TEXT_CHARS and _UNFIT.search(value) is None)
        if expected is int:
            _require(-MAX_NUMBER <= value < MAX_NUMBER)
        return value

    def require_end(self) -> None:
        _require(self._at == len(self._frame))

    def _take(self, length: int) -> bytes:
        _require(0 <= length <= len(self._frame) - self._at)
        self._at += length
        return self._frame[self._at - length : self._at]


@cache
def _kinds(dataclass: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(dataclass)
    return {each.name: hints[each.name] for each in fields(dataclass)}


def _fits(text: bytes) -> bool:
    return len(text) <= MAX_JSON_BYTES and sum(map(text.count, (b"[", b"{", b","))) <= MAX_JSON_MARKS


def _require(holds: bool) -> None:  # noqa: FBT001 - a condition
    if not holds:
        message = "not what was expected"
        raise ValueError(message)


def _frame(told: dict[str, object]) -> bytes:
    blobs: list[bytes] = []
    text = json.dumps(_plain(told, blobs)).encode()
    if not _fits(text):
        raise UnexaminablePdf("There is more to tell of the document than fits an answer.", field="document")
    return b"".join((struct.pack(">I", len(text)), text, *blobs))


def _plain(value: Any, blobs: list[bytes]) -> Any:  # noqa: ANN401 - JSON
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        # Names come from the document: what is no name is seen not to be one, and the document is still examined.
        return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value[:MAX_TEXT_CHARS])
    if isinstance(value, bytes):
        blobs.append(value)
        return {_BYTES: len(value)}
    if isinstance(value, tuple):
        return [_plain(each, blobs) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each, blobs) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name), blobs) for each in fields(value)}
    message = f"{type(value).__name__} is no part of an answer"
    raise TypeError(message)
