"""Backup and restore of the keystore, apart from the rest of the database.

The file holds the rows of the key tables as they are (private keys still wrapped) and
the KEK files where there is no passphrase, all sealed under a passphrase of the
operators. Keys in a PKCS #11 token are not in it: the token's own backup has them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import cbor2
from sqlalchemy import insert, select

from foundation.audit import Audit, AuditEvent
from foundation.settings import Profile
from keys import sealed_file
from keys.dual_control import Act, DualControl, require_operator
from keys.errors import BackupUnreadable, KeystoreExists, KeystoreMissing
from keys.keyring import key_file_of
from keys.model import Custody
from keys.repository import KeyRepository
from keys.tables import ceremonies, certificates, crls, key_store_version, keys, keystores
from keys.wrapping import ARGON2_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Table

    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.principal import Principal
    from foundation.settings import Settings

KIND = "keystore-backup"
KEYSTORE = "keystore"
"""The object that operators name when they ask for an export."""
_VERSION = 1
_TABLES: tuple[Table, ...] = (keystores, keys, key_store_version, certificates, crls, ceremonies)


class KeystoreBackup:
    """Saves the keystore to a sealed file, and brings it back into an empty one."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        """Work on this database and data directory."""
        self._settings = settings
        self._database = database
        self._audit = Audit(clock)
        self._control = DualControl(clock, self._audit)

    async def save(self, principal: Principal, path: Path, passphrase: str) -> int:
        """Write a new file, for which another operator has asked; return the number of keys in it.

        Raises: SecondOperatorRequired, KeystoreMissing, InvalidInput (a short passphrase), FileNotWritten.
        """
        async with self._database.transaction() as connection:
            await self._control.spend(connection, principal, Act.EXPORT, KEYSTORE)
            rows: dict[str, list[dict[str, Any]]] = {}
            for table in _TABLES:
                found = await connection.execute(select(table))
                rows[table.name] = [dict(row) for row in found.mappings()]
            if not rows[keystores.name]:
                raise KeystoreMissing("There is no keystore to save.")
            content = cbor2.dumps({"version": _VERSION, "tables": rows, "files": self._key_files()})
            event = AuditEvent("keys.export", "keystore", KEYSTORE, {"keys": len(rows[keys.name])})
            await self._audit.record(connection, principal, event)
            costs = ARGON2_TEST if self._settings.profile is Profile.TEST else sealed_file.ARGON2
            sealed = await asyncio.to_thread(sealed_file.seal, content, KIND, passphrase, costs)
            # Before the commit: a file without a record would be worse than a record without a file.
            await asyncio.to_thread(sealed_file.write_private, path, sealed)
        return len(rows[keys.name])

    def _key_files(self) -> dict[str, bytes]:
        paths = {custody: key_file_of(self._settings, custody) for custody in Custody}
        return {str(custody): path.read_bytes() for custody, path in paths.items() if path.exists()}

    async def restore(self, principal: Principal, path: Path, passphrase: str) -> int:
        """Fill an empty keystore from a file; return the number of keys.

        Raises: KeystoreExists, BackupUnreadable.
        """
        require_operator(principal)
        sealed = await asyncio.to_thread(path.read_bytes)
        content = _content(await asyncio.to_thread(sealed_file.unseal, sealed, KIND, passphrase))
        async with self._database.transaction() as connection:
            repository = KeyRepository(connection)
            await repository.hold_ceremony_lock()
            if await repository.lock_of(Custody.SIGNER) is not None:
                raise KeystoreExists("This database has a keystore already.")
            for table in _TABLES:
                rows = content["tables"][table.name]
                if rows:
                    await connection.execute(insert(table), rows)
            count = len(content["tables"][keys.name])
            event = AuditEvent("keys.restore", "keystore", KEYSTORE, {"keys": count})
            await self._audit.record(connection, principal, event)
            await asyncio.to_thread(self._write_key_files, content["files"])
        return count

    def _write_key_files(self, files: dict[str, bytes]) -> None:
        for custody in Custody:
            path, kept = key_file_of(self._settings, custody), files.get(str(custody))
            if kept is not None and not (path.exists() and path.read_bytes() == kept):
                sealed_file.write_private(path, kept)


def _content(encoded: bytes) -> dict[str, Any]:
    content = cbor2.loads(encoded)
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise BackupUnreadable("This backup is of another version.")
    return content
