"""Prometheus metrics of one application; labels are route templates, never addresses with values."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts requests and verdicts; one registry an application, so that tests do not share."""

    def __init__(self) -> None:
        """Register the families."""
        self.registry = CollectorRegistry(auto_describe=True)
        labels = ("method", "route", "status")
        self._requests = Counter("hufu_http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "hufu_http_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self._open = Gauge("hufu_http_requests_open", "Requests being answered.", registry=self.registry)
        # Looking a series up by its labels costs more than counting.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._verdicts = Counter("hufu_verdicts", "Verdicts given.", ("way", "verdict"), registry=self.registry)

    def begin(self) -> None:
        """Count a request as open."""
        self._open.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request as answered."""
        self._open.dec()
        key = method, route, status
        series = self._series.get(key)
        if series is None:
            series = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._series[key] = series
        requests, durations = series
        requests.inc()
        durations.observe(seconds)

    def verdict(self, way: str, verdict: str) -> None:
        """Count a verdict by the way in: identifier, qr, pdf."""
        self._verdicts.labels(way, verdict).inc()
