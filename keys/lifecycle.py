"""A key's life: made, activated, retired, compromised, destroyed; each step audited in its transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from foundation.audit import AuditEvent
from foundation.ids import new_id
from keys.algorithms import profile_for
from keys.dual_control import Act, DualControl
from keys.errors import KeyNotUsable, UnsupportedAlgorithm
from keys.model import CERTIFIED_PURPOSES, TRANSITIONS, KeyInfo, KeyState, custody_of
from keys.providers.base import KeyIdentity
from keys.repository import KeyRepository, StoredKey

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.audit import Audit
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from keys.keyring import KeyRing
    from keys.model import KeyPurpose


def sources_of(target: KeyState) -> frozenset[KeyState]:
    """Return the states from which a key may enter `target`."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)


def generate(ring: KeyRing, provider: str, purpose: KeyPurpose, owner: str, algorithm: str, now: datetime) -> StoredKey:
    """Make a pending key pair in one custody, not yet stored; raises UnsupportedAlgorithm, ProviderUnavailable."""
    profile_for(algorithm, purpose)
    if custody_of(purpose) is not ring.custody:
        raise UnsupportedAlgorithm(f"{purpose} keys are not made in this custody.", field="purpose")
    identity = KeyIdentity(new_id("key"), purpose, algorithm)
    made = ring.provider(provider).generate(identity)
    info = KeyInfo(identity.key_id, purpose, owner, KeyState.PENDING, algorithm, made.public_key_der, created_at=now)
    return StoredKey(info, ring.custody, provider, made.stored)


class Lifecycle:
    """Moves the keys of one custody through their states; every act commits by itself."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, ring: KeyRing, provider: str) -> None:
        """Make new keys with the named provider."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._ring = ring
        self._provider = provider
        self._control = DualControl(clock, audit)

    async def create(self, principal: Principal, purpose: KeyPurpose, owner: str, algorithm: str) -> KeyInfo:
        """Make and store a pending key."""
        key = generate(self._ring, self._provider, purpose, owner, algorithm, self._clock.now())
        async with self._database.transaction() as connection:
            await KeyRepository(connection).add(key)
            await self.record(connection, principal, "keys.create", key.info)
        return key.info

    async def activate(self, principal: Principal, key_id: str) -> KeyInfo:
        """Make a pending key active and the one before it retiring; raises KeyNotUsable."""
        async with self._database.transaction() as connection:
            return await self.activate_within(connection, principal, key_id)

    async def activate_within(self, connection: AsyncConnection, principal: Principal, key_id: str) -> KeyInfo:
        """Do the same in the caller's transaction, beside the certificate just issued."""
        repository = KeyRepository(connection)
        info = (await repository.get(key_id)).info
        if info.purpose in CERTIFIED_PURPOSES and not info.certificate_chain_der:
            raise KeyNotUsable(f"Key {key_id} has no certificate yet.")
        await repository.retire_active(info)
        key = await repository.change_state(key_id, frozenset({KeyState.PENDING}), KeyState.ACTIVE, self._clock.now())
        await self.record(connection, principal, "keys.activate", key.info)
        return key.info

    async def retire(self, principal: Principal, key_id: str) -> KeyInfo:
        """End a key's use; what it signed stays valid."""
        return await self._move(principal, key_id, KeyState.RETIRED, "keys.retire")

    async def compromise(self, principal: Principal, key_id: str, not_trusted_from: datetime) -> KeyInfo:
        """Mark a key compromised from a moment on; final."""
        info = await self._move(
            principal, key_id, KeyState.COMPROMISED, "keys.compromise", not_trusted_from=not_trusted_from
        )
        self._ring.forget(key_id)
        return info

    async def destroy(self, principal: Principal, key_id: str) -> KeyInfo:
        """Erase the private part, for which another operator has asked; the public facts stay for verifiers.

        Raises: SecondOperatorRequired, KeyNotUsable.
        """
        async with self._database.transaction() as connection:
            await self._control.spend(connection, principal, Act.DESTROY, key_id)
            repository = KeyRepository(connection)
            before = await repository.get(key_id)
            key = await repository.change_state(
                key_id, sources_of(KeyState.DESTROYED), KeyState.DESTROYED, self._clock.now()
            )
            await self.record(connection, principal, "keys.destroy", key.info)
        self._ring.forget(key_id)
        if before.stored is not None:
            self._ring.provider(before.provider).destroy(before.identity, before.stored)
        return key.info

    async def _move(
        self, principal: Principal, key_id: str, target: KeyState, action: str, **columns: object
    ) -> KeyInfo:
        async with self._database.transaction() as connection:
            key = await KeyRepository(connection).change_state(
                key_id, sources_of(target), target, self._clock.now(), **columns
            )
            await self.record(connection, principal, action, key.info)
        return key.info

    async def record(self, connection: AsyncConnection, principal: Principal, action: str, info: KeyInfo) -> None:
        """Write the audit row of one step."""
        detail = {
            "purpose": info.purpose,
            "owner": info.owner,
            "algorithm": info.algorithm,
            "state": info.state,
            "public_key_sha256": hashlib.sha256(info.public_key_der).hexdigest(),
        }
        if info.not_trusted_from is not None:
            detail["not_trusted_from"] = info.not_trusted_from.isoformat()
        await self._audit.record(connection, principal, AuditEvent(action, "key", info.key_id, detail))
