"""`hufu demo`: play the main job step by step."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.settings import load_settings
from hufu.launcher_place import free_port

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

EXIT_WRONG = 1
TRAVERSABLE = 0o711


@contextmanager
def _directory() -> Iterator[Path]:
    """Yield a temporary data directory that PostgreSQL's own user can pass through."""
    with tempfile.TemporaryDirectory(prefix="hufu-demo-") as name:
        directory = Path(name)
        directory.chmod(TRAVERSABLE)
        yield directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what `run` reads."""
    parser.add_argument("--url", default="", help="a running service; without it one is started for the play")
    parser.add_argument(
        "--data", type=Path, help="the running service's data directory, where its demo clients are kept"
    )
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="where the results go")


def run(arguments: argparse.Namespace) -> int:
    """Play; the exit code is 0 when every step was right, 1 at the first that was wrong."""
    from hufu.demo.play import DemoFailed, play  # noqa: PLC0415 - imports the whole service
    from hufu.stack import stack  # noqa: PLC0415

    try:
        if arguments.url:
            data = arguments.data or load_settings().data_directory
            play(arguments.url.rstrip("/"), data, arguments.out)
            return 0
        print("Starting a service of its own; with URL= a running one is used.", flush=True)
        with (
            _directory() as directory,
            stack(
                port=free_port(),
                portal_port=free_port(),
                say=lambda line: print(f"    {line}", flush=True),
                data_directory=directory,
            ) as running,
        ):
            play(running.settings.issuer, running.settings.data_directory, arguments.out)
    except DemoFailed as error:
        print(f"\nFAILED  {error}", file=sys.stderr)
        return EXIT_WRONG
    return 0
