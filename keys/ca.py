"""Certificates: issuing by profile, renewing, revoking, revocation lists."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.principal import Principal
    from keys.model import KeyInfo


class Issuer(StrEnum):
    """The CAs, by the `owner` of their key."""

    ROOT = "root"
    PERSONS = "persons"
    SEALS = "seals"
    INFRASTRUCTURE = "infrastructure"


class RevocationReason(StrEnum):
    """RFC 5280 section 5.3.1, as far as leaf certificates use it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


class CertificateAuthority:
    """Issues and revokes; every act commits by itself and is audited."""

    async def issue_organisation_seal(
        self, principal: Principal, key_id: str, *, organisation_name: str, credit_code: str, seal_name: str
    ) -> KeyInfo:
        """Certify a pending seal key and make it active; return it with its chain."""
        raise NotImplementedError

    async def issue_person(self, principal: Principal, key_id: str, *, name: str, person_number: str) -> KeyInfo:
        """Certify a pending person key; `person_number` is our own id, never an ID number."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def issue_tls_client(
        self, principal: Principal, csr_der: bytes, *, client_id: str, organisation_name: str, credit_code: str
    ) -> bytes:
        """Return a TLS client certificate (DER) for the public key of a PKCS #10 request."""
        raise NotImplementedError

    async def revoke(
        self,
        principal: Principal,
        serial: int,
        reason: RevocationReason,
        *,
        invalid_from: datetime | None = None,
    ) -> None:
        """Revoke and publish at once; raises CertificateNotFound, CertificateAlreadyRevoked."""
        raise NotImplementedError

    async def crl_der(self, issuer: Issuer) -> bytes:
        """Return the newest full revocation list of one CA, issuing it when the last has aged."""
        raise NotImplementedError

    async def certificate_der(self, issuer: Issuer) -> bytes:
        """Return a CA's own certificate."""
        raise NotImplementedError
