"""Revocation reasons and revocation lists (RFC 5280 section 5). No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keys.certificates import signature_hash

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from keys.certificates import IssuerFacts


class RevocationReason(StrEnum):
    """RFC 5280 section 5.3.1, as far as it is used here."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"

    @property
    def code(self) -> int:
        """Return the CRLReason number."""
        return _CODES[self]

    @property
    def flag(self) -> x509.ReasonFlags:
        """Return the reason in the form the list builder takes."""
        return x509.ReasonFlags(self.value)


_CODES = {
    RevocationReason.UNSPECIFIED: 0,
    RevocationReason.KEY_COMPROMISE: 1,
    RevocationReason.AFFILIATION_CHANGED: 3,
    RevocationReason.SUPERSEDED: 4,
    RevocationReason.CESSATION_OF_OPERATION: 5,
    RevocationReason.PRIVILEGE_WITHDRAWN: 9,
}


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked certificate; `invalid_from` is the moment its key stopped being trustworthy, where known."""

    serial: int
    revoked_at: datetime
    reason: RevocationReason
    invalid_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListTimes:
    """Number and validity of one list; `base_number` makes it a delta (section 5.2.4)."""

    number: int
    this_update: datetime
    next_update: datetime
    base_number: int | None = None


def build_crl(facts: IssuerFacts, revocations: Iterable[Revocation], times: ListTimes) -> bytes:
    """Return a signed list.

    A full list carries no Freshest CRL pointer: validators that meet one without having the delta at
    hand (pyHanko among them) call a sealed file undetermined, also long after, offline, and when the
    full list is embedded in the file and was fresh at its time.
    """
    if facts.certificate is None:
        message = "a list needs its issuer's certificate"
        raise ValueError(message)
    identifier = facts.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(facts.certificate.subject)
        .last_update(times.this_update)
        .next_update(times.next_update)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .add_extension(x509.CRLNumber(times.number), critical=False)
    )
    if times.base_number is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(times.base_number), critical=True)
    for revocation in revocations:
        builder = builder.add_revoked_certificate(_entry(revocation))
    return builder.sign(facts.signer, signature_hash(facts.signer)).public_bytes(Encoding.DER)


def _entry(revocation: Revocation) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revocation.serial).revocation_date(revocation.revoked_at)
    if revocation.reason is not RevocationReason.UNSPECIFIED:
        # The absence of the entry means unspecified, and RFC 5280 wants it absent then.
        builder = builder.add_extension(x509.CRLReason(revocation.reason.flag), critical=False)
    if revocation.invalid_from is not None:
        builder = builder.add_extension(x509.InvalidityDate(revocation.invalid_from), critical=False)
    return builder.build()
