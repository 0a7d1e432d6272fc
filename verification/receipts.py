"""Receipts: a signed statement of what was checked, fit for a case file.

A compact JWS anybody can check against the published receipt keys. It names who asked,
what was examined (digest or identifier), verdict, reason, age of the data and the
commitment of the audit row; nothing about the holder.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from foundation.clock import CIVIL_TIME
from verification.headlines import headline
from verification.model import (
    Check,
    Indication,
    Outcome,
    Reason,
    Report,
    Sentence,
    StatedFact,
    Subject,
    Verdict,
)
from verification.words import paper_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import AuditReceipt
    from foundation.principal import Principal

Tree = tuple[int, bytes]
TYPE = "hufu-receipt+jwt"
MAXIMUM_LENGTH = 8_192
_STANDARD = "RFC 7515"
_ALGORITHMS = ["ES256", "EdDSA", "RS256"]
_KINDS = {
    "identifier": Sentence("证照标识", "a licence's identifier"),
    "qr": Sentence("二维码", "a code"),
    "pdf": Sentence("PDF 文件", "a PDF"),
    "receipt": Sentence("核验回执", "a receipt"),
    "token": Sentence("电子凭证", "an electronic credential"),
}


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked, as a receipt names them: the tenant and the acting client or officer."""

    name: str
    organisation_code: str | None

    @classmethod
    def of(cls, principal: Principal) -> Asker:
        """Return the asker behind a principal."""
        return cls(principal.audit_name, principal.organisation_code)


def receipt_claims(
    report: Report, asker: Asker, *, receipt_id: str, issuer: str, audit: AuditReceipt, checkpoint: Tree | None
) -> dict[str, Any]:
    """Return what a receipt says about a report.

    `checkpoint` is the size and root of the transparency log when the verdict was given: the
    audit row stands behind it, and the proof of its place is fetched later by its number.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "jti": receipt_id,
        "iat": int(report.checked_at.timestamp()),
        "asked_by": {"name": asker.name, "organisation": asker.organisation_code},
        "subject": {
            "kind": report.subject.kind,
            "sha256": report.subject.sha256_hex or None,
            "identifier": report.subject.identifier or None,
        },
        "verdict": report.verdict.value,
        "reason": report.reason.value,
        "indication": None if report.indication is None else report.indication.value,
        "sub_indication": report.sub_indication or None,
        "checked_at": report.checked_at.isoformat(),
        "judged_at": report.judged_at.isoformat() if report.judged_at else None,
        "known_at": report.known_at.isoformat() if report.known_at else None,
        "data_as_of": report.data_as_of.isoformat(),
        "audit": {
            "number": audit.audit_id,
            "commitment": _b64url(audit.commitment),
        },
        "checkpoint": None if checkpoint is None else {"size": checkpoint[0], "root": _b64url(checkpoint[1])},
    }
    return claims


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """A genuine receipt's claims."""

    claims: dict[str, Any]


class ReceiptRefused(Exception):
    """The text is not believed to be a receipt; `reason` says why."""

    def __init__(self, reason: Reason = Reason.RECEIPT_FORGED) -> None:
        """Keep the reason."""
        super().__init__(reason.value)
        self.reason = reason


def read_receipt(unverified_receipt: str, jwks: Mapping[str, Any], *, proven_at: datetime | None = None) -> ReadReceipt:
    """Check a receipt against receipt keys.

    Args:
        unverified_receipt: the compact JWS; white space in it does no harm.
        jwks: the keys of `keys.jws.verification_jwks`. A key with the member `iss` counts for receipts of
            that issuer alone, one with `not_trusted_from` for receipts that are proven to be older.
        proven_at: when the receipt existed for certain, by a timestamp; its own date proves nothing.

    Raises: ReceiptRefused: RECEIPT_ISSUER_UNKNOWN when a receipt calls for a key not among them,
    KEY_COMPROMISED or RECEIPT_TIME_UNPROVEN when its key was compromised, else RECEIPT_FORGED.
    """
    text = "".join(unverified_receipt.split())
    if len(text) > MAXIMUM_LENGTH:
        raise ReceiptRefused
    header = _header(text)
    if header.get("typ") != TYPE:
        raise ReceiptRefused
    found = [key for key in jwks["keys"] if key["kid"] == header.get("kid")]
    if not found:
        raise ReceiptRefused(Reason.RECEIPT_ISSUER_UNKNOWN)
    # Two cities may give their keys the same name.
    signed = ((key, claims) for key in found if (claims := _claims(text, key)) is not None)
    key, claims = next(signed, (None, None))
    if key is None or claims is None:
        raise ReceiptRefused
    if "not_trusted_from" in key:
        made_at = datetime.fromtimestamp(claims["iat"], UTC)
        try:
            end = datetime.fromisoformat(key["not_trusted_from"]).astimezone(UTC)
        except (ValueError, TypeError, OverflowError) as error:  # of a pack, whose signer may be anybody
            raise ReceiptRefused(Reason.KEY_COMPROMISED) from error
        if made_at >= end:
            raise ReceiptRefused(Reason.KEY_COMPROMISED)
        if proven_at is None or proven_at >= end:
            raise ReceiptRefused(Reason.RECEIPT_TIME_UNPROVEN)
    return ReadReceipt(claims)


def _claims(text: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a key signed, all that a receipt says and of the key's own issuer; None for anything else."""
    public = {name: value for name, value in key.items() if name not in ("iss", "not_trusted_from")}
    try:
        opened = jws.deserialize_compact(text, JWKRegistry.import_key(public), algorithms=_ALGORITHMS)
        claims = json.loads(opened.payload)
        datetime.fromtimestamp(claims["iat"], UTC)
        report_on_receipt(ReadReceipt(claims), datetime.now(UTC))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return claims if key.get("iss", claims["iss"]) == claims["iss"] else None


def _header(text: str) -> dict[str, Any]:
    """Return what a compact JWS says of itself, unchecked; nothing when it is none."""
    header = text.partition(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def key_id_of(unverified_receipt: str) -> str:
    """Return the key a receipt calls for; empty when it is none."""
    return str(_header(unverified_receipt.strip()).get("kid", ""))


def report_on_receipt(receipt: ReadReceipt, now: datetime) -> Report:
    """Return a report that repeats what a genuine receipt says.

    The verdict is the one the receipt states, so that nobody who reads the verdict alone takes a
    receipt of a refusal for a good licence; `receipt.signature` says that the receipt is genuine.
    """
    claims = receipt.claims
    subject = claims["subject"]
    verdict, reason = Verdict(claims["verdict"]), Reason(claims["reason"])
    judged_at, known_at = _moments(claims)
    return Report(
        verdict=verdict,
        reason=Reason.RECEIPT_GENUINE if verdict is Verdict.VALID else reason,
        subject=Subject("receipt", sha256_hex=subject.get("sha256") or "", identifier=subject.get("identifier") or ""),
        checked_at=now,
        data_as_of=datetime.fromisoformat(claims["data_as_of"]),
        checks=(
            Check(
                "receipt.signature", _STANDARD, Outcome.PASSED, Sentence("回执签名正确。", "The receipt is genuine.")
            ),
            Check("receipt.statement", "", Outcome.NOT_APPLICABLE, _statement(claims, verdict, reason)),
        ),
        indication=None if claims["indication"] is None else Indication(claims["indication"]),
        sub_indication=claims["sub_indication"] or "",
        judged_at=judged_at,
        known_at=known_at,
        advice=(_OF_A_MOMENT if of_a_moment(claims) else _THEN_NOT_NOW,),
        stated=stated(claims),
    )


def of_a_moment(claims: Mapping[str, Any]) -> bool:
    """Tell whether a receipt answers a question about another moment than that of asking."""
    return bool(claims.get("judged_at") or claims.get("known_at"))


def _moments(claims: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return the moment a receipt is about and the one whose knowledge counted."""
    then = claims["checked_at"]
    judged_at, known_at = (datetime.fromisoformat(claims.get(name) or then) for name in ("judged_at", "known_at"))
    return judged_at, known_at


def stated(claims: Mapping[str, Any]) -> tuple[StatedFact, ...]:
    """Return what a receipt states, item by item: about what, by whom, when, and where it is recorded."""
    verdict, reason = Verdict(claims["verdict"]), Reason(claims["reason"])
    subject, asked_by, audit, tree = (claims.get(name) or {} for name in ("subject", "asked_by", "audit", "checkpoint"))
    items = (
        ("结论", "Verdict", headline(verdict, *_moments(claims)) if of_a_moment(claims) else verdict.sentence),
        ("理由", "Reason", reason.sentence),
        ("须注意", "Note", paper_sentence() if _of_paper(subject, verdict, reason) else ""),
        ("核验对象", "Examined", _KINDS.get(subject["kind"], subject["kind"])),
        ("证照标识", "Licence identifier", subject["identifier"]),
        ("文件摘要（SHA-256）", "Digest of the file (SHA-256)", subject["sha256"]),
        ("签章结论（EN 319 102-1）", "Seal (EN 319 102-1)", _joined(claims["indication"], claims["sub_indication"])),
        ("核验时间", "Verified at", _local(claims["checked_at"])),
        ("所问时点", "About the moment", _local(claims.get("judged_at"))),
        ("只依据此时的记录", "By the records of", _local(claims.get("known_at"))),
        ("数据截至", "Data as of", _local(claims["data_as_of"])),
        ("核验请求方", "Asked by", _joined(asked_by["name"], asked_by["organisation"])),
        ("回执编号", "Receipt number", claims["jti"]),
        ("出具机构地址", "Issued at", claims["iss"]),
        ("审计记录", "Audit record", _joined(str(audit["number"]), audit["commitment"])),
        ("透明日志检查点", "Log checkpoint", _joined(str(tree.get("size", "")), tree.get("root"))),
    )
    return tuple(
        StatedFact(Sentence(zh, en), value if isinstance(value, Sentence) else Sentence(str(value), str(value)))
        for zh, en, value in items
        if value
    )


def _of_paper(subject: Mapping[str, Any], verdict: Verdict, reason: Reason) -> bool:
    """Tell whether a receipt is about a sound document that is no licence."""
    licence = subject["identifier"] or reason in (Reason.LICENCE_STATE_NOT_CHECKED, Reason.LICENCE_OF_ANOTHER_CITY)
    return subject["kind"] == "pdf" and verdict is Verdict.VALID and not licence


def _joined(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _local(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone(CIVIL_TIME).strftime("%Y-%m-%d %H:%M:%S") if text else ""


_THEN_NOT_NOW = Sentence(
    "回执只说明核验当时的情况；要知道现在是否有效，请重新核验。",
    "A receipt tells how things stood when it was given; verify again to know how they stand now.",
)
_OF_A_MOMENT = Sentence(
    "回执只说明它记载的所问时点、按记载的当时所知的情况，不说明出具回执时或现在是否有效；要知道现在是否有效，请重新核验。",
    "The receipt is about the moment it names as known at the other, not about when it was given or now; verify again.",
)


def _statement(claims: dict[str, Any], verdict: Verdict, reason: Reason) -> Sentence:
    """Say what the receipt states, and of which moment when that was not the moment of asking."""
    zh, en = f"回执记载：{claims['checked_at']} 核验", f"It states: asked at {claims['checked_at']}"
    if claims.get("judged_at"):
        zh, en = f"{zh}，问的是 {claims['judged_at']} 的情况", f"{en} about {claims['judged_at']}"
    if claims.get("known_at"):
        zh, en = f"{zh}，只依据截至 {claims['known_at']} 的记录", f"{en} by the records of {claims['known_at']}"
    return Sentence(
        f"{zh}，结论为{verdict.sentence.zh}。{reason.sentence.zh}",
        f"{en}, the verdict was {verdict.sentence.en}. {reason.sentence.en}",
    )


def report_on_refused(refused: ReceiptRefused, now: datetime) -> Report:
    """Return the report on something that is not believed to be a receipt."""
    reason = refused.reason
    unknown = reason in (Reason.RECEIPT_ISSUER_UNKNOWN, Reason.RECEIPT_TIME_UNPROVEN)
    return Report(
        verdict=Verdict.UNDETERMINED if unknown else Verdict.INVALID,
        reason=reason,
        subject=Subject("receipt"),
        checked_at=now,
        data_as_of=now,
        checks=(
            Check("receipt.signature", _STANDARD, Outcome.UNKNOWN if unknown else Outcome.FAILED, reason.sentence),
        ),
    )
