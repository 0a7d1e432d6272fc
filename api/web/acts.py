"""One act a department's system asks for, in the words of the person who decides on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.context import services_of
from foundation.errors import NotFound
from idp.oauth.authorization_details import LICENCE_ACCESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

TYPE_SEGMENT = 5
"""Where a licence identifier (GB/T 36904) holds the code of its type."""


@dataclass(frozen=True, slots=True)
class ActShown:
    """What would be allowed; `until` None means once."""

    licence: bool
    name: str
    code: str
    fields: tuple[str, ...] = ()
    matter: str = ""
    until: datetime | None = None


async def shown_act(request: Request, detail: Mapping[str, Any] | None) -> ActShown | None:
    """Return an act with the names that belong to its codes; a code without a name stays a code."""
    if detail is None:
        return None
    if detail["type"] != LICENCE_ACCESS:
        return ActShown(licence=False, name=detail["document_name"], code=detail["document_sha256"])
    name, titles = await _type(request, detail["licence_identifier"])
    until = detail.get("valid_until")
    return ActShown(
        licence=True,
        name=name,
        code=detail["licence_identifier"],
        fields=tuple(titles.get(field, field) for field in detail["fields"]),
        matter=await _matter(request, detail["matter_code"]),
        until=None if until is None else datetime.fromisoformat(until),
    )


async def _type(request: Request, identifier: str) -> tuple[str, dict[str, str]]:
    parts = identifier.split(".")
    try:
        found = await services_of(request).catalogue.get(parts[TYPE_SEGMENT] if len(parts) > TYPE_SEGMENT else "")
    except NotFound:
        return identifier, {}
    titles = {name: one.get("title", name) for name, one in found.schema.get("properties", {}).items()}
    return found.name, titles


async def _matter(request: Request, code: str) -> str:
    try:
        return (await services_of(request).directory.matter(code)).name
    except NotFound:
        return code
