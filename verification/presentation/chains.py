"""The certificates in a credential's header (`x5c`), followed to an anchor. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from asn1crypto import crl, x509
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
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)

from verification.pdf.event_loop import run
from verification.pdf.recheck import Knowledge, list_addresses, object_to_revocation, revocation_facts
from verification.presentation.sd_jwt import MalformedSdJwt
from verification.words import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from verification.trust import TrustMaterial

MAXIMUM_CERTIFICATES = 5
_SIGNING = {"digital_signature", "non_repudiation"}
_OTHER_PURPOSES = {"server_auth", "client_auth", "code_signing", "time_stamping", "ocsp_signing"}
"""Extended usages under which no credential is signed, where a certificate has no other."""
_REVOCATION = RevocationCheckingPolicy(
    ee_certificate_rule=RevocationCheckingRule.CHECK_IF_DECLARED,
    intermediate_ca_cert_rule=RevocationCheckingRule.CHECK_IF_DECLARED,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a chain's leaf may sign credentials: `reason` of None says so.

    `addresses` are where the lists are published that were missing, `as_of` is the age of the oldest list at hand.
    """

    reason: Reason | None
    addresses: tuple[str, ...] = ()
    as_of: datetime | None = None


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

    def judge(self, material: TrustMaterial, at: datetime) -> Standing:
        """Tell whether the leaf may sign credentials (RFC 5280, section 6; decision 0114)."""
        return run(self._judge(material, at))

    async def _judge(self, material: TrustMaterial, at: datetime) -> Standing:
        leaf = self.certificates[0]
        usage, extended = leaf.key_usage_value, leaf.extended_key_usage_value
        elsewhere = extended is not None and set(extended.native) <= _OTHER_PURPOSES
        if leaf.ca or elsewhere or (usage is not None and not _SIGNING & set(usage.native)):
            return Standing(Reason.CERTIFICATE_UNSUITABLE)
        try:
            return await self._standing(material, at)
        except RevokedError:
            return Standing(Reason.CERTIFICATE_REVOKED)
        except (ExpiredError, NotYetValidError):
            return Standing(Reason.CERTIFICATE_EXPIRED)
        except (PathError, ValidationError, ValueError, TypeError, KeyError):
            return Standing(Reason.CREDENTIAL_ISSUER_UNKNOWN)

    async def _standing(self, material: TrustMaterial, at: datetime) -> Standing:
        """Judge twice: by the library, and by our own reading of every list at hand."""
        known = Knowledge(
            tuple(x509.Certificate.load(der) for der in material.intermediates_der),
            tuple(crl.CertificateList.load(der) for der in material.crls_der),
            (),
        )
        roots = [x509.Certificate.load(der) for der in material.roots_der]
        try:
            path = await self._path(roots, known, at, _REVOCATION)
        except InsufficientRevinfoError:
            # An address counts once every signature on its way to an anchor was checked.
            path = await self._path(roots, known, at, NO_REVOCATION)
            return Standing(Reason.REVOCATION_DATA_MISSING, list_addresses(path[1:]))
        if any(material.untrusted_from.get(item.sha256, at) < at for item in path):
            return Standing(Reason.KEY_COMPROMISED)
        objection = object_to_revocation(path, known, at=at, proven=False, required=material.revocation_required)
        if objection is not None:
            missing = objection.sub_indication == "TRY_LATER"
            return Standing(Reason.REVOCATION_DATA_MISSING if missing else Reason.CERTIFICATE_REVOKED)
        facts = [revocation_facts(lower, upper, known, at=at) for upper, lower in pairwise(path)]
        ages = [one.freshest_at for one in facts if one.freshest_at is not None]
        return Standing(None, as_of=min(ages, default=None))

    async def _path(
        self, roots: list[x509.Certificate], known: Knowledge, at: datetime, policy: RevocationCheckingPolicy
    ) -> tuple[x509.Certificate, ...]:
        leaf, *others = self.certificates
        context = ValidationContext(
            trust_roots=roots,
            other_certs=[*others, *known.certificates],
            moment=at,
            allow_fetching=False,
            crls=list(known.crls),
            revinfo_policy=CertRevTrustPolicy(policy),
        )
        return tuple(await CertificateValidator(leaf, validation_context=context).async_validate_path())


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
