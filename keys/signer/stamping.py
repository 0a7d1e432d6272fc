"""The TSA's work, done where its key is."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from keys import der
from keys.errors import ClockNotTrusted, KeyNotFound, KeystoreMissing, ProviderUnavailable
from keys.model import KeyPurpose
from keys.timestamps import (
    Failure,
    RequestRefused,
    TimestampRequest,
    TokenBuilder,
    granted,
    imprint_of,
    parse_request,
    rejection,
)

if TYPE_CHECKING:
    from keys.clock_watch import ClockWatch
    from keys.keyring import KeyRing
    from keys.register import Register
    from keys.repository import StoredKey


class Stamper:
    """Stamps digests with the active TSA key and the signer's own clock."""

    def __init__(self, watch: ClockWatch, ring: KeyRing, register: Register, policy: str) -> None:
        """Use the active TSA key of the register under one policy."""
        self._watch = watch
        self._ring = ring
        self._register = register
        self._policy = policy
        self._current: tuple[StoredKey, TokenBuilder] | None = None

    async def load(self) -> None:
        """Read what was stamped last, so that an earlier time is refused."""
        await self._watch.load()

    async def _builder(self) -> tuple[StoredKey, TokenBuilder]:
        await self._register.refresh()
        key = self._register.active(KeyPurpose.TSA)
        if self._current is None or self._current[0] is not key:
            self._current = (key, TokenBuilder(key.info, self._ring.open(key), self._policy))
        return self._current

    async def _token(self, request: TimestampRequest) -> bytes:
        key, builder = await self._builder()
        builder.check(request)
        at = self._watch.now()
        await self._watch.mark(at)
        # The serial is unique without a table: time in front keeps restarts apart, 64 random bits the rest.
        serial = (time.time_ns() << 64) | int.from_bytes(os.urandom(8), "big")
        return await self._ring.run(key, lambda: builder.token(request, at, serial))

    async def timestamp(self, digest: bytes, nonce: int | None) -> bytes:
        """Return a token over a SHA-256 digest; raises ClockNotTrusted, KeyNotFound, ProviderUnavailable."""
        return await self._token(
            TimestampRequest(imprint_of(digest), nonce_der=b"" if nonce is None else der.integer(nonce))
        )

    async def respond(self, request_der: bytes) -> bytes:
        """Answer a TimeStampReq; whatever is wrong becomes a rejection."""
        try:
            return granted(await self._token(parse_request(request_der)))
        except RequestRefused as refused:
            return rejection(refused.failure, refused.text)
        except ClockNotTrusted:
            return rejection(Failure.TIME_NOT_AVAILABLE, "The time source is not available.")
        except (KeyNotFound, KeystoreMissing, ProviderUnavailable):
            return rejection(Failure.SYSTEM_FAILURE, "The authority cannot sign now.")
