"""Builds the package from its collaborators: one call for server, worker and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.jobs import Jobs
from signing.sealing import SealingService
from signing.seals import SealService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.jobs import JobHandler
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.ports import SecondFactors, SelfCheck


@dataclass(frozen=True, slots=True)
class Signing:
    """Everything other packages use of this one."""

    seals: SealService
    sealing: SealingService

    def job_handlers(self) -> Mapping[str, JobHandler]:
        """Return what a worker runs for this package."""
        return {}

    async def close(self) -> None:
        """Stop what was started; nothing is, so far."""


def assemble_signing(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    audit: Audit,
    cipher: FieldCipher,
    blobs: BlobStore,
    directory: Directory,
    keys: Keys,
    self_check: SelfCheck,
    second_factors: SecondFactors,
) -> Signing:
    """Join the parts; opens nothing."""
    del settings
    seals = SealService(
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        directory=directory,
        keys=keys.service,
        authority=keys.ca,
    )
    sealing = SealingService(
        database,
        clock=clock,
        audit=audit,
        blobs=blobs,
        jobs=Jobs(),
        seals=seals,
        keys=keys.service,
        timestamps=keys.tsa,
        self_check=self_check,
        second_factors=second_factors,
    )
    return Signing(seals, sealing)
