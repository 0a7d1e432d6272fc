from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pikepdf
import pytest
from pyhanko.sign.fields import MDPPerm

from tests.verification.hostile import saved
from tests.verification.pki import NOW, Pki, issue
from tests.verification.samples import add_document_timestamp, add_dss, blank, seal
from verification.errors import DocumentEncrypted, DocumentOverLimit, NoSealFound, NotAPdf
from verification.limits import PdfLimits
from verification.model import Indication, Outcome, Reason, Report, Verdict
from verification.pdf import validate_pdf
from verification.trust import TrustMaterial

LATER = NOW + timedelta(days=30)


def verdict(report: Report) -> tuple[Verdict, Reason, str]:
    return report.verdict, report.reason, report.sub_indication


PASSED = (Verdict.VALID, Reason.ALL_CHECKS_PASSED, "")
TRY_LATER = (Verdict.UNDETERMINED, Reason.REVOCATION_DATA_MISSING, "TRY_LATER")


@pytest.mark.parametrize("inherited", [False, True])
def test_a_page_without_resources_of_its_own_is_read_alike(
    pki: Pki,
    material: TrustMaterial,
    inherited: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        resources = pdf.pages[0].obj.Resources
        del pdf.pages[0].obj["/Resources"]
        if inherited:
            pdf.Root.Pages.Resources = resources
        bare = saved(pdf)
    assert verdict(validate_pdf(seal(bare, pki, timestamp=False), material, at=NOW)) == PASSED


@pytest.mark.parametrize(
    ("level", "steps"),
    [("B-B", ()), ("B-T", ("t",)), ("B-LT", ("t", "dss")), ("B-LTA", ("t", "dss", "stamp"))],
)
@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_each_baseline_level_passes(level: str, steps: tuple[str, ...], key: str) -> None:
    pki = Pki(key_kind=key)
    document = seal(blank(pages=2), pki, timestamp="t" in steps)
    if "dss" in steps:
        document = add_dss(document, pki)
    if "stamp" in steps:
        document = add_document_timestamp(document, pki)
    report = validate_pdf(document, TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls()), at=NOW)
    assert verdict(report) == PASSED
    assert report.indication is Indication.TOTAL_PASSED
    assert (report.seals[0].level, report.seals[0].signer) == (level, "演示市市场监督管理局")
    assert report.seals[0].time_source == ("claimed" if level == "B-B" else "timestamp")


def test_several_seals_visible_ones_and_certified_documents_pass(pki: Pki, material: TrustMaterial) -> None:
    certified = seal(blank(), pki, certify=MDPPerm.FILL_FORMS)
    for document in (
        seal(blank(), pki, visible=True),
        seal(seal(blank(), pki), pki, field="Seal2", visible=True),
        seal(certified, pki, field="Seal2"),
        seal(blank(object_streams=True), pki),
        seal(blank(), pki, cades=False),
        add_document_timestamp(add_dss(seal(blank(), pki, certify=MDPPerm.NO_CHANGES), pki), pki),
    ):
        assert verdict(validate_pdf(document, material, at=NOW)) == PASSED


def test_without_revocation_data_nothing_passes(pki: Pki) -> None:
    report = validate_pdf(seal(blank(), pki), TrustMaterial((pki.root.der,)), at=NOW)
    assert verdict(report) == TRY_LATER
    assert report.revocation_urls == ("http://ca.invalid/root.crl", "http://ca.invalid/issuing.crl")


def test_stale_revocation_data_are_not_enough_and_fresh_ones_are(pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki)
    assert verdict(validate_pdf(document, material, at=LATER)) == TRY_LATER
    fresh = replace(material, crls_der=pki.crls(at=LATER - timedelta(hours=1)))
    assert verdict(validate_pdf(document, fresh, at=LATER)) == PASSED


def test_data_in_the_document_carry_it_alone(pki: Pki) -> None:
    bare = TrustMaterial((pki.root.der,))
    assert verdict(validate_pdf(add_dss(seal(blank(), pki), pki), bare, at=NOW)) == PASSED


def test_what_names_no_revocation_service_passes_only_where_a_list_speaks_of_it() -> None:
    pki = Pki(declares_crl=False)
    document = seal(blank(), pki, timestamp=False)
    bare = TrustMaterial((pki.root.der,))
    assert verdict(validate_pdf(document, bare, at=NOW)) == TRY_LATER
    assert verdict(validate_pdf(document, replace(bare, crls_der=pki.crls()), at=NOW)) == PASSED
    # Where the caller vouches for the anchors as they are, the seal passes and the report says what is missing.
    told = validate_pdf(document, replace(bare, revocation_required=False), at=NOW)
    assert (told.verdict, told.reason) == (Verdict.VALID, Reason.REVOCATION_NOT_OFFERED)
    assert [check.outcome for check in told.checks if check.name == "seal.revocation"] == [Outcome.UNKNOWN]
    pki.revoked.append((pki.seal.certificate, NOW - timedelta(days=1)))
    listed = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    assert validate_pdf(document, listed, at=NOW).reason is Reason.CERTIFICATE_REVOKED


def test_a_revocation_that_stands_in_the_delta_list_alone_counts() -> None:
    pki = Pki()
    document = seal(blank(), pki)
    full, empty = pki.crls(), pki.crl(pki.issuing, delta=True)
    pki.revoked.append((pki.seal.certificate, NOW - timedelta(hours=3)))
    told = pki.crl(pki.issuing, delta=True)
    before = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=(*full, empty))
    after = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=(*full, told))
    alone = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=(pki.crl(pki.root), empty))
    assert verdict(validate_pdf(document, before, at=NOW)) == PASSED
    assert validate_pdf(document, after, at=NOW).reason is Reason.CERTIFICATE_REVOKED
    assert validate_pdf(document, alone, at=NOW).verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(
    ("revoked_after", "timestamp", "expected"),
    [
        (timedelta(minutes=30), True, PASSED),
        (timedelta(minutes=-30), True, (Verdict.UNDETERMINED, Reason.CERTIFICATE_REVOKED, "REVOKED_NO_POE")),
        (timedelta(minutes=30), False, (Verdict.UNDETERMINED, Reason.CERTIFICATE_REVOKED, "REVOKED_NO_POE")),
    ],
)
def test_revocation_counts_from_its_date_when_the_time_of_sealing_is_proven(
    revoked_after: timedelta,
    timestamp: bool,  # noqa: FBT001 - a case
    expected: tuple[Verdict, Reason, str],
) -> None:
    pki = Pki()
    document = seal(blank(), pki, timestamp=timestamp)
    pki.revoked.append((pki.seal.certificate, NOW - timedelta(hours=2) + revoked_after))
    material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    assert verdict(validate_pdf(document, material, at=NOW)) == expected


@pytest.mark.parametrize(
    ("invalid_from", "expected"),
    [
        (timedelta(hours=-1), (Verdict.UNDETERMINED, Reason.CERTIFICATE_REVOKED, "REVOKED_NO_POE")),
        (timedelta(minutes=10), PASSED),
        (timedelta(minutes=40), PASSED),
    ],
    ids=["before sealing", "after sealing", "after revocation"],
)
@pytest.mark.parametrize("told_by", ["list", "response"])
def test_a_revocation_reaches_back_to_its_invalidity_date(
    invalid_from: timedelta, told_by: str, expected: tuple[Verdict, Reason, str]
) -> None:
    """Revoked half an hour after sealing, the key known to be in other hands from another moment on."""
    pki, sealed_at = Pki(), NOW - timedelta(hours=2)
    document = seal(blank(), pki)
    certificate, revoked_at = pki.seal.certificate, sealed_at + timedelta(minutes=30)
    if told_by == "list":
        pki.revoked.append((certificate, revoked_at))
        pki.invalid_from[certificate.serial_number] = sealed_at + invalid_from
        material = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=pki.crls())
    else:
        response = pki.ocsp(certificate, revoked_at=revoked_at, invalid_from=sealed_at + invalid_from)
        material = TrustMaterial(
            (pki.root.der,), (pki.issuing.der,), crls_der=pki.crls(), ocsp_responses_der=(response,)
        )
    assert verdict(validate_pdf(document, material, at=NOW)) == expected


def test_a_compromised_key_counts_from_its_date(pki: Pki, material: TrustMaterial) -> None:
    digest = pki.seal.asn1.sha256
    timed, untimed = seal(blank(), pki), seal(blank(), pki, timestamp=False)
    since = replace(material, untrusted_from={digest: NOW - timedelta(hours=1)})
    before = replace(material, untrusted_from={digest: NOW - timedelta(hours=3)})
    assert validate_pdf(timed, since, at=NOW).verdict is Verdict.VALID
    assert validate_pdf(timed, before, at=NOW).verdict is Verdict.UNDETERMINED
    assert validate_pdf(untimed, since, at=NOW).verdict is Verdict.UNDETERMINED


def test_an_expired_certificate_needs_a_timestamp_from_before(pki: Pki) -> None:
    short = issue("短期证书", pki.issuing, not_after=NOW + timedelta(days=1), crl_url="http://ca.invalid/issuing.crl")
    fresh = TrustMaterial((pki.root.der,), (pki.issuing.der,), crls_der=(*pki.crls(), *pki.crls(at=LATER)))
    timed = validate_pdf(seal(blank(), pki, identity=short), fresh, at=LATER)
    untimed = validate_pdf(seal(blank(), pki, identity=short, timestamp=False), fresh, at=LATER)
    assert verdict(timed) == PASSED
    assert (untimed.verdict, untimed.reason) == (Verdict.UNDETERMINED, Reason.CERTIFICATE_EXPIRED)


def test_a_stranger_is_undetermined(pki: Pki) -> None:
    report = validate_pdf(seal(blank(), pki), TrustMaterial((Pki().root.der,)), at=NOW)
    assert verdict(report) == (Verdict.UNDETERMINED, Reason.CERTIFICATE_UNTRUSTED, "NO_CERTIFICATE_CHAIN_FOUND")
    assert report.revocation_urls == ()


def test_a_self_signed_certificate_passes_only_as_an_anchor(pki: Pki) -> None:
    own = issue("自签证书", None)
    document = seal(blank(), pki, identity=own, timestamp=False)
    assert validate_pdf(document, TrustMaterial((own.der,)), at=NOW).verdict is Verdict.VALID
    assert validate_pdf(document, TrustMaterial((pki.root.der,)), at=NOW).verdict is Verdict.UNDETERMINED


def test_a_timestamp_from_the_future_does_not_pass(pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki, timestamper=pki.timestamper(NOW + timedelta(days=2)))
    report = validate_pdf(document, material, at=NOW)
    assert (report.verdict, report.reason) == (Verdict.UNDETERMINED, Reason.TIMESTAMP_INVALID)


def test_what_cannot_be_examined_is_an_error(material: TrustMaterial, pki: Pki) -> None:
    for junk in (b"", b"hello", b"PK\x03\x04" + bytes(2000)):
        with pytest.raises(NotAPdf):
            validate_pdf(junk, material, at=NOW)
    with pytest.raises(NoSealFound):
        validate_pdf(blank(), material, at=NOW)
    with pytest.raises(NoSealFound):
        validate_pdf(b"%PDF-1.7\nnothing more", material, at=NOW)
    sealed = seal(blank(pages=3), pki)
    for limits in (PdfLimits(bytes=100), PdfLimits(pages=2), PdfLimits(objects=5), PdfLimits(seals=0)):
        with pytest.raises(DocumentOverLimit):
            validate_pdf(sealed, material, at=NOW, limits=limits)


@pytest.mark.parametrize("user", ["", "secret"])
def test_an_encrypted_document_is_refused(material: TrustMaterial, user: str) -> None:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(blank())) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner="owner", user=user))
    with pytest.raises(DocumentEncrypted):
        validate_pdf(out.getvalue(), material, at=NOW)


def test_every_truncation_is_a_format_failure_or_no_pdf(pki: Pki, material: TrustMaterial) -> None:
    document = seal(blank(), pki)
    for length in range(0, len(document), 611):
        try:
            report = validate_pdf(document[:length], material, at=NOW)
        except (NotAPdf, NoSealFound):
            continue
        assert verdict(report) == (Verdict.INVALID, Reason.FORMAT_FAILURE, "FORMAT_FAILURE"), length
