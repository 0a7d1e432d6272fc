"""`hufu demo`: play the main job step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("--url", default="", help="a running service; without it one is started for the play")


def run(arguments: argparse.Namespace) -> int:
    """Play; the exit code is 0 when every step was right."""
    from hufu.demo import play  # noqa: PLC0415 - imports the whole service

    return play(arguments.url)
