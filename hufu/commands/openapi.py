"""`hufu openapi FILE`: write the API's description from the application itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from api.openapi import document_yaml

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("file", type=Path, nargs="?", default=Path("openapi.yaml"))


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    arguments.file.write_text(document_yaml(), encoding="utf-8")
    print(f"Wrote {arguments.file}.")
    return 0
