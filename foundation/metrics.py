"""Prometheus metrics: the port they are answered on, and the numbers of a worker.

Labels are names of jobs and outcomes, never values. The HTTP processes have numbers of
their own in `api`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from foundation.jobs import QueueDepth

BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600)


class WorkerMetrics:
    """The numbers of one worker process."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.registry = CollectorRegistry()
        self._jobs = Counter("hufu_jobs", "Jobs run, by kind and outcome.", ("job", "outcome"), registry=self.registry)
        self._seconds = Histogram(
            "hufu_job_seconds", "Time a job took.", ("job",), buckets=BUCKETS, registry=self.registry
        )
        self._depth = Gauge("hufu_queue_depth", "Jobs on the queue.", ("job", "state"), registry=self.registry)

    def ran(self, job: str, outcome: str, seconds: float) -> None:
        """Count one run; the outcome is `done`, `retried` or `held`."""
        self._jobs.labels(job, outcome).inc()
        self._seconds.labels(job).observe(seconds)

    def depth(self, depths: Iterable[QueueDepth]) -> None:
        """Say how full the queue is now."""
        self._depth.clear()
        for depth in depths:
            self._depth.labels(depth.job, depth.state).set(depth.count)


@asynccontextmanager
async def scraped(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[None]:
    """Answer scrapes on a port of their own, by a thread, until the block ends; port 0 answers none.

    The public port answers none at all: counts tell a stranger more than he should know, and which
    address is inside is for the network to say.
    """
    if not port:
        yield
        return
    server, thread = start_http_server(port, addr=host, registry=registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    try:
        yield
    finally:
        await asyncio.to_thread(end)
