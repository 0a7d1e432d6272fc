"""Saves the database and the files, checks what was saved, and puts it back.

The tables are copied in one snapshot, in PostgreSQL's own binary form, so that nothing but
a connection is needed and the copy goes back into any release we support. Files are copied
after the tables: each is written before the row that refers to it, so every row finds its
file. Private keys lie in the tables, wrapped; files and personal data lie encrypted. The
field keys and passphrases are not in the backup and must be kept elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from foundation.errors import Conflict, InvalidInput
from hufu.surroundings import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from foundation.blobs import BlobStore
    from foundation.clock import Clock

FORMAT = 1
MANIFEST = "manifest.json"
FILES = "files.sha256"
REVISION_TABLE = "alembic_version"
# Filled by their defaults when rows come back: the transaction numbers of another cluster say nothing here.
NOT_COPIED = {"audit_log": {"transaction_id"}}
CHUNK = 1024 * 1024

TABLES = """
SELECT c.relname AS name, array_agg(a.attname ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'alembic_version'
GROUP BY c.relname ORDER BY c.relname
"""
REFERENCES = """
SELECT c.relname AS child, p.relname AS parent FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
WHERE k.contype = 'f' AND c.oid <> p.oid
"""
SEQUENCES = """
SELECT t.relname AS table, a.attname AS column, pg_get_serial_sequence(quote_ident(t.relname), a.attname) AS sequence
FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = 'public' AND t.relkind = 'r' AND pg_get_serial_sequence(quote_ident(t.relname), a.attname) IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class TableCopy:
    """One table's file."""

    name: str
    columns: tuple[str, ...]
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    format: int
    taken_at: str
    revision: str
    tables: tuple[TableCopy, ...]
    files: int
    files_sha256: str

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read a backup's manifest; raises InvalidInput."""
        try:
            raw: dict[str, Any] = json.loads((directory / MANIFEST).read_text("utf-8"))
            tables = tuple(TableCopy(**(table | {"columns": tuple(table["columns"])})) for table in raw.pop("tables"))
            manifest = cls(tables=tables, **raw)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"{directory} holds no backup, or not a whole one.") from error
        if manifest.format != FORMAT:
            raise InvalidInput(f"The backup has format {manifest.format}; this program reads {FORMAT}.")
        return manifest


async def create(
    database_url: str, blobs: BlobStore, directory: Path, clock: Clock, say: Callable[[str], None]
) -> Manifest:
    """Save everything; a second run into the same directory copies only files it lacks.

    Raises: ServiceUnavailable.
    """
    (directory / "tables").mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / "files").mkdir(exist_ok=True, mode=0o700)
    (directory / MANIFEST).unlink(missing_ok=True)
    taken_at = clock.now().isoformat()
    revision, tables = await _save_tables(database_url, directory / "tables", say)
    count = await _save_files(blobs, directory, say)
    manifest = Manifest(FORMAT, taken_at, revision, tables, count, _digest(directory / FILES)[0])
    write_private(directory / MANIFEST, json.dumps(asdict(manifest), indent=1))
    return manifest


async def _save_tables(
    database_url: str, directory: Path, say: Callable[[str], None]
) -> tuple[str, tuple[TableCopy, ...]]:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            revision = await connection.fetchval(f"SELECT version_num FROM {REVISION_TABLE}")  # noqa: S608 - a constant
            copies = []
            for row in await connection.fetch(TABLES):
                columns = [name for name in row["columns"] if name not in NOT_COPIED.get(row["name"], ())]
                path = directory / f"{row['name']}.copy"
                path.touch(mode=0o600)
                await connection.copy_from_table(row["name"], columns=columns, output=path, format="binary")
                copies.append(TableCopy(row["name"], tuple(columns), *_digest(path)))
                say(f"table {row['name']}: {copies[-1].size} bytes")
            return str(revision), tuple(copies)
    finally:
        await connection.close()


async def _save_files(blobs: BlobStore, directory: Path, say: Callable[[str], None]) -> int:
    """Copy what is not there yet, and write the list of digests; a kill leaves whole files only."""
    lines = []
    async for name in blobs.names():
        path = directory / "files" / name
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.write_bytes(await blobs.sealed(name))
            fresh.replace(path)
        lines.append(f"{_digest(path)[0]}  {name}")
        if len(lines) % 1000 == 0:
            say(f"files: {len(lines)}")
    write_private(directory / FILES, "".join(f"{line}\n" for line in sorted(lines)))
    say(f"files: {len(lines)}")
    return len(lines)


def check(directory: Path) -> list[str]:
    """Compare everything with the manifest; return what is wrong, empty when all is well.

    Raises: InvalidInput without a manifest.
    """
    manifest = Manifest.read(directory)
    wrong = [
        f"tables/{table.name}.copy"
        for table in manifest.tables
        if _digest_or_none(directory / "tables" / f"{table.name}.copy") != table.sha256
    ]
    if _digest_or_none(directory / FILES) != manifest.files_sha256:
        return [*wrong, FILES]
    return wrong + [
        f"files/{name}" for digest, name in _listed(directory) if _digest_or_none(directory / "files" / name) != digest
    ]


async def restore(
    database_url: str, blobs: BlobStore, directory: Path, migrate: Callable[[str], None], say: Callable[[str], None]
) -> Manifest:
    """Put a checked backup into an empty database; all of its tables or none.

    Args:
        database_url: without any table of ours.
        blobs: where the files go; files already there are overwritten with themselves.
        directory: the backup.
        migrate: brings the database to a named migration.
        say: told about progress.

    Raises: InvalidInput for a damaged backup, Conflict for a database in use.
    """
    if wrong := check(directory):
        raise InvalidInput(f"The backup is damaged: {', '.join(wrong[:5])}.")
    manifest = Manifest.read(directory)
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"public.{REVISION_TABLE}"):
            raise Conflict("The database already holds a service; restore into an empty one.")
        for _, name in _listed(directory):
            await blobs.put_sealed(name, (directory / "files" / name).read_bytes())
        await asyncio.to_thread(migrate, manifest.revision)
        async with connection.transaction():
            await _load_tables(connection, directory, manifest, say)
    finally:
        await connection.close()
    return manifest


async def _load_tables(
    connection: asyncpg.Connection[asyncpg.Record], directory: Path, manifest: Manifest, say: Callable[[str], None]
) -> None:
    tables = {table.name: table for table in manifest.tables}
    parents: dict[str, set[str]] = {name: set() for name in tables}
    for row in await connection.fetch(REFERENCES):
        parents[row["child"]].add(row["parent"])
    for name in _parents_first(parents):
        # A migration may have put rows of its own there.
        await connection.execute(f'TRUNCATE "{name}" CASCADE')
    for name in _parents_first(parents):
        path = directory / "tables" / f"{name}.copy"
        await connection.copy_to_table(name, columns=list(tables[name].columns), source=path, format="binary")
        say(f"table {name}")
    for row in await connection.fetch(SEQUENCES):
        await connection.execute(
            f'SELECT setval($1, coalesce((SELECT max("{row["column"]}") FROM "{row["table"]}"), 0) + 1, false)',  # noqa: S608 - names from the catalogue
            row["sequence"],
        )


def _parents_first(parents: dict[str, set[str]]) -> Iterator[str]:
    """Yield every table after those it refers to."""
    done: set[str] = set()
    while len(done) < len(parents):
        ready = sorted(name for name, wanted in parents.items() if name not in done and wanted <= done)
        if not ready:
            message = "tables refer to each other in a circle"
            raise AssertionError(message)
        yield from ready
        done.update(ready)


def _listed(directory: Path) -> list[tuple[str, str]]:
    pairs = (line.split("  ", 1) for line in (directory / FILES).read_text("utf-8").splitlines())
    return [(digest, name) for digest, name in pairs]


def _digest(path: Path) -> tuple[str, int]:
    """Return SHA-256 and size, reading in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def _digest_or_none(path: Path) -> str | None:
    return _digest(path)[0] if path.is_file() else None
