"""`python -m tests.bench [PREFIX...]`: measure, print the table, keep it in build/bench.json."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import uvloop

from tests.bench.case import Bench, Case, Result
from tests.bench.measure import measure
from tests.support.servers import TestServers, tuned_servers

ROOT = Path(__file__).parents[2]
HEADINGS = ("operation", "per second", "CPU ms each", "p50 ms", "p99 ms", "peak MB", "against", "ratio", "note")


def cases() -> dict[str, Case]:
    """Return every case of every `cases_*.py`, by name."""
    found: dict[str, Case] = {}
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        for case in import_module(f"tests.bench.{path.stem}").CASES:
            found[case.name] = case
    return found


def chosen(prefixes: list[str]) -> list[Case]:
    """Return the wanted cases with what they are compared with, in the order of definition."""
    known = cases()
    wanted = {name for name in known if not prefixes or any(name.startswith(prefix) for prefix in prefixes)}
    wanted |= {known[name].against for name in wanted if known[name].against}
    return [case for name, case in known.items() if name in wanted]


def in_child(case: Case, servers: TestServers) -> Result | None:
    """Measure a case in a process of its own, so that its memory and CPU are its own."""
    command = [sys.executable, "-m", "tests.bench", "--one", case.name]
    child = subprocess.run(  # noqa: S603 - ourselves
        command,
        input=servers.to_json(),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        timeout=case.longest,
        check=False,
    )
    if child.returncode != 0:
        return None
    return Result(**json.loads(child.stdout.splitlines()[-1]))


def line(case: Case, result: Result, results: dict[str, Result]) -> tuple[str, ...]:
    """Return a row of the table."""
    ratio = ""
    if case.against in results:
        ratio = f"{result.per_second / results[case.against].per_second:.2f}x"
    return (
        case.name,
        f"{result.per_second:,.0f}" if result.per_second >= 10 else f"{result.per_second:.2f}",
        f"{result.cpu_milliseconds:.3f}",
        f"{result.p50_milliseconds:.1f}",
        f"{result.p99_milliseconds:.1f}",
        f"{result.peak_megabytes:.0f}",
        case.against,
        ratio,
        result.note,
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """Lay rows out in columns: words to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    words = {0, HEADINGS.index("against"), HEADINGS.index("note")}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def main(prefixes: list[str]) -> int:
    """Measure all; the exit code tells whether every case ran."""
    results: dict[str, Result] = {}
    failed = []
    with tuned_servers({}) as servers:  # a commit waits for the disk, as in production
        for case in chosen(prefixes):
            print(f"measuring {case.name} ...", file=sys.stderr, flush=True)
            result = in_child(case, servers)
            if result is None:
                failed.append(case.name)
            else:
                results[case.name] = result
    known = cases()
    rows = [HEADINGS, *(line(known[name], result, results) for name, result in results.items())]
    print(table(rows))
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps([asdict(result) for result in results.values()], indent=1))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def one(name: str) -> int:
    """Measure one case with the servers named on standard input; print its result."""
    servers = TestServers.from_json(sys.stdin.read())
    # On the event loop that services run on: for the driver too it costs half as much as asyncio's.
    looped = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with tempfile.TemporaryDirectory(prefix="hufu-bench-") as directory, looped as runner:
        result = runner.run(measure(cases()[name], Bench(servers, Path(directory))))
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(one(sys.argv[2]) if sys.argv[1:2] == ["--one"] else main(sys.argv[1:]))
