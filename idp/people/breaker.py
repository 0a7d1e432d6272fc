"""A circuit breaker: after failures in a row nobody asks for a while, then one may try."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 5
REST_SECONDS = 20.0


class CircuitBreaker:
    """State of one upstream in one process; monotonic time, because it is about waiting."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        rest_seconds: float = REST_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin closed."""
        self._limit = failures
        self._rest = rest_seconds
        self._monotonic = monotonic
        self._failed = 0
        self._opened_at = 0.0
        self._trying = False

    def allows(self) -> bool:
        """Tell whether a request may be made; after the rest exactly one may try."""
        if self._failed < self._limit:
            return True
        if self._trying or self._monotonic() - self._opened_at < self._rest:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """Close the circuit."""
        self._failed, self._trying = 0, False

    def failed(self) -> None:
        """Count a failure; the limit opens the circuit, a failed trial opens it again."""
        self._failed += 1
        self._trying = False
        self._opened_at = self._monotonic()

    def abandoned(self) -> None:
        """Forget a request that was cancelled: it says nothing about the upstream."""
        self._trying = False
