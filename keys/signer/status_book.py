"""What the OCSP responder knows: every revocation in memory, and the serials seen to exist."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from keys.errors import CertificateNotFound
from keys.statuses import Unknown

if TYPE_CHECKING:
    from datetime import datetime

    from foundation.clock import Clock
    from foundation.database import Database
    from keys.certificates import Issuer
    from keys.issuing import CertificateIssuer
    from keys.revocation import Revocation

FRESH_SECONDS = 0.5
OVERLAP = timedelta(minutes=2)
"""Transactions commit in another order than their dates; looking this far back misses none."""
MAX_KNOWN = 1_000_000


class StatusBook:
    """Answers good, revoked or unknown at most half a second behind the database."""

    def __init__(self, database: Database, clock: Clock, issuer: CertificateIssuer) -> None:
        """Read through the CA's repository."""
        self._database = database
        self._clock = clock
        self._issuer = issuer
        self._revoked: dict[tuple[Issuer, int], Revocation] = {}
        self._known: set[tuple[Issuer, int]] = set()
        self._looked_at: dict[Issuer, tuple[float, datetime]] = {}
        self._looking = asyncio.Lock()

    async def status(self, issuer: Issuer, serial: int) -> Revocation | Unknown | None:
        """Return the revocation of a certificate, None when it is good, or UNKNOWN."""
        await self._refresh(issuer)
        revocation = self._revoked.get((issuer, serial))
        if revocation is not None or (issuer, serial) in self._known:
            return revocation
        try:
            async with self._database.read() as connection:
                record = await self._issuer.certificates(connection).get(issuer, serial)
        except CertificateNotFound:
            return Unknown.UNKNOWN
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known.add((issuer, serial))
        return record.revocation

    def age(self) -> None:
        """Make the next answer look at the database first."""
        self._looked_at = {issuer: (float("-inf"), at) for issuer, (_, at) in self._looked_at.items()}

    async def _refresh(self, issuer: Issuer) -> None:
        looked, _ = self._looked_at.get(issuer, (float("-inf"), None))
        if time.monotonic() - looked < FRESH_SECONDS:
            return
        async with self._looking:
            started, now = time.monotonic(), self._clock.now()
            _, before = self._looked_at.get(issuer, (0.0, None))
            since = None if before is None else before - OVERLAP
            async with self._database.read() as connection:
                certificates = self._issuer.certificates(connection)
                found = await certificates.revoked(issuer, unexpired_at=now, since=since)
            self._revoked.update(((issuer, one.serial), one) for one in found)
            self._looked_at[issuer] = (started, now)
