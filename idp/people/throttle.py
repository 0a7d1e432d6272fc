"""Limits on guessing, counted in Redis before the guess is evaluated.

Each attempt takes a place first and gives it back when it proves right, so a thousand
parallel guesses get no more evaluations than the limit. Unknown names are counted like
known ones.

Whoever guesses from elsewhere takes strangers' places: a few for one address at one account,
and a number for all addresses together. A device that signed in to the account before has
places of its own, for messages too. Codes to the mobile, QR sign-in and passkeys take no password's place, so the
owner always has a way in, on a new device too (decision 0056).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from idp.people.errors import MessageJustSent, SignInThrottled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation.cache import Cache
    from foundation.encryption import FieldCipher

HOUR = 3600


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """Places in a window that begins with the first attempt.

    `per_device`: at one account, a device that signed in there before. `per_stranger`: at one
    account, one address without such a device. `strangers_per_account`: all of those together.
    `per_source`: one address, whatever the account. Messages to a number are counted from one
    address and from all, and by the hour. What the number's owner asks for, signed in or on a known device, has
    an hourly number of its own, and so has who says whose number it is, to recover an account; a claim that is
    wrong gets no message. Never more reach a number in an hour than the three together.
    `guesses_per_mobile_hour`: wrong codes for one number, whichever of its codes they are for. Strangers share
    them, each address a few whatever the codes are for, and so each account wherever it is signed in
    (`guesses_per_mobile_and_asker`): one alone uses up nobody else's. The number's owner has as many, and so has
    each claim to be the owner, when it is made to recover an account.
    """

    per_device: int = 10
    per_stranger: int = 8
    strangers_per_account: int = 20
    per_source: int = 100
    codes_per_account: int = 6
    registrations_per_source: int = 20
    tickets_per_source: int = 20
    tickets_per_client: int = 2000
    messages_per_mobile_and_source: int = 4
    messages_per_mobile: int = 12
    messages_per_mobile_hour: int = 24
    messages_per_owner_hour: int = 12
    messages_per_claim_hour: int = 4
    messages_per_source: int = 40
    guesses_per_mobile_and_asker: int = 7
    guesses_per_mobile_hour: int = 15
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
        limits = {self._key("source", source): self._policy.per_source}
        if device_id is not None:
            limits[self._key("password", f"{account}\0{device_id}")] = self._policy.per_device
        else:
            limits[self._key("stranger", f"{account}\0{source}")] = self._policy.per_stranger
            limits[self._key("password", account)] = self._policy.strangers_per_account
        beyond = await self._cache.take_places(limits, window_seconds=self._policy.window_seconds)
        if beyond is not None:
            await self._refuse(beyond)
        return tuple(limits)

    async def code(self, account_id: str, purpose: str = "totp") -> tuple[str, ...]:
        """Take a place for one one-time code; raises SignInThrottled."""
        key = self._key(purpose, account_id)
        await self._take(key, self._policy.codes_per_account)
        return (key,)

    async def registration(self, source: str) -> None:
        """Take a place for one registration; raises SignInThrottled."""
        await self._take(self._key("registration", source), self._policy.registrations_per_source)

    async def ticket(self, source: str, client_id: str | None) -> None:
        """Take a place for one QR code; raises SignInThrottled.

        A hall of kiosks has one address and is a registered client, which began the sign-in itself:
        the client's places count there, and whoever uses up an address's takes none of them.
        """
        if client_id is not None:
            await self._take(self._key("qr_client", client_id), self._policy.tickets_per_client)
        else:
            await self._take(self._key("qr", source), self._policy.tickets_per_source)

    async def message(
        self, mobile: str, source: str, *, owner: str | None = None, mark: str = "", claim: str | None = None
    ) -> bool:
        """Take a place for one short message; tell whether it is a claim's, which only a true claim may use.

        The pause after a message is the asker's own: another browser at the same address waits for
        nobody. One address has a few places, so whoever has codes sent to somebody's number from elsewhere
        leaves the others' alone; strangers and owner never share any.

        Args:
            mobile: the normalised number.
            source: the caller's address.
            owner: the account or device the number is proven for, when it is that one that asks.
            mark: tells browsers at one address apart; whoever changes it gains no place, only the pause.
            claim: who the asker says the number's owner is. Once strangers have used up the places, each claim
                has some of its own, whether it is true or not: what it is answered tells nobody which.

        Raises: SignInThrottled.
        """
        pause = self._policy.message_pause_seconds
        key = self._key("message_pause", f"{mobile}\0{owner or source}\0{'' if owner else mark}")
        if await self._cache.count(key, window_seconds=pause) > 1:
            left = await self._cache.seconds_left(key)
            raise MessageJustSent("A code was just sent; wait a minute.", retry_after_seconds=left)
        if owner is not None:
            await self._take(self._key("message_owner", mobile), self._policy.messages_per_owner_hour, HOUR)
            return False
        await self._take(self._key("message_source", source), self._policy.messages_per_source)
        try:
            await self._strangers_message(mobile, source)
        except SignInThrottled:
            if claim is None:
                raise
            await self._take(
                self._key("message_claim", f"{mobile}\0{claim}"), self._policy.messages_per_claim_hour, HOUR
            )
            return True
        return False

    async def _strangers_message(self, mobile: str, source: str) -> None:
        await self._take(self._key("message", f"{mobile}\0{source}"), self._policy.messages_per_mobile_and_source)
        await self._take(self._key("message", mobile), self._policy.messages_per_mobile)
        await self._take(self._key("message_hour", mobile), self._policy.messages_per_mobile_hour, HOUR)

    async def guess(
        self, mobile: str, askers: Sequence[str], *, owner: str | None, claim: str | None
    ) -> tuple[str, ...]:
        """Take a place for one code to a number; return the counters to give back if it is right.

        A wrong claim recovers nothing, so places of its own gain a guesser nothing, and strangers' guesses
        leave the owner his. `askers` are a stranger's address and, of somebody signed in, the account:
        a wrong guess counts for each. Raises SignInThrottled.
        """
        limits = {}
        if owner is None and claim is None:
            # First, so that whoever has none of these left takes none of those that strangers share.
            for asker in askers:
                limits[self._key("guess_asker", f"{mobile}\0{asker}")] = self._policy.guesses_per_mobile_and_asker
        whose = f"owner\0{owner}" if owner is not None else f"claim\0{claim or ''}"
        limits[self._key("guess", f"{mobile}\0{whose}")] = self._policy.guesses_per_mobile_hour
        beyond = await self._cache.take_places(limits, window_seconds=HOUR)
        if beyond is not None:
            await self._refuse(beyond)
        return tuple(limits)

    async def give_back(self, places: tuple[str, ...]) -> None:
        """Return the places of an attempt that proved right."""
        await self._cache.uncount(*places)

    async def _take(self, key: str, limit: int, window_seconds: int | None = None) -> None:
        if await self._cache.count(key, window_seconds=window_seconds or self._policy.window_seconds) > limit:
            await self._refuse(key)

    async def _refuse(self, key: str) -> NoReturn:
        raise SignInThrottled(
            "Too many attempts. Wait a while, or use a code to your mobile, a passkey, or a device you know.",
            retry_after_seconds=await self._cache.seconds_left(key),
        )

    def _key(self, purpose: str, value: str) -> str:
        return f"throttle:{purpose}:{self._cipher.blind_index(value, f'throttle.{purpose}').hex()[:32]}"
