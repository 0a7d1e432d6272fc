"""A receipt as a document: what stands on the paper, and what a sealed one is worth when it comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from joserfc.jwk import ECKey

from verification.licences import CIVIL_TIME
from verification.model import Check, Outcome, Reason, Report, Sentence, Verdict
from verification.pdf.attachment import RECEIPT_FILE
from verification.receipts import ForgedReceipt, key_id_of, read_receipt, report_on_receipt

if TYPE_CHECKING:
    from verification.receipts import ReadReceipt

_STANDARD = "RFC 7515; ETSI EN 319 142-1"
_KINDS = {"identifier": "证照标识", "qr": "二维码", "pdf": "PDF 文件", "receipt": "核验回执", "token": "电子凭证"}


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
    claims = receipt.claims
    verdict, reason = Verdict(claims["verdict"]), Reason(claims["reason"])
    subject, asked_by, audit = claims["subject"], claims["asked_by"], claims["audit"]
    checkpoint = claims["checkpoint"] or {}
    rows = [
        ("结论", f"{verdict.sentence.zh}（{verdict.value}）"),
        ("理由", reason.sentence.zh),
        ("核验对象", _KINDS.get(subject["kind"], subject["kind"])),
        ("证照标识", subject["identifier"]),
        ("文件摘要（SHA-256）", subject["sha256"]),
        ("签章结论（EN 319 102-1）", _joined(claims["indication"], claims["sub_indication"])),
        ("核验时间", _local(claims["checked_at"])),
        ("所问时点", _local(claims.get("judged_at"))),
        ("数据截至", _local(claims["data_as_of"])),
        ("核验请求方", _joined(asked_by["name"], asked_by["organisation"])),
        ("回执编号", claims["jti"]),
        ("出具机构地址", claims["iss"]),
        ("审计记录", f"{audit['number']}　{audit['commitment']}"),
        ("透明日志检查点", _joined(str(checkpoint.get("size", "")), checkpoint.get("root"))),
    ]
    lines = tuple((label, _breakable(str(value))) for label, value in rows if value)
    note = (
        "本回执只说明核验当时的情况。附件 receipt.jws 是带签名的回执原文；"
        "任何人可以用本系统的核验页或 hufu verify 命令核验本文件。"
    )
    return ReceiptPaper("电子核验回执", f"{verdict.sentence.zh}　{reason.sentence.zh}", lines, note, text)


def _joined(*parts: str | None) -> str:
    return "　".join(part for part in parts if part)


def _local(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone(CIVIL_TIME).strftime("%Y-%m-%d %H:%M:%S") if text else ""


def _breakable(text: str) -> str:
    """Let long digests and identifiers break at the end of a line."""
    return "\u200b".join(text[at : at + 8] for at in range(0, len(text), 8)) if text.isascii() else text


def judge_receipt_paper(report: Report, jwks: dict[str, Any] | None = None) -> Report:
    """Read the receipt a PDF carries, once its seal holds; a report on any other PDF comes back as it is.

    Args:
        report: on the seals.
        jwks: the receipt keys the caller trusts. Without them the key is that of the seal's own
            certificate, whose path has just been judged: who answers for the seal answers for the receipt.
    """
    if report.receipt_text is None or report.verdict is not Verdict.VALID or not report.evidence:
        return report
    keys = jwks if jwks is not None else _key_of(report.evidence[0].path_der[0], report.receipt_text)
    try:
        receipt = read_receipt(report.receipt_text, keys)
    except ForgedReceipt:
        forged = Reason.RECEIPT_FORGED
        check = Check("receipt.signature", _STANDARD, Outcome.FAILED, forged.sentence)
        return replace(report, verdict=Verdict.INVALID, reason=forged, checks=(*report.checks, check))
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


def _key_of(certificate_der: bytes, receipt_text: str) -> dict[str, Any]:
    """Return the key of a certificate as a set, under the name by which the receipt calls for it."""
    certificate = load_der_x509_certificate(certificate_der)
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        return {"keys": []}
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"keys": [{**ECKey.import_key(pem).as_dict(private=False), "kid": key_id_of(receipt_text)}]}
