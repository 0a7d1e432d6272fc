"""SQL of the key store; leaves commit to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, text, true, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from foundation.statements import Statement
from keys.certificates import Issuer
from keys.errors import KeyNotFound, KeyNotUsable
from keys.model import Custody, KeyInfo, KeyPurpose, KeyState
from keys.providers.base import KeyIdentity
from keys.tables import ceremonies, key_store_version, keys, keystores
from keys.wrapping import KeystoreLock

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from foundation.database import Database
    from foundation.statements import Record

_MANY = (KeyPurpose.SEAL, KeyPurpose.PERSON)
"""Purposes with many owners; the rest are the service's own and are kept in memory."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of `keys`: the public facts, and what its provider needs to open it."""

    info: KeyInfo
    custody: Custody
    provider: str
    stored: bytes | None

    @property
    def identity(self) -> KeyIdentity:
        """Return what the private part is bound to."""
        return KeyIdentity(self.info.key_id, self.info.purpose, self.info.algorithm)


def _stored_key(row: Row[Any] | Record) -> StoredKey:
    info = KeyInfo(
        key_id=row.key_id,
        purpose=KeyPurpose(row.purpose),
        owner=row.owner,
        state=KeyState(row.state),
        algorithm=row.algorithm,
        public_key_der=row.public_key_der,
        certificate_chain_der=tuple(row.certificate_chain),
        not_trusted_from=row.not_trusted_from,
        created_at=row.created_at,
    )
    return StoredKey(info, Custody(row.custody), row.provider, row.stored_private)


_KEY = Statement(select(keys).where(keys.c.key_id == bindparam("key_id")))


async def find_key(database: Database, key_id: str) -> StoredKey:
    """Return one key by a statement of its own, as every signature reads it; raises KeyNotFound."""
    row = await database.fetch_one(_KEY, key_id=key_id)
    if row is None:
        raise KeyNotFound(f"There is no key {key_id}.")
    return _stored_key(row)


class KeyRepository:
    """Rows of `keys`, `keystores`, `ceremonies` and the version every process watches."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work on the caller's connection."""
        self._connection = connection

    async def lock_of(self, custody: Custody) -> KeystoreLock | None:
        """Return a custody's lock, or None before the ceremony."""
        query = select(keystores).where(keystores.c.custody == custody)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else KeystoreLock(row.derivation, row.check_value)

    async def add_lock(self, custody: Custody, lock: KeystoreLock) -> None:
        """Store a custody's lock."""
        await self._connection.execute(
            insert(keystores).values(custody=custody, derivation=lock.derivation, check_value=lock.check)
        )

    async def add(self, key: StoredKey) -> None:
        """Store a new key in the state its info names."""
        info = key.info
        await self._connection.execute(
            insert(keys).values(
                key_id=info.key_id,
                purpose=info.purpose,
                owner=info.owner,
                algorithm=info.algorithm,
                state=info.state,
                custody=key.custody,
                provider=key.provider,
                public_key_der=info.public_key_der,
                stored_private=key.stored,
                certificate_chain=list(info.certificate_chain_der),
                created_at=info.created_at,
                activated_at=info.created_at if info.state is KeyState.ACTIVE else None,
            )
        )
        await self._changed(info.purpose)

    async def get(self, key_id: str) -> StoredKey:
        """Return one key; raises KeyNotFound."""
        row = (await self._connection.execute(select(keys).where(keys.c.key_id == key_id))).one_or_none()
        if row is None:
            raise KeyNotFound(f"There is no key {key_id}.")
        return _stored_key(row)

    async def active(self, purpose: KeyPurpose, owner: str) -> StoredKey:
        """Return the newest active key of a purpose and owner; raises KeyNotFound."""
        query = (
            select(keys)
            .where(keys.c.purpose == purpose, keys.c.owner == owner, keys.c.state == KeyState.ACTIVE)
            .order_by(keys.c.activated_at.desc(), keys.c.key_id.desc())
            .limit(1)
        )
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise KeyNotFound(f"No {purpose} key is active for this owner.")
        return _stored_key(row)

    async def service_keys(self) -> tuple[StoredKey, ...]:
        """Return all of the service's own keys, the newest first; seals' and persons' keys are left out."""
        query = (
            select(keys).where(keys.c.purpose.not_in(_MANY)).order_by(keys.c.created_at.desc(), keys.c.key_id.desc())
        )
        return tuple(_stored_key(row) for row in await self._connection.execute(query))

    async def change_state(  # the columns that go with a state are set together
        self, key_id: str, sources: frozenset[KeyState], target: KeyState, at: datetime, **columns: object
    ) -> StoredKey:
        """Move a key to a state from one of `sources`; raises KeyNotUsable when it is in none of them."""
        stamps: dict[KeyState, dict[str, Any]] = {
            KeyState.ACTIVE: {"activated_at": at},
            KeyState.RETIRED: {"retired_at": at},
            KeyState.DESTROYED: {"destroyed_at": at, "stored_private": None},
        }
        statement = (
            update(keys)
            .where(keys.c.key_id == key_id, keys.c.state.in_(sources))
            .values(state=target, **stamps.get(target, {}), **columns)
            .returning(keys)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            current = await self.get(key_id)
            raise KeyNotUsable(f"Key {key_id} is {current.info.state} and cannot become {target}.")
        await self._changed(KeyPurpose(row.purpose))
        return _stored_key(row)

    async def retire_active(self, info: KeyInfo) -> None:
        """Make retiring what a key replaces: the active key of its owner and algorithm, or its CA's last generation."""
        if info.purpose is KeyPurpose.ISSUING_CA:
            replaced = [func.split_part(keys.c.owner, "-", 1) == Issuer(info.owner).role]
        else:
            replaced = [keys.c.owner == info.owner, keys.c.algorithm == info.algorithm]
        await self._connection.execute(
            update(keys)
            .where(
                keys.c.purpose == info.purpose,
                *replaced,
                keys.c.state == KeyState.ACTIVE,
                keys.c.key_id != info.key_id,
            )
            .values(state=KeyState.RETIRING)
        )

    async def set_chain(self, info: KeyInfo, chain: tuple[bytes, ...]) -> None:
        """Replace a key's certificate chain."""
        await self._connection.execute(
            update(keys).where(keys.c.key_id == info.key_id).values(certificate_chain=list(chain))
        )
        await self._changed(info.purpose)

    async def _changed(self, purpose: KeyPurpose) -> None:
        """Raise the version that other processes watch, when it is one of the keys they keep in memory."""
        if purpose in _MANY:
            return
        statement = postgresql_insert(key_store_version).values(singleton=True, version=1)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[key_store_version.c.singleton], set_={"version": key_store_version.c.version + 1}
            )
        )

    async def version(self) -> int:
        """Return the version; 0 in an empty store."""
        query = select(key_store_version.c.version).where(key_store_version.c.singleton == true())
        return (await self._connection.execute(query)).scalar_one_or_none() or 0

    async def hold_ceremony_lock(self) -> None:
        """Let one ceremony at a time go on; released with the transaction."""
        await self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(text("'hufu.ceremony'")))))

    async def add_ceremony(self, ceremony_id: str, held_at: datetime, record: dict[str, Any]) -> None:
        """Store a ceremony's record for good."""
        await self._connection.execute(
            insert(ceremonies).values(ceremony_id=ceremony_id, held_at=held_at, record=record)
        )
