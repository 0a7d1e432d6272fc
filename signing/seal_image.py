"""The picture of a seal, drawn from its words.

A round seal: red ring, five-pointed star in the middle, the organisation's name along the
upper arc reading left to right, and for a seal of limited purpose that purpose in a straight
line below the star (国发〔1999〕25号). Up to 36 characters stand on one arc, narrower as they
get more; a longer name runs on two arcs. A person's name seal 个人名章 is a square of four fields.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import pypdfium2

from signing.drawing import COLOUR_SPACE, RED, Affine, Canvas
from signing.errors import GlyphMissing
from signing.glyphs import outline
from signing.model import SealImage, SealKind

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHARACTERS = 60
ONE_ARC = 36
TWO_ARCS_INNER = 0.356
PNG_PIXELS = 600


def draw(kind: SealKind, name: str, lower_text: str = "") -> SealImage:
    """Draw a seal.

    Args:
        kind: a personal seal is square, every other one round.
        name: 1 to 60 characters: the organisation's name, or the person's.
        lower_text: up to 16 characters beneath the star.

    Raises: GlyphMissing.
    """
    canvas = Canvas()
    canvas.colour(RED)
    if kind is SealKind.PERSONAL:
        _square(canvas, name)
    else:
        _round(canvas, name, lower_text)
    form = canvas.compressed()
    return SealImage(form, rasterise(form))


def missing_characters(text: str) -> tuple[str, ...]:
    """Return the characters of a text that no font at hand can draw."""
    missing = []
    for character in dict.fromkeys(text):
        try:
            outline(character)
        except GlyphMissing:
            missing.append(character)
    return tuple(missing)


def rasterise(form: bytes, pixels: int = PNG_PIXELS) -> bytes:
    """Return a form on the unit square as a PNG with a transparent ground."""
    document = pypdfium2.PdfDocument(_one_page(form))
    try:
        bitmap = document[0].render(scale=pixels / 72, fill_color=(255, 255, 255, 0), rev_byteorder=True)
        picture = io.BytesIO()
        bitmap.to_pil().save(picture, format="PNG", optimize=True)
        return picture.getvalue()
    finally:
        document.close()


def _round(canvas: Canvas, name: str, lower_text: str) -> None:
    canvas.ring(0.5, 0.5, 0.5, 0.471)
    arcs = _arcs(name)
    innermost = arcs[-1][1] - arcs[-1][2]
    star = min(0.165, innermost - 0.045)
    lift = 0.03 if lower_text else 0.0
    canvas.polygon(_star(0.5, 0.5 + lift, star))
    for text, top, height in arcs:
        # The name leaves the line beneath the star room, most of all where it runs on two arcs.
        degrees = (230 if top > TWO_ARCS_INNER else 190) if lower_text else 285
        _arc(canvas, text, top, height, math.radians(degrees))
    if lower_text:
        _straight(canvas, lower_text, innermost)


def _arcs(name: str) -> Sequence[tuple[str, float, float]]:
    """Split a name into arcs: text, radius of the characters' upper edge, their height."""
    if len(name) <= ONE_ARC:
        height = max(0.088, min(0.135, 2.6 / (len(name) + 8)))
        return ((name, 0.448, height),)
    # The outer arc is the longer one; both then carry characters of about one width.
    cut = math.ceil(len(name) * 0.57)
    return ((name[:cut], 0.452, 0.08), (name[cut:], TWO_ARCS_INNER, 0.08))


def _arc(canvas: Canvas, text: str, top: float, height: float, longest: float) -> None:
    """Set characters upright on an arc of at most `longest` radians, evenly, the middle at the top."""
    advances = [outline(character).advance for character in text]
    baseline = top - height * 0.88
    middle = top - height / 2
    # A character is at most square, with a little air between; a short name is spaced out.
    natural = height * 1.12 / middle
    spread = 1.0 + max(0.0, (8 - len(text)) * 0.13)
    step = min(natural * spread, longest / max(sum(advances), 1))
    width = min(height, step * middle / 1.06)
    angle = sum(advances) * step / 2
    for character, advance in zip(text, advances, strict=True):
        at = angle - advance * step / 2
        x, y = 0.5 - baseline * math.sin(at), 0.5 + baseline * math.cos(at)
        # The outline starts at its left edge: move back by half its width along the tangent.
        x -= advance * width / 2 * math.cos(at)
        y -= advance * width / 2 * math.sin(at)
        canvas.character(character, Affine.placed(x, y, angle=at, width=width, height=height))
        angle -= advance * step


def _straight(canvas: Canvas, text: str, radius: float) -> None:
    total = sum(outline(character).advance for character in text)
    room = 2 * math.sqrt(max(radius**2 - 0.225**2, 0.03)) * 0.9
    height = min(0.085, 0.085 * max(1.0, room / (total * 0.085)))
    width = min(height, room / total)
    x, y = 0.5 - total * width / 2, 0.5 - 0.235
    for character in text:
        canvas.character(character, Affine.placed(x, y, width=width, height=height))
        x += outline(character).advance * width


def _square(canvas: Canvas, name: str) -> None:
    """Set a name in columns from the right, as name seals are cut; 印 or 之印 fills the last fields."""
    text = name + {2: "之印", 3: "印"}.get(len(name), "")
    rows = 1 if len(text) == 1 else max(2, math.ceil(math.sqrt(len(text))))
    columns = math.ceil(len(text) / rows)
    canvas.frame(0.0, 0.0, 1.0, 1.0, 0.04)
    width, height = 0.86 / columns, 0.86 / rows
    for index, character in enumerate(text):
        column, row = divmod(index, rows)
        x = 0.93 - (column + 1) * width + 0.03 * width
        y = 0.93 - (row + 1) * height + 0.14 * height
        canvas.character(character, Affine.placed(x, y, width=width * 0.94, height=height * 0.94))


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """Return the ten corners of a regular five-pointed star, one point up."""
    inner = radius * math.sin(math.radians(18)) / math.sin(math.radians(54))
    corners = []
    for corner in range(10):
        length = inner if corner % 2 else radius
        angle = math.radians(90 + 36 * corner)
        corners.append((x + length * math.cos(angle), y + length * math.sin(angle)))
    return corners


def _one_page(form: bytes) -> bytes:
    """Wrap a form in a page of one inch."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]/Contents 4 0 R/Resources<</XObject<</S 5 0 R>>>>>>",
        b"<</Length 26>>stream\nq 72 0 0 72 0 0 cm /S Do Q\nendstream",
        b"<</Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<<%s>>/Filter/FlateDecode/Length %d>>"
        b"stream\n%s\nendstream" % (COLOUR_SPACE, len(form), form),
    )
    page, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(page))
        page += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(page)
    page += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    page += b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
    return bytes(page)
