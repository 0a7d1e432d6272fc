"""Vector drawing in PDF operators, on a square of 10 000 units (the unit square of the form).

Colours are CalRGB, which PDF/A accepts whatever the document's output intent, and nothing
is transparent: PDF/A-1 forbids it.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signing.glyphs import outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signing.glyphs import Point

UNITS = 10_000
CIRCLE = 4 / 3 * (math.sqrt(2) - 1)
"""How far a Bézier control point lies along the tangent of a quarter circle of radius 1."""
COLOUR_SPACE = (
    b"/ColorSpace<</C0[/CalRGB<</WhitePoint[0.9505 1 1.089]/Gamma[2.2 2.2 2.2]"
    b"/Matrix[0.4124 0.2126 0.0193 0.3576 0.7152 0.1192 0.1805 0.0722 0.9505]>>]>>"
)
RED = (0.82, 0.05, 0.06)
BLACK = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Affine:
    """A map of the plane: x' = a x + c y + e, y' = b x + d y + f."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    @classmethod
    def placed(cls, x: float, y: float, *, angle: float = 0.0, width: float = 1.0, height: float = 1.0) -> Affine:
        """Scale by width and height, turn counter-clockwise by `angle` (radians), then move to x, y."""
        cosine, sine = math.cos(angle), math.sin(angle)
        return cls(width * cosine, width * sine, -height * sine, height * cosine, x, y)

    def __call__(self, point: Point) -> Point:
        """Map a point."""
        x, y = point
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f


class Canvas:
    """Collects filled paths."""

    def __init__(self) -> None:
        """Start empty."""
        self._parts: list[str] = [f"{1 / UNITS:g} 0 0 {1 / UNITS:g} 0 0 cm"]

    def colour(self, rgb: tuple[float, float, float]) -> None:
        """Fill with this colour from here on."""
        self._parts.append(f"/C0 cs {rgb[0]:g} {rgb[1]:g} {rgb[2]:g} sc")

    def ring(self, x: float, y: float, outer: float, inner: float) -> None:
        """Fill the space between two circles."""
        self._circle(x, y, outer)
        self._circle(x, y, inner)
        self._parts.append("f*")

    def polygon(self, points: Sequence[Point]) -> None:
        """Fill a polygon, by the non-zero rule."""
        self._parts.append(f"{_at(points[0])} m")
        self._parts.extend(f"{_at(point)} l" for point in points[1:])
        self._parts.append("h f")

    def rectangle(self, x: float, y: float, width: float, height: float) -> None:
        """Fill a rectangle."""
        self._parts.append(f"{_at((x, y))} {_at((width, height))} re f")

    def frame(self, x: float, y: float, width: float, height: float, line: float) -> None:
        """Fill a rectangle's border, `line` wide, inside it."""
        self._parts.append(f"{_at((x, y))} {_at((width, height))} re")
        self._parts.append(f"{_at((x + line, y + line))} {_at((width - 2 * line, height - 2 * line))} re f*")

    def character(self, character: str, place: Affine) -> None:
        """Fill a character's outline; `place` maps its em square. Raises GlyphMissing."""
        for verb, points in outline(character).segments:
            mapped = " ".join(_at(place(point)) for point in points)
            self._parts.append(f"{mapped} {_OPERATORS[verb]}".lstrip())
        self._parts.append("f")

    def text(self, text: str, x: float, y: float, size: float) -> float:
        """Fill a line of text from x on; return where it ends."""
        for character in text:
            self.character(character, Affine.placed(x, y, width=size, height=size))
            x += outline(character).advance * size
        return x

    def compressed(self) -> bytes:
        """Return the operators, deflated, for a stream with /FlateDecode."""
        return zlib.compress("\n".join(self._parts).encode("ascii"), 9)

    def _circle(self, x: float, y: float, radius: float) -> None:
        k = radius * CIRCLE
        self._parts.append(f"{_at((x + radius, y))} m")
        for (dx, dy), (ex, ey) in zip(_QUARTERS, (*_QUARTERS[1:], _QUARTERS[0]), strict=True):
            start = (x + radius * dx + k * ex, y + radius * dy + k * ey)
            end = (x + radius * ex + k * dx, y + radius * ey + k * dy)
            self._parts.append(f"{_at(start)} {_at(end)} {_at((x + radius * ex, y + radius * ey))} c")
        self._parts.append("h")


_QUARTERS: tuple[Point, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))
_OPERATORS = {"moveTo": "m", "lineTo": "l", "curveTo": "c", "closePath": "h"}


def _at(point: Point) -> str:
    return f"{round(point[0] * UNITS)} {round(point[1] * UNITS)}"
