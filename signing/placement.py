"""Where a seal goes.

Lengths are points (1/72 inch) on the page as it is shown, from its lower left corner,
after the page's own rotation. Pages are counted from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from signing.errors import BadPlacement

ROUND_SEAL_POINTS = 42 / 25.4 * 72
"""42 mm, the diameter of a municipal office's round seal (国发〔1999〕25号)."""


class Edge(StrEnum):
    """The side of the sheets that a seam seal crosses."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Invisible:
    """No picture; the signature panel alone shows the seal."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The document is with the caller and only its digest came here; for the register, not for a request."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A picture in a rectangle of one page."""

    page: int
    x: float
    y: float
    width: float = ROUND_SEAL_POINTS
    height: float = ROUND_SEAL_POINTS

    def __post_init__(self) -> None:
        """Refuse what cannot be a rectangle."""
        _positive(self.page, "placement.page")
        _length(self.width, "placement.width")
        _length(self.height, "placement.height")


@dataclass(frozen=True, slots=True)
class Keyword:
    """A picture centred on an occurrence of some text, such as 盖章处.

    `page` limits the search to one page; `occurrence` counts from 1, from the end when negative.
    """

    text: str
    page: int | None = None
    occurrence: int = 1
    offset_x: float = 0.0
    offset_y: float = 0.0
    width: float = ROUND_SEAL_POINTS
    height: float = ROUND_SEAL_POINTS

    def __post_init__(self) -> None:
        """Refuse an empty or overlong keyword."""
        if not 1 <= len(self.text.strip()) <= MAX_KEYWORD:
            raise BadPlacement(f"A keyword has 1 to {MAX_KEYWORD} characters.", field="placement.text")
        if self.occurrence == 0:
            raise BadPlacement("Occurrences are counted from 1, or from -1 backwards.", field="placement.occurrence")
        _length(self.width, "placement.width")
        _length(self.height, "placement.height")


@dataclass(frozen=True, slots=True)
class EveryPage:
    """The same rectangle on every page."""

    x: float
    y: float
    width: float = ROUND_SEAL_POINTS
    height: float = ROUND_SEAL_POINTS

    def __post_init__(self) -> None:
        """Refuse what cannot be a rectangle."""
        _length(self.width, "placement.width")
        _length(self.height, "placement.height")


@dataclass(frozen=True, slots=True)
class Seam:
    """A seam seal 骑缝章: each page carries a strip; the sheets fanned out show the whole.

    `centre` is the height of the seal's middle as a share of the page, from the bottom.
    `sheets` strips make one picture; a longer document repeats it.
    """

    edge: Edge = Edge.RIGHT
    centre: float = 0.5
    diameter: float = ROUND_SEAL_POINTS
    sheets: int = 30

    def __post_init__(self) -> None:
        """Refuse what does not fit a page or cannot be seen."""
        _length(self.diameter, "placement.diameter")
        if not 0 <= self.centre <= 1:
            raise BadPlacement("The centre is a share of the page height, 0 to 1.", field="placement.centre")
        if not MIN_SHEETS <= self.sheets <= MAX_SHEETS:
            raise BadPlacement(f"One seam seal crosses {MIN_SHEETS} to {MAX_SHEETS} sheets.", field="placement.sheets")


@dataclass(frozen=True, slots=True)
class Several:
    """Several pictures of one seal signature, such as a seam seal and one on the last page."""

    placements: tuple[Rectangle | Keyword | EveryPage | Seam, ...]

    def __post_init__(self) -> None:
        """Refuse none and too many."""
        if not 1 <= len(self.placements) <= MAX_PLACEMENTS:
            raise BadPlacement(f"Give 1 to {MAX_PLACEMENTS} places.", field="placement.placements")


Placement: TypeAlias = Invisible | Remote | Rectangle | Keyword | EveryPage | Seam | Several

MAX_KEYWORD = 60
MAX_PLACEMENTS = 20
MIN_SHEETS, MAX_SHEETS = 2, 60
MIN_LENGTH, MAX_LENGTH = 8.0, 1440.0


def _positive(page: int, field: str) -> None:
    if page < 1:
        raise BadPlacement("Pages are counted from 1.", field=field)


def _length(value: float, field: str) -> None:
    if not MIN_LENGTH <= value <= MAX_LENGTH:
        raise BadPlacement(f"A seal measures {MIN_LENGTH:g} to {MAX_LENGTH:g} points.", field=field)
