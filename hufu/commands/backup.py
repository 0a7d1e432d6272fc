"""`hufu backup`: save database and files, check a backup, put one back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.blobs import BlobStore
from foundation.clock import SystemClock
from foundation.encryption import FieldCipher
from foundation.settings import BadSettings
from hufu import backup
from hufu.commands.migrate import migrate
from hufu.surroundings import surroundings

if TYPE_CHECKING:
    import argparse

    from foundation.settings import Settings

EXIT_DAMAGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in (
        ("create", "save everything; a second time copies only new files"),
        ("check", "compare a backup with its manifest; exit 1 when it is damaged"),
        ("restore", "put a backup into an empty database"),
    ):
        action = actions.add_parser(name, help=summary)
        action.add_argument("directory", type=Path)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked and say what came of it."""
    if arguments.action == "check":
        return _check(arguments.directory)
    with surroundings() as settings:
        blobs = BlobStore.from_settings(settings, _cipher(settings))
        if arguments.action == "create":
            work = backup.create(settings.database_url, blobs, arguments.directory, SystemClock(), _say)
        else:
            work = backup.restore(
                settings.database_url,
                blobs,
                arguments.directory,
                lambda revision: migrate(settings.database_url, revision),
                _say,
            )
        manifest = asyncio.run(work)
    print(f"{len(manifest.tables)} tables and {manifest.files} files as of {manifest.taken_at}.")
    if arguments.action == "create":
        print("Keep HUFU_FIELD_KEYS, HUFU_INDEX_KEY and the passphrases elsewhere: without them it cannot be read.")
    return 0


def _check(directory: Path) -> int:
    wrong = backup.check(directory)
    for name in wrong:
        print(f"damaged or missing: {name}")
    if not wrong:
        print("The backup is whole.")
    return EXIT_DAMAGED if wrong else 0


def _cipher(settings: Settings) -> FieldCipher:
    """Return the cipher the store wants; a backup moves files without opening them."""
    keys, index_key = settings.field_key_map(), settings.index_key_bytes()
    if not keys or index_key is None:
        message = "HUFU_FIELD_KEYS and HUFU_INDEX_KEY must be set"
        raise BadSettings(message)
    return FieldCipher(keys, index_key)


def _say(line: str) -> None:
    print(line, file=sys.stderr)
