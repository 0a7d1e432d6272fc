"""`hufu licences`: import licences issued elsewhere or before, and say which rows were not taken."""

from __future__ import annotations

import asyncio
import csv
import getpass
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.audit import Audit
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.directory import Directory
from foundation.principal import Channel, Principal, PrincipalKind
from hufu.surroundings import surroundings
from hufu.wiring import field_cipher
from licence_vault.backfill import Backfill
from licence_vault.backfill_rows import FORMATS
from licence_vault.catalogue import Catalogue

if TYPE_CHECKING:
    import argparse

    from foundation.settings import Settings
    from licence_vault.backfill import ImportProgress

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


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 when every row is stored, 1 when some were rejected, 66 when there is no such file."""
    if not arguments.file.is_file():
        print(f"hufu licences: no such file: {arguments.file}", file=sys.stderr)
        return EXIT_NO_INPUT
    with surroundings() as settings:
        return asyncio.run(_import(settings, arguments))


async def _import(settings: Settings, arguments: argparse.Namespace) -> int:
    clock = SystemClock()
    database = Database(settings.database_url, statement_timeout_seconds=120)
    try:
        audit = Audit(clock)
        backfill = Backfill(
            database,
            clock=clock,
            audit=audit,
            cipher=field_cipher(settings),
            directory=Directory(database),
            catalogue=Catalogue(database, clock, audit),
        )
        file_format = arguments.format or arguments.file.suffix.lstrip(".").lower()
        bar = _Bar(_lines(arguments.file, file_format), quiet=arguments.quiet)
        progress = await backfill.run(
            Principal(PrincipalKind.OPERATOR, f"cli-{getpass.getuser()}", channel=Channel.SYSTEM),
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
    finally:
        await database.close()


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
