"""Limits on guessing, counted in Redis before the guess is evaluated.

Each attempt takes a place first and gives it back when it proves right, so a thousand
parallel guesses get no more evaluations than the limit. Unknown names are counted like
known ones. A device that signed in to the account before has places of its own:
strangers who exhaust theirs do not lock the owner out, and passkeys take no place at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.people.errors import MessageJustSent, SignInThrottled

if TYPE_CHECKING:
    from foundation.cache import Cache
    from foundation.encryption import FieldCipher


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """Places in a window that begins with the first attempt."""

    per_account: int = 10
    per_source: int = 100
    codes_per_account: int = 6
    registrations_per_source: int = 20
    messages_per_mobile: int = 5
    messages_per_source: int = 40
    window_seconds: int = 900
    message_pause_seconds: int = 50


class Throttle:
    """Counts attempts by account, device and source."""

    def __init__(self, cache: Cache, cipher: FieldCipher, policy: ThrottlePolicy | None = None) -> None:
        """Take the cache, and the cipher whose index hides names and addresses in it."""
        self._cache = cache
        self._cipher = cipher
        self._policy = policy or ThrottlePolicy()

    async def password(self, account: str, source: str, *, device_id: str | None) -> tuple[str, ...]:
        """Take a place for one password; return the counters to give back if it is right.

        Args:
            account: the account id, or the normalised name when there is no such account.
            source: the caller's address.
            device_id: the device, when it is one that signed in to this account before.

        Raises: SignInThrottled.
        """
        by_account = self._key("password", f"{account}\0{device_id or ''}")
        by_source = self._key("source", source)
        await self._take(by_source, self._policy.per_source)
        await self._take(by_account, self._policy.per_account)
        return by_account, by_source

    async def code(self, account_id: str, purpose: str = "totp") -> tuple[str, ...]:
        """Take a place for one one-time code; raises SignInThrottled."""
        key = self._key(purpose, account_id)
        await self._take(key, self._policy.codes_per_account)
        return (key,)

    async def registration(self, source: str) -> None:
        """Take a place for one registration; raises SignInThrottled."""
        await self._take(self._key("registration", source), self._policy.registrations_per_source)

    async def message(self, mobile: str, source: str) -> None:
        """Take a place for one short message: one a minute and a few a window to a number; raises SignInThrottled."""
        pause = self._policy.message_pause_seconds
        key = self._key("message_pause", mobile)
        if await self._cache.count(key, window_seconds=pause) > 1:
            left = await self._cache.seconds_left(key)
            raise MessageJustSent("A code was just sent; wait a minute.", retry_after_seconds=left)
        await self._take(self._key("message", mobile), self._policy.messages_per_mobile)
        await self._take(self._key("message_source", source), self._policy.messages_per_source)

    async def give_back(self, places: tuple[str, ...]) -> None:
        """Return the places of an attempt that proved right."""
        for place in places:
            await self._cache.uncount(place)

    async def _take(self, key: str, limit: int) -> None:
        if await self._cache.count(key, window_seconds=self._policy.window_seconds) > limit:
            raise SignInThrottled(
                "Too many attempts. Wait a while, or use a passkey or a device you signed in with before.",
                retry_after_seconds=await self._cache.seconds_left(key),
            )

    def _key(self, purpose: str, value: str) -> str:
        return f"throttle:{purpose}:{self._cipher.blind_index(value, f'throttle.{purpose}').hex()[:32]}"
