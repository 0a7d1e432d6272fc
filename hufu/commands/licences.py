"""`hufu licences`: publish and list licence types; import licences issued elsewhere or before."""

from __future__ import annotations

import asyncio
import csv
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.directory import Directory
from hufu.commands.terminal import operator
from hufu.surroundings import surroundings
from hufu.wiring import field_cipher
from licence_vault.backfill import Backfill
from licence_vault.backfill_rows import FORMATS
from licence_vault.catalogue import TYPES_DIRECTORY, Catalogue, publish_seeded_types

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from foundation.settings import Settings
    from licence_vault.backfill import ImportProgress

    Act: TypeAlias = Callable[[Settings, Database, argparse.Namespace], Awaitable[int]]

BAR = 30
EXIT_REJECTS = 1
EXIT_NO_INPUT = 66


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    importing = acts.add_parser("import", help="store the rows of a CSV, XLSX or NDJSON file; resumable")
    importing.add_argument("file", type=Path)
    importing.add_argument("--type", required=True, metavar="CODE", help="licence type, 21 characters")
    importing.add_argument("--issuer", required=True, metavar="CODE", help="credit code of the issuing authority")
    importing.add_argument("--format", choices=FORMATS, help="default: by the file's name")
    importing.add_argument("--rejects", type=Path, metavar="FILE", help="write rejected rows and reasons there, as CSV")
    importing.add_argument("--quiet", action="store_true", help="no progress bar")
    publishing = acts.add_parser("publish", help="publish the licence types that are new or changed")
    publishing.add_argument(
        "--from", dest="directory", type=Path, default=TYPES_DIRECTORY, metavar="DIR", help="default: those of Hufu"
    )
    acts.add_parser("types", help="list the published licence types")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 when all is done, 1 when rows of an import were rejected, 66 when there is no such file."""
    source = {"import": "file", "publish": "directory"}.get(arguments.act)
    path: Path | None = None if source is None else getattr(arguments, source)
    if path is not None and not (path.is_dir() if source == "directory" else path.is_file()):
        print(f"hufu licences: no such {source}: {path}", file=sys.stderr)
        return EXIT_NO_INPUT
    act = {"import": _import, "publish": _publish, "types": _list}[arguments.act]
    with surroundings() as settings:
        return asyncio.run(_with_database(settings, arguments, act))


async def _with_database(settings: Settings, arguments: argparse.Namespace, act: Act) -> int:
    database = Database(settings.database_url, statement_timeout_seconds=120)
    try:
        return await act(settings, database, arguments)
    finally:
        await database.close()


def _catalogue(database: Database) -> Catalogue:
    clock = SystemClock()
    return Catalogue(database, clock, Audit(clock))


async def _publish(settings: Settings, database: Database, arguments: argparse.Namespace) -> int:
    del settings
    count = await publish_seeded_types(_catalogue(database), operator(), arguments.directory)
    print(f"{count} types are published as {arguments.directory} has them")
    return 0


async def _list(settings: Settings, database: Database, arguments: argparse.Namespace) -> int:
    del settings, arguments
    for licence_type in await _catalogue(database).types():
        print(f"{licence_type.code}  v{licence_type.version}  {licence_type.name}  {licence_type.defining_authority}")
    return 0


async def _import(settings: Settings, database: Database, arguments: argparse.Namespace) -> int:
    clock = SystemClock()
    backfill = Backfill(
        database,
        clock=clock,
        audit=Audit(clock),
        cipher=field_cipher(settings),
        directory=Directory(database),
        catalogue=_catalogue(database),
    )
    file_format = arguments.format or arguments.file.suffix.lstrip(".").lower()
    bar = _Bar(_lines(arguments.file, file_format), quiet=arguments.quiet)
    progress = await backfill.run(
        operator(),
        arguments.file,
        file_format=file_format,
        issuer_code=arguments.issuer,
        type_code=arguments.type,
        watch=bar.show,
    )
    bar.end()
    print(
        f"{progress.rows} rows: {progress.accepted} stored, {progress.repeated} known already, "
        f"{progress.rejected} rejected"
    )
    if arguments.rejects is not None:
        await _write_rejects(backfill, progress, arguments.rejects)
    return EXIT_REJECTS if progress.rejected else 0


async def _write_rejects(backfill: Backfill, progress: ImportProgress, path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "field", "reason"])
        for reject in await backfill.rejects(progress.import_id):
            writer.writerow([reject.row_number, _harmless(reject.field), _harmless(reject.reason)])


def _harmless(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; a column's name is the file's own text."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _lines(path: Path, file_format: str) -> int | None:
    """Return about how many rows a text file has; a workbook does not say without being read."""
    if file_format == "xlsx":
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


class _Bar:
    """How far, and rows a second, on one line of the terminal."""

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._total = total
        self._shown = not quiet and sys.stderr.isatty()
        self._began = time.monotonic()
        self._first: int | None = None

    def show(self, progress: ImportProgress) -> None:
        """Draw the line again."""
        if not self._shown:
            return
        if self._first is None:
            self._first, self._began = progress.rows, time.monotonic()
        rate = (progress.rows - self._first) / max(time.monotonic() - self._began, 0.001)
        share = "" if not self._total else f"[{'#' * min(BAR, progress.rows * BAR // self._total):<{BAR}}] "
        line = f"\r{share}{progress.rows} rows, {progress.rejected} rejected, {rate:,.0f}/s "
        print(line, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            print(file=sys.stderr)
