"""Seals ready for use: certificate, CMS template and picture, kept in the process.

What is kept changes for a key only when its certificate is renewed, which is looked for every
time; whether the seal may be used is read every time too and reasserted when the intention is
written.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
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
    from keys.ca import CertificateAuthority
    from keys.model import KeyInfo
    from keys.service import KeyService
    from keys.tsa import TimestampAuthority
    from signing.intention import Intention
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

    def __init__(
        self,
        seals: SealService,
        keys: KeyService,
        authority: CertificateAuthority,
        timestamps: TimestampAuthority,
        clock: Clock,
    ) -> None:
        """Take the collaborators."""
        self._authority = authority
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
        key = await self._key(key_id)
        loaded = self._current(key)
        if loaded is None:
            async with self._lock:
                loaded = self._current(key) or await self._load(seal, key)
                self._loaded[key_id] = loaded
        return loaded

    async def of_intention(self, seal: Seal, intention: Intention, *, signed: bool = False) -> LoadedSeal:
        """Return a seal with the certificate an intention was written for, though it may be renewed since.

        The certificate stands in what is signed, so another one would not fit. What is `signed`
        already only needs it; what is still to be signed needs it good.
        Raises: SealKeyUnusable.
        """
        loaded = await self.load(seal, intention.key_id)
        if _fits(loaded, intention):
            return loaded
        key = await self._key(intention.key_id)
        for record in await self._authority.search(key_id=intention.key_id):
            issuer = await self._authority.certificate_der(record.issuer)
            earlier = await self._load(seal, replace(key, certificate_chain_der=(record.certificate_der, issuer)))
            if _fits(earlier, intention) and (signed or record.revocation is None):
                if not signed:
                    require_current(earlier.certificate, self._clock.now())
                return earlier
        raise SealKeyUnusable("The certificate this was prepared for is not in use any more.")

    def _current(self, key: KeyInfo) -> LoadedSeal | None:
        """Return what is kept of a key, unless its certificate has been renewed since."""
        loaded = self._loaded.get(key.key_id)
        return loaded if loaded is not None and loaded.chain == key.certificate_chain_der else None

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

    async def _key(self, key_id: str) -> KeyInfo:
        """Return a key as the key service knows it, which is from memory while seals are in a row."""
        try:
            return await self._keys.get(key_id)
        except NotFound as error:
            raise SealKeyUnusable("The seal's key is not there.") from error

    async def _load(self, seal: Seal, key: KeyInfo) -> LoadedSeal:
        if key.purpose is not KeyPurpose.SEAL:
            raise SealKeyUnusable("The seal's key was made for another purpose.")
        certificate = certificate_of(key)
        picture = await self._seals.picture(seal.seal_id)
        cms = SealCms(key.algorithm, key.certificate_chain_der)
        return LoadedSeal(key.key_id, cms, SealFace(seal.name, picture.form), certificate, key.certificate_chain_der)


def _fits(loaded: LoadedSeal, intention: Intention) -> bool:
    return loaded.cms.to_be_signed_digest(intention.layout.signed_bytes_digest) == intention.to_be_signed_digest
