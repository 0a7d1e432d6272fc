"""A small certificate authority for samples, made with `cryptography` and nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from asn1crypto import core
from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign import SimpleSigner
from pyhanko.sign.timestamps import DummyTimeStamper, dummy_client
from pyhanko_certvalidator.registry import SimpleCertificateStore

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
# The stock timestamper loads its key for every token, and an RSA key's primes are tested whenever it is loaded.
vars(dummy_client)["serialization"] = SimpleNamespace(load_der_private_key=cache(serialization.load_der_private_key))


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def asn1(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.der)

    @property
    def asn1_key(self) -> asn1_keys.PrivateKeyInfo:
        return asn1_keys.PrivateKeyInfo.load(
            self.key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def name(common_name: str, organisation: str = "") -> x509.Name:
    identified = [x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, organisation)] if organisation else []
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "演示市"),
            *identified,
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def new_key(kind: str = "ec") -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP256R1())


@cache
def timestamping_key() -> PrivateKey:
    """Return the one key of all timestamp authorities here: the stock timestamper knows RSA alone."""
    return new_key("rsa")


def issue(
    common_name: str,
    issuer: Identity | None,
    *,
    authority: bool = False,
    key: PrivateKey | None = None,
    usages: tuple[Any, ...] = (),
    signing: bool = True,
    crl_url: str | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    organisation: str = "",
) -> Identity:
    """Issue a certificate; self-signed without an issuer."""
    key = key or new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name, organisation))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name, organisation))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or NOW - timedelta(days=365))
        .not_valid_after(not_after or NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signing and not authority,
                content_commitment=signing and not authority,
                key_encipherment=not signing,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer.key if issuer else key).public_key()),
            critical=False,
        )
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    if crl_url:
        builder = builder.add_extension(
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)]
            ),
            critical=False,
        )
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@dataclass
class Pki:
    """Root, issuing CA, one seal, one timestamp authority."""

    key_kind: str = "ec"
    declares_crl: bool = True
    revoked: list[tuple[x509.Certificate, datetime]] = field(default_factory=list)
    invalid_from: dict[int, datetime] = field(default_factory=dict)
    """By serial number: an InvalidityDate beside the date of revocation."""
    reasons: dict[int, x509.ReasonFlags] = field(default_factory=dict)

    def __post_init__(self) -> None:
        url = "http://ca.invalid/{}.crl" if self.declares_crl else None
        self.root = issue("演示根证书", None, authority=True)
        self.issuing = issue("演示印章CA", self.root, authority=True, crl_url=url and url.format("root"))
        self.seal = issue(
            "演示市市场监督管理局", self.issuing, key=new_key(self.key_kind), crl_url=url and url.format("issuing")
        )
        self.tsa = issue(
            "演示时间戳",
            self.issuing,
            key=timestamping_key(),
            usages=(ExtendedKeyUsageOID.TIME_STAMPING,),
            crl_url=url and url.format("issuing"),
        )

    def crl(self, authority: Identity, *, at: datetime = NOW, days: float = 7, delta: bool = False) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.certificate.subject)
            .last_update(at)
            .next_update(at + timedelta(days=days))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
            )
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        if delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for certificate, moment in self.revoked:
            if certificate.issuer == authority.certificate.subject:
                entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
                if certificate.serial_number in self.invalid_from:
                    since = self.invalid_from[certificate.serial_number]
                    entry = entry.add_extension(x509.InvalidityDate(since), critical=False)
                if certificate.serial_number in self.reasons:
                    reason = x509.CRLReason(self.reasons[certificate.serial_number])
                    entry = entry.add_extension(reason, critical=False)
                builder = builder.add_revoked_certificate(entry.revocation_date(moment).build())
        return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def crls(self, *, at: datetime = NOW - timedelta(hours=1), days: float = 7) -> tuple[bytes, ...]:
        return self.crl(self.root, at=at, days=days), self.crl(self.issuing, at=at, days=days)

    def ocsp(self, certificate: x509.Certificate, *, revoked_at: datetime, invalid_from: datetime) -> bytes:
        """Return the issuer's own word that a certificate was revoked, with an InvalidityDate."""
        issuer = self.issuing.asn1
        identified = {
            "hash_algorithm": {"algorithm": "sha1"},
            "issuer_name_hash": issuer.subject.sha1,
            "issuer_key_hash": issuer.public_key.sha1,
            "serial_number": certificate.serial_number,
        }
        data = asn1_ocsp.ResponseData(
            {
                "responder_id": asn1_ocsp.ResponderId("by_name", issuer.subject),
                "produced_at": NOW - timedelta(hours=1),
                "responses": [
                    {
                        "cert_id": identified,
                        "cert_status": ("revoked", {"revocation_time": revoked_at}),
                        "this_update": NOW - timedelta(hours=1),
                        "next_update": NOW + timedelta(days=7),
                        "single_extensions": [
                            {"extn_id": "invalidity_date", "extn_value": core.GeneralizedTime(invalid_from)}
                        ],
                    }
                ],
            }
        )
        basic = {
            "tbs_response_data": data,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": self.issuing.key.sign(data.dump(), ec.ECDSA(hashes.SHA256())),
        }
        found: bytes = asn1_ocsp.OCSPResponse(
            {
                "response_status": "successful",
                "response_bytes": {
                    "response_type": "basic_ocsp_response",
                    "response": asn1_ocsp.BasicOCSPResponse(basic),
                },
            }
        ).dump()
        return found

    def signer(self, identity: Identity | None = None) -> SimpleSigner:
        identity = identity or self.seal
        store = SimpleCertificateStore()
        store.register_multiple([self.issuing.asn1])
        return SimpleSigner(signing_cert=identity.asn1, signing_key=identity.asn1_key, cert_registry=store)

    def timestamper(self, at: datetime = NOW - timedelta(hours=2)) -> DummyTimeStamper:
        store = SimpleCertificateStore()
        store.register_multiple([self.issuing.asn1])
        return DummyTimeStamper(
            tsa_cert=self.tsa.asn1, tsa_key=self.tsa.asn1_key, certs_to_embed=store, fixed_dt=at, include_nonce=True
        )
