"""Collecting what a later validation needs, while it is to be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asn1crypto import cms as asn1_cms
from cryptography import x509

from keys.ca import Issuer
from signing.long_term import ValidationData

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keys.ca import CertificateAuthority
    from keys.ocsp import OcspResponder


@dataclass(frozen=True, slots=True)
class TimestampChain:
    """The certificates in a timestamp token, the TSA's own first."""

    certificates: tuple[bytes, ...]

    @property
    def expires_at(self) -> datetime:
        """Return when the TSA's certificate ends, and with it what its timestamp proves alone."""
        return x509.load_der_x509_certificate(self.certificates[0]).not_valid_after_utc


def timestamp_chain(token: bytes) -> TimestampChain:
    """Return the certificates of a token that our own TSA made, the signer's first."""
    signed_data = asn1_cms.ContentInfo.load(token)["content"]
    serial = signed_data["signer_infos"][0]["sid"].chosen["serial_number"].native
    certificates = [entry.chosen for entry in signed_data["certificates"]]
    certificates.sort(key=lambda certificate: certificate.serial_number != serial)
    return TimestampChain(tuple(certificate.dump() for certificate in certificates))


class ValidationDataSource:
    """Asks the CA and the OCSP responder about our own certificates."""

    def __init__(self, authority: CertificateAuthority, responder: OcspResponder) -> None:
        """Take who issues and who answers for status."""
        self._authority = authority
        self._responder = responder

    async def collect(self, chains: Sequence[Sequence[bytes]]) -> ValidationData:
        """Return certificates and status for chains of ours, leaf first.

        Leaves get an OCSP response made now, after their signature; their issuers stand in the root's CRL.
        Raises: CertificateNotFound for a stranger's chain, ServiceUnavailable.
        """
        responses = [await self._responder.response_for(leaf) for leaf in dict.fromkeys(chain[0] for chain in chains)]
        certificates = [certificate for chain in chains for certificate in chain]
        certificates.append(await self._authority.certificate_der(Issuer.ROOT))
        return ValidationData(
            tuple(dict.fromkeys(certificates)), tuple(responses), (await self._authority.crl_der(Issuer.ROOT),)
        )
