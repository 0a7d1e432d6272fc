"""A receipt as a document: what stands on the paper, and what a sealed one is worth when it comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from joserfc.jwk import ECKey

from verification.model import Check, Outcome, Report, Sentence, Verdict
from verification.pdf.attachment import RECEIPT_FILE
from verification.receipts import (
    ReceiptRefused,
    key_id_of,
    of_a_moment,
    read_receipt,
    report_on_receipt,
    report_on_refused,
    stated,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from verification.receipts import ReadReceipt

_STANDARD = "RFC 7515; ETSI EN 319 142-1"


@dataclass(frozen=True, slots=True)
class ReceiptPaper:
    """What is set: title, verdict, lines of label and text, a note; `receipt` is attached as `file_name`."""

    title: str
    verdict: str
    lines: tuple[tuple[str, str], ...]
    note: str
    receipt: str
    file_name: str = RECEIPT_FILE


def paper_of(receipt: ReadReceipt, text: str) -> ReceiptPaper:
    """Return what stands on the paper of a genuine receipt: its own claims in Chinese, nothing else."""
    facts = stated(receipt.claims)
    verdict, reason = facts[0].value.zh, facts[1].value.zh
    lines = tuple((fact.label.zh, breakable(fact.value.zh)) for fact in facts)
    asked = of_a_moment(receipt.claims)
    about = (
        "本回执只说明标题所写时点、按标题所写当时所知的情况，不说明出具时或现在是否有效。"
        if asked
        else "本回执只说明核验当时的情况。"
    )
    note = f"{about}附件 receipt.jws 是带签名的回执原文；任何人可以用本系统的核验页或 hufu verify 命令核验本文件。"
    # Beside the moments "every check passed" would be read as of now; it stands among the lines.
    return ReceiptPaper("电子核验回执", verdict if asked else f"{verdict}　{reason}", lines, note, text)


def breakable(text: str) -> str:
    """Let long digests and identifiers break at the end of a line; other text breaks by itself."""
    if not text.isascii():
        return text
    return " ".join("\u200b".join(word[at : at + 8] for at in range(0, len(word), 8)) for word in text.split(" "))


def judge_receipt_paper(report: Report, jwks: Mapping[str, Any] | None = None) -> Report:
    """Read the receipt a PDF carries, once its seal holds; a report on any other PDF comes back as it is.

    A receipt paper is sealed with the key that signed the receipt (decision 0125). Whatever else has a receipt
    attached is a paper like any other: its seal vouches for the paper, and the receipt says nothing about it.

    Args:
        report: on the seals.
        jwks: the receipt keys the caller trusts. Without them it is enough that the path of the seal's
            certificate has just been judged: who answers for the seal answers for the receipt.
    """
    if report.receipt_text is None or report.verdict is not Verdict.VALID or not report.evidence:
        return report
    try:
        receipt = read_receipt(report.receipt_text, _key_of(report.evidence[0].path_der[0], report.receipt_text))
    except ReceiptRefused:
        return report
    try:
        if jwks is not None:
            receipt = read_receipt(report.receipt_text, jwks, proven_at=_proven_at(report))
    except ReceiptRefused as refused:
        told = report_on_refused(refused, report.checked_at)
        return replace(report, verdict=told.verdict, reason=told.reason, checks=(*report.checks, *told.checks))
    told = report_on_receipt(receipt, report.checked_at)
    sealed = Check(
        "receipt.seal", _STANDARD, Outcome.PASSED, Sentence("回执文件的印章有效。", "The paper's seal holds.")
    )
    return replace(
        told,
        subject=replace(told.subject, sha256_hex=report.subject.sha256_hex),
        checks=(*report.checks, sealed, *told.checks),
        seals=report.seals,
        evidence=report.evidence,
        indication=report.indication,
        sub_indication=report.sub_indication,
    )


def _proven_at(report: Report) -> datetime | None:
    """Return when a trusted timestamp saw the sealed paper."""
    seal = report.seals[0] if report.seals else None
    return seal.sealed_at if seal is not None and seal.time_source == "timestamp" else None


def _key_of(certificate_der: bytes, receipt_text: str) -> dict[str, Any]:
    """Return the key of a certificate as a set, under the name by which the receipt calls for it."""
    certificate = load_der_x509_certificate(certificate_der)
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        return {"keys": []}
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"keys": [{**ECKey.import_key(pem).as_dict(private=False), "kid": key_id_of(receipt_text)}]}
