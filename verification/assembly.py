"""Builds the package from the settings: one call for server, worker, command and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.directory import Directory
from verification.sandbox import Sandbox
from verification.self_check import FastSelfCheck
from verification.service import VerificationService
from verification.sources import KeysTrust

if TYPE_CHECKING:
    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.settings import Settings
    from keys.assembly import Keys
    from verification.ports import LicenceRecords


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything other packages use of this one."""

    service: VerificationService
    self_check: FastSelfCheck
    sandbox: Sandbox
    trust: KeysTrust

    async def start(self) -> None:
        """Start the sandbox, so that the first file does not wait for it; raises SandboxUnavailable."""
        await self.sandbox.start()

    async def close(self) -> None:
        """Stop the sandbox."""
        await self.sandbox.close()


def assemble_verification(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    audit: Audit,
    cache: Cache,
    keys: Keys,
    licences: LicenceRecords,
) -> Verification:
    """Join the parts; opens nothing."""
    del cache
    sandbox = Sandbox()
    trust = KeysTrust(keys, settings.service_id)
    service = VerificationService(
        database=database,
        clock=clock,
        audit=audit,
        directory=Directory(database),
        licences=licences,
        trust=trust,
        receipts=keys.receipts,
        sandbox=sandbox,
        issuer=settings.issuer,
    )
    return Verification(service, FastSelfCheck(), sandbox, trust)
