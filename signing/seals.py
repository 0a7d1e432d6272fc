"""The life of a seal and who may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.principal import Principal
    from keys.ca import CertificateAuthority
    from keys.service import KeyService
    from signing.model import Grant, Seal, SealApplication, SealImage, SealUse


class SealService:
    """Applied → approved by somebody else → made → filed → active ⇄ suspended → cancelled.

    Operators look after every seal, officers apply for their own organisation's. Only an
    operator approves, and never what they applied for themselves.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        directory: Directory,
        keys: KeyService,
        authority: CertificateAuthority,
    ) -> None:
        """Take the collaborators."""

    async def apply(self, principal: Principal, application: SealApplication) -> Seal:
        """Apply for a seal (申请); raises InvalidInput, NotPermitted, GlyphMissing."""

    async def approve(self, principal: Principal, seal_id: str) -> Seal:
        """Approve an application (批准); raises FourEyesRequired, SealStateConflict."""

    async def reject(self, principal: Principal, seal_id: str, *, reason: str) -> Seal:
        """Turn an application down."""

    async def make(self, principal: Principal, seal_id: str) -> Seal:
        """Make the seal (制作): draw its image, create its key, have its certificate issued."""

    async def file(self, principal: Principal, seal_id: str, *, filing_number: str) -> Seal:
        """File the seal (备案) under the number the filing office gave."""

    async def activate(self, principal: Principal, seal_id: str) -> Seal:
        """Put a filed or suspended seal to use after trying its key and certificate (启用)."""

    async def suspend(self, principal: Principal, seal_id: str, *, reason: str) -> Seal:
        """Stop the use of a seal for a while (停用)."""

    async def cancel(self, principal: Principal, seal_id: str, *, reason: str) -> Seal:
        """End a seal for good and revoke its certificate (注销)."""

    async def get(self, seal_id: str) -> Seal:
        """Return a seal; raises SealNotFound."""

    async def image(self, principal: Principal, seal_id: str) -> SealImage:
        """Return a seal's picture to an operator or its own organisation; raises SealNotFound."""

    async def of_organisation(self, organisation_code: str) -> tuple[Seal, ...]:
        """Return an organisation's seals, oldest first."""

    async def grant_use(
        self,
        principal: Principal,
        seal_id: str,
        officer_id: str,
        *,
        matter_codes: Iterable[str] = (),
        valid_from: datetime,
        valid_to: datetime,
    ) -> Grant:
        """Let an officer of the seal's organisation use it; no matter named means every matter."""

    async def revoke_grant(self, principal: Principal, grant_id: str) -> None:
        """Withdraw a grant at once."""

    async def usable_by(self, principal: Principal, *, matter_code: str | None = None) -> tuple[Seal, ...]:
        """Return the active seals the caller may use now, for one matter or for any."""

    async def uses(self, principal: Principal, seal_id: str, *, before: int | None = None) -> tuple[SealUse, ...]:
        """Return up to 100 lines of the register of use, newest first; `before` pages back."""
