"""One seal or document timestamp: pyHanko's procedure, then our own look at the same bytes.

The result is the worse of the two. A seal passes only when its byte range leaves nothing
out, digest and signature hold by our own arithmetic, the AdES procedure for its level
passes, and path, revocation and key standing survive a second reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from verification.model import Check, Indication, Outcome, Reason, SealFacts, Sentence
from verification.pdf.ades import SEAL_PURPOSES, AdesJudge, Judged
from verification.pdf.byte_range import BadByteRange, Coverage, only_padding, read_coverage
from verification.pdf.changes import allowed_by_certification
from verification.pdf.cms import (
    MalformedSeal,
    SignedMessage,
    TimestampFacts,
    WeakAlgorithm,
    digest_of,
    read_message,
    read_timestamp,
    signature_holds,
    timestamp_holds,
)
from verification.pdf.document import LIBRARY_ERRORS
from verification.pdf.evidence import Findings, evidence_of
from verification.pdf.knowledge import gather_knowledge
from verification.pdf.reasons import reason_for
from verification.pdf.recheck import (
    Objection,
    list_addresses,
    object_to_keys,
    object_to_path,
    object_to_revocation,
    unlooked,
)

if TYPE_CHECKING:
    from datetime import datetime

    from asn1crypto import x509
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

    from verification.evidence import SealEvidence
    from verification.pdf.document import OpenDocument
    from verification.pdf.recheck import Knowledge
    from verification.trust import TrustMaterial

    Path = tuple[x509.Certificate, ...]

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SealVerdict:
    """What is concluded about one seal, and why."""

    facts: SealFacts
    reason: Reason
    checks: tuple[Check, ...]
    revocation_urls: tuple[str, ...] = ()
    evidence: SealEvidence | None = None


class _Failed(Exception):
    """A check of ours ends the examination of this seal."""

    def __init__(
        self,
        name: str,
        sub_indication: str,
        sentence: Sentence,
        *,
        indeterminate: bool = False,
        urls: tuple[str, ...] = (),
    ) -> None:
        super().__init__(sentence.en)
        self.urls = urls
        self.name = name
        self.sub_indication = sub_indication
        self.sentence = sentence
        self.indication = Indication.INDETERMINATE if indeterminate else Indication.TOTAL_FAILED


def judge_seals(opened: OpenDocument, material: TrustMaterial, at: datetime) -> tuple[SealVerdict, ...]:
    """Judge every seal of a document, oldest first."""
    try:
        knowledge = gather_knowledge(opened, material)
        judge = AdesJudge(material, knowledge, at)
    except LIBRARY_ERRORS:
        # Validation data in the document that cannot be read condemn the document, not the caller's data.
        return tuple(_unreadable(seal) for seal in opened.seals)
    examination = _Examination(opened, material, knowledge, judge, at)
    return tuple(examination.judge(number) for number in range(len(opened.seals)))


@dataclass(frozen=True)
class _Examination:
    opened: OpenDocument
    material: TrustMaterial
    knowledge: Knowledge
    ades: AdesJudge
    at: datetime

    def judge(self, number: int) -> SealVerdict:
        found = Findings()
        verdict = self._judge(number, found)
        try:
            passed = verdict.facts.indication is Indication.TOTAL_PASSED
            evidence = evidence_of(self.opened.seals[number], found, self.knowledge, passed=passed)
            return replace(verdict, evidence=evidence)
        except LIBRARY_ERRORS:
            return verdict

    def _judge(self, number: int, found: Findings) -> SealVerdict:
        seal = self.opened.seals[number]
        checks: list[Check] = []
        facts = _first_facts(seal)
        try:
            found.coverage = coverage = self._coverage(seal, checks)
            facts = replace(facts, covers_whole_document=only_padding(self.opened.document, coverage.end))
            message, stamp = self._integrity(seal, coverage, checks)
            found.message, found.stamp = message, stamp
            facts = _facts_of(facts, message, stamp, seal)
            facts = replace(facts, level=self._level(seal, message, later=self._later_timestamps(number)))
            self._certification(seal, number, checks)
            found.judged = self._ades(seal, number, facts, coverage)
            facts = self._trust(seal, found.judged, message, facts, checks)
        except _Failed as failure:
            checks.append(_check(failure.name, _outcome(failure.indication), failure.sentence, seal))
            verdict = _verdict(facts, failure.indication, failure.sub_indication, checks)
            return replace(verdict, revocation_urls=failure.urls)
        except LIBRARY_ERRORS:
            checks.append(_check("seal.structure", Outcome.FAILED, _UNREADABLE, seal))
            return _verdict(facts, Indication.TOTAL_FAILED, "FORMAT_FAILURE", checks)
        unlooked_up = any(check.outcome is Outcome.UNKNOWN for check in checks)
        reason = Reason.REVOCATION_NOT_OFFERED if unlooked_up else Reason.ALL_CHECKS_PASSED
        return SealVerdict(facts, reason, tuple(checks))

    def _coverage(self, seal: EmbeddedPdfSignature, checks: list[Check]) -> Coverage:
        name = "seal.byte_range"
        try:
            coverage = read_coverage(
                self.opened.document, tuple(int(item) for item in seal.byte_range), seal.pkcs7_content
            )
        except BadByteRange as error:
            sentence = Sentence("签章没有覆盖其声称的全部内容。", f"The byte range is not sound. {error}")
            raise _Failed(name, "FORMAT_FAILURE", sentence) from error
        sentence = Sentence(
            "签章覆盖至其修订末尾的每一个字节。", "The seal covers every byte up to the end of its revision."
        )
        checks.append(_check(name, Outcome.PASSED, sentence, seal))
        return coverage

    def _integrity(
        self, seal: EmbeddedPdfSignature, coverage: Coverage, checks: list[Check]
    ) -> tuple[SignedMessage, TimestampFacts | None]:
        name = "seal.signature"
        try:
            message = read_message(seal.pkcs7_content)
            parts = coverage.parts(self.opened.document)
            if seal.sig_object_type == "/DocTimeStamp" or message.content_type == "tst_info":
                stamp = read_timestamp(seal.pkcs7_content)
                sound, intact = (
                    timestamp_holds(stamp, *parts),
                    digest_of(stamp.imprint_algorithm, *parts) == stamp.imprint,
                )
            else:
                stamp = None
                _require_detached(message)
                intact = digest_of(message.digest_algorithm, *parts) == message.message_digest
                sound = signature_holds(message)
        except MalformedSeal as error:
            raise _Failed(name, "FORMAT_FAILURE", Sentence("签名数据的结构不合规。", str(error))) from error
        except WeakAlgorithm as error:
            sentence = Sentence("使用了不再可信或不支持的密码算法。", f"An algorithm is not relied on: {error}.")
            raise _Failed(name, "CRYPTO_CONSTRAINTS_FAILURE", sentence, indeterminate=True) from error
        if not intact:
            raise _Failed(
                name,
                "HASH_FAILURE",
                Sentence("内容与签章时的摘要不符。", "The content does not match the sealed digest."),
            )
        if not sound:
            raise _Failed(name, "SIG_CRYPTO_FAILURE", Sentence("签名值不正确。", "The signature value is wrong."))
        if message.names_certificate is False or (message.names_certificate is None and _is_pades(seal)):
            sentence = Sentence("签名没有正确指明其证书。", "The signature does not name its certificate.")
            raise _Failed(name, "SIG_CONSTRAINTS_FAILURE", sentence, indeterminate=True)
        sentence = Sentence("摘要、签名值和证书相符。", "Digest, signature value and certificate agree.")
        checks.append(_check(name, Outcome.PASSED, sentence, seal))
        return message, stamp

    def _certification(self, seal: EmbeddedPdfSignature, number: int, checks: list[Check]) -> None:
        if number == len(self.opened.seals) - 1:
            return
        if not allowed_by_certification(self.opened, number):
            sentence = Sentence(
                "签章之后的修改超出其允许的范围。", "What was changed after this seal is more than it permits."
            )
            raise _Failed("seal.later_changes", "FORMAT_FAILURE", sentence)
        sentence = Sentence("签章之后的修改未超出其允许的范围。", "What followed this seal is within what it permits.")
        checks.append(_check("seal.later_changes", Outcome.PASSED, sentence, seal))

    def _ades(self, seal: EmbeddedPdfSignature, number: int, facts: SealFacts, coverage: Coverage) -> Judged:
        later = self._later_timestamps(number)
        if facts.kind == "document_timestamp":
            return self.ades.document_timestamp(seal, later_timestamps=later)
        # Whatever longer revision is proven, the shorter one within it is as old at least.
        known = [moment for length, moment in self.material.existed.items() if length >= coverage.end]
        return self.ades.seal(seal, later_timestamps=later, existed_at=min(known, default=None))

    def _trust(
        self,
        seal: EmbeddedPdfSignature,
        judged: Judged,
        message: SignedMessage,
        facts: SealFacts,
        checks: list[Check],
    ) -> SealFacts:
        timestamp = facts.kind == "document_timestamp"
        if not judged.passed:
            sentence = Sentence(
                f"AdES 验证未通过：{judged.sub_indication}。", f"The AdES procedure ends with {judged.sub_indication}."
            )
            raise _Failed(
                "seal.ades",
                judged.sub_indication,
                sentence,
                indeterminate=judged.indication is Indication.INDETERMINATE,
                urls=_list_urls(judged),
            )
        sentence = Sentence("AdES 验证通过。", f"The AdES procedure passes ({judged.procedure}).")
        checks.append(_check("seal.ades", Outcome.PASSED, sentence, seal, standard=f"ETSI {judged.procedure}"))
        if judged.by_log:
            checks.append(_check("seal.in_the_log", Outcome.PASSED, _LOGGED, seal, standard="C2SP tlog-cosignature"))
        self._second_opinion(judged, message, checks, seal, timestamp=timestamp)
        return replace(
            facts,
            indication=Indication.TOTAL_PASSED,
            sealed_at=judged.proven_at or facts.sealed_at,
            time_source="log" if judged.by_log else "timestamp" if judged.proven_at else facts.time_source,
        )

    def _later_timestamps(self, number: int) -> bool:
        return any(other.sig_object_type == "/DocTimeStamp" for other in self.opened.seals[number + 1 :])

    def _level(self, seal: EmbeddedPdfSignature, message: SignedMessage, *, later: bool) -> str:
        """Name the baseline level of ETSI EN 319 142-1 by what is there."""
        if message.content_type == "tst_info":
            return ""
        if not _is_pades(seal):
            return "CMS"
        if not message.timestamp_tokens_der and not later:
            return "B-B"
        if "/DSS" not in self.opened.reader.root:
            return "B-T"
        return "B-LTA" if later else "B-LT"

    def _second_opinion(
        self,
        judged: Judged,
        message: SignedMessage,
        checks: list[Check],
        seal: EmbeddedPdfSignature,
        *,
        timestamp: bool,
    ) -> None:
        moment = judged.proven_at or self.at
        if moment > self.at + CLOCK_SKEW:
            sentence = Sentence("时间戳晚于核验时间。", "The timestamp lies after the moment judged at.")
            raise _Failed("seal.timestamp", "TIMESTAMP_ORDER_FAILURE", sentence, indeterminate=True)
        tsa_roots = self.material.tsa_roots_der or self.material.roots_der
        paths: list[tuple[Path, tuple[bytes, ...], frozenset[str] | None]]
        paths = [(judged.path, self.material.roots_der, SEAL_PURPOSES)]
        if timestamp:
            paths = [(judged.path, tsa_roots, None)]
        elif judged.timestamp_path:
            paths.append((judged.timestamp_path, tsa_roots, None))
        if judged.path and judged.path[-1].dump() != message.certificate.dump():
            sentence = Sentence("证书链不属于签名证书。", "The path is not that of the signing certificate.")
            raise _Failed("seal.certificate", "NO_SIGNING_CERTIFICATE_FOUND", sentence, indeterminate=True)
        proven = judged.proven_at is not None
        for path, roots, usages in paths:
            self._raise(object_to_path(path, roots, at=moment, usages=usages), "seal.certificate")
            required = self.material.revocation_required
            revoked = object_to_revocation(path, self.knowledge, at=moment, proven=proven, required=required)
            self._raise(revoked, "seal.revocation")
            self._raise(object_to_keys(path, self.material, at=moment, proven=proven), "seal.key_standing")
        if any(unlooked(path, self.knowledge, at=moment) for path, _, _ in paths):
            checks.append(_check("seal.revocation", Outcome.UNKNOWN, Reason.REVOCATION_NOT_OFFERED.sentence, seal))
        sentence = Sentence(
            "证书链、用途和现有吊销信息复核无误。", "Path, usage and the revocation data at hand were checked again."
        )
        checks.append(_check("seal.certificate", Outcome.PASSED, sentence, seal, standard="RFC 5280, 6.1"))

    @staticmethod
    def _raise(objection: Objection | None, name: str) -> None:
        if objection is not None:
            raise _Failed(name, objection.sub_indication, Sentence(objection.zh, objection.en), indeterminate=True)


_LOGGED = Sentence(
    "该签章在透明日志中有记录，且在密钥失去信任之前已由见证方签署确认。",
    "The log holds this seal under a checkpoint that a witness cosigned before the key lost its standing.",
)
_UNREADABLE = Sentence("签章结构无法读取。", "The structure of the seal cannot be read.")


def _list_urls(judged: Judged) -> tuple[str, ...]:
    """Return where lists for a path are published; the path reached an anchor, so its addresses count."""
    if judged.sub_indication != "TRY_LATER":
        return ()
    return list_addresses((*judged.path[1:], *judged.timestamp_path[1:]))


def _require_detached(message: SignedMessage) -> None:
    if message.content_type != "data" or message.encapsulated is not None:
        raise MalformedSeal("The signature is not detached.")


def _is_pades(seal: EmbeddedPdfSignature) -> bool:
    return str(seal.sig_object.get("/SubFilter")) == "/ETSI.CAdES.detached"


def _first_facts(seal: EmbeddedPdfSignature) -> SealFacts:
    return SealFacts(
        # pyHanko's texts hold on to the whole file; a report holds text.
        field_name=str(seal.field_name),
        kind="document_timestamp" if seal.sig_object_type == "/DocTimeStamp" else "seal",
        level="",
        signer="",
        sealed_at=None,
        time_source="none",
        indication=Indication.TOTAL_FAILED,
        sub_indication="",
        covers_whole_document=False,
    )


def _facts_of(
    facts: SealFacts, message: SignedMessage, stamp: TimestampFacts | None, seal: EmbeddedPdfSignature
) -> SealFacts:
    subject = message.certificate.subject.native
    names = [subject.get(key) for key in ("common_name", "organization_name")]
    signer = next((name for name in names if isinstance(name, str)), "")
    # PAdES leaves the claimed time in the signature dictionary's /M.
    claimed = stamp.at if stamp is not None else message.signing_time or seal.self_reported_timestamp
    return replace(
        facts,
        kind="document_timestamp" if stamp is not None else facts.kind,
        signer=signer,
        sealed_at=claimed.replace(tzinfo=UTC) if claimed is not None and claimed.tzinfo is None else claimed,
        time_source="timestamp" if stamp is not None else "claimed" if claimed is not None else "none",
        certificate_sha256_hex=message.certificate.sha256.hex(),
    )


def _check(
    name: str,
    outcome: Outcome,
    sentence: Sentence,
    seal: EmbeddedPdfSignature,
    *,
    standard: str = "ISO 32000-2, 12.8; ETSI EN 319 142-1",
) -> Check:
    field = str(seal.field_name)
    said = Sentence(f"［{field}］{sentence.zh}", f"[{field}] {sentence.en}")
    return Check(name, standard, outcome, said, of_seal=field)


def _outcome(indication: Indication) -> Outcome:
    return Outcome.FAILED if indication is Indication.TOTAL_FAILED else Outcome.UNKNOWN


def _verdict(facts: SealFacts, indication: Indication, sub: str, checks: list[Check]) -> SealVerdict:
    return SealVerdict(replace(facts, indication=indication, sub_indication=sub), reason_for(sub), tuple(checks))


def _unreadable(seal: EmbeddedPdfSignature) -> SealVerdict:
    check = _check("seal.validation_data", Outcome.FAILED, _UNREADABLE, seal)
    return _verdict(_first_facts(seal), Indication.TOTAL_FAILED, "FORMAT_FAILURE", [check])
