"""Placements as JSON, for the rows that keep them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from signing.placement import Edge, EveryPage, Invisible, Keyword, Rectangle, Remote, Seam, Several

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signing.placement import Placement

_KINDS: dict[str, Any] = {
    "invisible": Invisible,
    "remote": Remote,
    "rectangle": Rectangle,
    "keyword": Keyword,
    "every_page": EveryPage,
    "seam": Seam,
    "several": Several,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_json(placement: Placement) -> dict[str, Any]:
    """Return plain values that JSON can hold; `kind` names the type."""
    if isinstance(placement, Several):
        return {"kind": "several", "placements": [to_json(each) for each in placement.placements]}
    return {"kind": _NAMES[type(placement)], **asdict(placement)}


def from_json(value: Mapping[str, Any]) -> Placement:
    """Read what `to_json` wrote."""
    values = {key: entry for key, entry in value.items() if key != "kind"}
    if value["kind"] == "several":
        placements: Any = tuple(from_json(each) for each in value["placements"])
        return Several(placements)
    if value["kind"] == "seam":
        values["edge"] = Edge(values["edge"])
    placement: Placement = _KINDS[value["kind"]](**values)
    return placement
