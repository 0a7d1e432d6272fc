"""The report of ETSI TS 119 102-2: the structure the published schema (V1.4.1) asks for, and honest content.

The schema itself is not carried along (decision 0112); what it says of order, number and type stands here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import ReasonFlags
from lxml import etree

from tests.verification import attacks
from tests.verification.pki import NOW, Pki
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal, update
from tests.verification.test_active import made, on_opening
from tests.verification.test_verify_command import pem_of, verify
from verification.etsi_report import DS, VR, etsi_report
from verification.pdf import validate_pdf
from verification.sandbox.codec import decode_answer, encode_report
from verification.trust import TrustMaterial

if TYPE_CHECKING:
    from pathlib import Path

NS = {"v": VR, "ds": DS}
MAIN, SUB = "urn:etsi:019102:mainindication:", "urn:etsi:019102:subindication:"
REPORT_PARTS = [
    "SignatureIdentifier",
    "ValidationConstraintsEvaluationReport",
    "ValidationTimeInfo",
    "SignersDocument",
    "SignatureAttributes",
    "SignerInformation",
    "SignatureQuality",
    "SignatureValidationProcess",
    "SignatureValidationStatus",
    "OtherInformation",
]
ORDER = {
    "ValidationReport": ["SignatureValidationReport", "SignatureValidationObjects", *REPORT_PARTS],
    "SignatureValidationReport": REPORT_PARTS,
    "SignatureIdentifier": ["DigestAlgAndValue", "SignatureValue", "HashOnly", "DocHashOnly", "DAIdentifier"],
    "ValidationConstraint": [
        "ValidationConstraintIdentifier",
        "ConstraintStatus",
        "ValidationStatus",
        "Indications",
    ],
    "ValidationConstraintsEvaluationReport": ["ValidationConstraint"],
    "ConstraintStatus": ["Status"],
    "ValidationStatus": ["MainIndication", "SubIndication"],
    "SignatureValidationProcess": ["SignatureValidationProcessID"],
    "SignatureValidationObjects": ["ValidationObject"],
    "ValidationObjectRepresentation": ["base64", "DigestAlgAndValue"],
    "DigestAlgAndValue": ["DigestMethod", "DigestValue"],
    "POE": ["POETime", "TypeOfProof"],
    "POEProvisioning": ["POETime"],
    "SigningTime": ["Time"],
    "SignatureTimeStamp": ["AttributeObject", "TimeStampValue"],
    "MessageDigest": ["Digest"],
    "SubFilter": ["SubFilterElement"],
    "ValidationTimeInfo": ["ValidationTime", "BestSignatureTime"],
    "BestSignatureTime": ["POETime", "TypeOfProof", "POEObject"],
    "SignersDocument": ["DigestAlgAndValue", "SignersDocumentRef"],
    "SignerInformation": ["SignerCertificate", "Signer"],
    "SignatureValidationStatus": ["MainIndication", "SubIndication", "AssociatedValidationReportData"],
    "AssociatedValidationReportData": [
        "TrustAnchor",
        "CertificateChain",
        "RelatedValidationObject",
        "RevocationStatusInformation",
        "CryptoInformation",
    ],
    "CertificateChain": ["SigningCertificate", "IntermediateCertificate", "TrustAnchor"],
    "RevocationStatusInformation": ["ValidationObjectId", "RevocationTime", "RevocationReason", "RevocationObject"],
    "CryptoInformation": ["ValidationObjectId", "Algorithm", "SecureAlgorithm"],
    "ValidationObject": ["ObjectType", "ValidationObjectRepresentation", "POE", "POEProvisioning", "ValidationReport"],
}
ATTRIBUTES = {"SigningTime", "SigningCertificate", "SignatureTimeStamp", "MessageDigest", "SubFilter", "ByteRange"}
"""In any order and number."""
REPEATED = {
    "SignatureValidationReport",
    "ValidationConstraint",
    "ValidationObject",
    "RelatedValidationObject",
    "IntermediateCertificate",
}
REFERENCES = {
    "SignersDocumentRef",
    "SignerCertificate",
    "SigningCertificate",
    "AttributeObject",
    "TrustAnchor",
    "IntermediateCertificate",
    "RelatedValidationObject",
    "ValidationObjectId",
    "POEObject",
}
_URI, _BASE64 = r"(urn:|https?://)\S+", r"[A-Za-z0-9+/]+={0,2}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
VALUES = {
    **dict.fromkeys(("HashOnly", "DocHashOnly", "SecureAlgorithm"), "true|false"),
    **dict.fromkeys(("Time", "POETime", "ValidationTime", "RevocationTime", "TimeStampValue"), _TIME),
    **dict.fromkeys(("base64", "Digest", "DigestValue", "SignatureValue"), _BASE64),
    **dict.fromkeys(("MainIndication", "SubIndication", "Status", "ObjectType", "TypeOfProof"), _URI),
    **dict.fromkeys(("Algorithm", "RevocationReason", "ValidationConstraintIdentifier"), _URI),
    "SignatureValidationProcessID": _URI,
    "ByteRange": r"\d+( \d+)*",
    "DigestMethod": "",
    **dict.fromkeys(("DAIdentifier", "Signer", "SubFilterElement", "Indications", "OtherInformation"), r"[^\0]*"),
}
REQUIRED = {
    "ConstraintStatus": {"Status"},
    "ValidationStatus": {"MainIndication"},
    "BestSignatureTime": {"POETime", "TypeOfProof"},
    "POE": {"POETime", "TypeOfProof"},
    "POEProvisioning": {"POETime"},
    "SignersDocument": {"DigestAlgAndValue"},
    "SignerInformation": {"SignerCertificate"},
    "CertificateChain": {"SigningCertificate"},
    "DigestAlgAndValue": {"DigestMethod", "DigestValue"},
    "SigningTime": {"Time"},
    "SignatureTimeStamp": {"TimeStampValue"},
    "MessageDigest": {"Digest"},
    "SubFilter": {"SubFilterElement"},
    "SignatureValidationReport": {"SignatureValidationStatus"},
    "SignatureIdentifier": {"HashOnly", "DocHashOnly"},
    "ValidationConstraint": {"ValidationConstraintIdentifier", "ConstraintStatus"},
    "ValidationTimeInfo": {"ValidationTime", "BestSignatureTime"},
    "SignatureValidationStatus": {"MainIndication"},
    "RevocationStatusInformation": {"ValidationObjectId", "RevocationTime"},
    "CryptoInformation": {"ValidationObjectId", "Algorithm", "SecureAlgorithm"},
    "ValidationObject": {"ObjectType", "ValidationObjectRepresentation"},
}


def check_structure(root: etree._Element) -> None:
    """Check order, number and type of everything, that ids are unique and that every reference leads somewhere."""
    assert root.tag == f"{{{VR}}}ValidationReport"
    ids: list[str] = []
    references: list[str] = []
    for element in root.iter():
        name = etree.QName(element).localname
        children = [etree.QName(child).localname for child in element]
        if name == "SignatureAttributes":
            assert set(children) <= ATTRIBUTES
        elif name in ORDER:
            places = [ORDER[name].index(child) for child in children]
            assert places == sorted(places), (name, children)
            assert all(child in REPEATED or children.count(child) == 1 for child in children), (name, children)
        elif name in REFERENCES:
            assert (element.text or "").strip() == ""
            assert children or "VOReference" in element.attrib, name
        else:
            assert re.fullmatch(VALUES[name], element.text or ""), (name, element.text)
            assert not children, name
        assert REQUIRED.get(name, set()) <= set(children), (name, children)
        assert re.fullmatch(r"[A-Za-z_][\w.-]*", str(element.get("id", "x")))
        ids += [str(element.attrib["id"])] if "id" in element.attrib else []
        references += str(element.attrib.get("VOReference", "")).split()
    assert len(ids) == len(set(ids))
    assert set(references) <= set(ids)


def report_of(document: bytes, material: TrustMaterial) -> etree._Element:
    report = validate_pdf(document, material, at=NOW)
    # What leaves the sandbox is what the report is made of.
    assert decode_answer(encode_report(report)) == report
    root = etree.fromstring(etsi_report(report))
    check_structure(root)
    return root


def texts(root: etree._Element, path: str) -> list[str]:
    return [str(element.text) for element in root.findall(path, NS)]


STATUS = "v:SignatureValidationReport/v:SignatureValidationStatus/"


def test_a_long_term_seal_is_reported_with_times_chain_and_objects(pki: Pki, material: TrustMaterial) -> None:
    document = add_document_timestamp(add_dss(seal(blank(), pki), pki), pki)
    root = report_of(document, material)
    assert texts(root, f"{STATUS}v:MainIndication") == [f"{MAIN}total-passed"]
    assert texts(root, "v:SignatureValidationReport/v:SignerInformation/v:Signer") == ["演示市市场监督管理局"]
    certificates = {
        item.get("id"): base64.b64decode(str(item.findtext("v:ValidationObjectRepresentation/v:base64", "", NS)))
        for item in root.findall("v:SignatureValidationObjects/v:ValidationObject", NS)
        if str(item.findtext("v:ObjectType", "", NS)).endswith("certificate")
    }
    chain = root.find(f"{STATUS}v:AssociatedValidationReportData/v:CertificateChain", NS)
    assert chain is not None
    path = [certificates[str(item.get("VOReference"))] for item in chain]
    assert path == [pki.seal.der, pki.issuing.der, pki.root.der]
    kinds = texts(root, "v:SignatureValidationObjects/v:ValidationObject/v:ObjectType")
    assert {kind.rpartition(":")[2] for kind in kinds} == {"signedData", "certificate", "CRL", "timestamp"}
    # The document timestamp carries a report of its own.
    nested = "v:SignatureValidationObjects/v:ValidationObject/v:ValidationReport/v:SignatureValidationStatus/"
    assert texts(root, f"{nested}v:MainIndication") == [f"{MAIN}total-passed"]
    best = root.findtext("v:SignatureValidationReport/v:ValidationTimeInfo/v:BestSignatureTime/v:POETime", "", NS)
    assert best == "2026-11-22T02:00:00Z"


def test_no_part_says_more_than_the_whole(pki: Pki, material: TrustMaterial) -> None:
    changed = report_of(update(seal(blank(), pki), attacks.replace_page_content), material)
    assert texts(changed, f"{STATUS}v:MainIndication") == [f"{MAIN}total-failed"]
    assert texts(changed, f"{STATUS}v:SubIndication") == [f"{SUB}FORMAT_FAILURE"]
    stranger = report_of(seal(blank(), pki), TrustMaterial((Pki().root.der,)))
    assert texts(stranger, f"{STATUS}v:MainIndication") == [f"{MAIN}indeterminate"]
    assert texts(stranger, f"{STATUS}v:SubIndication") == [f"{SUB}NO_CERTIFICATE_CHAIN_FOUND"]
    assert stranger.find(".//v:TrustAnchor", NS) is None
    two = report_of(seal(seal(blank(), pki), pki, field="Seal2"), material)
    assert texts(two, f"{STATUS}v:MainIndication") == [f"{MAIN}total-passed"] * 2


def test_a_revoked_certificate_is_named_with_its_time_and_reason() -> None:
    pki = Pki()
    timed, untimed = seal(blank(), pki), seal(blank(), pki, timestamp=False)
    pki.revoked.append((pki.seal.certificate, NOW - timedelta(minutes=90)))
    pki.reasons[pki.seal.certificate.serial_number] = ReasonFlags.key_compromise
    material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    root = report_of(untimed, material)
    assert texts(root, f"{STATUS}v:MainIndication") == [f"{MAIN}indeterminate"]
    assert texts(root, f"{STATUS}v:SubIndication") == [f"{SUB}REVOKED_NO_POE"]
    told = f"{STATUS}v:AssociatedValidationReportData/v:RevocationStatusInformation/v:"
    assert texts(root, f"{told}RevocationTime") == ["2026-11-22T02:30:00Z"]
    assert texts(root, f"{told}RevocationReason") == ["urn:etsi:019102:revocationReason:keyCompromise"]
    named = root.find(f"{told}ValidationObjectId", NS)
    assert named is not None
    assert named.get("VOReference") == f"C-{hashlib.sha256(pki.seal.der).hexdigest()}"
    # The schema has room for one: where its authority's was revoked too, the signer's stands.
    report = validate_pdf(untimed, material, at=NOW)
    two = replace(report.evidence[0], revoked=report.evidence[0].revoked * 2)
    check_structure(etree.fromstring(etsi_report(replace(report, evidence=(two,)))))
    # What came after the proven time does not stand against the seal.
    assert texts(report_of(timed, material), f"{STATUS}v:MainIndication") == [f"{MAIN}total-passed"]


def test_a_policy_that_is_not_met_is_indeterminate_in_the_report_too(pki: Pki, material: TrustMaterial) -> None:
    root = report_of(seal(made(on_opening), pki), material)
    assert texts(root, f"{STATUS}v:MainIndication") == [f"{MAIN}indeterminate"]
    assert texts(root, f"{STATUS}v:SubIndication") == [f"{SUB}SIG_CONSTRAINTS_FAILURE"]


@pytest.mark.parametrize("kind", ["universal_forgery", "signature_wrapping", "incremental_saving"])
def test_a_report_on_every_attack_has_the_structure_and_does_not_pass(
    kind: str, pki: Pki, material: TrustMaterial
) -> None:
    for name, document in getattr(attacks, kind)(seal(blank(), pki)):
        root = report_of(document, material)
        assert f"{MAIN}total-passed" not in texts(root, f"{STATUS}v:MainIndication"), name


def test_the_command_writes_it(tmp_path: Path, pki: Pki) -> None:
    anchors, out = tmp_path / "anchors.pem", tmp_path / "report.xml"
    anchors.write_bytes(pem_of(pki))
    document = seal(blank(), pki)
    assert verify(tmp_path, document, "--anchors", str(anchors), "--at", NOW.isoformat(), "--report", str(out)) == 0
    root = etree.parse(out).getroot()
    check_structure(root)
    digest = root.find("v:SignatureValidationObjects/v:ValidationObject//ds:DigestValue", NS)
    assert digest is not None
    assert base64.b64decode(str(digest.text)) == hashlib.sha256(document).digest()
    nowhere = str(tmp_path / "missing" / "report.xml")
    assert verify(tmp_path, document, "--anchors", str(anchors), "--report", nowhere) == 64
