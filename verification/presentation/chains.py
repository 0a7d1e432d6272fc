"""The certificates in a credential's header (`x5c`), followed to an anchor. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asn1crypto import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from joserfc.jwk import ECKey
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathError,
    RevokedError,
    ValidationError,
)
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule

from verification.pdf.event_loop import run
from verification.presentation.sd_jwt import MalformedSdJwt
from verification.words import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from verification.trust import TrustMaterial

MAXIMUM_CERTIFICATES = 5
_SIGNING = {"digital_signature", "non_repudiation"}
_REVOCATION = CertRevTrustPolicy(
    RevocationCheckingPolicy(
        ee_certificate_rule=RevocationCheckingRule.CHECK_IF_DECLARED,
        intermediate_ca_cert_rule=RevocationCheckingRule.CHECK_IF_DECLARED,
    )
)


@dataclass(frozen=True, slots=True)
class Chain:
    """Certificates as they came, leaf first; believed once `judge` finds no fault."""

    certificates: tuple[x509.Certificate, ...]

    @property
    def organisation_identifier(self) -> str:
        """Return the leaf's organizationIdentifier (ETSI EN 319 412-1), empty when it has none."""
        value = self.certificates[0].subject.native.get("organization_identifier", "")
        return value if isinstance(value, str) else ""

    @property
    def authority_key_identifiers(self) -> frozenset[str]:
        """Return the key identifiers of authorities the certificates name, base64url."""
        found = (item.authority_key_identifier for item in self.certificates)
        return frozenset(base64.urlsafe_b64encode(value).rstrip(b"=").decode() for value in found if value is not None)

    def key(self) -> ECKey | None:
        """Return the leaf's key; None for one that makes no ECDSA signatures."""
        try:
            key = load_der_public_key(self.certificates[0].public_key.dump())
        except (ValueError, UnsupportedAlgorithm):
            return None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return None
        return ECKey.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def judge(self, material: TrustMaterial, at: datetime) -> Reason | None:
        """Return why the leaf may not sign credentials; None when it may (RFC 5280, section 6)."""
        return run(self._judge(material, at))

    async def _judge(self, material: TrustMaterial, at: datetime) -> Reason | None:
        leaf, *others = self.certificates
        context = ValidationContext(
            trust_roots=[x509.Certificate.load(der) for der in material.roots_der],
            other_certs=[*others, *(x509.Certificate.load(der) for der in material.intermediates_der)],
            moment=at,
            allow_fetching=False,
            crls=list(material.crls_der),
            revinfo_policy=_REVOCATION,
        )
        usage = leaf.key_usage_value
        if leaf.ca or (usage is not None and not _SIGNING & set(usage.native)):
            return Reason.CERTIFICATE_UNSUITABLE
        try:
            path = await CertificateValidator(leaf, validation_context=context).async_validate_path()
        except RevokedError:
            return Reason.CERTIFICATE_REVOKED
        except (ExpiredError, NotYetValidError):
            return Reason.CERTIFICATE_EXPIRED
        except InsufficientRevinfoError:
            return Reason.REVOCATION_DATA_MISSING
        except (PathError, ValidationError, ValueError, TypeError, KeyError):
            return Reason.CREDENTIAL_ISSUER_UNKNOWN
        compromised = [item for item in path if material.untrusted_from.get(item.sha256, at) < at]
        return Reason.KEY_COMPROMISED if compromised else None


def read_chain(unverified_x5c: object) -> Chain:
    """Read an `x5c` header; raises MalformedSdJwt."""
    if not isinstance(unverified_x5c, list) or not 1 <= len(unverified_x5c) <= MAXIMUM_CERTIFICATES:
        raise MalformedSdJwt("The certificates are no list, or too many.")
    found = []
    for text in unverified_x5c:
        try:
            certificate = x509.Certificate.load(base64.b64decode(text, validate=True), strict=True)
            # Everything that is asked of it later is decoded here, where damage has a name.
            _ = certificate.native, certificate.subject.hashable, certificate.key_usage_value, certificate.ca
        except (ValueError, TypeError, KeyError, binascii.Error) as error:
            raise MalformedSdJwt("A certificate is damaged.") from error
        found.append(certificate)
    return Chain(tuple(found))
