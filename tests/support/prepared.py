"""What a city holds after an expensive beginning, kept once a process and given to each test that asks for it.

A key ceremony, seals and published types cost a test most of a second; copying their rows and files costs a few
hundredths. Keys in software lie wrapped in the rows; those in a token stay there while rows name them.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from foundation.settings import Settings

T = TypeVar("T")
COLUMNS = """
SELECT table_name, array_agg(quote_ident(column_name) ORDER BY ordinal_position)
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
    AND is_generated = 'NEVER'
GROUP BY table_name
"""
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"


@dataclass(frozen=True)
class Prepared:
    """Rows, places of sequences and files, and what the beginning returned."""

    tables: dict[str, list[tuple[Any, ...]]]
    """By the statement that inserts them."""
    sequences: dict[str, int]
    files: dict[str, tuple[int, bytes]]
    value: object


_kept: dict[str, Prepared] = {}


async def prepared(name: str, settings: Settings, begin: Callable[[], Awaitable[T]]) -> T:
    """Return what `begin` returns, with all it writes in the database and the data directory, both empty so far.

    Args:
        name: names the beginning and everything that it depends on; it runs once a process.
        settings: where the database and the data directory are.
        begin: writes nothing elsewhere, and returns an immutable value that knows neither of the two.
    """
    if name in _kept:
        await _give(_kept[name], settings)
    else:
        value = await begin()
        _kept[name] = await _keep(settings, value)
    return cast("T", _kept[name].value)


async def _keep(settings: Settings, value: object) -> Prepared:
    tables = {}
    async with _connection(settings) as connection:
        for table, columns in await connection.fetch(COLUMNS):
            names, places = ", ".join(columns), ", ".join(f"${number + 1}" for number in range(len(columns)))
            rows = await connection.fetch(f'SELECT {names} FROM "{table}"')  # noqa: S608 - the schema's own names
            if rows:
                # As rows and not by COPY, which leaves gaps: what a test inserts would be read before and between them.
                insert = f'INSERT INTO "{table}" ({names}) OVERRIDING SYSTEM VALUE VALUES ({places})'  # noqa: S608
                tables[insert] = [tuple(row) for row in rows]
        sequences = dict(await connection.fetch(SEQUENCES))
    return Prepared(tables, sequences, _files(settings.data_directory), value)


async def _give(kept: Prepared, settings: Settings) -> None:
    async with _connection(settings) as connection:
        # Rows that stood together once need no foreign key checked and no trigger run.
        await connection.execute("SET session_replication_role = replica")
        for insert, rows in kept.tables.items():
            await connection.executemany(insert, rows)
        for sequence, value in kept.sequences.items():
            await connection.execute("SELECT setval($1::text::regclass, $2)", f'"{sequence}"', value)
    for name, (mode, content) in kept.files.items():
        path = settings.data_directory / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(content)
        path.chmod(mode)


def _files(directory: Path) -> dict[str, tuple[int, bytes]]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): (path.stat().st_mode, path.read_bytes()) for path in paths}


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(settings.database_url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()
