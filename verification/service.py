"""Use cases of verification: each returns a report and a signed receipt for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.jws import TokenSigner
    from verification.model import Report
    from verification.ports import LicenceRecords
    from verification.sandbox import Sandbox
    from verification.trust import TrustSource


@dataclass(frozen=True, slots=True)
class Verified:
    """A report, and the compact JWS receipt that lets anybody check it later."""

    report: Report
    receipt: str
    receipt_id: str


class VerificationService:
    """Every verdict. Each method writes one audit row and commits before it answers."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        audit: Audit,
        licences: LicenceRecords,
        trust: TrustSource,
        receipts: TokenSigner,
        sandbox: Sandbox,
        service_id: str,
        issuer: str,
    ) -> None:
        """Take the collaborators; nothing is opened."""

    async def by_identifier(
        self,
        principal: Principal,
        unverified_identifier: str,
        *,
        compare: Mapping[str, str] | None = None,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Verified:
        """Judge a licence by its GB/T 36904 identifier as typed.

        Args:
            principal: who asks; `foundation.principal.ANONYMOUS` on the public page.
            unverified_identifier: as typed; a malformed one is INVALID with the broken rule.
            compare: `holder_name` and `holder_code` as the asker has them; only "same" or "differs"
                comes back, never the value.
            at: as of this moment; now when None.
            known_at: as the records knew it then; now when None.
        """
        raise NotImplementedError

    async def by_qr(self, principal: Principal, unverified_text: str, *, at: datetime | None = None) -> Verified:
        """Judge an HF1 code by its text (the whole link or from `HF1` on), online."""
        raise NotImplementedError

    async def by_pdf(self, principal: Principal, document: bytes, *, at: datetime | None = None) -> Verified:
        """Judge a PDF, ours or a stranger's.

        Raises: NotAPdf, DocumentEncrypted, NoSealFound, DocumentOverLimit, SandboxUnavailable.
        """
        raise NotImplementedError

    async def by_receipt(self, unverified_receipt: str) -> Report:
        """Check one of our receipts; the report repeats what the receipt says when it is genuine."""
        raise NotImplementedError
