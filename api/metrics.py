"""Prometheus metrics of one application; labels are route templates, never addresses with values."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.requests import Request

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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
        self._verdicts = Counter("hufu_verdicts", "Verdicts given.", ("way", "verdict"), registry=self.registry)

    def begin(self) -> None:
        """Count a request as open."""
        self._open.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request as answered."""
        self._open.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def verdict(self, way: str, verdict: str) -> None:
        """Count a verdict by the way in: identifier, qr, pdf."""
        self._verdicts.labels(way, verdict).inc()

    def exposition(self) -> bytes:
        """Return the text format."""
        return bytes(generate_latest(self.registry))


def may_scrape(request: Request) -> bool:
    """Tell whether the peer is a collector beside us: a private address, not through a proxy."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback
