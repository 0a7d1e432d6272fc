"""Prometheus metrics of a worker: what it ran, how long it took, what waits.

Labels are names of jobs and outcomes, never values. The HTTP processes have metrics of
their own in `api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer scrapes on a thread of their own; return what ends that."""
        server, thread = start_http_server(port, addr=host, registry=self.registry)

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return end
