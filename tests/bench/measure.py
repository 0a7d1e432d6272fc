"""Runs one case in this process and measures it."""

from __future__ import annotations

import asyncio
import gc
import os
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
        us = psutil.Process()
        processes = [psutil.Process(pid) for pid in bench.watched]
        before, own, began = [_cpu(process) for process in (*processes, us)], _driver(), time.perf_counter()
        units, took = await _drive(operation, case.concurrency, began + case.seconds)
        seconds = time.perf_counter() - began
        spent = [_cpu(process) - then for process, then in zip((*processes, us), before, strict=True)]
        cpu = sum(spent if bench.ourselves else spent[:-1])
        spent[-1] = _driver() - own
        processes += [us] if bench.ourselves else []
        if case.open_loop_seconds:
            took = await _arrivals(operation, 0.7 * len(took) / seconds, case.open_loop_seconds)
        peak = sum(map(_peak, processes))
    took.sort()
    half, most = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    note = "; ".join(part for part in (bench.note, _shares(bench, spent, units)) if part)
    return Result(case.name, units, seconds, cpu, peak, half, most, note)


def _shares(bench: Bench, spent: list[float], units: int) -> str:
    """Say what each named part took, and the driver that shares the machine with them."""
    parts: dict[str, float] = {}
    for name, seconds in zip((*bench.watched.values(), "driver"), spent, strict=True):
        parts[name] = parts.get(name, 0.0) + seconds * 1000 / units
    if not any(bench.watched.values()) or bench.ourselves:
        return ""
    return " + ".join(f"{name or 'service'} {milliseconds:.2f}" for name, milliseconds in parts.items()) + " ms"


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


async def _arrivals(operation: Operation, per_second: float, seconds: float) -> list[float]:
    """Begin operations at a steady rate, whether or not earlier ones have ended, and return how long each took.

    The time counts from when an operation should have begun: a driver that falls behind does not flatter.
    """
    took: list[float] = []

    async def one(due: float) -> None:
        await operation()
        took.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(max(1, int(per_second * seconds))):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    return took


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its living and ended children."""
    times = process.cpu_times()
    ended = float(times.children_user + times.children_system)
    living = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return float(times.user + times.system + ended + living)


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
