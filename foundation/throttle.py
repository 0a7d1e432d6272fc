"""Counts tries and refuses beyond a limit.

Every try is counted before it is judged, atomically in Redis, so that parallel guesses
cannot slip through between a look and a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.errors import TooManyRequests

if TYPE_CHECKING:
    from foundation.cache import Cache


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries in a window that starts with the first."""

    tries: int
    window_seconds: int


class Throttle:
    """Takes tries from named allowances."""

    def __init__(self, cache: Cache) -> None:
        """Take the cache that counts."""
        self._cache = cache

    async def take(self, name: str, limit: Limit) -> int:
        """Count one try and return how many are left.

        Args:
            name: purpose and subject, such as `quota:ex_officio:ofc_1`; no personal data.
            limit: what the name is allowed.

        Raises: TooManyRequests, ServiceUnavailable.
        """
        count = await self._cache.count(f"throttle:{name}", window_seconds=limit.window_seconds)
        if count > limit.tries:
            raise TooManyRequests("Too many tries; come back later.", retry_after_seconds=limit.window_seconds)
        return limit.tries - count
