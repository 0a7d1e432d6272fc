"""Where the desk's form puts a seal: on a page, on every page, at a keyword, across the sheets' edges, or nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from api.web.csrf import text_of
from foundation.errors import InvalidInput
from signing.placement import (
    MAX_KEYWORD,
    ROUND_SEAL_POINTS,
    Edge,
    EveryPage,
    Invisible,
    Keyword,
    Placement,
    Rectangle,
    Seam,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import FormData

    from api.web.preview import Preview

Choice = TypeVar("Choice")

POINTS_PER_MM = 72 / 25.4
MARGIN_MM = 25.0
MAX_MM = 5000.0
SEAM_SHEETS = Seam().sheets
NUMBERS = ("x", "y", "size")
FIELDS = frozenset({"kind", *NUMBERS, "keyword", "which", "edge", "height"})
WHICH = {"last": -1, "first": 1}
HEIGHTS = {"upper": 0.75, "middle": 0.5, "lower": 0.25}


def default_place(size: Preview) -> dict[str, str]:
    """Return what the form holds at first: the lower right of the page, where a signature block stands."""
    x = max(0.0, size.width - ROUND_SEAL_POINTS - MARGIN_MM * POINTS_PER_MM)
    return {
        "kind": "page",
        "x": _mm(x),
        "y": _mm(MARGIN_MM * 2 * POINTS_PER_MM),
        "size": _mm(ROUND_SEAL_POINTS),
        "keyword": "",
        "which": "last",
        "edge": Edge.RIGHT.value,
        "height": "middle",
    }


def _mm(points: float) -> str:
    return f"{points / POINTS_PER_MM:.1f}".removesuffix(".0")


def place_in(form: FormData) -> dict[str, str]:
    """Return what the officer filled in, as it was typed."""
    return {name: text_of(form, name, limit=MAX_KEYWORD + 1 if name == "keyword" else 10) for name in FIELDS}


def place_in_address(query: Mapping[str, str]) -> dict[str, str]:
    """Return what a link to another page of the document carries along; the keyword is not among it."""
    return {name: query[name][:10] for name in FIELDS - {"keyword"} if name in query}


def placement_of(place: Mapping[str, str], page: int) -> Placement:
    """Return the placement the form describes, its page being the one that was shown; raises InvalidInput."""
    kind = place["kind"]
    if kind == "invisible":
        return Invisible()
    size = _points(place, "size")
    if kind == "page":
        return Rectangle(page, _points(place, "x"), _points(place, "y"), size, size)
    if kind == "every":
        return EveryPage(_points(place, "x"), _points(place, "y"), size, size)
    if kind == "keyword":
        if not 1 <= len(place["keyword"]) <= MAX_KEYWORD:
            raise InvalidInput(f"A keyword has 1 to {MAX_KEYWORD} characters.", field="keyword")
        return Keyword(place["keyword"], occurrence=_chosen(WHICH, place, "which"), width=size, height=size)
    if kind == "seam":
        edge = _chosen({each.value: each for each in Edge}, place, "edge")
        return Seam(edge, _chosen(HEIGHTS, place, "height"), size)
    raise InvalidInput("There is no such kind of place.", field="kind")


def _chosen(choices: Mapping[str, Choice], place: Mapping[str, str], field: str) -> Choice:
    if place[field] not in choices:
        raise InvalidInput("There is no such choice.", field=field)
    return choices[place[field]]


def _points(place: Mapping[str, str], field: str) -> float:
    text = place[field].replace("，", ".").replace(",", ".")
    try:
        millimetres = float(text) if text.isascii() else -1.0
    except ValueError:
        millimetres = -1.0
    if not 0 <= millimetres <= MAX_MM:
        raise InvalidInput("A length is given in millimetres.", field=field)
    return millimetres * POINTS_PER_MM
