"""The validation report of ETSI TS 119 102-2 (V1.4.1), in XML, of a report on a PDF.

One signature validation report a seal, document timestamps as validation objects with a report
of their own, each check as a constraint. What concerns the document as a whole (later changes, readers that
disagree) stands with every seal and lowers its status, so that no part read alone says more
than the whole. The licence's own state is no part of the standard and stands beside it as other information.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from lxml import etree

from verification.model import Check, Indication, Outcome, Report, SealFacts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from verification.evidence import SealEvidence

MEDIA_TYPE = "application/xml"
VR = "http://uri.etsi.org/19102/v1.4.1#"
DS = "http://www.w3.org/2000/09/xmldsig#"
_URN = "urn:etsi:019102:"
_CONSTRAINT = "urn:hufu:constraint:"
_DIGESTS = {
    "sha1": "http://www.w3.org/2000/09/xmldsig#sha1",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
    "sha3_256": "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    "sha3_384": "http://www.w3.org/2007/05/xmldsig-more#sha3-384",
    "sha3_512": "http://www.w3.org/2007/05/xmldsig-more#sha3-512",
}
_REASONS = {
    "key_compromise": "keyCompromise",
    "ca_compromise": "cACompromise",
    "affiliation_changed": "affiliationChanged",
    "superseded": "superseded",
    "cessation_of_operation": "cessationOfOperation",
    "certificate_hold": "certificateHold",
    "remove_from_crl": "removeFromCRL",
    "privilege_withdrawn": "privilegeWithdrawn",
    "aa_compromise": "aACompromise",
}
_OF_THE_POLICY = frozenset({"pdf.active_content", "pdf.layers"})
"""What the policy asks of a document beyond its seals: not met, the whole is indeterminate (decision 0105)."""
_PROCESSES = {"5.3": "Basic", "5.5": "LTVM", "5.6": "LTA"}
_MAIN = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.UNKNOWN: "indeterminate"}
_SEVERITY = {Indication.TOTAL_PASSED: 0, Indication.INDETERMINATE: 1, Indication.TOTAL_FAILED: 2}


def etsi_report(report: Report) -> bytes:
    """Return a report on a PDF as XML."""
    writer = _Writer(report)
    root = etree.Element(_vr("ValidationReport"), nsmap={None: VR, "ds": DS})  # type: ignore[dict-item] # None is the default namespace
    pairs = list(zip(report.seals, report.evidence, strict=True)) if report.evidence else []
    stamps = []
    for number, (facts, evidence) in enumerate(pairs, 1):
        if facts.kind == "seal":
            writer.signature(etree.SubElement(root, _vr("SignatureValidationReport")), facts, evidence, f"S-{number}")
        else:
            stamps.append((facts, evidence, f"S-{number}"))
    if not len(root):
        # Nothing that counts as a signature could be read: the report is then on the document alone.
        writer.document_alone(etree.SubElement(root, _vr("SignatureValidationReport")))
    objects = etree.SubElement(root, _vr("SignatureValidationObjects"))
    writer.objects(objects, stamps)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


@dataclass
class _Writer:
    report: Report
    certificates: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    revocation: dict[str, str] = field(default_factory=dict)

    def signature(self, parent: etree._Element, facts: SealFacts, evidence: SealEvidence, name: str) -> None:
        """Write one signature validation report; the order of its parts is the schema's."""
        self._identifier(parent, evidence, name)
        self._constraints(parent, facts)
        self._times(parent, evidence)
        if evidence.digest:
            document = _add(parent, "SignersDocument")
            _digest(_add(document, "DigestAlgAndValue"), evidence.digest_algorithm, evidence.digest)
            _refer(document, "SignersDocumentRef", self._document_id)
        self._attributes(parent, facts, evidence)
        if evidence.path_der:
            signer = _add(parent, "SignerInformation")
            _refer(signer, "SignerCertificate", self._certificate(evidence.path_der[0]))
            _add(signer, "Signer", facts.signer)
        process = _PROCESSES.get(evidence.procedure.rpartition(" ")[2])
        if process is not None:
            _add(
                _add(parent, "SignatureValidationProcess"),
                "SignatureValidationProcessID",
                f"{_URN}validationprocess:{process}",
            )
        self._status(parent, facts, evidence, name)
        self._licence(parent)

    def document_alone(self, parent: etree._Element) -> None:
        """Write the report on a document without a seal that could be read."""
        self._constraints(parent, None)
        indication = self.report.indication or Indication.INDETERMINATE
        _indicate(_add(parent, "SignatureValidationStatus"), indication.value.lower(), self.report.sub_indication)
        self._licence(parent)

    def objects(self, parent: etree._Element, stamps: list[tuple[SealFacts, SealEvidence, str]]) -> None:
        """Write what the reports refer to."""
        nested = []
        for facts, evidence, name in stamps:
            inner = etree.Element(_vr("ValidationReport"))
            self.signature(inner, facts, evidence, name)
            nested.append((f"DT-{name}", evidence, inner))
        document = self._object(parent, self._document_id, "signedData")
        _digest(_add(document, "DigestAlgAndValue"), "sha256", bytes.fromhex(self.report.subject.sha256_hex))
        for name, der in self.certificates.items():
            _add(self._object(parent, name, "certificate"), "base64", _b64(der))
        for name, kind in self.revocation.items():
            made = self._object(parent, name, kind)
            _digest(_add(made, "DigestAlgAndValue"), "sha256", bytes.fromhex(name.removeprefix("R-")))
        for name, (der, at) in self.tokens.items():
            _add(self._object(parent, name, "timestamp", proves=at), "base64", _b64(der))
        for name, evidence, inner in nested:
            made = self._object(parent, name, "timestamp", proves=evidence.claimed_at, inner=inner)
            _digest(_add(made, "DigestAlgAndValue"), "sha256", hashlib.sha256(evidence.signature).digest())

    @property
    def _document_id(self) -> str:
        return f"D-{self.report.subject.sha256_hex}"

    def _certificate(self, der: bytes) -> str:
        name = f"C-{hashlib.sha256(der).hexdigest()}"
        self.certificates[name] = der
        return name

    def _token(self, der: bytes, at: datetime) -> str:
        name = f"T-{hashlib.sha256(der).hexdigest()}"
        self.tokens[name] = der, at
        return name

    def _identifier(self, parent: etree._Element, evidence: SealEvidence, name: str) -> None:
        identifier = _add(parent, "SignatureIdentifier")
        identifier.set("id", name)
        if evidence.digest:
            _digest(_add(identifier, "DigestAlgAndValue"), evidence.digest_algorithm, evidence.digest)
        if evidence.signature:
            etree.SubElement(identifier, f"{{{DS}}}SignatureValue").text = _b64(evidence.signature)
        _add(identifier, "HashOnly", "false")
        _add(identifier, "DocHashOnly", "false")
        _add(identifier, "DAIdentifier", evidence.field_name)

    def _constraints(self, parent: etree._Element, facts: SealFacts | None) -> None:
        made = _add(parent, "ValidationConstraintsEvaluationReport")
        for check in self._checks(facts):
            constraint = _add(made, "ValidationConstraint")
            _add(constraint, "ValidationConstraintIdentifier", f"{_CONSTRAINT}{check.name}")
            status = "disabled" if check.outcome is Outcome.NOT_APPLICABLE else "applied"
            _add(_add(constraint, "ConstraintStatus"), "Status", f"{_URN}constraintStatus:{status}")
            if check.outcome in _MAIN:
                sub = "" if check.outcome is Outcome.PASSED else self._sub_of(facts, check)
                _indicate(_add(constraint, "ValidationStatus"), _MAIN[check.outcome], sub)
            _add(constraint, "Indications", f"{check.detail.en} / {check.detail.zh} ({check.standard})")

    def _checks(self, facts: SealFacts | None) -> Iterable[Check]:
        """Return the checks on a seal and those on the whole document; the licence's are not the standard's."""
        field_name = None if facts is None else facts.field_name
        return [
            check
            for check in self.report.checks
            if check.of_seal == field_name or (not check.of_seal and check.name.startswith("pdf."))
        ]

    def _sub_of(self, facts: SealFacts | None, check: Check) -> str:
        if facts is not None and check.of_seal:
            return facts.sub_indication
        if check.name in _OF_THE_POLICY:
            return "SIG_CONSTRAINTS_FAILURE"
        return "FORMAT_FAILURE" if check.outcome is Outcome.FAILED else "GENERIC"

    def _times(self, parent: etree._Element, evidence: SealEvidence) -> None:
        judged_at = self.report.seals_judged_at
        times = _add(parent, "ValidationTimeInfo")
        _add(times, "ValidationTime", _moment(judged_at))
        best = _add(times, "BestSignatureTime")
        _add(best, "POETime", _moment(evidence.proven_at or judged_at))
        _add(best, "TypeOfProof", f"{_URN}poetype:validation")
        proof = next((stamp for stamp in evidence.timestamps if stamp.at == evidence.proven_at), None)
        if proof is not None:
            _refer(best, "POEObject", self._token(proof.token_der, proof.at))

    def _attributes(self, parent: etree._Element, facts: SealFacts, evidence: SealEvidence) -> None:
        if not evidence.sub_filter and evidence.claimed_at is None:
            return
        made = _add(parent, "SignatureAttributes")
        claimed = evidence.claimed_at or (facts.sealed_at if facts.time_source == "claimed" else None)
        if claimed is not None:
            _add(_add(made, "SigningTime", signed=True), "Time", _moment(claimed))
        if evidence.path_der:
            named = _add(made, "SigningCertificate", signed=True)
            _refer(named, "AttributeObject", self._certificate(evidence.path_der[0]))
        for stamp in evidence.timestamps:
            item = _add(made, "SignatureTimeStamp")
            _refer(item, "AttributeObject", self._token(stamp.token_der, stamp.at))
            _add(item, "TimeStampValue", _moment(stamp.at))
        if evidence.digest:
            _add(_add(made, "MessageDigest", signed=True), "Digest", _b64(evidence.digest))
        if evidence.sub_filter:
            _add(_add(made, "SubFilter"), "SubFilterElement", evidence.sub_filter)
        if evidence.byte_range:
            _add(made, "ByteRange", " ".join(str(number) for number in evidence.byte_range))

    def _status(self, parent: etree._Element, facts: SealFacts, evidence: SealEvidence, name: str) -> None:
        indication, sub = facts.indication, facts.sub_indication
        for check in self._checks(facts):
            found = _worse(check)
            if not check.of_seal and found is not None and _SEVERITY[found] > _SEVERITY[indication]:
                indication, sub = found, self._sub_of(facts, check)
        status = _add(parent, "SignatureValidationStatus")
        _indicate(status, indication.value.lower(), sub)
        if evidence.path_der:
            self._associated(_add(status, "AssociatedValidationReportData"), evidence, sub, name)

    def _associated(self, data: etree._Element, evidence: SealEvidence, sub: str, name: str) -> None:
        signer, *others = (self._certificate(der) for der in evidence.path_der)
        anchored = bool(others) and evidence.procedure
        if anchored:
            _refer(data, "TrustAnchor", others[-1])
        chain = _add(data, "CertificateChain")
        _refer(chain, "SigningCertificate", signer)
        for certificate in others[:-1] if anchored else others:
            _refer(chain, "IntermediateCertificate", certificate)
        if anchored:
            _refer(chain, "TrustAnchor", others[-1])
        for item in evidence.revocation:
            self.revocation[f"R-{item.sha256_hex}"] = item.kind
            _refer(data, "RelatedValidationObject", f"R-{item.sha256_hex}")
        # The schema has room for one; the first is the nearest to the signer.
        for revoked in evidence.revoked[:1]:
            made = _add(data, "RevocationStatusInformation")
            _refer(made, "ValidationObjectId", f"C-{revoked.certificate_sha256_hex}")
            _add(made, "RevocationTime", _moment(revoked.revoked_at))
            _add(made, "RevocationReason", f"{_URN}revocationReason:{_REASONS.get(revoked.reason, 'unspecified')}")
        if evidence.digest_algorithm in _DIGESTS:
            crypto = _add(data, "CryptoInformation")
            _refer(crypto, "ValidationObjectId", name)
            _add(crypto, "Algorithm", _DIGESTS[evidence.digest_algorithm])
            _add(crypto, "SecureAlgorithm", "false" if sub.startswith("CRYPTO_CONSTRAINTS") else "true")

    def _licence(self, parent: etree._Element) -> None:
        report = self.report
        said = f"{report.verdict.value}: {report.reason.sentence.en} {report.reason.sentence.zh}"
        if report.known_at is not None and report.judged_at is not None:
            # The schema has a place for the moment a signature was judged at, none for whose knowledge counted.
            moments = f"judged at {_moment(report.judged_at)}, as known at {_moment(report.known_at)}"
            said = f"{said} {report.headline.en}. {report.headline.zh}。({moments})"
        _add(parent, "OtherInformation", said)

    def _object(
        self,
        parent: etree._Element,
        name: str,
        kind: str,
        *,
        proves: datetime | None = None,
        inner: etree._Element | None = None,
    ) -> etree._Element:
        """Add a validation object and return where its representation goes."""
        made = _add(parent, "ValidationObject")
        made.set("id", name)
        _add(made, "ObjectType", f"{_URN}validationObject:{kind}")
        representation = _add(made, "ValidationObjectRepresentation")
        poe = _add(made, "POE")
        _add(poe, "POETime", _moment(self.report.seals_judged_at))
        _add(poe, "TypeOfProof", f"{_URN}poetype:validation")
        if proves is not None:
            _add(_add(made, "POEProvisioning"), "POETime", _moment(proves))
        if inner is not None:
            made.append(inner)
        return representation


def _worse(check: Check) -> Indication | None:
    if check.name in _OF_THE_POLICY:
        return None if check.outcome is Outcome.PASSED else Indication.INDETERMINATE
    return {Outcome.FAILED: Indication.TOTAL_FAILED, Outcome.UNKNOWN: Indication.INDETERMINATE}.get(check.outcome)


def _vr(name: str) -> str:
    return f"{{{VR}}}{name}"


def _add(parent: etree._Element, name: str, text: str | None = None, *, signed: bool = False) -> etree._Element:
    made = etree.SubElement(parent, _vr(name))
    if text is not None:
        made.text = _xml_text(text)
    if signed:
        made.set("Signed", "true")
    return made


def _refer(parent: etree._Element, name: str, to: str) -> None:
    _add(parent, name).set("VOReference", to)


def _indicate(parent: etree._Element, main: str, sub: str) -> None:
    _add(parent, "MainIndication", f"{_URN}mainindication:{main}")
    if sub:
        _add(parent, "SubIndication", f"{_URN}subindication:{sub}")


def _digest(parent: etree._Element, algorithm: str, digest: bytes) -> None:
    etree.SubElement(parent, f"{{{DS}}}DigestMethod").set("Algorithm", _DIGESTS.get(algorithm, f"urn:hufu:{algorithm}"))
    etree.SubElement(parent, f"{{{DS}}}DigestValue").text = _b64(digest)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _xml_text(text: str) -> str:
    """Return text without the characters XML cannot hold, which a stranger's certificate may."""
    return "".join(
        char
        if char in "\t\n" or (char >= " " and not "\ud800" <= char <= "\udfff" and char not in "\ufffe\uffff")
        else "\ufffd"
        for char in text
    )
