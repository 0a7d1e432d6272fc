"""`hufu migrate`: bring the database to the newest schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

from hufu.surroundings import surroundings

if TYPE_CHECKING:
    import argparse

ROOT = Path(__file__).parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("--to", default="head", metavar="REVISION", help="stop at this migration (default: newest)")


def run(arguments: argparse.Namespace) -> int:
    """Migrate, and say so."""
    with surroundings() as settings:
        migrate(settings.database_url, arguments.to)
    print("The database schema is up to date.")
    return 0


def migrate(database_url: str, revision: str = "head") -> None:
    """Run the missing migrations in one transaction; two at once wait for each other."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = database_url
    command.upgrade(config, revision)
