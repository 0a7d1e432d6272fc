"""Runs one case in this process and measures it."""

from __future__ import annotations

import asyncio
import gc
import os
import random
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
        await _warm_up(operation, case)
        gc.collect()
        gc.freeze()  # a pause of the driver's would count as the service's
        us = psutil.Process()
        processes = [psutil.Process(pid) for pid in bench.watched]
        before, own, machine = [_cpu(process) for process in (*processes, us)], _driver(), _machine()
        began = time.perf_counter()
        if case.arrivals_per_second:
            units, took = await _arrivals(operation, case.arrivals_per_second, case.seconds)
        else:
            units, took = await _drive(operation, case.concurrency, began + case.seconds)
        seconds = time.perf_counter() - began
        spent = [_cpu(process) - then for process, then in zip((*processes, us), before, strict=True)]
        cpu = sum(spent if bench.ourselves else spent[:-1])
        spent[-1] = _driver() - own
        others = (_machine() - machine - (cpu if bench.ourselves else sum(spent))) / seconds
        processes += [us] if bench.ourselves else []
        if case.open_loop_seconds:
            _, took = await _arrivals(operation, 0.7 * len(took) / seconds, case.open_loop_seconds)
        peak = sum(map(_peak, processes))
    took.sort()
    half, most = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    note = "; ".join(filter(None, (bench.note, _shares(bench, spent, units), f"others {max(0, others):.1f} cores")))
    return Result(case.name, units, seconds, cpu, peak, half, most, note)


def _shares(bench: Bench, spent: list[float], units: int) -> str:
    """Say what each named part took, and the driver that shares the machine with them."""
    parts: dict[str, float] = {}
    for name, seconds in zip((*bench.watched.values(), "driver"), spent, strict=True):
        parts[name] = parts.get(name, 0.0) + seconds * 1000 / units
    if not any(bench.watched.values()) or bench.ourselves:
        return ""
    return " + ".join(f"{name or 'service'} {milliseconds:.2f}" for name, milliseconds in parts.items()) + " ms"


async def _warm_up(operation: Operation, case: Case) -> None:
    """Run some operations as many at a time as are measured, so that connections are open and pools filled."""
    left = iter(range(case.warm_up))

    async def one() -> None:
        for _ in left:
            await operation()

    await asyncio.gather(*(one() for _ in range(case.concurrency)))


async def _drive(operation: Operation, concurrency: int, until: float) -> tuple[int, list[float]]:
    """Return the units done, and the seconds each operation took."""
    took: list[float] = []

    async def one() -> int:
        units, now = 0, time.perf_counter()
        while now < until:
            units += await operation()
            began, now = now, time.perf_counter()
            took.append(now - began)
        return units

    return sum(await asyncio.gather(*(one() for _ in range(concurrency)))), took


async def _arrivals(operation: Operation, per_second: float, seconds: float) -> tuple[int, list[float]]:
    """Begin operations as strangers come, whether or not earlier ones have ended; return as `_drive`.

    They come independently of each other (a Poisson process), now and then many at once. The time counts
    from when an operation should have begun: a driver that falls behind does not flatter.
    """
    took: list[float] = []
    units = 0

    async def one(due: float) -> None:
        nonlocal units
        done = await operation()
        units += done
        took.append(time.perf_counter() - due)

    chance = random.Random(5)  # noqa: S311 - the same each time is wanted
    due = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, int(per_second * seconds))):
            due += chance.expovariate(per_second)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    return units, took


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its living and ended children."""
    times = process.cpu_times()
    ended = float(times.children_user + times.children_system)
    living = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return float(times.user + times.system + ended + living)


def _machine() -> float:
    """Return the CPU seconds this machine has worked or was kept waiting by its host: who measures is not alone."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _driver() -> float:
    """Return the CPU seconds of this process without its children, which may be what is measured."""
    return sum(os.times()[:2])


def _peak(process: psutil.Process) -> float:
    """Return the largest resident sizes a process and its living children have had, in megabytes (Linux)."""
    return sum(_own_peak(one) for one in (process, *process.children(recursive=True)))


def _own_peak(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float(process.memory_info().rss) / MEGABYTE
