"""Pictures of PDF pages, made in a process of their own: a stranger's PDF never runs in an officer's browser.

The child gets an empty environment, no files but its pipes, another uid where we are root,
and limits on memory, time and output; it answers one page and ends.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import InvalidInput, LimitExceeded, ServiceUnavailable

CHILD = Path(__file__).with_name("preview_child.py")
SECONDS = 20
AT_ONCE = 2
WIDTH_PIXELS = 1100
HEADER = struct.Struct("<iiddii")
UNREADABLE, TOO_MANY_PAGES, NO_SUCH_PAGE = 3, 4, 5

_SLOTS: dict[int, asyncio.Semaphore] = {}


@dataclass(frozen=True, slots=True)
class Preview:
    """One page as a picture; `width` and `height` are points as the page is shown."""

    png: bytes
    page: int
    page_count: int
    width: float
    height: float
    pixel_width: int
    pixel_height: int


async def preview(document: bytes, page: int) -> Preview:
    """Render one page, counted from 1.

    Raises: InvalidInput (not readable, no such page), LimitExceeded, ServiceUnavailable.
    """
    async with _slots():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(CHILD),
            str(page),
            str(WIDTH_PIXELS),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(document), SECONDS)
        except TimeoutError as error:
            raise LimitExceeded("The document takes too long to show.", field="document") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return _read(process.returncode or 0, output)


def _read(code: int, output: bytes) -> Preview:
    if code == UNREADABLE:
        raise InvalidInput("The document is not a readable PDF.", field="document")
    if code == NO_SUCH_PAGE:
        raise InvalidInput("The document has no such page.", field="page")
    if code == TOO_MANY_PAGES or code < 0:
        raise LimitExceeded("The document is over a limit of size or pages.", field="document")
    if code or len(output) <= HEADER.size:
        raise ServiceUnavailable("The preview could not be made.")
    page, count, width, height, pixel_width, pixel_height = HEADER.unpack_from(output)
    return Preview(output[HEADER.size :], page, count, width, height, pixel_width, pixel_height)


def _slots() -> asyncio.Semaphore:
    loop = id(asyncio.get_running_loop())
    if loop not in _SLOTS:
        _SLOTS.clear()
        _SLOTS[loop] = asyncio.Semaphore(AT_ONCE)
    return _SLOTS[loop]
