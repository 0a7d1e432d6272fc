"""The catalogue as a signed document, for whoever keeps it, passes it on or has it from somebody else.

A JWS by the key of the trust list, which names where the document is: a receiver who has that key needs
nobody else to tell which types a city has and what their faces hold.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from keys.jws import sign_jws
from keys.model import KeyPurpose

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from foundation.clock import Clock
    from keys.model import KeyInfo
    from keys.service import KeyService
    from licence_vault.catalogue import Catalogue
    from licence_vault.definitions import LicenceType

TYPE = "hufu-catalogue+jwt"
LIFE = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class SignedCatalogue:
    """The document, and what a cache compares: weak, for each process signs the same contents anew."""

    body: str
    etag: str


class CataloguePublisher:
    """Signs the catalogue, anew when a type, the key or the hour has changed."""

    def __init__(self, catalogue: Catalogue, keys: KeyService, clock: Clock, *, service_id: str) -> None:
        """Take the collaborators."""
        self._catalogue = catalogue
        self._keys = keys
        self._clock = clock
        self._service_id = service_id
        self._kept = SignedCatalogue("", "")

    async def published(self) -> SignedCatalogue:
        """Return the current version of every type, signed this hour and good for a day from now."""
        types, key = await self._catalogue.types(), await self._keys.active(KeyPurpose.TRUST_LIST)
        issued_at = self._clock.now().replace(minute=0, second=0, microsecond=0)
        etag = _etag(types, key, issued_at)
        if etag != self._kept.etag:
            claims = {
                "iss": self._service_id,
                "iat": int(issued_at.timestamp()),
                "exp": int((issued_at + LIFE).timestamp()),
                "key": base64.b64encode(key.public_key_der).decode(),
                "types": [one.published() for one in types],
            }
            self._kept = SignedCatalogue(await sign_jws(self._keys, KeyPurpose.TRUST_LIST, claims, typ=TYPE), etag)
        return self._kept


def _etag(types: Iterable[LicenceType], key: KeyInfo, issued_at: datetime) -> str:
    parts = [key.key_id, issued_at.isoformat(), *(f"{one.code}.{one.version}" for one in types)]
    return f'W/"{hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]}"'
