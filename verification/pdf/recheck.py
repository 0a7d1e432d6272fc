"""A second opinion on what pyHanko passed, by code that shares nothing with it but the parser of ASN.1.

Chain signatures, validity at the proven time, authority and usage of each certificate,
and every revocation list or response at hand, whether or not the certificate names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from verification.pdf.cms import WeakAlgorithm, verify_signature

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from asn1crypto import core, crl, ocsp, x509

    from verification.trust import TrustMaterial


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Certificates and revocation data at hand: the caller's and what the document carries."""

    certificates: tuple[x509.Certificate, ...]
    crls: tuple[crl.CertificateList, ...]
    ocsps: tuple[ocsp.OCSPResponse, ...]


SHORT_TERM = "0.4.0.194121.2.1"
"""`id-etsi-ext-valassured-ST-certs`: the certificate ends before a revocation could be published."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the path is not accepted after all: a sub-indication of EN 319 102-1 and a few words."""

    sub_indication: str
    zh: str
    en: str


def object_to_path(
    path: tuple[x509.Certificate, ...],
    roots_der: Iterable[bytes],
    *,
    at: datetime,
    usages: frozenset[str] | None,
) -> Objection | None:
    """Return what is wrong with a path from the anchor to the signer, or None.

    Args:
        path: certificates from the anchor to the signer.
        roots_der: the anchors the caller trusts for this use.
        at: the moment the signature is known to have existed, or now.
        usages: extended key usages that fit; a certificate without any fits too, unless this is None.
    """
    if not path or path[0].dump() not in set(roots_der):
        return Objection(
            "NO_CERTIFICATE_CHAIN_FOUND", "证书链不止于受信任的根证书。", "The path ends at no trusted anchor."
        )
    for issuer, certificate in pairwise(path):
        if not _issued(issuer, certificate):
            return Objection(
                "CERTIFICATE_CHAIN_GENERAL_FAILURE", "证书链中的签名不正确。", "A signature in the path is wrong."
            )
        if not _may_issue(issuer):
            return Objection(
                "CHAIN_CONSTRAINTS_FAILURE", "证书链中有证书无权签发证书。", "A certificate in the path may not issue."
            )
    leaf = path[-1]
    if not leaf.not_valid_before <= at <= leaf.not_valid_after:
        return Objection(
            "OUT_OF_BOUNDS_NO_POE", "证书当时不在有效期内。", "The certificate was outside its validity period."
        )
    return _object_to_usage(leaf, usages)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject.hashable != certificate.issuer.hashable:
        return False
    try:
        return verify_signature(
            issuer["tbs_certificate"]["subject_public_key_info"].dump(),
            certificate["signature_algorithm"],
            certificate["signature_value"].native,
            certificate["tbs_certificate"].dump(),
            "",
        )
    except WeakAlgorithm:
        return False


def _may_issue(certificate: x509.Certificate) -> bool:
    constraints = certificate.basic_constraints_value
    usage = certificate.key_usage_value
    return (
        constraints is not None
        and bool(constraints["ca"].native)
        and (usage is None or "key_cert_sign" in usage.native)
    )


def _object_to_usage(leaf: x509.Certificate, usages: frozenset[str] | None) -> Objection | None:
    unsuitable = Objection("CHAIN_CONSTRAINTS_FAILURE", "该证书的用途不符。", "The certificate is for another use.")
    usage, extended = leaf.key_usage_value, leaf.extended_key_usage_value
    if usage is not None and not usage.native & {"digital_signature", "non_repudiation"}:
        return unsuitable
    if usages is None:
        exact = extended is not None and extended.native == ["time_stamping"]
        return None if exact else unsuitable
    if extended is not None and not usages & set(extended.native):
        return unsuitable
    return None


@dataclass(frozen=True, slots=True)
class RevocationFacts:
    """What the data at hand say about one certificate.

    `revoked_at` is the earliest revocation found, with its `recorded_at` and `reason` as the authority tells them;
    `covered` tells whether sound data speak
    about the asked moment; `freshest_at` is when the newest of them was issued.
    """

    revoked_at: datetime | None
    covered: bool
    freshest_at: datetime | None
    recorded_at: datetime | None = None
    reason: str = ""


def revocation_facts(
    certificate: x509.Certificate, issuer: x509.Certificate, knowledge: Knowledge, *, at: datetime
) -> RevocationFacts:
    """Look a certificate up in every sound list and response at hand."""
    revoked: list[_Revoked] = []
    covered, freshest = False, None
    for this_update, next_update, found in _statements(certificate, issuer, knowledge):
        if found is not None:
            revoked.append(found)
        covered = covered or this_update >= at or (next_update is not None and at <= next_update)
        freshest = this_update if freshest is None else max(freshest, this_update)
    first = min(revoked, key=lambda one: one.counts_from, default=None)
    if first is None:
        return RevocationFacts(None, covered, freshest)
    return RevocationFacts(first.counts_from, covered, freshest, first.recorded_at, first.reason)


def issuer_of(certificate: x509.Certificate, candidates: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """Return the certificate that signed another, or None."""
    return next((one for one in candidates if _issued(one, certificate)), None)


@dataclass(frozen=True, slots=True)
class _Revoked:
    """A revocation as one list or response tells it; `counts_from` is the earlier of its dates."""

    counts_from: datetime
    recorded_at: datetime
    reason: str


Statement = tuple["datetime", "datetime | None", "_Revoked | None"]


def _statements(certificate: x509.Certificate, issuer: x509.Certificate, knowledge: Knowledge) -> Iterable[Statement]:
    for listed in knowledge.crls:
        if listed.issuer.hashable == issuer.subject.hashable and _list_signed(listed, issuer):
            yield _from_list(certificate, listed)
    for response in knowledge.ocsps:
        yield from _from_response(certificate, issuer, response)


def _list_signed(listed: crl.CertificateList, issuer: x509.Certificate) -> bool:
    try:
        return verify_signature(
            issuer["tbs_certificate"]["subject_public_key_info"].dump(),
            listed["signature_algorithm"],
            listed["signature"].native,
            listed["tbs_cert_list"].dump(),
            "",
        )
    except WeakAlgorithm:
        return False


def _from_list(certificate: x509.Certificate, listed: crl.CertificateList) -> Statement:
    body = listed["tbs_cert_list"]
    revoked = None
    for entry in body["revoked_certificates"] or ():
        if entry["user_certificate"].native == certificate.serial_number and not _lifted(entry):
            reason = entry.crl_reason_value
            revoked = _revoked(entry["revocation_date"].native, "" if reason is None else reason.native, entry)
    return body["this_update"].native, body["next_update"].native, revoked


def _revoked(recorded_at: datetime, reason: str, told: crl.RevokedCertificate | ocsp.SingleResponse) -> _Revoked:
    """Return a revocation that counts from its InvalidityDate on where that lies earlier than its own date.

    The date of revocation is when the authority was told; the key may have been in other hands before
    (RFC 5280, 5.3.2). A proof that the signature existed has to lie before both.
    """
    invalid_from: core.GeneralizedTime | None = told.invalidity_date_value
    dates: list[datetime] = [] if invalid_from is None else [invalid_from.native]
    return _Revoked(min((recorded_at, *dates)), recorded_at, reason or "unspecified")


def _lifted(entry: crl.RevokedCertificate) -> bool:
    """Tell whether a delta list names a certificate because its hold has ended."""
    reason = entry.crl_reason_value
    return reason is not None and reason.native == "remove_from_crl"


def _from_response(
    certificate: x509.Certificate, issuer: x509.Certificate, response: ocsp.OCSPResponse
) -> Iterable[Statement]:
    if response["response_status"].native != "successful":
        return
    basic = response.basic_ocsp_response
    if not _response_signed(basic, issuer):
        return
    for single in basic["tbs_response_data"]["responses"]:
        identified = single["cert_id"]
        if identified["serial_number"].native != certificate.serial_number:
            continue
        if identified["issuer_key_hash"].native != _key_hash(issuer, identified["hash_algorithm"]["algorithm"].native):
            continue
        status = single["cert_status"]
        revoked = None
        if status.name == "revoked":
            told = status.chosen
            revoked = _revoked(told["revocation_time"].native, told["revocation_reason"].native or "", single)
        if status.name != "unknown":
            yield single["this_update"].native, single["next_update"].native, revoked


def _key_hash(issuer: x509.Certificate, algorithm: str) -> bytes:
    key = issuer.public_key
    return bytes(key.sha1 if algorithm == "sha1" else key.sha256 if algorithm == "sha256" else b"")


def _response_signed(basic: ocsp.BasicOCSPResponse, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer, or a responder it delegated to, signed a response."""
    responders = [issuer]
    for certificate in basic["certs"] or ():
        purposes = certificate.extended_key_usage_value
        if purposes is not None and "ocsp_signing" in purposes.native and _issued(issuer, certificate):
            responders.append(certificate)
    for responder in responders:
        try:
            if verify_signature(
                responder["tbs_certificate"]["subject_public_key_info"].dump(),
                basic["signature_algorithm"],
                basic["signature"].native,
                basic["tbs_response_data"].dump(),
                "",
            ):
                return True
        except WeakAlgorithm:
            continue
    return False


def list_addresses(path: Iterable[x509.Certificate]) -> tuple[str, ...]:
    """Return where the lists are published that certificates name, once every signature of their path was checked."""
    urls = [
        name.native
        for certificate in path
        for point in certificate.crl_distribution_points
        if point["distribution_point"].name == "full_name"
        for name in point["distribution_point"].chosen
        if name.name == "uniform_resource_identifier"
    ]
    return tuple(dict.fromkeys(url for url in urls if url.startswith(("http://", "https://"))))


def declares_revocation(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate says where its revocation is to be looked up."""
    return bool(certificate.crl_distribution_points or certificate.ocsp_urls)


def _needs_none(certificate: x509.Certificate) -> bool:
    """Tell whether its issuer vouches for a certificate's whole short life (ETSI EN 319 412-1, 5.2)."""
    extensions = certificate["tbs_certificate"]["extensions"]
    return any(extension["extn_id"].native == SHORT_TERM for extension in extensions)


def unlooked(path: tuple[x509.Certificate, ...], knowledge: Knowledge, *, at: datetime) -> bool:
    """Tell whether a path holds a certificate that names no revocation service and of which nothing at hand speaks."""
    return any(
        not declares_revocation(certificate)
        and not _needs_none(certificate)
        and not revocation_facts(certificate, issuer, knowledge, at=at).covered
        for issuer, certificate in pairwise(path)
    )


def object_to_revocation(
    path: tuple[x509.Certificate, ...], knowledge: Knowledge, *, at: datetime, proven: bool, required: bool
) -> Objection | None:
    """Return why revocation stands against a path, or None.

    Args:
        path: certificates from the anchor to the signer.
        knowledge: lists and responses at hand.
        at: the proven time, or now.
        proven: whether `at` is proven; without proof any revocation counts.
        required: whether a certificate that names no revocation service has to be looked up all the same.
    """
    for issuer, certificate in pairwise(path):
        facts = revocation_facts(certificate, issuer, knowledge, at=at)
        if facts.revoked_at is not None and (not proven or facts.revoked_at <= at):
            sub = "REVOKED_NO_POE" if certificate is path[-1] else "REVOKED_CA_NO_POE"
            return Objection(sub, "证书已被吊销。", "A certificate was revoked.")
        if declares_revocation(certificate) and not facts.covered:
            return Objection("TRY_LATER", "缺少当时的吊销信息。", "Revocation data for that moment are missing.")
    if required and unlooked(path, knowledge, at=at):
        return Objection(
            "TRY_LATER",
            "证书未注明吊销查询地址，也没有可用的吊销信息，无法确认其是否被吊销。",
            "A certificate names no revocation service and no list at hand speaks of it.",
        )
    return None


def object_to_keys(
    path: tuple[x509.Certificate, ...], material: TrustMaterial, *, at: datetime, proven: bool
) -> Objection | None:
    """Return whether a key of the path was declared compromised before the proven time."""
    for certificate in path:
        moment = material.untrusted_from.get(certificate.sha256)
        if moment is not None and (not proven or moment <= at):
            return Objection("REVOKED_NO_POE", "该密钥已被宣布泄露。", "The key was declared compromised.")
    return None
