"""What passes between the service and a sandbox process: JSON, never pickles.

The process that answers has parsed a stranger's file, so its answer is read as data:
only the fields of a report, each of its type.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from verification.evidence import RevocationObject, RevokedCertificate, SealEvidence, Timestamp
from verification.limits import PdfLimits
from verification.model import (
    Check,
    Indication,
    Outcome,
    Reason,
    Report,
    SealFacts,
    Sentence,
    Subject,
    Verdict,
)
from verification.pages import PageDifference, PagePair, Previews
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class UnreadableAnswer(Exception):
    """A sandbox process answered something that is no report."""


MAXIMUM_ANSWER = 4 * 1024 * 1024
MAXIMUM_MARKS = 100_000
"""Brackets, braces and commas of an answer."""
MAXIMUM_TOLD = 1000
"""Characters of an error's name and sentence."""
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
PICTURE, PAGES, COMPARISON, FACE = "picture", "pages", "comparison", "face"


def encode_task(kind: str, limits: PdfLimits, **given: int | bool) -> bytes:
    """Return the request header of a task other than judging: what it is, and the numbers it takes."""
    return json.dumps({"kind": kind, "limits": dataclasses.asdict(limits), **given}).encode()


def decode_task(header: bytes) -> tuple[str, PdfLimits, dict[str, Any]] | None:
    """Return what `encode_task` was given; None for a document to judge."""
    fields = json.loads(header)
    kind = fields.get("kind")
    return None if kind is None else (kind, PdfLimits(**fields["limits"]), fields)


def join_documents(first: bytes, second: bytes) -> bytes:
    """Return two documents as one frame."""
    return struct.pack(">I", len(first)) + first + second


def split_documents(frame: bytes) -> tuple[bytes, bytes]:
    """Return what `join_documents` was given."""
    (length,) = struct.unpack_from(">I", frame)
    return frame[4 : 4 + length], frame[4 + length :]


def encode_value(value: object) -> bytes:
    """Return the answer to a task: texts, numbers, and dataclasses of them."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps({"value": plain}, default=_plain).encode()


def decode_previews(answer: bytes) -> Previews | tuple[str, str]:
    """Return the pages drawn, or the name and detail of an error; raises UnreadableAnswer."""

    def read(value: dict[str, Any]) -> Previews:
        pages = tuple(
            PagePair(
                int(item["page"]),
                _unb64(item["sealed_png"]),
                _unb64(item["now_png"]),
                None if item["changed"] is None else _box(item["changed"]),
            )
            for item in value["pages"]
        )
        return Previews(pages, int(value["page_count"]))

    return _value(answer, read)


def decode_differences(answer: bytes) -> tuple[PageDifference, ...] | tuple[str, str]:
    """Return where two documents differ, or the name and detail of an error; raises UnreadableAnswer."""

    def read(value: list[Any]) -> tuple[PageDifference, ...]:
        return tuple(PageDifference(int(item["page"]), str(item["what"])) for item in value)

    return _value(answer, read)


def _box(numbers: list[Any]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (int(number) for number in numbers)
    return left, top, right, bottom


def _fields(answer: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of an answer that its reader can afford; raises ValueError.

    A report and a few pictures are long texts in few values; an answer of nothing but empty lists costs thirty times
    its length. Halves of characters are looked for where they may be: no answer to the asker may hold one.
    """
    text = answer.decode() if len(answer) <= MAXIMUM_ANSWER else ""
    if not text or sum(map(text.count, "[{,")) > MAXIMUM_MARKS:
        message = "more than an answer holds"
        raise ValueError(message)
    fields = json.loads(text)
    if "\\ud" in text.lower():
        json.dumps(fields, ensure_ascii=False).encode()
    return fields


def _value(answer: bytes, read: Callable[[Any], T]) -> T | tuple[str, str]:
    try:
        fields = _fields(answer)
        if "error" in fields:
            return _told(fields)
        return read(fields["value"])
    except _UNREADABLE as error:
        raise UnreadableAnswer("The sandbox answered something else.") from error


def encode_request(material: TrustMaterial, at: datetime, limits: PdfLimits) -> bytes:
    """Return the request header that goes before the document."""
    return json.dumps(
        {
            "at": at.isoformat(),
            "limits": dataclasses.asdict(limits),
            "roots": _encode_all(material.roots_der),
            "intermediates": _encode_all(material.intermediates_der),
            "tsa_roots": _encode_all(material.tsa_roots_der),
            "crls": _encode_all(material.crls_der),
            "ocsp": _encode_all(material.ocsp_responses_der),
            "untrusted": {key.hex(): moment.isoformat() for key, moment in material.untrusted_from.items()},
            "data_as_of": material.data_as_of.isoformat() if material.data_as_of else None,
            "revocation_required": material.revocation_required,
            "existed": {str(length): moment.isoformat() for length, moment in material.existed.items()},
        }
    ).encode()


def decode_request(header: bytes) -> tuple[TrustMaterial, datetime, PdfLimits]:
    """Return what `encode_request` was given."""
    fields = json.loads(header)
    material = TrustMaterial(
        roots_der=_decode_all(fields["roots"]),
        intermediates_der=_decode_all(fields["intermediates"]),
        tsa_roots_der=_decode_all(fields["tsa_roots"]),
        crls_der=_decode_all(fields["crls"]),
        ocsp_responses_der=_decode_all(fields["ocsp"]),
        untrusted_from={bytes.fromhex(key): datetime.fromisoformat(at) for key, at in fields["untrusted"].items()},
        data_as_of=datetime.fromisoformat(fields["data_as_of"]) if fields["data_as_of"] else None,
        revocation_required=fields["revocation_required"],
        existed={int(length): datetime.fromisoformat(moment) for length, moment in fields["existed"].items()},
    )
    return material, datetime.fromisoformat(fields["at"]), PdfLimits(**fields["limits"])


def encode_report(report: Report) -> bytes:
    """Return a report about a PDF as bytes."""
    return json.dumps({"report": dataclasses.asdict(report)}, default=_plain).encode()


def encode_error(name: str, detail: str) -> bytes:
    """Return the answer that tells of an error by its class name."""
    return json.dumps({"error": name, "detail": detail}).encode()


def decode_text(answer: bytes) -> str | tuple[str, str] | None:
    """Return the code's text, or the name and detail of an error; raises UnreadableAnswer."""
    return _value(answer, lambda value: None if value is None else str(value))


def decode_flag(answer: bytes) -> bool | tuple[str, str]:
    """Return the answer yes or no, or the name and detail of an error; raises UnreadableAnswer."""
    return _value(answer, lambda value: value is True)


def decode_answer(answer: bytes) -> Report | tuple[str, str]:
    """Return the report, or the name and detail of an error; raises UnreadableAnswer."""
    try:
        fields = _fields(answer)
        if "error" in fields:
            return _told(fields)
        return _report(fields["report"])
    except _UNREADABLE as error:
        raise UnreadableAnswer("The sandbox answered something that is no report.") from error


def _told(fields: dict[str, Any]) -> tuple[str, str]:
    return str(fields["error"])[:MAXIMUM_TOLD], str(fields["detail"])[:MAXIMUM_TOLD]


def _report(fields: dict[str, Any]) -> Report:
    return Report(
        verdict=Verdict(fields["verdict"]),
        reason=Reason(fields["reason"]),
        subject=Subject(**{key: str(value) for key, value in fields["subject"].items()}),
        checked_at=datetime.fromisoformat(fields["checked_at"]),
        data_as_of=datetime.fromisoformat(fields["data_as_of"]),
        checks=tuple(
            Check(
                str(item["name"]),
                str(item["standard"]),
                Outcome(item["outcome"]),
                _sentence(item["detail"]),
                str(item["of_seal"]),
            )
            for item in fields["checks"]
        ),
        indication=Indication(fields["indication"]),
        sub_indication=str(fields["sub_indication"]),
        seals=tuple(_seal(item) for item in fields["seals"]),
        attached=_texts(fields["attached"]),
        code_text=None if fields["code_text"] is None else str(fields["code_text"]),
        further_codes=tuple(str(item) for item in fields["further_codes"]),
        named_licences=tuple(str(item) for item in fields["named_licences"]),
        shown_cut=fields["shown_cut"] is True,
        seems_shown=tuple(str(item) for item in fields["seems_shown"]),
        receipt_text=None if fields["receipt_text"] is None else str(fields["receipt_text"]),
        revocation_urls=tuple(str(url) for url in fields["revocation_urls"]),
        evidence=tuple(_evidence(item) for item in fields["evidence"]),
    )


def _evidence(fields: dict[str, Any]) -> SealEvidence:
    return SealEvidence(
        **{name: str(fields[name]) for name in ("field_name", "sub_filter", "digest_algorithm", "procedure")},
        byte_range=tuple(int(number) for number in fields["byte_range"]),
        signature=_unb64(fields["signature"]),
        digest=_unb64(fields["digest"]),
        claimed_at=_maybe_moment(fields["claimed_at"]),
        proven_at=_maybe_moment(fields["proven_at"]),
        path_der=_decode_all(fields["path_der"]),
        timestamps=tuple(
            Timestamp(_unb64(item["token_der"]), datetime.fromisoformat(item["at"])) for item in fields["timestamps"]
        ),
        revocation=tuple(
            RevocationObject(str(item["kind"]), str(item["sha256_hex"]), datetime.fromisoformat(item["issued_at"]))
            for item in fields["revocation"]
        ),
        revoked=tuple(
            RevokedCertificate(
                str(item["certificate_sha256_hex"]), datetime.fromisoformat(item["revoked_at"]), str(item["reason"])
            )
            for item in fields["revoked"]
        ),
        covers=bool(fields["covers"]),
    )


def _maybe_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _texts(fields: dict[str, Any] | None) -> dict[str, str] | None:
    return None if fields is None else {str(key): str(value) for key, value in fields.items()}


def _seal(fields: dict[str, Any]) -> SealFacts:
    texts = ("field_name", "kind", "level", "signer", "time_source", "sub_indication", "certificate_sha256_hex")
    return SealFacts(
        **{key: str(fields[key]) for key in texts},
        sealed_at=datetime.fromisoformat(fields["sealed_at"]) if fields["sealed_at"] else None,
        indication=Indication(fields["indication"]),
        covers_whole_document=bool(fields["covers_whole_document"]),
    )


def _sentence(fields: dict[str, Any]) -> Sentence:
    return Sentence(str(fields["zh"]), str(fields["en"]))


def _plain(value: object) -> str | dict[str, Any]:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    message = f"{type(value).__name__} is not part of a report"
    raise TypeError(message)


def _encode_all(items: tuple[bytes, ...]) -> list[str]:
    return [base64.b64encode(item).decode() for item in items]


def _decode_all(items: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(item) for item in items)
