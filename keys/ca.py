"""Certificates: issuing by profile, renewing, revoking, revocation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keys.certificate_repository import CertificateRecord, CertificateRepository
from keys.certificates import Issuer
from keys.errors import CertificateNotFound
from keys.model import KeyPurpose
from keys.revocation import RevocationReason
from keys.signer.port import SubjectFacts

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.model import KeyInfo
    from keys.service import KeyService
    from keys.signer.port import Signer

__all__ = ["CertificateAuthority", "CertificateRecord", "Issuer", "RevocationReason"]


class CertificateAuthority:
    """Issues and revokes; every act commits by itself and is audited."""

    def __init__(self, database: Database, cipher: FieldCipher, service: KeyService, signer: Signer) -> None:
        """Read here, sign there."""
        self._database = database
        self._cipher = cipher
        self._service = service
        self._signer = signer

    async def issue_organisation_seal(
        self, principal: Principal, key_id: str, *, organisation_name: str, credit_code: str, seal_name: str
    ) -> KeyInfo:
        """Certify a pending seal key and make it active; return it with its chain.

        For an active key this renews the certificate.
        Raises: KeyNotFound, WrongPurpose, KeyNotUsable, InvalidInput (a name over 64 characters).
        """
        subject = SubjectFacts("seal", credit_code, seal_name, organisation_name, credit_code)
        return await self._signer.certify(principal, key_id, subject)

    async def issue_person(self, principal: Principal, key_id: str, *, name: str, person_number: str) -> KeyInfo:
        """Certify a pending person key; `person_number` is our own id, never an ID number."""
        return await self._signer.certify(principal, key_id, SubjectFacts("person", person_number, name))

    async def issue_officer(
        self,
        principal: Principal,
        key_id: str,
        *,
        name: str,
        officer_number: str,
        organisation_name: str,
        credit_code: str,
    ) -> KeyInfo:
        """Certify a pending person key of an officer."""
        subject = SubjectFacts("officer", officer_number, name, organisation_name, credit_code)
        return await self._signer.certify(principal, key_id, subject)

    async def issue_tls_client(
        self, principal: Principal, csr_der: bytes, *, client_id: str, organisation_name: str, credit_code: str
    ) -> bytes:
        """Return a TLS client certificate (DER) for the public key of a PKCS #10 request."""
        subject = SubjectFacts("tls_client", client_id, client_id, organisation_name, credit_code)
        return await self._signer.certify_request(principal, csr_der, subject)

    async def revoke(
        self,
        principal: Principal,
        serial: int,
        reason: RevocationReason,
        *,
        invalid_from: datetime | None = None,
    ) -> None:
        """Revoke and publish at once; raises CertificateNotFound, CertificateAlreadyRevoked."""
        await self._signer.revoke(principal, serial, reason, invalid_from)

    async def search(
        self,
        *,
        subject_id: str | None = None,
        key_id: str | None = None,
        serial: int | None = None,
        expiring_before: datetime | None = None,
        limit: int = 100,
    ) -> tuple[CertificateRecord, ...]:
        """Return certificates by any of these, the newest first."""
        async with self._database.read() as connection:
            return await CertificateRepository(connection, self._cipher).search(
                subject_id=subject_id, key_id=key_id, serial=serial, expiring_before=expiring_before, limit=limit
            )

    async def crl_der(self, issuer: Issuer) -> bytes:
        """Return the newest full revocation list of one CA, issuing it when the last has aged."""
        return await self._signer.crl(issuer)

    async def certificate_der(self, issuer: Issuer) -> bytes:
        """Return a CA's own certificate; raises CertificateNotFound."""
        purpose = KeyPurpose.ROOT_CA if issuer is Issuer.ROOT else KeyPurpose.ISSUING_CA
        info = await self._service.active(purpose, issuer)
        if not info.certificate_chain_der:
            raise CertificateNotFound("This CA has no certificate yet.")
        return info.certificate_chain_der[0]
