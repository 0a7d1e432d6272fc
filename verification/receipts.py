"""Receipts: a signed statement of what was checked, fit for a case file.

A compact JWS anybody can check against the published receipt keys. It names who asked,
what was examined (digest or identifier), verdict, reason, age of the data and the
commitment of the audit row; nothing about the holder.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from verification.model import Check, Indication, Outcome, Reason, Report, Sentence, Subject, Verdict

if TYPE_CHECKING:
    from foundation.audit import AuditReceipt
    from foundation.principal import Principal

Tree = tuple[int, bytes]
TYPE = "hufu-receipt+jwt"
MAXIMUM_LENGTH = 8_192
_STANDARD = "RFC 7515"


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


class ForgedReceipt(Exception):
    """The text is no receipt, or none of ours, or altered."""


def read_receipt(unverified_receipt: str, jwks: dict[str, Any]) -> ReadReceipt:
    """Check a receipt against a set of receipt keys; raises ForgedReceipt."""
    text = "".join(unverified_receipt.split())
    if len(text) > MAXIMUM_LENGTH:
        raise ForgedReceipt("It is too long.")
    try:
        opened = jws.deserialize_compact(text, KeySet.import_key_set(jwks), algorithms=["ES256", "EdDSA", "RS256"])  # type: ignore[arg-type] # a JWKS as published
        claims = json.loads(opened.payload)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ForgedReceipt("Its signature does not hold.") from error
    if opened.headers().get("typ") != TYPE or not isinstance(claims, dict):
        raise ForgedReceipt("It is another kind of token.")
    return ReadReceipt(claims)


def key_id_of(unverified_receipt: str) -> str:
    """Return the key a receipt calls for; empty when it is none."""
    header = unverified_receipt.strip().partition(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except ValueError:
        return ""
    return str(found.get("kid", "")) if isinstance(found, dict) else ""


def report_on_receipt(receipt: ReadReceipt, now: datetime) -> Report:
    """Return a report that repeats what a genuine receipt says.

    The verdict is the one the receipt states, so that nobody who reads the verdict alone takes a
    receipt of a refusal for a good licence; `receipt.signature` says that the receipt is genuine.
    """
    claims = receipt.claims
    subject = claims["subject"]
    verdict, reason = Verdict(claims["verdict"]), Reason(claims["reason"])
    judged_at, known_at = (_moment(claims.get(name)) for name in ("judged_at", "known_at"))
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
        advice=(_THEN_NOT_NOW,),
    )


_THEN_NOT_NOW = Sentence(
    "回执只说明核验当时的情况；要知道现在是否有效，请重新核验。",
    "A receipt tells how things stood when it was given; verify again to know how they stand now.",
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


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def report_on_forgery(now: datetime) -> Report:
    """Return the report on something that is no receipt of ours."""
    return Report(
        verdict=Verdict.INVALID,
        reason=Reason.RECEIPT_FORGED,
        subject=Subject("receipt"),
        checked_at=now,
        data_as_of=now,
        checks=(Check("receipt.signature", _STANDARD, Outcome.FAILED, Reason.RECEIPT_FORGED.sentence),),
    )
