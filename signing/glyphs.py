"""Outlines of characters, so that a seal's picture carries paths and needs no font.

The Song face 宋体 that official seals are cut in is used where the system has it
(Noto Serif CJK SC), else Noto Sans CJK from the package `noto-cjk-sans-otc`. A character
that neither holds is an error that names it, never a blank.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import noto_cjk_sans_otc
from fontTools.pens.recordingPen import RecordingPen
from fontTools.ttLib import TTFont

from signing.errors import GlyphMissing

Point: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[str, tuple[Point, ...]]

SIMPLIFIED_CHINESE = 2
"""The face's number in Noto's CJK collections: JP, KR, SC, TC, HK."""
SYSTEM_SONG = (
    Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc"),
    Path("/usr/share/fonts/noto-cjk/NotoSerifCJK-Bold.ttc"),
)


@dataclass(frozen=True, slots=True)
class Outline:
    """One character on an em square of 1: its advance and its path."""

    advance: float
    segments: tuple[Segment, ...]


@lru_cache(maxsize=4096)
def outline(character: str) -> Outline:
    """Return a character's outline; raises GlyphMissing."""
    for font, names, glyphs in _faces():
        name = names.get(ord(character))
        if name is None:
            continue
        pen = RecordingPen()
        glyphs[name].draw(pen)
        em = font["head"].unitsPerEm
        segments = tuple((verb, tuple((x / em, y / em) for x, y in points)) for verb, points in pen.value)
        return Outline(glyphs[name].width / em, segments)
    raise GlyphMissing(f"No font at hand can draw the character {character!r} (U+{ord(character):04X}).")


def _mapped(path: Path) -> mmap.mmap:
    """Map a file: processes forked from one that has it open would share its place in the file, but not a map's."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@cache
def _faces() -> tuple[tuple[Any, dict[int, str], Any], ...]:
    """Open the faces, the preferred one first; each costs half a second once a process."""
    paths = [path for path in SYSTEM_SONG if path.exists()][:1]
    paths.append(Path(str(noto_cjk_sans_otc.FONT_PATH)))
    fonts = [TTFont(_mapped(path), fontNumber=SIMPLIFIED_CHINESE, lazy=True) for path in paths]
    return tuple((font, font.getBestCmap(), font.getGlyphSet()) for font in fonts)
