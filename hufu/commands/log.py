"""`hufu log`: export the transparency log, and audit it without the service."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from foundation.principal import SYSTEM
from verification.log.audit import AuditResult, audit_log
from verification.log.cosignatures import cosigner
from verification.log.export import KEY_FILE, ROWS_FILE, export_log
from verification.log.layout import CHECKPOINT
from verification.log.notes import BadNote, NoteKey

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from hufu.wiring import Application

T = TypeVar("T")
EXIT_FOUND = 1
EXIT_USAGE = 64
SHOWN = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="write the log as files (tlog-tiles layout)")
    export.add_argument("directory", type=Path)
    export.add_argument("--witnessed", action="store_true", help="as of the last checkpoint that a witness cosigned")
    export.add_argument("--rows", action="store_true", help="the audit rows and their salts too; not for publication")
    audit = actions.add_parser("audit", help="recompute an exported log; finds any change, drop or reorder")
    audit.add_argument("directory", type=Path)
    audit.add_argument(
        "--key", metavar="VKEY", help=f"the log's key, from elsewhere; default: the export's file {KEY_FILE}"
    )
    audit.add_argument(
        "--witness", metavar="VKEY", action="append", default=[], help="a witness whose cosignature counts; repeatable"
    )
    audit.add_argument(
        "--witnesses-needed", metavar="N", type=int, help="how many of them must have cosigned; default: all"
    )
    audit.add_argument("--earlier", metavar="FILE", type=Path, help="a checkpoint kept from an earlier audit")
    actions.add_parser("witness-key", help="make the key we cosign other logs with, the first time, and print it")


def run(arguments: argparse.Namespace) -> int:
    """Export or audit; an audit that finds anything exits 1."""
    acts = {"export": _export, "audit": _audit, "witness-key": _witness_key}
    return acts[arguments.action](arguments)


def _export(arguments: argparse.Namespace) -> int:
    async def write(application: Application) -> int:
        await application.verification.log.sequence()
        return await export_log(
            application.verification.log,
            application.services.database,
            arguments.directory,
            with_rows=arguments.rows,
            witnessed=arguments.witnessed,
        )

    print(f"{_with_application(write)} leaves written to {arguments.directory}")
    return 0


def _witness_key(arguments: argparse.Namespace) -> int:
    del arguments

    async def make(application: Application) -> NoteKey:
        return await application.verification.witness.make_key(SYSTEM)

    print(_with_application(make).text)
    return 0


def _with_application(work: Callable[[Application], Awaitable[T]]) -> T:
    """Run something on the service whose settings and database are here; raises NotFound."""
    from hufu.surroundings import surroundings  # noqa: PLC0415 - an audit runs without any of this
    from hufu.wiring import open_application  # noqa: PLC0415

    async def run_it() -> T:
        async with open_application(settings) as application:
            return await work(application)

    with surroundings() as settings:
        return asyncio.run(run_it())


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
        policy = _policy(arguments)
    except (OSError, BadNote, UnicodeDecodeError) as error:
        print(f"hufu log audit: {error}", file=sys.stderr)
        return EXIT_USAGE
    rows_path = directory / ROWS_FILE
    if rows_path.exists():
        with rows_path.open(encoding="utf-8", errors="replace") as rows:
            result = audit_log(read, key, rows=rows, earlier=earlier, **policy)
    else:
        result = audit_log(read, key, earlier=earlier, **policy)
    _print(result, with_rows=rows_path.exists())
    return EXIT_FOUND if result.findings else 0


def _policy(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return whose cosignatures count and how many are needed; raises BadNote."""
    witnesses = tuple(cosigner(text) for text in arguments.witness)
    if arguments.witnesses_needed is not None and not 0 <= arguments.witnesses_needed <= len(witnesses):
        raise BadNote("More witnesses are needed than are named.")
    return {"witnesses": witnesses, "witnesses_needed": arguments.witnesses_needed}


def _print(result: AuditResult, *, with_rows: bool) -> None:
    for finding in result.findings[:SHOWN]:
        print(f"✗ {finding.where}: {finding.what}")
    if len(result.findings) > SHOWN:
        print(f"… and {len(result.findings) - SHOWN} more")
    rows = f", {result.rows} rows opened" if with_rows else ", rows not given: commitments only"
    print(f"{CHECKPOINT}: {result.size} leaves{rows}, {len(result.findings)} findings")
