"""`hufu log`: export the transparency log, and audit it without the service."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from verification.log.audit import AuditResult, audit_log
from verification.log.export import KEY_FILE, ROWS_FILE, export_log
from verification.log.layout import CHECKPOINT
from verification.log.notes import BadNote, NoteKey

if TYPE_CHECKING:
    import argparse

EXIT_FOUND = 1
EXIT_USAGE = 64
SHOWN = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write the log as files (tlog-tiles layout)")
    export.add_argument("directory", type=Path)
    export.add_argument("--rows", action="store_true", help="the audit rows and their salts too; not for publication")
    audit = actions.add_parser("audit", help="recompute an exported log; finds any change, drop or reorder")
    audit.add_argument("directory", type=Path)
    audit.add_argument(
        "--key", metavar="VKEY", help=f"the log's key, from elsewhere; default: the export's file {KEY_FILE}"
    )
    audit.add_argument("--earlier", metavar="FILE", type=Path, help="a checkpoint kept from an earlier audit")


def run(arguments: argparse.Namespace) -> int:
    """Export or audit; an audit that finds anything exits 1."""
    return _export(arguments) if arguments.action == "export" else _audit(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from hufu.surroundings import surroundings  # noqa: PLC0415 - an audit runs without any of this
    from hufu.wiring import open_application  # noqa: PLC0415

    async def write() -> int:
        async with open_application(settings) as application:
            await application.verification.log.sequence()
            return await export_log(
                application.verification.log,
                application.services.database,
                arguments.directory,
                with_rows=arguments.rows,
            )

    with surroundings() as settings:
        size = asyncio.run(write())
    print(f"{size} leaves written to {arguments.directory}")
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.directory

    def read(path: str) -> bytes | None:
        try:
            return (directory / path).read_bytes()
        except OSError:
            return None

    try:
        key_text = arguments.key or (directory / KEY_FILE).read_text("utf-8")
        key = NoteKey.parse(key_text)
        earlier = None if arguments.earlier is None else arguments.earlier.read_text("utf-8")
    except (OSError, BadNote, UnicodeDecodeError) as error:
        print(f"hufu log audit: {error}", file=sys.stderr)
        return EXIT_USAGE
    rows_path = directory / ROWS_FILE
    if rows_path.exists():
        with rows_path.open(encoding="utf-8", errors="replace") as rows:
            result = audit_log(read, key, rows=rows, earlier=earlier)
    else:
        result = audit_log(read, key, earlier=earlier)
    _print(result, with_rows=rows_path.exists())
    return EXIT_FOUND if result.findings else 0


def _print(result: AuditResult, *, with_rows: bool) -> None:
    for finding in result.findings[:SHOWN]:
        print(f"✗ {finding.where}: {finding.what}")
    if len(result.findings) > SHOWN:
        print(f"… and {len(result.findings) - SHOWN} more")
    rows = f", {result.rows} rows opened" if with_rows else ", rows not given: commitments only"
    print(f"{CHECKPOINT}: {result.size} leaves{rows}, {len(result.findings)} findings")
