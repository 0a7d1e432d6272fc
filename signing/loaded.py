"""Seals ready for use: certificate, CMS template and picture, kept in the process.

What is kept never changes for a key; whether the seal may be used is read every time and
reasserted when the intention is written.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.errors import NotFound, ServiceUnavailable
from keys.model import KeyPurpose
from signing.cms import SealCms
from signing.errors import SealKeyUnusable, SealNotActive
from signing.key_trial import certificate_of, require_current
from signing.pades import SealFace

if TYPE_CHECKING:
    from cryptography import x509

    from foundation.clock import Clock
    from keys.service import KeyService
    from keys.tsa import TimestampAuthority
    from signing.model import Seal
    from signing.seals import SealService

DEFAULT_TOKEN_SIZE = 8_192
"""Room for a timestamp while the server has not been heard of yet."""
TOKEN_SLACK = 512
"""Serial numbers, accuracy and fractions of a second make tokens differ in length."""


@dataclass(frozen=True, slots=True)
class LoadedSeal:
    """What sealing needs of a seal, but its key."""

    key_id: str
    cms: SealCms = field(repr=False)
    face: SealFace = field(repr=False)
    certificate: x509.Certificate = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)


class LoadedSeals:
    """Loads each seal once."""

    def __init__(self, seals: SealService, keys: KeyService, timestamps: TimestampAuthority, clock: Clock) -> None:
        """Take the collaborators."""
        self._seals = seals
        self._keys = keys
        self._timestamps = timestamps
        self._clock = clock
        self._loaded: dict[str, LoadedSeal] = {}
        self._token_size: int | None = None
        self._lock = asyncio.Lock()

    async def get(self, seal: Seal) -> LoadedSeal:
        """Return an active seal, loaded; raises SealNotActive, SealKeyUnusable."""
        if seal.key_id is None:
            raise SealNotActive("The seal is not made yet.")
        loaded = await self.load(seal, seal.key_id)
        require_current(loaded.certificate, self._clock.now())
        return loaded

    async def load(self, seal: Seal, key_id: str) -> LoadedSeal:
        """Return a seal whatever its state, with the key of an earlier use; raises SealKeyUnusable."""
        loaded = self._loaded.get(key_id)
        if loaded is None:
            async with self._lock:
                loaded = self._loaded.get(key_id) or await self._load(seal, key_id)
                self._loaded[key_id] = loaded
        return loaded

    async def contents_size(self, loaded: LoadedSeal, *, timestamped: bool) -> int:
        """Return how much room a seal's CMS needs; with a timestamp, if one is wanted."""
        if not timestamped:
            return loaded.cms.size_with(0)
        if self._token_size is None:
            await self._measure_token()
        return loaded.cms.size_with((self._token_size or DEFAULT_TOKEN_SIZE) + TOKEN_SLACK)

    async def _measure_token(self) -> None:
        try:
            self._token_size = len(await self._timestamps.timestamp(hashlib.sha256(b"").digest()))
        except (ServiceUnavailable, NotFound):
            self._token_size = None

    async def _load(self, seal: Seal, key_id: str) -> LoadedSeal:
        try:
            key = await self._keys.get(key_id)
        except NotFound as error:
            raise SealKeyUnusable("The seal's key is not there.") from error
        if key.purpose is not KeyPurpose.SEAL:
            raise SealKeyUnusable("The seal's key was made for another purpose.")
        certificate = certificate_of(key)
        picture = await self._seals.picture(seal.seal_id)
        cms = SealCms(key.algorithm, key.certificate_chain_der)
        return LoadedSeal(key_id, cms, SealFace(seal.name, picture.form), certificate, key.certificate_chain_der)
