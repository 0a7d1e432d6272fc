"""Collects, while a seal is judged, what the verdict rests on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verification.evidence import RevocationObject, RevokedCertificate, SealEvidence, Timestamp
from verification.pdf.cms import MalformedSeal, read_timestamp
from verification.pdf.recheck import issuer_of, revocation_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asn1crypto import x509
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

    from verification.pdf.ades import Judged
    from verification.pdf.byte_range import Coverage
    from verification.pdf.cms import SignedMessage, TimestampFacts
    from verification.pdf.recheck import Knowledge


@dataclass
class Findings:
    """What is known so far; an examination that ends early leaves the rest empty."""

    coverage: Coverage | None = None
    message: SignedMessage | None = None
    stamp: TimestampFacts | None = None
    judged: Judged | None = None


def evidence_of(seal: EmbeddedPdfSignature, found: Findings, knowledge: Knowledge, *, passed: bool) -> SealEvidence:
    """Return the evidence of one seal as far as its examination came; what was revoked, where it did not pass."""
    sound = found.coverage is not None
    base = SealEvidence(
        field_name=str(seal.field_name),
        byte_range=tuple(int(number) for number in seal.byte_range) if sound else (),
        sub_filter=str(seal.sig_object.get("/SubFilter", ""))[1:],
        covers=sound,
    )
    message, judged = found.message, found.judged
    if message is None:
        return base
    path = tuple(reversed(judged.path)) if judged is not None and judged.path else (message.certificate,)
    return SealEvidence(
        field_name=base.field_name,
        byte_range=base.byte_range,
        sub_filter=base.sub_filter,
        covers=sound,
        signature=message.signature,
        digest_algorithm=message.digest_algorithm if found.stamp is None else found.stamp.imprint_algorithm,
        digest=message.message_digest if found.stamp is None else found.stamp.imprint,
        claimed_at=message.signing_time if found.stamp is None else found.stamp.at,
        procedure="" if judged is None else judged.procedure,
        path_der=tuple(certificate.dump() for certificate in path),
        timestamps=_timestamps(message),
        revocation=_revocation(path, knowledge),
        revoked=() if passed else tuple(_revoked(path, knowledge)),
        proven_at=None if judged is None else judged.proven_at,
    )


def _revoked(path: tuple[x509.Certificate, ...], knowledge: Knowledge) -> Iterator[RevokedCertificate]:
    """Yield what of a path was revoked."""
    for certificate in path:
        issuer = issuer_of(certificate, (*path, *knowledge.certificates))
        if issuer is None:
            continue
        facts = revocation_facts(certificate, issuer, knowledge, at=certificate.not_valid_before)
        if facts.recorded_at is not None:
            yield RevokedCertificate(certificate.sha256.hex(), facts.recorded_at, facts.reason)


def _timestamps(message: SignedMessage) -> tuple[Timestamp, ...]:
    stamps = []
    for token in message.timestamp_tokens_der:
        try:
            stamps.append(Timestamp(token, read_timestamp(token).at))
        except MalformedSeal:
            continue
    return tuple(stamps)


def _revocation(path: tuple[x509.Certificate, ...], knowledge: Knowledge) -> tuple[RevocationObject, ...]:
    """Return the lists and responses at hand that speak for an issuer of the path."""
    issuers = {certificate.issuer.hashable for certificate in path}
    lists = [
        RevocationObject("CRL", hashlib.sha256(item.dump()).hexdigest(), item["tbs_cert_list"]["this_update"].native)
        for item in knowledge.crls
        if item.issuer.hashable in issuers
    ]
    serials = {certificate.serial_number for certificate in path}
    responses = [
        RevocationObject(
            "OCSPResponse",
            hashlib.sha256(item.dump()).hexdigest(),
            item.basic_ocsp_response["tbs_response_data"]["produced_at"].native,
        )
        for item in knowledge.ocsps
        if item["response_status"].native == "successful"
        and serials
        & {
            single["cert_id"]["serial_number"].native
            for single in item.basic_ocsp_response["tbs_response_data"]["responses"]
        }
    ]
    return tuple({item.sha256_hex: item for item in (*lists, *responses)}.values())
