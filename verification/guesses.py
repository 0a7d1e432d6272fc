"""How often strangers may compare what they know, or guess, with licences (decision 0123)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from foundation.errors import TooManyRequests
from verification.licences import COMPARABLE, folded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.cache import Cache
    from foundation.encryption import FieldCipher

WINDOW_SECONDS = 3600
OF_ONE_LICENCE = 10
OF_ONE_VALUE = {"holder_code": 20, "holder_name": 200}
"""A name belongs to many people, a code to one."""


class Guesses:
    """Counts, in the cache that all processes share."""

    def __init__(self, cache: Cache, cipher: FieldCipher | None) -> None:
        """Take the cache; what is compared is counted under its keyed index, so that the cache holds no names."""
        self._cache = cache
        self._cipher = cipher
        self._own_key = secrets.token_bytes(32)

    async def count(self, identifier: str, compare: Mapping[str, str]) -> None:
        """Count one comparison, wherever it comes from; raises TooManyRequests.

        Whoever tries many values against one licence is stopped, and whoever tries one person against many
        licences to learn what that person holds. A department's token answers by name and is not counted.
        """
        await self._one(f"compared:{identifier}", OF_ONE_LICENCE, "This licence")
        for field in sorted(COMPARABLE & compare.keys()):
            index = self._index(f"{field}:{folded(compare[field])}").hex()
            await self._one(f"compared:{field}:{index}", OF_ONE_VALUE[field], "This holder")

    async def _one(self, name: str, most: int, what: str) -> None:
        if await self._cache.count(name, window_seconds=WINDOW_SECONDS) > most:
            raise TooManyRequests(
                f"{what} was compared too often; try again later.", retry_after_seconds=WINDOW_SECONDS
            )

    def _index(self, value: str) -> bytes:
        if self._cipher is not None:
            return self._cipher.blind_index(value, "verification.compared")
        return hmac.digest(self._own_key, value.encode(), hashlib.sha256)
