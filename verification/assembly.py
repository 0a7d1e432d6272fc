"""Builds the package from the settings: one call for server, worker, command and tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from foundation.directory import Directory
from foundation.jobs import Jobs, PeriodicJob
from foundation.outbound import OutboundClient
from verification.batches.service import VerificationBatches
from verification.cities import UPDATE_EVERY, Cities
from verification.full_gate import GATE_LIMITS, FullGate
from verification.guesses import Guesses
from verification.log.assembly import assemble_log
from verification.log.service import SEQUENCE_EVERY
from verification.log.witnesses import ASK_EVERY
from verification.neighbours import FETCH_EVERY, NeighbourLists
from verification.pack_builder import PackBuilder
from verification.presentation.register import PresentationRegister
from verification.presentation.service import PresentationService
from verification.record_comparison import RecordComparison
from verification.sandbox import Sandbox
from verification.self_check import FastSelfCheck
from verification.service import VerificationService
from verification.sources import KeysTrust
from verification.status.publisher import PUBLISH_EVERY, StatusPublisher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.cache import Cache
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.jobs import JobHandler
    from foundation.settings import Settings
    from keys.assembly import Keys
    from verification.log.places import ReceiptPlaces
    from verification.log.service import TransparencyLog
    from verification.log.witness import Witness
    from verification.log.witnesses import Witnesses
    from verification.ports import FreshFaces, LicenceRecords, LicenceStatuses, LicenceTypes, ReceiptPapers

    class Licences(LicenceRecords, LicenceStatuses, Protocol):
        """The vault's records with their status values."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything other packages use of this one."""

    service: VerificationService
    self_check: FastSelfCheck
    gate: FullGate
    sandbox: Sandbox
    trust: KeysTrust
    statuses: StatusPublisher
    packs: PackBuilder | None
    neighbours: NeighbourLists | None
    log: TransparencyLog
    witnesses: Witnesses
    witness: Witness
    places: ReceiptPlaces
    cities: Cities | None
    outbound: OutboundClient
    batches: VerificationBatches | None
    presentations: PresentationService | None
    presentation_register: PresentationRegister

    async def start(self) -> None:
        """Start the sandbox, so that the first file does not wait for it; raises SandboxUnavailable."""
        await self.sandbox.start()

    def job_handlers(self) -> Mapping[str, JobHandler]:
        """Return the queued work of this package."""
        return {} if self.batches is None else self.batches.job_handlers()

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""
        return {
            "verification.status_lists": PeriodicJob(self.statuses.publish_changes, PUBLISH_EVERY),
            "verification.log": PeriodicJob(self.log.run, SEQUENCE_EVERY),
            "verification.witnesses": PeriodicJob(self.witnesses.run, ASK_EVERY),
            **({} if self.batches is None else self.batches.periodic_jobs()),
            **({} if self.presentations is None else self.presentations.periodic_jobs()),
            **(
                {}
                if self.cities is None
                else {"verification.cities": PeriodicJob(self.cities.update_all, UPDATE_EVERY)}
            ),
            **(
                {}
                if self.neighbours is None
                else {"verification.neighbours": PeriodicJob(self.neighbours.fetch_all, FETCH_EVERY)}
            ),
        }

    async def close(self) -> None:
        """Stop the sandbox and close connections to other cities."""
        await self.sandbox.close()
        await self.gate.close()
        await self.outbound.close()


def assemble_verification(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    audit: Audit,
    cache: Cache,
    keys: Keys,
    licences: Licences,
    types: LicenceTypes | None = None,
    cipher: FieldCipher | None = None,
    faces: FreshFaces | None = None,
    papers: ReceiptPapers | None = None,
) -> Verification:
    """Join the parts; opens nothing.

    Without the catalogue no packs are built; without a cipher no batches run and no wallet is asked.
    """
    sandbox = Sandbox()
    trust = KeysTrust(keys, settings.service_id)
    outbound = OutboundClient(settings.outbound_networks)
    if types is not None:
        trust.cities = Cities(
            database,
            clock,
            audit,
            keys,
            trust,
            types,
            outbound,
            service_id=settings.service_id,
            city_name=settings.city_name,
            issuer=settings.issuer,
            verify_page=settings.verify_page,
        )

    def comparison(readers: Sandbox) -> RecordComparison:
        return RecordComparison(
            database, Directory(database), licences, readers, trust.code_keys, cities=trust.cities, faces=faces
        )

    gate_sandbox = Sandbox(limits=GATE_LIMITS)
    gate = FullGate(gate_sandbox, trust, clock, comparison(gate_sandbox))
    parts = assemble_log(settings, database, clock, keys, outbound)
    service = VerificationService(
        database=database,
        clock=clock,
        audit=audit,
        guesses=Guesses(cache, cipher),
        licences=licences,
        comparison=comparison(sandbox),
        trust=trust,
        receipts=keys.receipts,
        sandbox=sandbox,
        issuer=settings.issuer,
        verify_page=settings.verify_page,
        cities=trust.cities,
        log=parts.log,
        papers=papers,
        past=parts.past,
    )
    statuses = StatusPublisher(database, clock, keys.service, licences, base_url=settings.issuer)
    neighbours, packs = None, None
    if types is not None and trust.cities is not None:
        neighbours = NeighbourLists(database, clock, outbound, trust.cities)
        packs = PackBuilder(clock, keys, trust, statuses, types, neighbours, settings.service_id, settings.verify_page)
    batches, presentations = None, None
    register = PresentationRegister(database, clock, audit)
    if cipher is not None:
        presentations = PresentationService(
            database,
            clock=clock,
            audit=audit,
            cipher=cipher,
            directory=Directory(database),
            keys=keys.service,
            trust=trust,
            outbound=outbound,
            verification=service,
            register=register,
            issuer=settings.issuer,
        )
        batches = VerificationBatches(
            database,
            clock=clock,
            audit=audit,
            cipher=cipher,
            jobs=Jobs(),
            verification=service,
            kept=timedelta(days=settings.batch_results_days),
        )
    return Verification(
        service=service,
        self_check=FastSelfCheck(),
        gate=gate,
        sandbox=sandbox,
        trust=trust,
        statuses=statuses,
        packs=packs,
        neighbours=neighbours,
        log=parts.log,
        witnesses=parts.witnesses,
        witness=parts.witness,
        places=parts.places,
        cities=trust.cities,
        outbound=outbound,
        batches=batches,
        presentations=presentations,
        presentation_register=register,
    )
