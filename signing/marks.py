"""From a placement to the pictures on the pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signing.errors import BadPlacement
from signing.placement import Edge, EveryPage, Invisible, Keyword, Rectangle, Remote, Seam, Several

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signing.pdf_file import PdfFile
    from signing.placement import Placement

TOLERANCE = 0.5
"""How far, in points, a seal may stick out of the page: rounding, no more."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One of `count` equal vertical strips of a picture, counted from 0 at its left."""

    index: int
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A picture on a page, in points as shown."""

    page: int
    x: float
    y: float
    width: float
    height: float
    strip: Strip | None = None


def marks_for(file: PdfFile, placement: Placement) -> tuple[Mark, ...]:
    """Resolve a placement against a document; empty for an invisible seal.

    Raises: BadPlacement, KeywordNotFound.
    """
    marks = tuple(_marks(file, placement))
    for mark in marks:
        width, height = file.page_box(mark.page).shown_size
        inside = mark.x >= -TOLERANCE and mark.x + mark.width <= width + TOLERANCE
        if not (inside and mark.y >= -TOLERANCE and mark.y + mark.height <= height + TOLERANCE):
            raise BadPlacement(
                f"The seal does not fit on page {mark.page}, which is {width:.0f} by {height:.0f} points.",
                field="placement",
            )
    return marks


def _marks(file: PdfFile, placement: Placement) -> Iterator[Mark]:
    match placement:
        case Invisible():
            return
        case Remote():
            raise BadPlacement("A document handed in is not sealed remotely.", field="placement")
        case Rectangle():
            yield Mark(placement.page, placement.x, placement.y, placement.width, placement.height)
        case EveryPage():
            for page in range(1, file.page_count + 1):
                yield Mark(page, placement.x, placement.y, placement.width, placement.height)
        case Seam():
            yield from _seam(file, placement)
        case Keyword():
            yield _keyword(file, placement)
        case Several():
            # The signature's own picture is the first that is no strip of a seam.
            every = [mark for each in placement.placements for mark in _marks(file, each)]
            yield from sorted(every, key=lambda mark: mark.strip is not None)


def _seam(file: PdfFile, seam: Seam) -> Iterator[Mark]:
    """Cut the seal into strips along the sheets' edge; groups of sheets are as equal as can be."""
    pages = file.page_count
    if pages == 1:
        raise BadPlacement("A seam seal needs at least two pages.", field="placement")
    groups = math.ceil(pages / seam.sheets)
    page = 1
    for group in range(groups):
        count = pages // groups + (group < pages % groups)
        for index in range(count):
            width, height = file.page_box(page).shown_size
            strip = seam.diameter / count
            bottom = min(max(seam.centre * height - seam.diameter / 2, 0.0), height - seam.diameter)
            # Fanned out, each sheet shows its edge beyond the one above it: on the left the picture runs backwards.
            right = seam.edge is Edge.RIGHT
            yield Mark(
                page,
                width - strip if right else 0.0,
                bottom,
                strip,
                seam.diameter,
                Strip(index if right else count - 1 - index, count),
            )
            page += 1


def _keyword(file: PdfFile, keyword: Keyword) -> Mark:
    from signing.keywords import find  # noqa: PLC0415 - pdfium is loaded only where text is searched

    page, x, y = find(file, keyword)
    return Mark(
        page,
        x + keyword.offset_x - keyword.width / 2,
        y + keyword.offset_y - keyword.height / 2,
        keyword.width,
        keyword.height,
    )
