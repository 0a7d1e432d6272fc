"""Who may open a page; the page's row in the access table decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation of a dependency

from api.access import ACCESS, Way
from api.dependencies import limit_source
from api.strict import check_addresses
from api.web import sessions
from api.web.csrf import close_forms, keep_typed_if_ours
from foundation.errors import NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def page_guard(request: Request) -> AsyncIterator[None]:
    """Apply the route's row before a page's handler, and close what it read after it."""
    check_addresses(request, None)
    access = ACCESS[request.method, request.scope["route"].path]
    if access.way is Way.PAGE:
        try:
            request.state.principal = await sessions.require(request, access.actor)
        except NotAuthenticated:
            if request.method == "POST":
                await keep_typed_if_ours(request)
            raise
    elif access.per_minute:
        await limit_source(request, access.per_minute)
    try:
        yield
    finally:
        await close_forms(request)
