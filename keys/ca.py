"""Certificates: issuing by profile, renewing, revoking, revocation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keys.certificate_repository import CertificateRecord, CertificateRepository
from keys.certificates import PRESENTATION_NAME, RECEIPT_NAME, TSA_NAME, Issuer, ocsp_name
from keys.errors import CertificateNotFound
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

        For an active key this renews the certificate. The signer looks at the seal's approval itself.
        Raises: KeyNotFound, WrongPurpose, KeyNotUsable, IntentionMissing, InvalidInput (a name over 64 characters).
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
        """Return a TLS client certificate (DER) for the public key of a PKCS #10 request.

        Another operator has asked for it: `KeyService.request(other, Act.CERTIFY_CLIENT, client_id)`.
        Raises: SecondOperatorRequired, InvalidInput.
        """
        subject = SubjectFacts("tls_client", client_id, client_id, organisation_name, credit_code)
        return await self._signer.certify_request(principal, csr_der, subject)

    async def issue_tsa(self, principal: Principal, key_id: str) -> KeyInfo:
        """Certify a pending TSA key; it stamps from now on, and the one before it retires."""
        return await self._certify_service(principal, key_id, SubjectFacts("tsa", "tsa", TSA_NAME))

    async def issue_ocsp(self, principal: Principal, key_id: str, issuer: Issuer) -> KeyInfo:
        """Certify a pending OCSP key of one issuing CA."""
        return await self._certify_service(principal, key_id, SubjectFacts("ocsp", issuer, ocsp_name(issuer)))

    async def issue_receipt(self, principal: Principal, key_id: str) -> KeyInfo:
        """Certify a receipt key, so that receipts can be sealed as documents; for a certified one this renews."""
        return await self._certify_service(principal, key_id, SubjectFacts("receipt", "receipt", RECEIPT_NAME))

    async def issue_presentation(self, principal: Principal, key_id: str) -> KeyInfo:
        """Certify a pending presentation key; requests to wallets are signed by it from now on."""
        return await self._certify_service(
            principal, key_id, SubjectFacts("presentation", "presentation", PRESENTATION_NAME)
        )

    async def _certify_service(self, principal: Principal, key_id: str, subject: SubjectFacts) -> KeyInfo:
        info = await self._signer.certify(principal, key_id, subject)
        await self._service.refresh(force=True)
        return info

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

    async def delta_crl_der(self, issuer: Issuer) -> bytes:
        """Return what was revoked since the newest full list; the offline root has none (CertificateNotFound)."""
        if issuer == Issuer.ROOT:
            raise CertificateNotFound("The root publishes full lists only.")
        return await self._signer.delta_crl(issuer)

    async def issuers(self) -> tuple[Issuer, ...]:
        """Return the CAs that publish lists now: the root, then those that issue or answer for what they issued."""
        return (Issuer.ROOT, *await self._service.authorities())

    async def certificate_der(self, issuer: Issuer) -> bytes:
        """Return a CA's own certificate; raises CertificateNotFound."""
        info = await self._service.authority(issuer)
        if not info.certificate_chain_der:
            raise CertificateNotFound("This CA has no certificate yet.")
        return info.certificate_chain_der[0]
