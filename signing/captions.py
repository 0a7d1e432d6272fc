"""What a seal's picture may show besides the seal: its name, the time, a QR code.

Everything is drawn as outlines and squares, so no font goes into the document. The seal takes the left of
a wide rectangle or the top of a high one; words and code have the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

import zxingcpp

from signing.drawing import BLACK, Canvas
from signing.errors import BadPlacement
from signing.glyphs import outline

if TYPE_CHECKING:
    from datetime import datetime

    from signing.model import Appearance

CIVIL_TIME = timezone(timedelta(hours=8))
WIDE = 1.5
LONGEST_CODE_TEXT = 400
SMALLEST_MODULE = 0.8
"""Points a QR module measures at least (0.28 mm), which scanners and phones still read from paper."""
LARGEST_TEXT, SMALLEST_TEXT = 11.0, 4.0
LINE = 1.35


@dataclass(frozen=True, slots=True)
class Caption:
    """The words and the code of one seal; nothing at all for a plain one."""

    lines: tuple[str, ...] = ()
    code: str | None = None

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return bool(self.lines or self.code)


@dataclass(frozen=True, slots=True)
class Composition:
    """A picture put together: the seal's square in points, and the rest drawn where one unit is `unit` points."""

    seal_x: float
    seal_y: float
    seal_side: float
    unit: float
    form: bytes


def caption_for(appearance: Appearance, name: str, at: datetime) -> Caption:
    """Return what an appearance asks for; raises BadPlacement for an overlong code."""
    lines = []
    if appearance.show_name:
        lines.append(name)
    if appearance.show_time:
        lines.append(at.astimezone(CIVIL_TIME).strftime("%Y-%m-%d %H:%M:%S"))
    if appearance.qr_text is not None and not 1 <= len(appearance.qr_text) <= LONGEST_CODE_TEXT:
        raise BadPlacement(f"A QR code holds 1 to {LONGEST_CODE_TEXT} characters.", field="appearance.qr_text")
    return Caption(tuple(lines), appearance.qr_text)


def compose(caption: Caption, width: float, height: float) -> Composition:
    """Lay a captioned seal out in a rectangle.

    Raises: BadPlacement when words or code do not fit, GlyphMissing.
    """
    unit = max(width, height)
    canvas = Canvas()
    canvas.colour(BLACK)
    if width >= WIDE * height:
        side = height
        right = width
        if caption.code is not None:
            right -= height
            _code(canvas, caption.code, right, 0.0, height, unit)
        _words(canvas, caption.lines, (side * 1.05, 0.0, right - side * 1.1, height), unit)
        return Composition(0.0, 0.0, side, unit, canvas.compressed())
    if caption.code is not None:
        raise BadPlacement(f"A seal with a QR code is at least {WIDE:g} times as wide as high.", field="placement")
    words = len(caption.lines) * LINE * min(LARGEST_TEXT, height / 8)
    side = min(width, height - words)
    _words(canvas, caption.lines, (0.0, 0.0, width, height - side), unit)
    return Composition((width - side) / 2, height - side, side, unit, canvas.compressed())


def _words(canvas: Canvas, lines: tuple[str, ...], room: tuple[float, float, float, float], unit: float) -> None:
    """Set lines centred in a room (left, bottom, width, height), as large as fits."""
    if not lines:
        return
    left, bottom, width, height = room
    longest = max(sum(outline(character).advance for character in line) for line in lines)
    size = min(LARGEST_TEXT, height / (LINE * len(lines)), width / longest)
    if size < SMALLEST_TEXT:
        raise BadPlacement("The rectangle is too small for the words beside the seal.", field="placement")
    top = bottom + (height + size * LINE * len(lines)) / 2
    for number, line in enumerate(lines, 1):
        length = sum(outline(character).advance for character in line) * size
        baseline = top - size * LINE * number + size * 0.3
        canvas.text(line, (left + (width - length) / 2) / unit, baseline / unit, size / unit)


def _code(canvas: Canvas, text: str, left: float, bottom: float, side: float, unit: float) -> None:
    """Draw a QR code with its quiet zone in a square; runs of dark modules become one bar."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    picture: Any = code.to_image(scale=1, add_quiet_zones=True)
    modules = bytes(memoryview(picture))
    count = math.isqrt(len(modules))
    module = side / count
    if module < SMALLEST_MODULE:
        raise BadPlacement("The rectangle is too small for the QR code.", field="placement")
    for row in range(count):
        line = modules[row * count : (row + 1) * count]
        start = 0
        while (dark := line.find(0, start)) >= 0:
            start = dark
            while start < count and line[start] == 0:
                start += 1
            x, y = left + dark * module, bottom + (count - 1 - row) * module
            canvas.rectangle(x / unit, y / unit, (start - dark) * module / unit, module / unit)
