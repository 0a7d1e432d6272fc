"""The drawn picture: everything inside the ring, nothing on top of anything else, no missing character."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from signing.errors import GlyphMissing
from signing.model import SealKind
from signing.seal_image import MAX_CHARACTERS, draw

NAME = (
    "演示市高新技术产业开发区管理委员会综合行政执法局市场监督管理"
    "分局江北片区第一执法大队驻政务服务大厅受理审批窗口办公室联络点"
)


def alpha(name: str, lower_text: str = "", kind: SealKind = SealKind.STATUTORY) -> Image.Image:
    return Image.open(io.BytesIO(draw(kind, name, lower_text).png)).getchannel("A")


def inked(picture: Image.Image, inner: float, outer: float) -> float:
    """Return the share of inked pixels between two radii."""
    size, hit, seen = picture.width, 0, 0
    for x in range(0, size, 3):
        for y in range(0, size, 3):
            radius = ((x / size - 0.5) ** 2 + (y / size - 0.5) ** 2) ** 0.5
            if inner <= radius < outer:
                seen += 1
                hit += int(picture.getpixel((x, y)) > 127)  # type: ignore[operator]
    return hit / seen


@pytest.mark.parametrize("length", [1, 4, 6, 12, 20, 30, 36, 37, 48, MAX_CHARACTERS])
def test_a_name_of_any_length_stays_between_ring_and_star(length: int) -> None:
    picture = alpha(NAME[:length])
    assert inked(picture, 0.475, 0.497) > 0.99, "the ring is closed"
    assert inked(picture, 0.454, 0.468) == 0, "nothing touches the ring"
    assert inked(picture, 0.0, 0.05) == 1, "the star stands in the middle"
    assert inked(picture, 0.28, 0.45) > 0.01, "there are characters"
    assert inked(picture, 0.172, 0.25) < 0.02 or length > 36, "nothing touches the star"


def test_characters_do_not_overlap() -> None:
    """Ink is what the characters have one by one: an overlap would lose some."""
    separate = sum(inked(alpha(each), 0.2, 0.46) for each in "市局")
    together = inked(alpha("市局"), 0.2, 0.46)
    assert together == pytest.approx(separate, rel=0.05)


def test_the_line_beneath_the_star_is_in_the_lower_half() -> None:
    without, with_line = alpha(NAME[:12]), alpha(NAME[:12], "行政审批专用章")
    box = (150, 380, 450, 450)
    assert sum(with_line.crop(box).histogram()[128:]) > sum(without.crop(box).histogram()[128:])


def test_a_name_seal_is_square() -> None:
    picture = alpha("陈伟", kind=SealKind.PERSONAL)
    for corner in ((2, 2), (597, 2), (2, 597), (597, 597)):
        assert picture.getpixel(corner) == 255


def test_a_character_without_glyph_is_named() -> None:
    with pytest.raises(GlyphMissing, match=r"U\+E000"):
        draw(SealKind.STATUTORY, "演示\ue000")


def test_a_seal_is_drawn_the_same_every_time() -> None:
    assert draw(SealKind.STATUTORY, NAME[:20]) == draw(SealKind.STATUTORY, NAME[:20])
