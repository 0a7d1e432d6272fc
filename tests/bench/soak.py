"""`python -m tests.bench.soak MINUTES`: a whole service under mixed load, watched for growth and for errors.

Fails when a process grew by more than a quarter from the end of the first third to the end,
when the service holds more connections or files than at the first third, or on any wrong answer.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import psutil

from tests.bench.service import Department, department, service

if TYPE_CHECKING:
    from hufu.stack import Stack

WORKERS = 6
SAMPLE_SECONDS = 5
GROWTH = 1.25
SPARE_FILES = 20
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process: megabytes and open files."""

    megabytes: float
    files: int


async def drive(system: Department, until: float, done: Counter[str], wrong: Counter[str]) -> None:
    """Do a mix of what a city does: many verifications, some tokens, few licences."""
    known = [(await system.issue())["identifier"]]
    document = await system.pdf(known[0])
    while time.monotonic() < until:
        name = random.choices(("verify", "token", "issue", "pdf"), (60, 30, 6, 4))[0]  # noqa: S311 - a mix, no secret
        try:
            if name == "verify":
                good = (await system.verify(random.choice(known)))["verdict"] == "VALID"  # noqa: S311 - as above
            elif name == "token":
                good = bool(await system.token())
            elif name == "issue":
                known = [*known[-50:], (await system.issue())["identifier"]]
                good = True
            else:
                good = (await system.verify_pdf(document))["verdict"] == "VALID"
        except httpx2.HTTPError as error:
            wrong[f"{name}: {type(error).__name__}"] += 1
            continue
        done[name] += 1
        if not good:
            wrong[f"{name}: verdict"] += 1


def look(running: Stack) -> dict[str, Sample]:
    """Sample every process of the stack, each with its children."""
    samples = {}
    for name, child in running.children.items():
        family = [psutil.Process(child.guard.pid), *psutil.Process(child.guard.pid).children(recursive=True)]
        samples[name] = Sample(
            sum(process.memory_info().rss for process in family) / MEGABYTE,
            sum(process.num_fds() for process in family),
        )
    return samples


async def soak(running: Stack, seconds: float) -> list[str]:
    """Drive and watch; return what is wrong."""
    done: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    samples: list[dict[str, Sample]] = []
    until = time.monotonic() + seconds
    async with department(running) as system:
        drivers = [asyncio.create_task(drive(system, until, done, wrong)) for _ in range(WORKERS)]
        renewal = asyncio.create_task(_renew(system))
        while time.monotonic() < until:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(await asyncio.to_thread(look, running))
            print(f"{sum(done.values()):8d} done  {_shown(samples[-1])}", flush=True)
        await asyncio.gather(*drivers)
        renewal.cancel()
    print(", ".join(f"{name} {count}" for name, count in sorted(done.items())))
    return [f"{what} ({count})" for what, count in wrong.items()] + grown(samples)


async def _renew(system: Department) -> None:
    """Keep the token fresh, as a department's system does."""
    while True:
        await asyncio.sleep(60)
        system.headers["authorization"] = f"Bearer {await system.token()}"


def grown(samples: list[dict[str, Sample]]) -> list[str]:
    """Compare the end with the end of the first third."""
    if len(samples) < 3:
        return []
    settled, last = samples[len(samples) // 3], samples[-1]
    return [
        f"{name} grew from {settled[name].megabytes:.0f} MB and {settled[name].files} files"
        f" to {last[name].megabytes:.0f} MB and {last[name].files} files"
        for name in settled
        if last[name].megabytes > settled[name].megabytes * GROWTH
        or last[name].files > settled[name].files + SPARE_FILES
    ]


def _shown(samples: dict[str, Sample]) -> str:
    return "  ".join(f"{name} {sample.megabytes:.0f} MB/{sample.files}" for name, sample in samples.items())


def main(minutes: float) -> int:
    """Run; the exit code tells whether all was well."""
    with tempfile.TemporaryDirectory(prefix="hufu-soak-") as place, service(Path(place)) as running:
        faults = asyncio.run(soak(running, minutes * 60))
    for fault in faults:
        print(f"WRONG: {fault}")
    print("Nothing grew and every answer was right." if not faults else f"{len(faults)} faults.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
