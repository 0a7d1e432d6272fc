"""What passes between the service and a sandbox process: JSON, never pickles.

The process that answers has parsed a stranger's file, so its answer is read as data:
only the fields of a report, each of its type.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import date, datetime
from typing import Any

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
from verification.trust import TrustMaterial


class UnreadableAnswer(Exception):
    """A sandbox process answered something that is no report."""


PICTURE = "picture"


def encode_picture_request(limits: PdfLimits) -> bytes:
    """Return the request header that goes before a picture in which a code is looked for."""
    return json.dumps({"kind": PICTURE, "limits": dataclasses.asdict(limits)}).encode()


def is_picture_request(header: bytes) -> PdfLimits | None:
    """Return the limits of a request about a picture, None for one about a PDF."""
    fields = json.loads(header)
    return PdfLimits(**fields["limits"]) if fields.get("kind") == PICTURE else None


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
    )
    return material, datetime.fromisoformat(fields["at"]), PdfLimits(**fields["limits"])


def encode_report(report: Report) -> bytes:
    """Return a report about a PDF as bytes."""
    return json.dumps({"report": dataclasses.asdict(report)}, default=_plain).encode()


def encode_error(name: str, detail: str) -> bytes:
    """Return the answer that tells of an error by its class name."""
    return json.dumps({"error": name, "detail": detail}).encode()


def encode_text(text: str | None) -> bytes:
    """Return the answer to a picture: the code's text, if any."""
    return json.dumps({"text": text}).encode()


def decode_text(answer: bytes) -> str | tuple[str, str] | None:
    """Return the code's text, or the name and detail of an error; raises UnreadableAnswer."""
    try:
        fields = json.loads(answer)
        if "error" in fields:
            return str(fields["error"]), str(fields["detail"])
        return None if fields["text"] is None else str(fields["text"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswer("The sandbox answered something that is no text.") from error


def decode_answer(answer: bytes) -> Report | tuple[str, str]:
    """Return the report, or the name and detail of an error; raises UnreadableAnswer."""
    try:
        fields = json.loads(answer)
        if "error" in fields:
            return str(fields["error"]), str(fields["detail"])
        return _report(fields["report"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswer("The sandbox answered something that is no report.") from error


def _report(fields: dict[str, Any]) -> Report:
    return Report(
        verdict=Verdict(fields["verdict"]),
        reason=Reason(fields["reason"]),
        subject=Subject(**{key: str(value) for key, value in fields["subject"].items()}),
        checked_at=datetime.fromisoformat(fields["checked_at"]),
        data_as_of=datetime.fromisoformat(fields["data_as_of"]),
        checks=tuple(
            Check(str(item["name"]), str(item["standard"]), Outcome(item["outcome"]), _sentence(item["detail"]))
            for item in fields["checks"]
        ),
        indication=Indication(fields["indication"]),
        sub_indication=str(fields["sub_indication"]),
        seals=tuple(_seal(item) for item in fields["seals"]),
        attached=_texts(fields["attached"]),
        code_text=None if fields["code_text"] is None else str(fields["code_text"]),
        revocation_urls=tuple(str(url) for url in fields["revocation_urls"]),
    )


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


def _plain(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    message = f"{type(value).__name__} is not part of a report"
    raise TypeError(message)


def _encode_all(items: tuple[bytes, ...]) -> list[str]:
    return [base64.b64encode(item).decode() for item in items]


def _decode_all(items: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(item) for item in items)
