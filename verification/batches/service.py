"""Use cases of batches: start, watch, fetch what came out; each row is judged as if asked by itself.

A row's verdict gets an audit row and a receipt like any other. What a row held is forgotten
the moment it is judged, and what came out after a set time. A worker that dies leaves rows
waiting; the chunk is tried again and skips what is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from foundation.audit import AuditEvent
from foundation.errors import InvalidInput, NotFound, TooManyRequests
from foundation.ids import new_id
from foundation.jobs import JobHandler, PeriodicJob
from foundation.principal import Channel, Principal, PrincipalKind
from verification.batches.repository import PAGE, Batch, BatchRepository, Judgement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.encryption import FieldCipher
    from foundation.jobs import Jobs
    from verification.batches.rows import BatchRow
    from verification.model import Report
    from verification.service import VerificationService, Verified

JOB = "verification.batch"
CHUNK = 500
TOGETHER = 100
"""Rows judged at a time; they share reads and commits."""
OPEN_BATCHES = 5
PURGE_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is."""

    batch_id: str
    total: int
    done: int
    failed: int
    verdicts: Mapping[str, int]
    created_at: str
    expires_at: str

    @property
    def finished(self) -> bool:
        """Tell whether no row waits."""
        return self.done + self.failed == self.total


class VerificationBatches:
    """Judges in bulk."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        cipher: FieldCipher,
        jobs: Jobs,
        verification: VerificationService,
        kept: timedelta,
    ) -> None:
        """Take the collaborators; `kept` is how long a batch can be fetched."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._cipher = cipher
        self._jobs = jobs
        self._verification = verification
        self._kept = kept

    def job_handlers(self) -> Mapping[str, JobHandler]:
        """Return the queued work."""
        return {JOB: JobHandler(self._chunk, concurrency=2)}

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats."""
        return {"verification.batches": PeriodicJob(self.purge, PURGE_EVERY)}

    async def start(self, principal: Principal, rows: Sequence[BatchRow]) -> BatchProgress:
        """Queue rows to be judged.

        Raises: InvalidInput naming a row that asks about the future, TooManyRequests while too many of the owner's
        batches run.
        """
        now = self._clock.now()
        _require_past(rows, now)
        batch = Batch(
            batch_id=new_id("vba"),
            owner=owner_of(principal),
            requested_by=principal.audit_name,
            organisation_code=principal.organisation_code,
            channel=str(principal.channel),
            total=len(rows),
            created_at=now,
            expires_at=now + self._kept,
        )
        chunks = [
            {"batch_id": batch.batch_id, "first": first, "last": min(first + CHUNK - 1, len(rows))}
            for first in range(1, len(rows) + 1, CHUNK)
        ]
        async with self._database.transaction() as connection:
            repository = BatchRepository(connection, self._cipher)
            if await repository.open_batches(batch.owner) >= OPEN_BATCHES:
                raise TooManyRequests(f"{OPEN_BATCHES} batches are still running; wait for one to end.")
            await repository.add(batch, rows)
            event = AuditEvent("verification.batch", "verification_batch", batch.batch_id, {"rows": len(rows)})
            await self._audit.record(connection, principal, event)
            await self._jobs.enqueue_many(connection, JOB, chunks)
        return _progress(batch, {("waiting", None): len(rows)})

    async def progress(self, principal: Principal, batch_id: str) -> BatchProgress:
        """Return how far a batch of the caller's organisation is; raises NotFound."""
        async with self._database.read() as connection:
            repository = BatchRepository(connection, self._cipher)
            batch = await self._own(repository, principal, batch_id)
            return _progress(batch, await repository.counts(batch_id))

    async def results(self, principal: Principal, batch_id: str) -> AsyncIterator[Judgement]:
        """Yield what became of the rows judged so far, in their order; raises NotFound before the first.

        Each page is read by itself, so that a slow reader holds no connection.
        """
        last = 0
        while True:
            async with self._database.read() as connection:
                repository = BatchRepository(connection, self._cipher)
                await self._own(repository, principal, batch_id)
                page = await repository.results(batch_id, after=last)
            for judgement in page:
                yield judgement
            if len(page) < PAGE:
                return
            last = page[-1].number

    async def purge(self) -> None:
        """Delete batches whose time is over."""
        async with self._database.transaction() as connection:
            await BatchRepository(connection, self._cipher).purge(self._clock.now())

    async def _own(self, repository: BatchRepository, principal: Principal, batch_id: str) -> Batch:
        batch = await repository.find(batch_id, owner=owner_of(principal))
        if batch is None or batch.expires_at <= self._clock.now():
            raise NotFound("There is no such batch.")
        return batch

    async def _chunk(self, payload: Mapping[str, Any]) -> None:
        batch_id = payload["batch_id"]
        async with self._database.read() as connection:
            repository = BatchRepository(connection, self._cipher)
            batch = await repository.find(batch_id)
            waiting = await repository.waiting(batch_id, payload["first"], payload["last"])
        if batch is None:
            return
        principal = Principal(
            _kind(batch.requested_by),
            batch.requested_by.partition(":")[2],
            organisation_code=batch.organisation_code,
            channel=Channel(batch.channel),
        )
        for first in range(0, len(waiting), TOGETHER):
            part = waiting[first : first + TOGETHER]
            judged = await asyncio.gather(*(self._judge(principal, number, row) for number, row in part))
            async with self._database.transaction() as connection:
                await BatchRepository(connection, self._cipher).settle(batch_id, judged)

    async def _judge(self, principal: Principal, number: int, row: BatchRow) -> Judgement:
        moments = {"at": row.as_of.at, "known_at": row.as_of.known_at}
        try:
            if row.way == "qr":
                verified = await self._verification.by_qr(principal, row.text, **moments)
            else:
                verified = await self._verification.by_identifier(
                    principal, row.text, compare=dict(row.compare), **moments
                )
        except InvalidInput as error:
            return Judgement(number, "failed", None, {"ref": row.ref, "way": row.way, "error": error.detail})
        return Judgement(number, "done", verified.report.verdict.value, _result(row, verified))


def owner_of(principal: Principal) -> str:
    """Return whose a principal's batches are: its organisation's, else its own."""
    return principal.organisation_code or principal.audit_name


def _require_past(rows: Sequence[BatchRow], now: datetime) -> None:
    for number, row in enumerate(rows, 1):
        try:
            row.as_of.require_past(now)
        except InvalidInput as error:
            raise InvalidInput(error.detail, field=f"rows.{number}.{error.field}") from error


def _kind(audit_name: str) -> PrincipalKind:
    return PrincipalKind(audit_name.partition(":")[0])


def _progress(batch: Batch, counts: Mapping[tuple[str, str | None], int]) -> BatchProgress:
    by_state: dict[str, int] = {}
    for (state, _), count in counts.items():
        by_state[state] = by_state.get(state, 0) + count
    return BatchProgress(
        batch_id=batch.batch_id,
        total=batch.total,
        done=by_state.get("done", 0),
        failed=by_state.get("failed", 0),
        verdicts={verdict: count for (_, verdict), count in counts.items() if verdict is not None},
        created_at=batch.created_at.isoformat(),
        expires_at=batch.expires_at.isoformat(),
    )


def _words(report: Report) -> str:
    """Return the reason in words, behind the moments when the verdict is not about now."""
    reason = report.reason.sentence.zh
    return reason if report.judged_at is None else f"{report.headline.zh}。{reason}"


def _result(row: BatchRow, verified: Verified) -> dict[str, Any]:
    """Return what is kept of a verdict: nothing about the holder but whether what was sent is the same."""
    said = verified.report.to_json()
    licence = said["licence"] or {}
    return {
        "ref": row.ref,
        "way": row.way,
        "identifier": said["subject"]["identifier"],
        "verdict": said["verdict"],
        "reason": said["reason"],
        "reason_text": _words(verified.report),
        **{name: licence.get(name) for name in ("type_name", "issuer_name", "valid_from", "valid_to", "state")},
        "compared": {item["field"]: item["same"] for item in said["comparisons"]},
        "checked_at": said["checked_at"],
        "judged_at": said["judged_at"],
        "known_at": said["known_at"],
        "data_as_of": said["data_as_of"],
        "receipt": verified.receipt,
    }
