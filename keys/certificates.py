"""Certificate profiles (RFC 5280, ETSI EN 319 412) and the certificates built from them. No I/O."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from foundation.errors import InvalidInput
from keys.algorithms import public_key_bits

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from keys.providers.base import CertificateSigner

NCP_POLICY = "0.4.0.2042.1.1"
"""Normalised certificate policy, ETSI EN 319 411-1 section 5.3."""
MAX_NAME = 64
"""ub-common-name and ub-organization-name, RFC 5280 appendix A."""
BACKDATE = timedelta(minutes=1)
"""Verifiers' clocks run a little behind ours."""


class Issuer(str):
    """A CA by the `owner` of its key: a role, and from its second generation on a number, as in `seals-2`.

    Each generation has a name, a key, lists and addresses of its own, so that a verifier never
    has to choose between two keys of one name. Raises: ValueError for what names no CA.
    """

    __slots__ = ()

    ROOT: ClassVar[Issuer]
    PERSONS: ClassVar[Issuer]
    SEALS: ClassVar[Issuer]
    INFRASTRUCTURE: ClassVar[Issuer]

    def __new__(cls, name: str) -> Self:
        """Read a name."""
        if not re.fullmatch(r"root|(persons|seals|infrastructure)(-([2-9]|[1-9][0-9]{1,3}))?", name):
            message = "there is no such CA"
            raise ValueError(message)
        return super().__new__(cls, name)

    @property
    def role(self) -> Issuer:
        """Return what the CA certifies, whichever its generation."""
        return Issuer(self.partition("-")[0])

    @property
    def generation(self) -> int:
        """Return 1 for the CA of the ceremony, and one more for each that followed it."""
        return int(self.partition("-")[2] or 1)

    @property
    def following(self) -> Issuer:
        """Return the name of the next generation."""
        return Issuer(f"{self.role}-{self.generation + 1}")


Issuer.ROOT, Issuer.PERSONS = Issuer("root"), Issuer("persons")
Issuer.SEALS, Issuer.INFRASTRUCTURE = Issuer("seals"), Issuer("infrastructure")

DELEGATED = (Issuer.PERSONS, Issuer.SEALS, Issuer.INFRASTRUCTURE)
"""The roles of the CAs that are online: they have responders, and lists made anew by themselves."""

_CA_NAMES = {
    Issuer.ROOT: "Hufu Root CA",
    Issuer.PERSONS: "Hufu Persons CA",
    Issuer.SEALS: "Hufu Organisation Seals CA",
    Issuer.INFRASTRUCTURE: "Hufu Infrastructure CA",
}
TSA_NAME = "Hufu Timestamp Authority"
RECEIPT_NAME = "Hufu Verification Receipts"
PRESENTATION_NAME = "Hufu Presentation Verifier"


def authority_name(issuer: Issuer, city: str) -> x509.Name:
    """Return the distinguished name of a CA."""
    number = f" {issuer.generation}" if issuer.generation > 1 else ""
    return common_name("CN", city, _CA_NAMES[issuer.role] + number)


def ocsp_name(issuer: Issuer) -> str:
    """Return the common name of a CA's responder."""
    return f"Hufu OCSP {issuer}"


@dataclass(frozen=True, slots=True)
class CertificateProfile:
    """One kind of certificate.

    `usages` are attribute names of `x509.KeyUsage`. `path_length` is None for leaves.
    """

    name: str
    days: int
    usages: frozenset[str]
    extended: tuple[ObjectIdentifier, ...] = ()
    extended_critical: bool = False
    policies: tuple[str, ...] = ()
    path_length: int | None = None
    no_check: bool = False


_CA_USAGES = frozenset({"key_cert_sign", "crl_sign"})
PROFILES = {
    profile.name: profile
    for profile in (
        CertificateProfile("root", 20 * 365, _CA_USAGES, path_length=1),
        CertificateProfile("issuing", 10 * 365, _CA_USAGES, policies=("2.5.29.32.0",), path_length=0),
        CertificateProfile("seal", 3 * 365, frozenset({"content_commitment"}), policies=(NCP_POLICY,)),
        CertificateProfile("person", 3 * 365, frozenset({"content_commitment"}), policies=(NCP_POLICY,)),
        CertificateProfile("officer", 3 * 365, frozenset({"content_commitment"}), policies=(NCP_POLICY,)),
        CertificateProfile("receipt", 3 * 365, frozenset({"content_commitment"}), policies=(NCP_POLICY,)),
        # A wallet knows us by this certificate (OpenID4VP, x509_hash).
        CertificateProfile("presentation", 3 * 365, frozenset({"digital_signature"}), policies=(NCP_POLICY,)),
        CertificateProfile(
            "tsa",
            6 * 365,
            frozenset({"digital_signature"}),
            (ExtendedKeyUsageOID.TIME_STAMPING,),
            extended_critical=True,
            policies=(NCP_POLICY,),
        ),
        CertificateProfile(
            "ocsp", 365, frozenset({"digital_signature"}), (ExtendedKeyUsageOID.OCSP_SIGNING,), no_check=True
        ),
        CertificateProfile("tls_client", 365, frozenset({"digital_signature"}), (ExtendedKeyUsageOID.CLIENT_AUTH,)),
    )
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a certificate says its issuer's certificate, list and responder are."""

    base: str

    def crl(self, issuer: Issuer) -> str:
        """Return the address of a CA's revocation list."""
        return f"{self.base}/pki/crl/{issuer}.crl"

    def certificate(self, issuer: Issuer) -> str:
        """Return the address of a CA's certificate."""
        return f"{self.base}/pki/ca/{issuer}.cer"

    def ocsp(self) -> str:
        """Return the address of the responder."""
        return f"{self.base}/pki/ocsp"


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """The CA that signs: its name, certificate (None while the root makes its own) and opened key."""

    issuer: Issuer
    certificate: x509.Certificate | None
    signer: CertificateSigner


def common_name(country: str, organisation: str, name: str) -> x509.Name:
    """Return the name of a CA or of a service certificate."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _limited(organisation, "organisation_name")),
            x509.NameAttribute(NameOID.COMMON_NAME, _limited(name, "name")),
        ]
    )


def organisation_subject(organisation_name: str, credit_code: str, name: str) -> x509.Name:
    """Return a legal person's subject; the identifier form is that of ETSI EN 319 412-1 section 5.1.4."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _limited(organisation_name, "organisation_name")),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, _organisation_identifier(credit_code)),
            x509.NameAttribute(NameOID.COMMON_NAME, _limited(name, "name")),
        ]
    )


def person_subject(name: str, number: str, *, organisation_name: str = "", credit_code: str = "") -> x509.Name:
    """Return a natural person's subject; a Chinese name is not split, so `surname` carries all of it."""
    organisation = (
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _limited(organisation_name, "organisation_name")),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, _organisation_identifier(credit_code)),
        ]
        if credit_code
        else []
    )
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            *organisation,
            x509.NameAttribute(NameOID.SURNAME, _limited(name, "name")),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, _printable(number)),
            x509.NameAttribute(NameOID.COMMON_NAME, _limited(name, "name")),
        ]
    )


def _limited(value: str, field: str) -> str:
    if not value.strip() or len(value) > MAX_NAME or not value.isprintable():
        raise InvalidInput(f"A certificate name has 1 to {MAX_NAME} printable characters.", field=field)
    return value


def _organisation_identifier(credit_code: str) -> str:
    """Return ETSI's form of a credit code; its check character was looked at when the organisation was entered."""
    if not re.fullmatch(r"[0-9A-Z]{18}", credit_code):
        raise InvalidInput("A credit code has 18 digits and capital letters.", field="credit_code")
    return f"NTRCN-{credit_code}"


def _printable(number: str) -> str:
    """Return one of our ids as a PrintableString, which has no underscore."""
    text = number.replace("_", "-")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text):
        raise InvalidInput("A person's number has 1 to 64 letters and digits.", field="number")
    return text


def key_identifier(public_key_der: bytes) -> bytes:
    """Return the subject key identifier: 160 bits of SHA-256, RFC 7093 section 2 method 1."""
    return hashlib.sha256(public_key_bits(public_key_der)).digest()[:20]


def signature_hash(signer: CertificateSigner) -> SHA256 | None:
    """Return the hash a certificate builder wants for a key; Ed25519 and ML-DSA bring their own."""
    return SHA256() if isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def verify_message(certificate: x509.Certificate, signature: bytes, message: bytes) -> None:
    """Raise InvalidSignature unless a signature over a message is the certificate's."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(SHA256()))
    else:
        raise InvalidSignature


def build_certificate(
    profile: CertificateProfile,
    facts: IssuerFacts,
    *,
    subject: x509.Name,
    public_key_der: bytes,
    now: datetime,
    addresses: Addresses,
) -> x509.Certificate:
    """Return a signed certificate that ends no later than its issuer."""
    not_after = now + timedelta(days=profile.days)
    issuer = facts.certificate
    if issuer is not None:
        not_after = min(not_after, issuer.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(_public_key(public_key_der))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier(key_identifier(public_key_der)), critical=False)
        .add_extension(_key_usage(profile.usages), critical=True)
    )
    builder = _with_issuer(builder, profile, facts, addresses)
    builder = _with_profile(builder, profile)
    return builder.sign(facts.signer, signature_hash(facts.signer))


def _public_key(public_key_der: bytes) -> CertificatePublicKeyTypes:
    return load_der_public_key(public_key_der)  # type: ignore[return-value]  # profiles hold certifiable kinds only


def _key_usage(usages: frozenset[str]) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in usages for name in names})


def _with_issuer(
    builder: x509.CertificateBuilder, profile: CertificateProfile, facts: IssuerFacts, addresses: Addresses
) -> x509.CertificateBuilder:
    """Add what points to the issuer: key identifier, list, certificate and responder."""
    if facts.certificate is None:
        return builder
    identifier = facts.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    access = [_access(AuthorityInformationAccessOID.CA_ISSUERS, addresses.certificate(facts.issuer))]
    if facts.issuer != Issuer.ROOT and not profile.no_check:
        # The root is offline and has no responder; its list covers the issuing CAs.
        access.insert(0, _access(AuthorityInformationAccessOID.OCSP, addresses.ocsp()))
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    ).add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if profile.no_check:
        return builder
    location = x509.DistributionPoint([x509.UniformResourceIdentifier(addresses.crl(facts.issuer))], None, None, None)
    return builder.add_extension(x509.CRLDistributionPoints([location]), critical=False)


def _access(method: ObjectIdentifier, address: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(address))


def _with_profile(builder: x509.CertificateBuilder, profile: CertificateProfile) -> x509.CertificateBuilder:
    """Add what the profile itself asks for."""
    if profile.path_length is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=profile.path_length), critical=True)
    if profile.policies:
        policies = [x509.PolicyInformation(ObjectIdentifier(policy), None) for policy in profile.policies]
        builder = builder.add_extension(x509.CertificatePolicies(policies), critical=False)
    if profile.extended:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage(list(profile.extended)), critical=profile.extended_critical
        )
    if profile.no_check:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    return builder


def serial_text(certificate: x509.Certificate) -> str:
    """Return a serial number in the form the database holds."""
    return f"{certificate.serial_number:x}"


def der_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate's DER."""
    return certificate.public_bytes(Encoding.DER)
