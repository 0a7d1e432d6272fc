"""Certificates of natural persons: whom we believe, what they say, and whether they were revoked. Pure over files.

A directory holds the anchors and intermediates (`*.pem`) and the newest revocation list of each
issuer (`*.crl`, DER or PEM), put there by whoever runs the service. A certificate names its holder
in the form of ETSI EN 319 412-1 section 5.1.3: `IDCCN-` or `PNOCN-` and the ID number in
`serialNumber`, the name in `commonName`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from foundation.settings import BadSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

LONGEST_CHAIN = 4
AUTHENTICATES = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
SIGNS = AUTHENTICATES | {
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.SMARTCARD_LOGON,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),
}
"""What a key may be for that signs our text; the last is document signing, RFC 9336."""
_NUMBER = re.compile(r"(?:IDCCN|PNOCN)-([0-9]{17}[0-9X])\Z")


class CertificateRefused(Exception):
    """The certificate, its chain or the signature is not to be believed."""


class RevocationUnknown(Exception):
    """No current revocation list of an issuer is there: nothing can be said now."""


@dataclass(frozen=True, slots=True)
class PersonCertificate:
    """What a believed certificate says of its holder."""

    name: str = field(repr=False)
    citizen_id_number: str = field(repr=False)
    authority: str
    reference: str
    not_after: datetime


class CertificateAnchors:
    """The files of one directory, read anew for each judgement: a list put there counts at once."""

    def __init__(self, directory: Path | None) -> None:
        """Look at the directory once, so that a bad one stops the start; raises BadSettings."""
        self._directory = directory
        if directory is not None and not any(_is_anchor(one) for one in self._certificates()):
            message = "HUFU_PERSON_ANCHORS: no self-signed CA certificate in a *.pem file there"
            raise BadSettings(message)

    @property
    def configured(self) -> bool:
        """Tell whether certificates are accepted at all."""
        return self._directory is not None

    def judge(self, chain_pem: str, signature: bytes, signed: bytes, now: datetime) -> PersonCertificate:
        """Return what a certificate says whose key signed `signed`; raises CertificateRefused, RevocationUnknown."""
        presented = _read_chain(chain_pem)
        leaf = presented[0]
        _check_signature(leaf, signature, signed)
        _check_use(leaf, SIGNS)
        return self._believed(leaf, presented[1:], now)

    def judge_presented(self, certificate_der: bytes, now: datetime) -> PersonCertificate:
        """Return what a certificate says whose key a TLS handshake has proven; raises as `judge` does."""
        try:
            leaf = x509.load_der_x509_certificate(certificate_der)
        except ValueError as error:
            raise CertificateRefused("no certificate") from error
        _check_use(leaf, AUTHENTICATES)
        return self._believed(leaf, (), now)

    def _believed(
        self, leaf: x509.Certificate, presented: Sequence[x509.Certificate], now: datetime
    ) -> PersonCertificate:
        path = self._path(leaf, presented, now)
        for certificate, issuer in pairwise(path):
            if self._revoked(certificate.serial_number, issuer, now):
                raise CertificateRefused("revoked")
        name, number = _holder(leaf)
        return PersonCertificate(
            name, number, _common_name(path[-1].subject), _reference(leaf), leaf.not_valid_after_utc
        )

    def revoked(self, reference: str, now: datetime) -> bool:
        """Tell whether a current list of the issuer names the certificate by now; raises RevocationUnknown."""
        issuer_name, _, serial = reference.rpartition("#")
        for issuer in self._certificates():
            if issuer.subject.rfc4514_string() == issuer_name:
                return self._revoked(int(serial, 16), issuer, now)
        raise RevocationUnknown

    def _path(
        self, leaf: x509.Certificate, presented: Sequence[x509.Certificate], now: datetime
    ) -> list[x509.Certificate]:
        """Return the path to an anchor of the directory; what was presented may only lie between."""
        ours = self._certificates()
        path = [leaf]
        while len(path) <= LONGEST_CHAIN:
            last = path[-1]
            if not last.not_valid_before_utc <= now <= last.not_valid_after_utc:
                raise CertificateRefused("outside its validity")
            if last in ours and _is_anchor(last):
                return path
            issuer = next((one for one in (*ours, *presented) if one != last and _issued(one, last)), None)
            if issuer is None:
                raise CertificateRefused("no path to an anchor")
            path.append(issuer)
        raise CertificateRefused("the chain is too long")

    def _revoked(self, serial: int, issuer: x509.Certificate, now: datetime) -> bool:
        for crl in self._lists():
            key = issuer.public_key()
            if crl.issuer != issuer.subject or not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
                continue
            if not crl.is_signature_valid(key) or crl.next_update_utc is None or not crl.last_update_utc <= now:
                continue
            if now < crl.next_update_utc:
                return crl.get_revoked_certificate_by_serial_number(serial) is not None
        raise RevocationUnknown

    def _certificates(self) -> list[x509.Certificate]:
        found: list[x509.Certificate] = []
        for path in sorted(self._directory.glob("*.pem")) if self._directory else ():
            # Half written, or something else: as good as not there.
            with suppress(ValueError):
                found += x509.load_pem_x509_certificates(path.read_bytes())
        return found

    def _lists(self) -> list[x509.CertificateRevocationList]:
        found = []
        for path in sorted(self._directory.glob("*.crl")) if self._directory else ():
            data = path.read_bytes()
            load = x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl
            with suppress(ValueError):
                found.append(load(data))
        return found


def _read_chain(chain_pem: str) -> list[x509.Certificate]:
    try:
        presented = x509.load_pem_x509_certificates(chain_pem.encode())
    except ValueError as error:
        raise CertificateRefused("no certificate") from error
    if len(presented) > LONGEST_CHAIN:
        raise CertificateRefused("the chain is too long")
    return presented


def _check_signature(leaf: x509.Certificate, signature: bytes, signed: bytes) -> None:
    """Check the signature over the text as it stands, or with the line end an editor adds."""
    for text in (signed, signed + b"\n"):
        if _fits(leaf, signature, text):
            return
    raise CertificateRefused("the signature does not fit")


def _fits(leaf: x509.Certificate, signature: bytes, signed: bytes) -> bool:
    try:
        key = leaf.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:  # noqa: PLR2004 - the shortest still trusted
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        else:
            raise CertificateRefused("the kind of key is not accepted")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _check_use(leaf: x509.Certificate, purposes: frozenset[x509.ObjectIdentifier]) -> None:
    """Refuse a key that does not sign, and one meant for something else, such as a web server's or a responder's."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = [one.value for one in leaf.extensions if isinstance(one.value, x509.ExtendedKeyUsage)]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise CertificateRefused("it does not say what its key is for") from error
    if not usage.digital_signature and not (usage.content_commitment and purposes is SIGNS):
        raise CertificateRefused("its key does not sign")
    if any(purposes.isdisjoint(value) for value in extended):
        raise CertificateRefused("its key is for something else")


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return constraints.ca and usage.key_cert_sign


def _is_anchor(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject and _issued(certificate, certificate)


def _holder(leaf: x509.Certificate) -> tuple[str, str]:
    numbers = leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    match = _NUMBER.match(str(numbers[0].value)) if len(numbers) == 1 else None
    name = _common_name(leaf.subject)
    if match is None or not name:
        raise CertificateRefused("it does not name a person by ID number")
    unknown = [one for one in leaf.extensions if one.critical and one.oid not in _UNDERSTOOD]
    if unknown:
        raise CertificateRefused("a critical extension is not understood")
    return name, match[1]


_UNDERSTOOD = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)


def _common_name(subject: x509.Name) -> str:
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _reference(leaf: x509.Certificate) -> str:
    return f"{leaf.issuer.rfc4514_string()}#{leaf.serial_number:x}"
