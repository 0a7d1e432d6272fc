"""SQL of certificates and revocation lists; leaves commit to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from keys.certificates import Issuer, der_of, serial_text
from keys.errors import CertificateAlreadyRevoked, CertificateNotFound
from keys.revocation import ListTimes, Revocation, RevocationReason
from keys.tables import certificates, crls

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.encryption import FieldCipher

_CONTEXT = "certificates.certificate_der"


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A certificate on record. `subject_id` is a credit code, our person number or a client id, never a name."""

    issuer: Issuer
    serial: int
    profile: str
    key_id: str | None
    subject_id: str
    certificate_der: bytes
    not_before: datetime
    not_after: datetime
    revocation: Revocation | None


class CertificateRepository:
    """Rows of `certificates` and `crls`. Certificates carry persons' names and are stored encrypted."""

    def __init__(self, connection: AsyncConnection, cipher: FieldCipher) -> None:
        """Work on the caller's connection."""
        self._connection = connection
        self._cipher = cipher

    def _record(self, row: Row[Any]) -> CertificateRecord:
        return CertificateRecord(
            Issuer(row.issuer),
            int(row.serial, 16),
            row.profile,
            row.key_id,
            row.subject_id,
            self._cipher.decrypt_bytes(row.certificate_der, _CONTEXT),
            row.not_before,
            row.not_after,
            _revocation(row),
        )

    async def add(
        self,
        issuer: Issuer,
        certificate: x509.Certificate,
        *,
        profile: str,
        key_id: str | None,
        subject_id: str,
        issued_at: datetime,
    ) -> None:
        """Store a certificate just made."""
        await self._connection.execute(
            insert(certificates).values(
                issuer=issuer,
                serial=serial_text(certificate),
                profile=profile,
                key_id=key_id,
                subject_id=subject_id,
                certificate_der=self._cipher.encrypt_bytes(der_of(certificate), _CONTEXT),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                issued_at=issued_at,
            )
        )

    async def get(self, issuer: Issuer, serial: int) -> CertificateRecord:
        """Return one certificate; raises CertificateNotFound."""
        query = select(certificates).where(certificates.c.issuer == issuer, certificates.c.serial == f"{serial:x}")
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise CertificateNotFound("No certificate with this serial number was issued here.")
        return self._record(row)

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
        query = select(certificates).order_by(certificates.c.issued_at.desc(), certificates.c.serial).limit(limit)
        if subject_id is not None:
            query = query.where(certificates.c.subject_id == subject_id)
        if key_id is not None:
            query = query.where(certificates.c.key_id == key_id)
        if serial is not None:
            query = query.where(certificates.c.serial == f"{serial:x}")
        if expiring_before is not None:
            query = query.where(certificates.c.not_after < expiring_before, certificates.c.revoked_at.is_(None))
        return tuple(self._record(row) for row in await self._connection.execute(query))

    async def revoke(self, issuer: Issuer, revocation: Revocation) -> CertificateRecord:
        """Revoke one certificate, once; raises CertificateNotFound, CertificateAlreadyRevoked."""
        statement = (
            update(certificates)
            .where(
                certificates.c.issuer == issuer,
                certificates.c.serial == f"{revocation.serial:x}",
                certificates.c.revoked_at.is_(None),
            )
            .values(
                revoked_at=revocation.revoked_at,
                revocation_reason=revocation.reason,
                invalid_from=revocation.invalid_from,
            )
            .returning(certificates)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            await self.get(issuer, revocation.serial)
            raise CertificateAlreadyRevoked("This certificate is revoked already.")
        return self._record(row)

    async def issuer_of(self, serial: int) -> Issuer:
        """Return the CA that issued a serial number; raises CertificateNotFound."""
        query = select(certificates.c.issuer).where(certificates.c.serial == f"{serial:x}")
        found = (await self._connection.execute(query)).scalars().all()
        if not found:
            raise CertificateNotFound("No certificate with this serial number was issued here.")
        return Issuer(found[0])

    async def revoked(
        self, issuer: Issuer, *, unexpired_at: datetime, since: datetime | None = None
    ) -> tuple[Revocation, ...]:
        """Return the revocations that belong in a list, of a delta those from `since` on."""
        query = (
            select(certificates)
            .with_only_columns(
                certificates.c.serial,
                certificates.c.revoked_at,
                certificates.c.revocation_reason,
                certificates.c.invalid_from,
            )
            .where(
                certificates.c.issuer == issuer,
                certificates.c.revoked_at.is_not(None),
                certificates.c.not_after > unexpired_at,
            )
            .order_by(certificates.c.revoked_at)
        )
        if since is not None:
            query = query.where(certificates.c.revoked_at >= since)
        rows = await self._connection.execute(query)
        return tuple(found for row in rows.all() if (found := _revocation(row)) is not None)

    async def count_revoked(self, issuer: Issuer) -> int:
        """Return how many entries a full list has, roughly: expired certificates are counted too."""
        query = select(func.count()).where(certificates.c.issuer == issuer, certificates.c.revoked_at.is_not(None))
        return int((await self._connection.execute(query)).scalar_one())

    async def last_end(self, issuer: Issuer) -> datetime | None:
        """Return when the last of a CA's certificates ends, those of its responder left out."""
        table = certificates.c
        query = select(func.max(table.not_after)).where(table.issuer == issuer, table.profile != "ocsp")
        last: datetime | None = (await self._connection.execute(query)).scalar_one()
        return last

    async def latest_revocation(self, issuer: Issuer) -> datetime | None:
        """Return the date of a CA's latest revocation."""
        query = select(func.max(certificates.c.revoked_at)).where(certificates.c.issuer == issuer)
        latest: datetime | None = (await self._connection.execute(query)).scalar_one()
        return latest

    async def hold_list_lock(self, issuer: Issuer) -> None:
        """Let one process at a time number a CA's lists; released with the transaction."""
        await self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"hufu.crl.{issuer}"))))

    async def newest_list(self, issuer: Issuer, *, delta: bool = False) -> tuple[ListTimes, bytes] | None:
        """Return a CA's newest full or delta list, or None."""
        kind = crls.c.base_number.is_not(None) if delta else crls.c.base_number.is_(None)
        query = select(crls).where(crls.c.issuer == issuer, kind).order_by(crls.c.number.desc()).limit(1)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return ListTimes(row.number, row.this_update, row.next_update, row.base_number), row.crl_der

    async def add_list(self, issuer: Issuer, times: ListTimes, crl_der: bytes) -> None:
        """Store a list just signed."""
        await self._connection.execute(
            insert(crls).values(
                issuer=issuer,
                number=times.number,
                base_number=times.base_number,
                this_update=times.this_update,
                next_update=times.next_update,
                crl_der=crl_der,
            )
        )

    async def next_list_number(self, issuer: Issuer) -> int:
        """Return the next number; full and delta lists share the sequence."""
        query = select(func.coalesce(func.max(crls.c.number), 0) + 1).where(crls.c.issuer == issuer)
        return int((await self._connection.execute(query)).scalar_one())


def _revocation(row: Row[*tuple[Any, ...]]) -> Revocation | None:
    if row.revoked_at is None:
        return None
    return Revocation(int(row.serial, 16), row.revoked_at, RevocationReason(row.revocation_reason), row.invalid_from)
