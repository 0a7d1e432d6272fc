"""The service's own keys in memory, at most half a second behind the database."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from keys.certificates import Issuer
from keys.errors import KeyNotFound, KeystoreMissing
from keys.model import KeyPurpose, KeyState
from keys.repository import KeyRepository

if TYPE_CHECKING:
    from foundation.database import Database
    from keys.repository import StoredKey

FRESH_SECONDS = 0.5


class Register:
    """Answers from memory; looks at the store's version when the last look has aged."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._database = database
        self._keys: tuple[StoredKey, ...] = ()
        self._version = -1
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    async def refresh(self, *, force: bool = False) -> None:
        """Look again if the last look has aged; raises KeystoreMissing in an empty store."""
        if not force and time.monotonic() - self._looked_at < FRESH_SECONDS:
            return
        async with self._looking:
            if not force and time.monotonic() - self._looked_at < FRESH_SECONDS:
                return  # somebody looked while we waited
            started = time.monotonic()
            async with self._database.read() as connection:
                repository = KeyRepository(connection)
                version = await repository.version()
                if version != self._version:
                    # The version is read first: a change between the two reads is seen by the next look.
                    self._keys = await repository.service_keys()
                    self._version = version
            self._looked_at = started
        if not self._keys:
            raise KeystoreMissing("The key ceremony has not been held: run `hufu init`.")

    @property
    def version(self) -> int:
        """Return the version last seen; what is derived from keys is rebuilt when it changes."""
        return self._version

    def all(self, purpose: KeyPurpose) -> tuple[StoredKey, ...]:
        """Return every key of a purpose, the newest first."""
        return tuple(key for key in self._keys if key.info.purpose is purpose)

    def active(self, purpose: KeyPurpose, owner: str = "", algorithm: str | None = None) -> StoredKey:
        """Return the active key; raises KeyNotFound."""
        for key in self._keys:
            info = key.info
            if (info.purpose, info.owner, info.state) == (purpose, owner, KeyState.ACTIVE) and (
                algorithm in (None, info.algorithm)
            ):
                return key
        raise KeyNotFound(f"No {purpose} key is active for this owner.")

    def authority(self, issuer: Issuer) -> StoredKey:
        """Return the key of one CA in whatever state; raises KeyNotFound."""
        purpose = KeyPurpose.ROOT_CA if issuer == Issuer.ROOT else KeyPurpose.ISSUING_CA
        for key in self._keys:
            if (key.info.purpose, key.info.owner) == (purpose, issuer) and key.info.state is not KeyState.DESTROYED:
                return key
        raise KeyNotFound("There is no such CA.")

    def authorities(self, states: frozenset[KeyState]) -> tuple[Issuer, ...]:
        """Return the certified issuing CAs in one of these states, the newest first."""
        found = (key.info for key in self.all(KeyPurpose.ISSUING_CA))
        return tuple(Issuer(info.owner) for info in found if info.state in states and info.certificate_chain_der)

    def current(self, role: Issuer) -> Issuer:
        """Return the CA that certifies for a role now; raises KeyNotFound."""
        for issuer in self.authorities(frozenset({KeyState.ACTIVE})):
            if issuer.role == role:
                return issuer
        raise KeyNotFound(f"No CA for {role} is active.")

    def find(self, key_id: str) -> StoredKey | None:
        """Return one of the service's own keys, or None."""
        return next((key for key in self._keys if key.info.key_id == key_id), None)
