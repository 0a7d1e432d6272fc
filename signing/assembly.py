"""Builds the package from its collaborators: one call for server, worker and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.batches import Batches
from foundation.jobs import Jobs
from keys.seal_proofs import RequiredProofs
from signing.batches import SealBatches
from signing.execution import Execution
from signing.interrupted import Interrupted
from signing.judging import Judging
from signing.levels import Levels
from signing.loaded import LoadedSeals
from signing.ports import NobodyKeepsDigests
from signing.seal_grants import SealGrants
from signing.sealing import SealingService
from signing.seals import SealService
from signing.upgrades import Upgrades
from signing.validation_data import ValidationDataSource
from signing.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.jobs import JobHandler, PeriodicJob
    from foundation.settings import Settings
    from keys.assembly import Keys
    from signing.ports import DocumentReplaced, FullGate, SealOfficers, SecondFactors, SelfCheck


@dataclass(frozen=True, slots=True)
class Signing:
    """Everything other packages use of this one."""

    seals: SealService
    grants: SealGrants
    sealing: SealingService
    batches: SealBatches
    upgrades: Upgrades
    interrupted: Interrupted
    workshop: Workshop

    def job_handlers(self) -> Mapping[str, JobHandler]:
        """Return what a worker runs for this package."""
        return {**self.upgrades.handlers(), **self.batches.handlers()}

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats for this package."""
        return {**self.upgrades.periodic(), **self.interrupted.periodic()}

    async def warm(self) -> None:
        """Start the processes that examine documents, so that the first upload need not wait."""
        await self.workshop.warm()

    async def close(self) -> None:
        """Stop what was started."""
        await self.workshop.close()


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
    full_gate: FullGate,
    second_factors: SecondFactors,
    officers: SealOfficers,
    replaced: DocumentReplaced | None = None,
    workshop: Workshop | None = None,
) -> Signing:
    """Join the parts; opens nothing."""
    jobs, workshop = Jobs(), workshop or Workshop()
    seals = SealService(
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        directory=directory,
        keys=keys.service,
        authority=keys.ca,
        officers=officers,
    )
    grants = SealGrants(
        database, clock=clock, audit=audit, cipher=cipher, directory=directory, seals=seals, officers=officers
    )
    loaded = LoadedSeals(seals, keys.service, keys.ca, keys.tsa, clock)
    levels = Levels(ValidationDataSource(keys.ca, keys.ocsp), keys.tsa)
    judging = Judging(database, clock=clock, audit=audit, gate=full_gate, one_in=settings.gate_one_in)
    execution = Execution(
        database,
        clock=clock,
        audit=audit,
        blobs=blobs,
        jobs=jobs,
        keys=keys.service,
        timestamps=keys.tsa,
        levels=levels,
        self_check=self_check,
        judging=judging,
    )
    sealing = SealingService(
        database,
        clock=clock,
        audit=audit,
        blobs=blobs,
        seals=seals,
        loaded=loaded,
        execution=execution,
        second_factors=second_factors,
        workshop=workshop,
    )
    upgrades = Upgrades(
        database,
        clock=clock,
        audit=audit,
        blobs=blobs,
        jobs=jobs,
        seals=seals,
        loaded=loaded,
        levels=levels,
        timestamps=keys.tsa,
        self_check=self_check,
        judging=judging,
        replaced=replaced or NobodyKeepsDigests(),
    )
    batches = SealBatches(
        database,
        clock=clock,
        audit=audit,
        blobs=blobs,
        batches=Batches(database, jobs, clock),
        seals=seals,
        loaded=loaded,
        sealing=sealing,
        second_factors=second_factors,
        proofs=RequiredProofs(database, required=settings.seal_proof_required),
    )
    interrupted = Interrupted(database, clock=clock, blobs=blobs, seals=seals, loaded=loaded, sealing=sealing)
    return Signing(seals, grants, sealing, batches, upgrades, interrupted, workshop)
