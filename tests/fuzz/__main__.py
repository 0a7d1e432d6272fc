"""`python -m tests.fuzz TARGET,... SECONDS [DIRECTORY]`: coverage-guided fuzzing of entry points (Atheris, libFuzzer).

What breaks an entry point is written to DIRECTORY/crash-…: put it among the vectors with a test.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verification"]):
    from tests.fuzz.targets import TARGETS


def main(names: str, seconds: str, directory: str | None = None) -> None:
    """Fuzz each target for so many seconds, in a process of its own, until one ends with a finding."""
    place = Path(directory or tempfile.mkdtemp(prefix="hufu-fuzz-"))
    for name in names.split(","):
        # Forked, since reading and instrumenting the code takes longer than a short look at a target.
        child = os.fork()
        if not child:
            fuzz(name, seconds, place)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(os.waitstatus_to_exitcode(status))


def fuzz(name: str, seconds: str, place: Path) -> None:
    """Fuzz one target; the process ends with libFuzzer's own code, 77 for a finding."""
    target, seeds = TARGETS[name]
    corpus = place / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=65536",
        "-rss_limit_mb=4096",
        "-timeout=20",
        f"-artifact_prefix={place}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
