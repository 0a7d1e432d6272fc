"""A backup holds everything, shows its damage, and comes back whole into an empty database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from foundation.audit import AuditEvent
from foundation.blobs import BlobStore
from foundation.database import Database
from foundation.directory import Directory, District, Matter, Organisation
from foundation.errors import Conflict, InvalidInput
from foundation.jobs import Jobs
from foundation.notices import Notices
from foundation.principal import SYSTEM
from hufu import backup
from hufu.commands.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from foundation.audit import Audit
    from foundation.clock import FixedClock
    from foundation.encryption import FieldCipher
    from tests.support.servers import TestServers

CODE = "11100000000013338W"


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
async def filled(database: Database, audit: Audit, cipher: FieldCipher, clock: FixedClock, blobs: BlobStore) -> str:
    """A database with something of each kind in it; returns a blob's reference."""
    directory = Directory(database)
    async with database.transaction() as connection:
        await directory.add_district(connection, District("500100", "演示市"))
        await directory.add_organisation(connection, Organisation(CODE, "演示局", "500100", "city"))
        await directory.add_matter(connection, Matter("m1", "事项", CODE))
        for number in range(3):
            await audit.record(connection, SYSTEM, AuditEvent("demo.act", "thing", str(number)))
        await Notices(cipher, clock).send(connection, "acc_1", "demo.hello", {"name": "somebody"})
        await Jobs().enqueue(connection, "demo.job", {"a": 1})
    return str(await blobs.put(b"a sealed document"))


@pytest.fixture
async def empty_database_url(servers: TestServers) -> AsyncIterator[str]:
    """A database without any table."""
    name = f"{servers.template.removesuffix('_template')}_restore_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(servers.admin_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    yield servers.database_url(name)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


async def rows_of(url: str) -> dict[str, list[Any]]:
    """All rows of all tables, but for what NOT_COPIED leaves out."""
    connection = await asyncpg.connect(url)
    try:
        found = {}
        for table in await connection.fetch(backup.TABLES):
            columns = [name for name in table["columns"] if name not in backup.NOT_COPIED.get(table["name"], ())]
            listed = ", ".join(f'"{column}"' for column in columns)
            found[table["name"]] = await connection.fetch(f'SELECT {listed} FROM "{table["name"]}" ORDER BY 1')  # noqa: S608 - names from the catalogue
        return found
    finally:
        await connection.close()


async def saved(url: str, blobs: BlobStore, place: Path, clock: FixedClock) -> Path:
    await backup.create(url, blobs, place / "backup", clock, quiet)
    return place / "backup"


async def restored(url: str, blobs: BlobStore, directory: Path) -> backup.Manifest:
    return await backup.restore(url, blobs, directory, lambda revision: migrate(url, revision), quiet)


async def test_everything_comes_back_and_life_goes_on(
    *,
    filled: str,
    migrated_database_url: str,
    empty_database_url: str,
    blobs: BlobStore,
    cipher: FieldCipher,
    audit: Audit,
    clock: FixedClock,
    tmp_path: Path,
) -> None:
    directory = await saved(migrated_database_url, blobs, tmp_path, clock)
    assert backup.check(directory) == []
    elsewhere = BlobStore.in_directory(tmp_path / "elsewhere", cipher)
    manifest = await restored(empty_database_url, elsewhere, directory)
    assert manifest.taken_at == clock.now().isoformat()
    before, after = await rows_of(migrated_database_url), await rows_of(empty_database_url)
    assert before == after
    assert len(after["audit_log"]) == 3
    assert await elsewhere.get(filled) == b"a sealed document"

    database = Database(empty_database_url, pool_size=1)
    async with database.transaction() as connection:
        receipt = await audit.record(connection, SYSTEM, AuditEvent("demo.act", "thing", "after"))
    await database.close()
    assert receipt.audit_id > max(row["audit_id"] for row in before["audit_log"])


async def test_restored_audit_rows_belong_to_this_clusters_transactions(
    *,
    filled: str,
    migrated_database_url: str,
    empty_database_url: str,
    blobs: BlobStore,
    clock: FixedClock,
    tmp_path: Path,
) -> None:
    """Whoever waits for transactions to end compares these numbers with the cluster's own."""
    assert filled
    await restored(empty_database_url, blobs, await saved(migrated_database_url, blobs, tmp_path, clock))
    connection = await asyncpg.connect(empty_database_url)
    waiting = await connection.fetchval(
        "SELECT count(*) FROM audit_log WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    )
    await connection.close()
    assert waiting == 0


@pytest.mark.parametrize("victim", ["tables/audit_log.copy", "files.sha256", "files/*"])
@pytest.mark.parametrize("how", ["flip", "remove"])
async def test_damage_is_found_and_refused(
    *,
    filled: str,
    migrated_database_url: str,
    empty_database_url: str,
    blobs: BlobStore,
    clock: FixedClock,
    tmp_path: Path,
    victim: str,
    how: str,
) -> None:
    assert filled
    directory = await saved(migrated_database_url, blobs, tmp_path, clock)
    damage(directory, victim, how)
    assert len(backup.check(directory)) == 1
    with pytest.raises(InvalidInput, match="damaged"):
        await restored(empty_database_url, blobs, directory)
    assert await rows_of(empty_database_url) == {}


def damage(directory: Path, victim: str, how: str) -> None:
    (path,) = directory.glob(victim)
    if how == "remove":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


async def test_a_service_in_use_is_not_overwritten(
    *, filled: str, migrated_database_url: str, blobs: BlobStore, clock: FixedClock, tmp_path: Path
) -> None:
    assert filled
    directory = await saved(migrated_database_url, blobs, tmp_path, clock)
    with pytest.raises(Conflict):
        await restored(migrated_database_url, blobs, directory)


async def test_a_second_run_copies_only_new_files_and_an_interrupted_one_is_no_backup(
    *, filled: str, migrated_database_url: str, blobs: BlobStore, clock: FixedClock, tmp_path: Path
) -> None:
    directory = await saved(migrated_database_url, blobs, tmp_path, clock)
    (first,) = (directory / "files").iterdir()
    written = first.stat().st_mtime_ns
    await blobs.put(b"another")
    assert (await backup.create(migrated_database_url, blobs, directory, clock, quiet)).files == 2
    assert first.stat().st_mtime_ns == written
    (directory / backup.MANIFEST).unlink()
    with pytest.raises(InvalidInput, match="no backup"):
        backup.check(directory)
    assert filled
