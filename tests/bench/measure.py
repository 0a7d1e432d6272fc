"""Runs one case in this process and measures it."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.bench.case import Bench, Case, Result

if TYPE_CHECKING:
    from tests.bench.case import Operation

MEGABYTE = 1024 * 1024


async def measure(case: Case, bench: Bench) -> Result:
    """Warm up, run for the case's time, and return what it took."""
    async with case.make(bench) as operation:
        for _ in range(case.warm_up):
            await operation()
        gc.collect()
        processes = [psutil.Process(pid) for pid in bench.watched]
        processes += [psutil.Process()] if bench.ourselves else []
        cpu, began = sum(map(_cpu, processes)), time.perf_counter()
        units = await _drive(operation, case.concurrency, began + case.seconds)
        seconds = time.perf_counter() - began
        cpu = sum(map(_cpu, processes)) - cpu
        peak = sum(map(_peak, processes))
    return Result(case.name, units, seconds, cpu, peak)


async def _drive(operation: Operation, concurrency: int, until: float) -> int:
    async def one() -> int:
        units = 0
        while time.perf_counter() < until:
            units += await operation()
        return units

    return sum(await asyncio.gather(*(one() for _ in range(concurrency))))


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its living and ended children."""
    times = process.cpu_times()
    ended = float(times.children_user + times.children_system)
    living = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return float(times.user + times.system + ended + living)


def _peak(process: psutil.Process) -> float:
    """Return the largest resident sizes a process and its living children have had, in megabytes (Linux)."""
    return sum(_own_peak(one) for one in (process, *process.children(recursive=True)))


def _own_peak(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float(process.memory_info().rss) / MEGABYTE
