"""A CA of natural persons for tests: certificates that name a person, and its revocation list."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.real_name_authority import Citizen


class Authority:
    """A CA of persons with a key of its own."""

    def __init__(self, directory: Path, now: datetime, name: str = "演示市个人证书 CA") -> None:
        self.directory = directory
        self.began, self.ends, self.now = now - timedelta(days=1), now + timedelta(days=200), now
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self.name, self.key.public_key(), now + timedelta(days=3000))
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = (
            builder.add_extension(basic, critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .sign(self.key, SHA256())
        )
        (directory / "ca.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        self.publish()

    def publish(self, *serials: int, next_update: datetime | None = None) -> None:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(self.began)
        builder = builder.next_update(next_update or self.now + timedelta(days=7))
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.began).build()
            builder = builder.add_revoked_certificate(revoked)
        (self.directory / "ca.crl").write_bytes(builder.sign(self.key, SHA256()).public_bytes(Encoding.DER))

    def issue(
        self,
        person: Citizen,
        *,
        number: str | None = None,
        ends: datetime | None = None,
        signs: bool = True,
        purposes: Sequence[x509.ObjectIdentifier] = (),
    ) -> Card:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, number or f"IDCCN-{person.citizen_id_number}"),
                x509.NameAttribute(NameOID.COMMON_NAME, person.name),
            ]
        )
        builder = self._builder(subject, key.public_key(), ends or self.ends)
        usage = _usage(signs=True) if signs else _usage(signs=False)
        builder = builder.add_extension(usage, critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return Card(key, builder.sign(self.key, SHA256()))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, ends: datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(self.began).not_valid_after(ends)


class Card:
    """A person's certificate and key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.key, self.certificate = key, certificate
        self.pem = certificate.public_bytes(Encoding.PEM).decode()
        self.header = f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"

    def sign(self, text: str) -> str:
        return base64.b64encode(self.key.sign(text.encode(), ec.ECDSA(SHA256()))).decode()


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )
