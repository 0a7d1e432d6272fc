"""The process that renders one page; run by path, knows nothing of Hufu.

Argument 1 is the page, 2 the width in pixels; the document comes on standard input; out go a
header and a PNG. Exit codes: 3 unreadable, 4 over a limit, 5 no such page.
"""

import io
import os
import resource
import struct
import sys

import pypdfium2
from PIL import Image

MEMORY_BYTES = 1536 * 1024 * 1024
CPU_SECONDS = 15
MAX_PAGES = 5000
MAX_PIXELS = 12_000_000
NOBODY = 65534
HEADER = struct.Struct("<iiddii")


def confine() -> None:
    """Give up what the work does not need."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def render(data: bytes, number: int, width_pixels: int) -> bytes:
    """Return header and PNG of one page; forms are drawn, nothing is run."""
    document = pypdfium2.PdfDocument(data)
    count = len(document)
    if count > MAX_PAGES:
        sys.exit(4)
    if not 1 <= number <= count:
        sys.exit(5)
    document.init_forms()
    page = document[number - 1]
    width, height = page.get_size()
    if width < 1 or height < 1:
        sys.exit(4)
    scale = min(width_pixels / width, (MAX_PIXELS / (width * height)) ** 0.5)
    picture = page.render(scale=scale).to_pil().convert("RGB")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return HEADER.pack(number, count, width, height, picture.width, picture.height) + out.getvalue()


def main() -> None:
    """Read, confine, render, write."""
    Image.preinit()  # loads the PNG writer before files can no longer be opened
    data = sys.stdin.buffer.read()
    confine()
    try:
        answer = render(data, int(sys.argv[1]), int(sys.argv[2]))
    except (pypdfium2.PdfiumError, ValueError):
        sys.exit(3)
    except MemoryError:
        sys.exit(4)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
