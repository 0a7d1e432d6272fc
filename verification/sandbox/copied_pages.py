"""Copies ahead, in one go, the pages of memory that a judgement writes to.

A forked process shares its parent's memory until it writes, and Python writes wherever it counts references: some
two thousand pages for any document, the same ones each time, at the price of a page fault each. Which ones
is read off a sample; copying them by whole stretches takes a fraction of the time. It changes only when
a page is copied: where the system offers none of this, each is copied at its first write, as ever.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MADV_POPULATE_WRITE = 23
_OWN = 1 << 56
"""In `/proc/self/pagemap`: mapped by this process alone, so copied since the fork or new."""
_WORTH_JOINING = 2
"""Pages between two stretches that are copied along with them: cheaper than another call."""

Stretch = tuple[int, int]


def pages_written_by(act: Callable[[], None]) -> tuple[Stretch, ...]:
    """Return start and length of the memory that `act` writes to when a fresh child runs it; nothing where unknown."""
    try:
        writable = tuple(_writable())
        return _observed(act, writable)
    except (OSError, ValueError):
        return ()


def copy_ahead(stretches: tuple[Stretch, ...]) -> None:
    """Copy what the parent shares of these stretches now."""
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, length in stretches:
        advise(start, length, _MADV_POPULATE_WRITE)


def _writable() -> Iterator[Stretch]:
    """Yield start and end of the private memory this process may write to."""
    for line in Path("/proc/self/maps").read_text("ascii", "replace").splitlines():
        place, rights, *_ = line.split()
        start, end = (int(number, 16) for number in place.split("-"))
        if rights == "rw-p" and "[stack]" not in line:
            yield start, end


def _observed(act: Callable[[], None], writable: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            act()
            with os.fdopen(writing, "wb") as out:
                for stretch in _own_pages(writable):
                    out.write(struct.pack("QQ", *stretch))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        found = told.read()
    os.waitpid(child, 0)
    return tuple(struct.iter_unpack("QQ", found))


def _own_pages(writable: tuple[Stretch, ...]) -> Iterator[Stretch]:
    size = resource.getpagesize()
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        for start, end in writable:
            pagemap.seek(start // size * 8)
            entries = struct.unpack(f"{(end - start) // size}Q", pagemap.read((end - start) // size * 8))
            first = last = None
            for number, entry in enumerate(entries):
                if not entry & _OWN:
                    continue
                if first is None or last is None:
                    first = number
                elif number - last > _WORTH_JOINING + 1:
                    yield start + first * size, (last + 1 - first) * size
                    first = number
                last = number
            if first is not None and last is not None:
                yield start + first * size, (last + 1 - first) * size
