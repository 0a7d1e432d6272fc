"""`hufu accounts`: take over the accounts of an existing system; register the workstation of a counter."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from foundation import logs
from foundation.principal import SYSTEM
from hufu.surroundings import surroundings
from hufu.wiring import open_application

if TYPE_CHECKING:
    import argparse

    from foundation.settings import Settings
    from idp.people.importing import ImportProgress

EXIT_REJECTED = 2
BAR = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    importing = actions.add_parser("import", help="import a CSV or NDJSON file; goes on where it was interrupted")
    importing.add_argument("file", type=Path, help="columns source_id, username, password_hash, mobile")
    importing.add_argument("--system", required=True, help="short name of the system the accounts come from")
    importing.add_argument("--encoding", default="utf-8-sig", help="of the file, such as gb18030")
    importing.add_argument("--rejects", type=Path, help="where rejected rows go; FILE.rejected.ndjson by default")
    station = actions.add_parser("workstation", help="register a counter's machine and print its id")
    station.add_argument("name", help="what officers see, such as 一号窗口")
    station.add_argument("--organisation", required=True, help="credit code")
    station.add_argument("--district", required=True, help="six-digit code")


def run(arguments: argparse.Namespace) -> int:
    """Import (exit 0 when every row was taken, 2 when some were rejected), or register a workstation."""
    if arguments.action == "workstation":
        with surroundings() as settings:
            logs.configure(settings.log_level)
            print(asyncio.run(_workstation(settings, arguments)))
        return 0
    if not arguments.file.is_file():
        print(f"hufu accounts: there is no file {arguments.file}", file=sys.stderr)
        return 64
    with surroundings() as settings:
        logs.configure(settings.log_level)
        done = asyncio.run(_import(settings, arguments))
    print(f"{done.inserted} imported, {done.unchanged} known already, {done.rejected} rejected of {done.rows} rows")
    return EXIT_REJECTED if done.rejected else 0


async def _import(settings: Settings, arguments: argparse.Namespace) -> ImportProgress:
    path: Path = arguments.file
    rejects = arguments.rejects or path.with_name(path.name + ".rejected.ndjson")
    lines = await asyncio.to_thread(_count, path)
    began = time.monotonic()

    def report(progress: ImportProgress) -> None:
        share = min(1.0, progress.rows / max(1, lines))
        rate = progress.rows / max(0.001, time.monotonic() - began)
        left = max(0, lines - progress.rows) / max(1.0, rate)
        bar = "#" * int(share * BAR)
        sys.stderr.write(f"\r[{bar:<{BAR}}] {progress.rows}/{lines}  {rate:,.0f} rows/s  {left:.0f} s left ")
        sys.stderr.flush()

    async with open_application(settings) as application:
        done = await application.people.importing.run(
            SYSTEM, path, system=arguments.system, rejects=rejects, encoding=arguments.encoding, report=report
        )
    sys.stderr.write("\n")
    return done


async def _workstation(settings: Settings, arguments: argparse.Namespace) -> str:
    async with open_application(settings) as application:
        return await application.people.workstations.register(
            SYSTEM, organisation_code=arguments.organisation, district_code=arguments.district, name=arguments.name
        )


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
